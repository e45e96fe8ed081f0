"""Scales: the range, clip and contour levels that everything compared shares.

Levels that are fixed in advance (0.1 to 10, say) leave small or large losses without a single line, so
they are chosen from the values: round numbers, evenly spaced or logarithmic, with some of them in the
range of every surface and near its minimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError
from landscape.types import FloatArray

LOG_DECADES = 1.5
LEVELS = 14
TICKS = 6
FEWEST_IN_SURFACE = 4
FEWEST_IN_BASIN = 2
MOST_LEVELS = 100
TINY = 1e-200
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MANTISSAS = (
    (1.0,),
    (1.0, 3.0),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
)


@dataclass(frozen=True)
class Scale:
    """How values become heights, colours and lines.

    Attributes:
        lower: The smallest value shown; smaller ones are shown as this.
        upper: The largest value shown (the clip); larger ones are shown as this.
        log: Whether heights and colours go with the logarithm.
        levels: Contour levels, strictly increasing, inside `[lower, upper]`.
        ticks: Round values for a colour bar or an axis, inside `[lower, upper]`.
        diverging: Whether the values are signed, and colours part at 0, the middle of the scale.
    """

    lower: float
    upper: float
    log: bool
    levels: tuple[float, ...]
    ticks: tuple[float, ...]
    diverging: bool = False

    def heights(self, values: Any) -> FloatArray:
        """Take log10 of values where the scale is logarithmic, without clipping them above.

        Args:
            values: An array of values, any shape.

        Returns:
            Heights, float64 of the same shape; values below the lower end count as the lower end unless the
            scale is diverging, and what is not finite becomes NaN.
        """
        array = np.asarray(values, dtype=np.float64)
        finite = np.where(np.isfinite(array), array, np.nan)
        raised = finite if self.diverging else np.maximum(finite, self.lower)
        return np.asarray(np.log10(raised) if self.log else raised, dtype=np.float64)

    def transform(self, values: Any) -> FloatArray:
        """Clip values to the scale and take log10 where it is logarithmic.

        Args:
            values: An array of values, any shape.

        Returns:
            Heights on the scale, float64 of the same shape; NaN where a value is not finite.
        """
        ends = np.log10([self.lower, self.upper]) if self.log else (self.lower, self.upper)
        return np.asarray(np.clip(self.heights(values), *ends), dtype=np.float64)

    def position(self, values: Any) -> FloatArray:
        """Where values lie between the scale's ends: 0 at `lower`, 1 at `upper`.

        Args:
            values: An array of values, any shape.

        Returns:
            Positions in [0, 1], NaN where a value is not finite.
        """
        low, high = self.transform([self.lower, self.upper])
        return np.asarray((self.transform(values) - low) / (high - low), dtype=np.float64)

    @property
    def boundaries(self) -> tuple[float, ...]:
        """The ends and the levels between them: the edges of the filled bands."""
        return (self.lower, *(level for level in self.levels if self.lower < level < self.upper), self.upper)

    @property
    def bands(self) -> FloatArray:
        """The position of the middle of every filled band."""
        edges = self.position(self.boundaries)
        return np.asarray((edges[1:] + edges[:-1]) / 2, dtype=np.float64)

    def text(self, value: float) -> str:
        """A level or tick as text, with as many digits as tell it from its neighbours."""
        if value == 0:
            return "0"
        distances = [abs(value - other) for other in (*self.levels, *self.ticks) if other != value]
        near = min(distances, default=abs(value))
        sign = "\N{MINUS SIGN}" if value < 0 else ""
        value = abs(value)
        digits = max(2, 1 + math.floor(math.log10(value)) - math.floor(math.log10(near)) + 1)
        if 1e-3 <= value < 1e5:
            return f"{sign}{float(f'{value:.{digits}g}'):.12g}"
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{sign}{float(mantissa):g}e{int(exponent)}"


def choose_scale(
    values: Sequence[NDArray[Any]],
    log: bool | None = None,
    clip: float | None = None,
    levels: int | Sequence[float] | None = None,
    bounded: bool = False,
) -> Scale:
    """Choose one scale for the values of one or several surfaces together.

    Only finite values count. The upper end is the largest value, unless the top two per cent stretch the
    range to more than twice that of the rest: then it is their lower edge, rounded up. The scale is
    logarithmic where all values are positive and span more than 1.5 decades.

    Args:
        values: One array per surface, any shapes.
        log: Whether to take the logarithm; None decides by the values. Values that are not positive are
            then shown at the lower end.
        clip: The upper end; None decides by the values.
        levels: About how many levels, or the levels themselves; None gives about fourteen.
        bounded: Whether the values have an upper bound, as accuracies do: then nothing stretches the range, and
            what is not asked for is linear and not clipped.

    Returns:
        The scale.

    Raises:
        LandscapeError: If the clip or the levels do not lie inside the values, or a logarithm is asked for
            and no value is positive.
    """
    groups = [array[np.isfinite(array)] for array in (np.asarray(each, dtype=np.float64) for each in values)]
    groups = [group for group in groups if group.size]
    if not groups:
        return Scale(0.0, 1.0, False, steps(0.0, 1.0, TICKS), steps(0.0, 1.0, TICKS))
    lower, upper, log = _range(np.concatenate(groups), log, clip, bounded)
    if isinstance(levels, int) or levels is None:
        chosen = steps(lower, upper, _checked_number(levels), log)
        if levels is None:
            chosen = _enough(chosen, groups, lower, upper, log)
    else:
        chosen = _given(levels, lower, upper)
    return Scale(lower, upper, log, chosen, steps(lower, upper, TICKS, log))


def centred_scale(
    values: NDArray[Any], clip: float | None = None, levels: int | Sequence[float] | None = None
) -> Scale:
    """Choose a scale for differences: linear, as far below 0 as above.

    Args:
        values: Differences, any shape; only finite ones count.
        clip: The end on both sides; None decides by the absolute values, as `choose_scale` does.
        levels: About how many levels, or the levels themselves; None gives about fourteen. Those that are chosen
            include 0.

    Returns:
        The scale; its ends are -1 and 1 where all differences are 0.

    Raises:
        LandscapeError: If the clip is not positive, or no level lies inside the values.
    """
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    sizes = sizes[np.isfinite(sizes)]
    if clip is not None and not (math.isfinite(clip) and clip > 0):
        raise LandscapeError(f"the clip of a difference is a positive number, not {clip:g}")
    end = float(clip) if clip is not None else _robust_upper(sizes) if sizes.size else 0.0
    end = end if end > TINY else 1.0
    if isinstance(levels, int) or levels is None:
        chosen = steps(-end, end, _checked_number(levels))
    else:
        chosen = _given(levels, -end, end)
    return Scale(-end, end, False, chosen, steps(-end, end, TICKS), diverging=True)


def _checked_number(levels: int | None) -> int:
    """About how many levels to choose."""
    number = LEVELS if levels is None else levels
    if not 2 <= number <= MOST_LEVELS:
        raise LandscapeError(f"the number of levels must be between 2 and {MOST_LEVELS}, not {number}")
    return number


def _range(pooled: FloatArray, log: bool | None, clip: float | None, bounded: bool) -> tuple[float, float, bool]:
    """The ends of the scale and whether it is logarithmic."""
    if log and not (pooled > 0).any():
        raise LandscapeError("a log scale needs positive values, and none of these is; ask for a linear one")
    lower = float(pooled[pooled > 0].min() if log else pooled.min())
    if clip is not None and not (math.isfinite(clip) and clip > lower):
        raise LandscapeError(f"the clip must lie above the smallest value, {lower:.4g}, not at {clip:g}")
    largest = float(pooled.max()) if bounded else _robust_upper(pooled[pooled >= lower])
    upper = float(clip) if clip is not None else largest
    if upper - lower <= max(1e-9 * max(abs(lower), abs(upper)), TINY):
        margin = max(0.05 * abs(lower), TINY) if lower else 1.0
        return lower - margin, lower + margin, bool(log)
    wide = not bounded and lower > 0 and math.log10(upper) - math.log10(lower) > LOG_DECADES
    return lower, upper, wide if log is None else log


def _robust_upper(pooled: FloatArray) -> float:
    """The largest value, or the edge of the top two per cent where these stretch the range beyond all else."""
    heights = np.log10(pooled) if pooled.min() > 0 else pooled
    low, high = float(heights.min()), float(heights.max())
    edge = float(np.percentile(heights, 98, method="higher"))
    if edge <= low or high - low <= 2 * (edge - low):
        return float(pooled.max())
    value = float(np.percentile(pooled, 98, method="higher"))
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 1.0
    return min(math.ceil(value / unit) * unit, float(pooled.max()))


def steps(lower: float, upper: float, number: int, log: bool = False) -> tuple[float, ...]:
    """Round values inside a range, evenly spaced or logarithmic.

    Args:
        lower: The smallest value allowed.
        upper: The largest value allowed, above `lower`.
        number: About how many.
        log: Whether to space them by the logarithm; a range too narrow for that gets even steps.

    Returns:
        Strictly increasing values, at least one.
    """
    candidates = _log_candidates(lower, upper) if log and lower > 0 else []
    best = min(candidates, key=lambda each: abs(len(each) - number), default=())
    if 2 * len(best) >= number:
        return best
    power = math.floor(math.log10((upper - lower) / number))
    even = [_multiples(lower, upper, step * 10.0**power) for step in _STEPS]
    return min(even, key=lambda each: abs(len(each) - number)) or ((lower + upper) / 2,)


def _multiples(lower: float, upper: float, step: float) -> tuple[float, ...]:
    first, last = math.ceil(lower / step - 1e-9), math.floor(upper / step + 1e-9)
    # Dividing by a whole number keeps 0.3 from becoming 0.30000000000000004.
    inverse = round(1 / step) if step < 1 and abs(1 / step - round(1 / step)) < 1e-6 else None
    values = (k / inverse if inverse else k * step for k in range(first, last + 1))
    return tuple(min(max(value, lower), upper) for value in values)


def _log_candidates(lower: float, upper: float) -> list[tuple[float, ...]]:
    decades = range(math.floor(math.log10(lower)), math.floor(math.log10(upper)) + 1)
    choices = [(mantissas, 1) for mantissas in _MANTISSAS] + [((1.0,), stride) for stride in (2, 3, 5, 10, 20, 50)]
    return [
        tuple(
            value
            for power in decades
            for mantissa in mantissas
            if power % stride == 0 and lower <= (value := float(f"{mantissa}e{power}")) <= upper
        )
        for mantissas, stride in choices
    ]


def _enough(
    levels: tuple[float, ...], groups: Sequence[FloatArray], lower: float, upper: float, log: bool
) -> tuple[float, ...]:
    """Add levels where a whole surface, or the lowest quarter of it, would show hardly any."""
    for group in groups:
        low = max(float(group.min()), lower)
        for high, fewest in ((float(group.max()), FEWEST_IN_SURFACE), (np.percentile(group, 25), FEWEST_IN_BASIN)):
            high = min(float(high), upper)
            inside = sum(low < level < high for level in levels)
            if inside < fewest and high - low > 1e-3 * (upper - lower if not log else low):
                levels = tuple(sorted({*levels, *steps(low, high, fewest + 1, log)}))
    return levels


def _given(levels: Sequence[float], lower: float, upper: float) -> tuple[float, ...]:
    numbers = sorted({float(level) for level in levels})
    if not numbers or not all(math.isfinite(number) for number in numbers):
        raise LandscapeError(f"levels must be finite numbers, for example 0.5 1 2 5, not {list(levels)!r}")
    inside = tuple(number for number in numbers if lower <= number <= upper)
    if not inside:
        raise LandscapeError(
            f"none of the levels {', '.join(f'{number:g}' for number in numbers[:10])} lies inside the values, "
            f"{lower:.4g} to {upper:.4g}; leave the levels out to have them chosen"
        )
    return inside
