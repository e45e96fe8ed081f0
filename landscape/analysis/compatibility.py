"""May surfaces be compared? What differs is refused, or said with a code; ranges are cut to what all have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from landscape.analysis.geometry import restricted
from landscape.errors import LandscapeError
from landscape.types import Axis, Finding, IntArray, Surface

FEWEST = 3
SEEN_DIFFERENTLY = (
    ("COMPARE-NORMALIZER", "normalize", "how directions are normalised", "distances mean different things"),
    ("COMPARE-PERTURBED", "perturb", "what is perturbed", "distances mean different things"),
    ("COMPARE-PARAMETRIZATION", "parametrization", "which weights are perturbed", "distances mean different things"),
    ("COMPARE-SEED", "seed", "the seed of the directions", "the directions are not paired"),
    ("COMPARE-DIRECTIONS", "directions_sha256", "the file of the directions", "the directions are not paired"),
    ("COMPARE-BN", "policies", "the policy for BatchNorm's statistics", "part of what differs may be the statistics'"),
    ("COMPARE-BN-BATCH", "bn_batch_size", "the batches whose statistics are taken", "so do those statistics"),
    ("COMPARE-CALIBRATION", "bn_digest", "the calibration images", "part of what differs may be the calibration's"),
    ("COMPARE-CALIBRATION", "bn_preprocessing", "how calibration images are prepared", "so do the statistics"),
    ("COMPARE-FOLDED", "fold_bn", "whether BatchNorm is folded into the weights", "other weights are perturbed"),
    ("COMPARE-PRECISION", "precision", "the arithmetic", "small differences may be rounding"),
)


def common_splits(surfaces: Sequence[Surface]) -> tuple[str, ...]:
    """The splits that all surfaces have, in the order of the first.

    Args:
        surfaces: What is to be compared.

    Returns:
        At least one name.

    Raises:
        LandscapeError: If there is none.
    """
    found = tuple(split for split in surfaces[0].splits if all(split in other.splits for other in surfaces))
    if not found:
        listed = "; ".join(f"{surface.path}: {', '.join(surface.splits)}" for surface in surfaces)
        raise LandscapeError(f"these files have no split in common ({listed}): compute the same --split for all")
    return found


def refuse_different_questions(surfaces: Sequence[Surface], names: Sequence[str], splits: Sequence[str]) -> None:
    """Refuse surfaces whose losses are not those of the same examples under the same loss.

    Args:
        surfaces: What is to be compared.
        names: What they are called.
        splits: The splits they share.

    Raises:
        LandscapeError: If losses, examples or numbers of directions differ; it says in which files and what to do.
    """
    first, called = surfaces[0], names[0]
    for surface, name in zip(surfaces[1:], names[1:], strict=True):
        if surface.job.loss != first.job.loss:
            raise LandscapeError(
                f"{called} holds the loss {first.job.loss}, {name} the loss {surface.job.loss}: compute both with the "
                "same --loss"
            )
        if len(surface.grid.axes) != len(first.grid.axes):
            kinds = [("a line", "a plane")[len(one.grid.axes) - 1] for one in (first, surface)]
            raise LandscapeError(f"{called} holds {kinds[0]}, {name} {kinds[1]}: compute both with the same --y")
        for split in splits:
            if surface.job.data_digest[split] != first.job.data_digest[split]:
                counts = [
                    int(one.centre[split]["count"])
                    for one in (first.sel(bn=first.policies[0]), surface.sel(bn=surface.policies[0]))
                ]
                how = f" ({counts[0]:,} and {counts[1]:,} of them)" if counts[0] != counts[1] else ""
                raise LandscapeError(
                    f"{called} and {name} were not measured on the same {split} examples{how}: compute both with the "
                    "same --data, --split and --samples"
                )


def cautions(surfaces: Sequence[Surface], names: Sequence[str], splits: Sequence[str]) -> Iterator[Finding]:
    """What makes a comparison less than straight.

    Args:
        surfaces: What is to be compared.
        names: What they are called.
        splits: The splits they share.

    Yields:
        Warnings, each with its code.
    """
    for code, field, what, therefore in SEEN_DIFFERENTLY:
        values = [getattr(surface.job, field) for surface in surfaces]
        if len(set(values)) > 1:
            yield Finding(code, "warning", f"the files differ in {what} ({_told(values, names)}): {therefore}")
    for split in splits:
        values = [surface.job.preprocessing.get(split, "") for surface in surfaces]
        if len(set(values)) > 1:
            yield Finding(
                "COMPARE-PREPROCESSING",
                "warning",
                f"the {split} images are the same, but prepared in different ways ({_told(values, names)}): right if "
                "each network was trained so",
            )
            break


def to_common_range(surfaces: Sequence[Surface]) -> tuple[list[Surface], list[Finding]]:
    """Cut surfaces to the range that all of them cover.

    Args:
        surfaces: Plain surfaces with equally many axes.

    Returns:
        The surfaces, and a note where something was cut.

    Raises:
        LandscapeError: If fewer than three points along an axis are left of one.
    """
    axes = list(zip(*(surface.grid.axes for surface in surfaces), strict=True))
    ranges = [(max(a.values[0] for a in column), min(a.values[-1] for a in column)) for column in axes]
    rows = [
        [_inside(axis, *limits) for axis, limits in zip(surface.grid.axes, ranges, strict=True)] for surface in surfaces
    ]
    if all(
        len(index) == len(axis)
        for surface, own in zip(surfaces, rows, strict=True)
        for index, axis in zip(own, surface.grid.axes, strict=True)
    ):
        return list(surfaces), []
    told = " and ".join(f"{low:g} to {high:g}" for low, high in ranges)
    if min(len(index) for own in rows for index in own) < FEWEST:
        raise LandscapeError(
            f"the ranges of these files have only {told} in common, with fewer than {FEWEST} points of one of them: "
            "compute all with the same --x and --y"
        )
    note = Finding("COMPARE-RANGE", "note", f"the ranges differ: all are cut to {told}, which every file covers")
    return [restricted(surface, own) for surface, own in zip(surfaces, rows, strict=True)], [note]


def _inside(axis: Axis, low: float, high: float) -> IntArray:
    values = axis.array()
    return np.flatnonzero((values >= low) & (values <= high))


def _told(values: Sequence[object], names: Sequence[str]) -> str:
    """Which file has what, short."""
    parts = []
    for value, name in zip(values, names, strict=True):
        text = " and ".join(value) if isinstance(value, tuple) else str(value) if value != "" else "none"
        parts.append(f"{text if len(text) <= 60 else text[:57] + '...'} in {name}")
    return "; ".join(parts)
