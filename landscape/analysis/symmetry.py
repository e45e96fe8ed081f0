"""How much a surface differs from its mirror image in the centre."""

from __future__ import annotations

import math

import numpy as np

from landscape.analysis.field import ROUNDING, Field
from landscape.types import FloatArray


def asymmetry(field: Field) -> float:
    """Compare the losses at x and at -x with how far both rise.

    sum |f(x) - f(-x)| / sum ((f(x) + f(-x)) / 2 - L0) over the pairs of points x and -x of finite loss f.

    Args:
        field: The field.

    Returns:
        0 for an even surface, 2 for one that rises on one side only; NaN where the axes are not symmetric about 0 or
        the pairs do not rise on average.
    """
    one, other = _mirrored(field)
    rise = float(((one + other) / 2 - field.origin).mean()) if one.size else math.nan
    return float(np.abs(one - other).mean()) / rise if rise > 0 else math.nan


def largest_asymmetry(field: Field) -> float:
    """Take the f(x) - f(-x) of largest absolute value, signed: the first coordinate of x that is not 0 is positive.

    Args:
        field: The field.

    Returns:
        The difference, in units of the loss; NaN where the axes are not symmetric about 0.
    """
    one, other = _mirrored(field)
    differences = one - other
    return float(differences[np.abs(differences).argmax()]) if differences.size else math.nan


def _mirrored(field: Field) -> tuple[FloatArray, FloatArray]:
    """Losses at x and at -x, for every pair once; empty where the axes are not symmetric."""
    none = np.empty(0)
    for axis in field.axes:
        if np.abs(axis + axis[::-1]).max() > ROUNDING * (axis[-1] - axis[0]):
            return none, none
    forward, backward = field.loss.ravel(), field.loss.ravel()[::-1]
    # In C order the point -x stands where x stands from the end; the latter half has the positive coordinates.
    late = np.arange(forward.size) > (forward.size - 1) / 2
    late &= np.isfinite(forward) & np.isfinite(backward)
    return forward[late], backward[late]
