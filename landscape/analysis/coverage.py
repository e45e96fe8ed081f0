"""How much of a surface was measured: verdicts on runs that have not ended, and on what was left out."""

from __future__ import annotations

from collections.abc import Iterator

from landscape.types import Finding, Surface

FEW = 10  # points that were checked


def complete(surface: Surface, split: str) -> Iterator[Finding]:
    """Say what is not computed yet.

    Args:
        surface: A plain surface.
        split: The split that is judged.

    Yields:
        A note, or nothing.
    """
    missing = int((surface[f"{split}/count"] == 0).sum())
    if surface.job.adaptive and not surface.complete and split == surface.splits[0]:
        yield Finding(
            "INCOMPLETE",
            "note",
            f"this adaptive run has not ended ({surface.grid.size - missing:,} of at most {surface.grid.size:,} points "
            "are computed): the same compute command goes on with it",
            {"missing": missing},
        )
    elif missing and "imported" in surface.provenance:
        yield Finding(
            "INCOMPLETE",
            "note",
            f"{missing:,} of {surface.grid.size:,} points of the {split} split are not there in the file that this was "
            "imported from",
            {"missing": missing},
        )
    elif missing and not surface.job.adaptive:
        yield Finding(
            "INCOMPLETE",
            "note",
            f"{missing:,} of {surface.grid.size:,} points of the {split} split are not computed yet: "
            "the same compute command goes on with them",
            {"missing": missing},
        )


def unstated(surface: Surface, split: str) -> Iterator[Finding]:
    """Say what an imported file leaves unsaid, and so what is not judged.

    Args:
        surface: A plain surface.
        split: The split that is judged; all are told of with the first.

    Yields:
        A note, or nothing.
    """
    if "imported" in surface.provenance and split == surface.splits[0]:
        number = "no standard errors" if surface.job.counted else "neither standard errors nor the number of examples"
        yield Finding(
            "IMPORTED",
            "note",
            f"an imported file has {number}: whether the trained weights are a minimum, above chance, and whether the "
            "noise is below the contour step is not judged",
        )


def interpolated(surface: Surface, split: str) -> Iterator[Finding]:
    """Say how good the picture of an adaptive run is, by its own estimate.

    Args:
        surface: A plain surface.
        split: The split that is judged; all are told of with the first.

    Yields:
        What was left out, and the estimated error; refining goes on until that is below the tolerance. A note where so
        few points were checked that the estimate is a rough one.
    """
    for told in surface.provenance.get("adaptive", ()):
        if split == surface.splits[0] and told["finished"]:
            values = {name: float(told[name]) for name in ("measured", "points", "checked", "rms", "largest")}
            few = told["measured"] < told["points"] and told["checked"] < FEW
            yield Finding("INTERPOLATED", "note" if few else "ok", told["said"], values)
