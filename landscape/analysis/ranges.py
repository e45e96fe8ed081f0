"""The ends of a scale: as they were asked for, or chosen from the values."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from landscape.errors import LandscapeError
from landscape.types import FloatArray

LOG_DECADES = 1.5
TINY = 1e-200


@dataclass(frozen=True)
class Asked:
    """What is asked of the ends of a scale; None is chosen from the values.

    Attributes:
        log: Whether the scale is logarithmic.
        clip: The upper end.
        vmin: The lower end, exactly.
        vmax: The upper end, exactly.
        offset: What is added to values before the logarithm is taken.
        limit: The upper end where values lie above it and below it.
        bounded: Whether the values have an upper bound, as accuracies do.
    """

    log: bool | None = None
    clip: float | None = None
    vmin: float | None = None
    vmax: float | None = None
    offset: float = 0.0
    limit: float | None = None
    bounded: bool = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself, whatever the values are."""
        for name, end in (("vmin", self.vmin), ("vmax", self.vmax)):
            if end is not None and not math.isfinite(end):
                raise LandscapeError(f"{name} must be a finite number, not {end:g}")
        if self.vmax is not None and self.clip is not None:
            raise LandscapeError("vmax and clip both say where the scale ends; give one of them")
        if self.vmin is not None and self.vmax is not None and not self.vmin < self.vmax:
            raise LandscapeError(f"vmin must lie below vmax, and {self.vmin:g} does not lie below {self.vmax:g}")
        if not (math.isfinite(self.offset) and self.offset >= 0):
            raise LandscapeError(f"the offset of a log scale is a number from 0 up, not {self.offset:g}")

    @property
    def upper(self) -> float | None:
        """The upper end, if it was asked for."""
        return self.clip if self.vmax is None else self.vmax


@dataclass(frozen=True)
class Range:
    """The ends of a scale, and whether heights between them go with the logarithm of the value plus the offset."""

    lower: float
    upper: float
    log: bool
    offset: float = 0.0


def chosen_range(pooled: FloatArray, asked: Asked) -> Range:
    """Choose the ends of a scale.

    Args:
        pooled: All finite values, at least one.
        asked: What is asked for.

    Returns:
        The range.

    Raises:
        LandscapeError: If the ends that are asked for do not fit the values or the logarithm.
    """
    offset = 0.0 if asked.log is False else asked.offset
    log = True if offset else asked.log
    lower = _lower(pooled, asked, offset, bool(log))
    upper = _upper(pooled, asked, lower, offset)
    if upper - lower <= max(1e-9 * max(abs(lower), abs(upper), offset), TINY):
        return _around(lower, asked, bool(log), offset)
    wide = not asked.bounded and lower > 0 and math.log10(upper) - math.log10(lower) > LOG_DECADES
    return Range(lower, upper, wide if log is None else log, offset)


def _lower(pooled: FloatArray, asked: Asked, offset: float, log: bool) -> float:
    if asked.vmin is not None:
        if log and asked.vmin + offset <= 0:
            raise LandscapeError(f"vmin must lie above {-offset or 0:g} on a log scale, not at {asked.vmin:g}")
        return float(asked.vmin)
    if not log:
        return float(pooled.min())
    positive = pooled[pooled + offset > 0]
    if not positive.size:
        raise LandscapeError("a log scale needs positive values, and none of these is; ask for a linear one")
    return float(positive.min())


def _upper(pooled: FloatArray, asked: Asked, lower: float, offset: float) -> float:
    below = "the smallest value" if asked.vmin is None else "vmin"
    if asked.upper is not None:
        name = "the clip" if asked.vmax is None else "vmax"
        if not (math.isfinite(asked.upper) and asked.upper > lower):
            raise LandscapeError(f"{name} must lie above {below}, {lower:.4g}, not at {asked.upper:g}")
        return float(asked.upper)
    inside = pooled[pooled >= lower]
    if asked.vmin is not None and not (inside > lower).any():
        raise LandscapeError(f"vmin must lie below the largest value, {pooled.max():.4g}, not at {asked.vmin:g}")
    if asked.limit is not None and asked.limit > lower and not asked.bounded:
        return min(float(pooled.max()), float(asked.limit))
    return float(pooled.max()) if asked.bounded else robust_upper(inside, offset)


def _around(value: float, asked: Asked, log: bool, offset: float) -> Range:
    """A range around a single value."""
    if asked.vmin is not None or asked.vmax is not None:
        raise LandscapeError(f"the ends of the scale both lie at {value:.4g}; give --vmin and --vmax further apart")
    size = value + offset if log else abs(value)
    margin = max(0.05 * size, TINY) if size else 1.0
    return Range(value - margin, value + margin, log, offset)


def robust_upper(pooled: FloatArray, offset: float = 0.0) -> float:
    """The largest value, or the edge of the top two per cent where these stretch the range beyond all else.

    Args:
        pooled: Finite values, at least one.
        offset: What is added to values before the logarithm is taken.

    Returns:
        The end; a round number if it is not the largest value.
    """
    heights = np.log10(pooled + offset) if pooled.min() + offset > 0 else pooled
    low, high = float(heights.min()), float(heights.max())
    edge = float(np.percentile(heights, 98, method="higher"))
    if edge <= low or high - low <= 2 * (edge - low):
        return float(pooled.max())
    value = float(np.percentile(pooled, 98, method="higher"))
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 1.0
    return min(math.ceil(value / unit) * unit, float(pooled.max()))
