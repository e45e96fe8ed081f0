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


def blocks_of_depth(network: str, depth: int, step: int, besides: int) -> int:
    """Find how many blocks a stage of a network has.

    Args:
        network: Name of such networks, for the message.
        depth: Number of layers with weights.
        step: By how much a block more in every stage deepens the network.
        besides: Layers outside of blocks.

    Returns:
        The number n with depth = step n + besides.

    Raises:
        LandscapeError: If there is none.
    """
    blocks, rest = divmod(depth - besides, step)
    if blocks < 1 or rest:
        below = max(1, blocks) * step + besides
        raise LandscapeError(
            f"the depth of a {network} is {step}n + {besides}, not {depth}; "
            f"type for example depth={below} or depth={below + step}"
        )
    return blocks


def is_number(value: Any) -> bool:
    """Whether a setting is a finite number; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
