"""Scales: the range, clip and contour levels that everything compared shares.

Levels that are fixed in advance (0.1 to 10, say) leave small or large losses without a single line, so
they are chosen from the values: round numbers, evenly spaced or logarithmic, with some of them in the
range of every surface and near its minimum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from landscape.analysis.levels import checked_number, enough, given, steps
from landscape.analysis.ranges import TINY, Asked, chosen_range, robust_upper
from landscape.errors import LandscapeError
from landscape.types import FloatArray

TICKS = 6


class ScaleOptions(TypedDict, total=False):
    """What may be asked of a scale; `choose_scale` says what each means, and chooses what is left out or None."""

    log: bool | None
    clip: float | None
    levels: int | Sequence[float] | None
    vmin: float | None
    vmax: float | None
    offset: float
    limit: float | None


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
        offset: What is added to values before the logarithm is taken; 0 on a linear scale.
    """

    lower: float
    upper: float
    log: bool
    levels: tuple[float, ...]
    ticks: tuple[float, ...]
    diverging: bool = False
    offset: float = 0.0

    def heights(self, values: Any) -> FloatArray:
        """Take log10 of values (plus the offset) where the scale is logarithmic, without clipping them above.

        Args:
            values: An array of values, any shape.

        Returns:
            Heights, float64 of the same shape; values below the lower end count as the lower end unless the
            scale is diverging, and what is not finite becomes NaN.
        """
        array = np.asarray(values, dtype=np.float64)
        finite = np.where(np.isfinite(array), array, np.nan)
        raised = finite if self.diverging else np.maximum(finite, self.lower)
        return np.asarray(np.log10(raised + self.offset) if self.log else raised, dtype=np.float64)

    def transform(self, values: Any) -> FloatArray:
        """Clip values to the scale and take log10 where it is logarithmic.

        Args:
            values: An array of values, any shape.

        Returns:
            Heights on the scale, float64 of the same shape; NaN where a value is not finite.
        """
        return np.asarray(np.clip(self.heights(values), *self.heights([self.lower, self.upper])), dtype=np.float64)

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
    def tolerance(self) -> float:
        """How far beyond an end a value may lie by rounding alone."""
        return 1e-12 * max(abs(self.lower), abs(self.upper))

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
    *,
    vmin: float | None = None,
    vmax: float | None = None,
    offset: float = 0.0,
    limit: float | None = None,
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
        vmin: The lower end, exactly; None decides by the values.
        vmax: The upper end, exactly, as `clip`; None decides by the values.
        offset: Unless `log` is False, heights go with the logarithm of the value plus this: 0.1 draws surfaces as Li
            et al. (2018) rendered theirs.
        limit: The upper end where some values lie above it and some below; unlike a clip it does not stretch the
            scale beyond the values. Nothing to values with an upper bound.

    Returns:
        The scale.

    Raises:
        LandscapeError: If the clip or the levels do not lie inside the values, the ends contradict each other or the
            logarithm, or a logarithm is asked for and no value is positive.
    """
    asked = Asked(log, clip, vmin, vmax, offset, limit, bounded)
    groups = [array[np.isfinite(array)] for array in (np.asarray(each, dtype=np.float64) for each in values)]
    groups = [group for group in groups if group.size]
    if not groups:
        groups = [np.array([0.0, 1.0]) if vmin is None else np.array([vmin, vmin + 1.0])]
    span = chosen_range(np.concatenate(groups), asked)
    inside = span.lower, span.upper, span.log, span.offset
    if isinstance(levels, int) or levels is None:
        chosen = steps(span.lower, span.upper, checked_number(levels), span.log, span.offset)
        chosen = enough(chosen, groups, *inside) if levels is None else chosen
    else:
        chosen = given(levels, span.lower, span.upper)
    ticks = steps(span.lower, span.upper, TICKS, span.log, span.offset)
    return Scale(span.lower, span.upper, span.log, chosen, ticks, offset=span.offset)


def centred_scale(
    values: NDArray[Any],
    clip: float | None = None,
    levels: int | Sequence[float] | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
) -> Scale:
    """Choose a scale for differences: linear, as far below 0 as above.

    Args:
        values: Differences, any shape; only finite ones count.
        clip: The end on both sides; None decides by the absolute values, as `choose_scale` does.
        levels: About how many levels, or the levels themselves; None gives about fourteen. Those that are chosen
            include 0.
        vmin: The lower end; one of the two ends says the other.
        vmax: The upper end.

    Returns:
        The scale; its ends are -1 and 1 where all differences are 0.

    Raises:
        LandscapeError: If the clip is not positive, the ends do not lie equally far from 0, or no level lies inside the
            values.
    """
    sizes = np.abs(np.asarray(values, dtype=np.float64))
    sizes = sizes[np.isfinite(sizes)]
    clip = _one_end(Asked(clip=clip, vmin=vmin, vmax=vmax))
    end = clip if clip is not None else robust_upper(sizes) if sizes.size else 0.0
    end = end if end > TINY else 1.0
    if isinstance(levels, int) or levels is None:
        chosen = steps(-end, end, checked_number(levels))
    else:
        chosen = given(levels, -end, end)
    return Scale(-end, end, False, chosen, steps(-end, end, TICKS), diverging=True)


def _one_end(asked: Asked) -> float | None:
    """The end of a scale of differences, if it was asked for."""
    upper, lower = asked.upper, asked.vmin
    if upper is not None and not (math.isfinite(upper) and upper > 0):
        raise LandscapeError(
            f"the {'clip' if asked.vmax is None else 'vmax'} of a difference is a positive number, not {upper:g}"
        )
    if lower is not None and (not lower < 0 or upper not in {None, -lower}):
        raise LandscapeError(
            f"the scale of a difference reaches as far below 0 as above, and vmin is {lower:g}; give vmax alone"
        )
    end = -lower if upper is None and lower is not None else upper
    return None if end is None else float(end)
