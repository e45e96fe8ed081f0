"""See, compare and measure the loss landscape of a trained network.

The public names below are loaded on first use, so that `import landscape` is quick and pulls in no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscape.analysis.comparison import Comparison
    from landscape.api import check, compare, compute, load, plot
    from landscape.errors import LandscapeError
    from landscape.types import Axis, Finding, Grid, Job, Surface

__version__ = "0.1.0"
__all__ = [
    # verbs
    "check",
    "compare",
    "compute",
    "load",
    "plot",
    # data
    "Axis",
    "Comparison",
    "Finding",
    "Grid",
    "Job",
    "Surface",
    # errors
    "LandscapeError",
    "__version__",
]

_HOMES = {
    **dict.fromkeys(("check", "compare", "compute", "load", "plot"), "landscape.api"),
    "Comparison": "landscape.analysis.comparison",
    **dict.fromkeys(("Axis", "Finding", "Grid", "Job", "Surface"), "landscape.types"),
    "LandscapeError": "landscape.errors",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
