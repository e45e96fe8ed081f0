"""The numbers of one surface, and those that cannot be taken here."""

from __future__ import annotations

from collections.abc import Sequence

from landscape.analysis.catalogue import NEIGHBOURHOOD, RADII, THRESHOLDS, catalogue
from landscape.analysis.field import field_of
from landscape.types import Surface

MEASURES = catalogue()


def measures(
    surface: Surface,
    split: str | None = None,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    radii: Sequence[float] = RADII,
    neighbourhood: float = NEIGHBOURHOOD,
    persistence: float | None = None,
) -> dict[str, float]:
    """Take all numbers of a surface.

    Args:
        surface: A plain surface: one repeat, one policy.
        split: The split whose losses are measured, None for the first; the losses and accuracies of the trained
            weights are given for every split.
        thresholds: As in `catalogue`.
        radii: As in `catalogue`.
        neighbourhood: As in `catalogue`.
        persistence: As in `catalogue`.

    Returns:
        The numbers under their names, in the order of `catalogue`; NaN where one does not exist here.
    """
    listing = catalogue(
        surface.splits,
        len(surface.grid.axes),
        thresholds=thresholds,
        radii=radii,
        neighbourhood=neighbourhood,
        persistence=persistence,
    )
    taken = field_of(surface, split)
    return {measure.name: measure.function(taken) for measure in listing}
