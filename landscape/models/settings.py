"""Checks of what a user may set of a network or a normalization."""

from __future__ import annotations

import math
from typing import Any

from landscape.errors import LandscapeError


def require_positive(place: str, **settings: Any) -> None:
    """Check sizes and counts.

    Args:
        place: Name of the network or normalization.
        settings: Values that must be positive whole numbers.

    Raises:
        LandscapeError: If one is not.
    """
    for name, value in settings.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise LandscapeError(f"{name} of {place} must be a positive whole number, not {value!r}")


def is_number(value: Any) -> bool:
    """Whether a setting is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
