"""Which points along a line carry a dot, or the shape that tells it from others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from landscape.rendering.scene import Line
from landscape.rendering.style import Style

SHAPES = 9  # along a line, about


def dotted(mark: Line, style: Style) -> NDArray[np.bool_] | None:
    """Which points of a line are marked.

    Args:
        mark: The line.
        style: The style; if lines differ in shapes there, those without dots get some, each line at other places.

    Returns:
        True where there is a mark, shape (n,); None for none.
    """
    if mark.dots is not None or not style.markers or mark.faint:
        return mark.dots
    step = max(1, round(len(mark.x) / SHAPES))
    return np.asarray(np.arange(len(mark.x)) % step == (2 * mark.series + step // 2) % step)
