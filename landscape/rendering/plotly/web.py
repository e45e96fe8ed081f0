"""Where plotly.js is on the web, for notebooks that are websites themselves."""

from __future__ import annotations

import base64
import hashlib

from plotly.offline import get_plotlyjs, get_plotlyjs_version


def source() -> dict[str, str]:
    """The address of this plotly.js and its digest, without which a browser must not run it.

    Returns:
        Attributes of a script element: `src` and `integrity`.
    """
    digest = base64.b64encode(hashlib.sha256(get_plotlyjs().encode()).digest()).decode()
    return {"src": f"https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js", "integrity": f"sha256-{digest}"}
