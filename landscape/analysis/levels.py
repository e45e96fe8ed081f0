"""Levels and ticks: round values inside a range, evenly spaced or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from landscape.errors import LandscapeError
from landscape.types import FloatArray

LEVELS = 14
FEWEST_IN_SURFACE = 4
FEWEST_IN_BASIN = 2
MOST_LEVELS = 100
CROWDED = 0.7  # of an even step: as close as two values of a shifted logarithm may lie
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MANTISSAS = (
    (1.0,),
    (1.0, 3.0),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0),
)


def checked_number(levels: int | None) -> int:
    """About how many levels to choose.

    Args:
        levels: What was asked for, or None.

    Returns:
        The number.

    Raises:
        LandscapeError: If it is too small or too large.
    """
    number = LEVELS if levels is None else levels
    if not 2 <= number <= MOST_LEVELS:
        raise LandscapeError(f"the number of levels must be between 2 and {MOST_LEVELS}, not {number}")
    return number


def given(levels: Sequence[float], lower: float, upper: float) -> tuple[float, ...]:
    """The levels that were asked for, as far as they lie inside the scale.

    Args:
        levels: The levels, in any order.
        lower: The lower end of the scale.
        upper: The upper end of the scale.

    Returns:
        Strictly increasing levels.

    Raises:
        LandscapeError: If one is not finite, or none lies inside.
    """
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


def steps(lower: float, upper: float, number: int, log: bool = False, offset: float = 0.0) -> tuple[float, ...]:
    """Round values inside a range, evenly spaced or logarithmic.

    Args:
        lower: The smallest value allowed.
        upper: The largest value allowed, above `lower`.
        number: About how many.
        log: Whether to space them by the logarithm; a range too narrow for that gets even steps.
        offset: What is added to values before the logarithm is taken.

    Returns:
        Strictly increasing values, at least one.
    """
    candidates = _log_candidates(lower, upper) if log and lower > 0 and not offset else []
    candidates += [_shifted(lower, upper, number, offset)] if log and offset else []
    best = min(candidates, key=lambda each: abs(len(each) - number), default=())
    if 2 * len(best) >= number:
        return best
    power = math.floor(math.log10((upper - lower) / number))
    even = [_multiples(lower, upper, step * 10.0**power) for step in _STEPS]
    return min(even, key=lambda each: abs(len(each) - number)) or ((lower + upper) / 2,)


def enough(
    levels: tuple[float, ...],
    groups: Sequence[FloatArray],
    lower: float,
    upper: float,
    log: bool,
    offset: float = 0.0,
) -> tuple[float, ...]:
    """Add levels where a whole surface, or the lowest quarter of it, would show hardly any.

    Args:
        levels: The levels so far.
        groups: The finite values of each surface.
        lower: The lower end of the scale.
        upper: The upper end of the scale.
        log: Whether it is logarithmic.
        offset: What is added to values before the logarithm is taken.

    Returns:
        Strictly increasing levels.
    """
    for group in groups:
        low = max(float(group.min()), lower)
        for high, fewest in ((float(group.max()), FEWEST_IN_SURFACE), (np.percentile(group, 25), FEWEST_IN_BASIN)):
            high = min(float(high), upper)
            inside = sum(low < level < high for level in levels)
            if inside < fewest and high - low > 1e-3 * (low + offset if log else upper - lower):
                levels = tuple(sorted({*levels, *steps(low, high, fewest + 1, log, offset)}))
    return levels


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


def _shifted(lower: float, upper: float, number: int, offset: float) -> tuple[float, ...]:
    """Round values whose logarithms, after adding the offset, are about even: the roundest first, where there is room.

    Below the offset the shifted logarithm is almost linear, so that the decades of the values themselves would crowd.
    """
    ends = math.log10(lower + offset), math.log10(upper + offset)
    room = CROWDED * (ends[1] - ends[0]) / number
    smallest = max(lower, offset / 20)
    decades = _log_candidates(smallest, upper)[: len(_MANTISSAS)] if upper > smallest else []
    by_roundness = [value for values in decades for value in values]
    chosen: dict[float, float] = {}
    for value in ([0.0] if lower <= 0 <= upper else []) + by_roundness:
        height = math.log10(value + offset)
        if all(abs(height - other) >= room for other in chosen.values()):
            chosen[value] = height
    return tuple(sorted(chosen))
