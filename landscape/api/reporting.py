"""Surfaces side by side in one document."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.api.drawing import compare
from landscape.api.reading import check, loaded
from landscape.types import Surface

if TYPE_CHECKING:
    from landscape.reports.report import Report


def report(
    *groups: Surface | str | Path | Sequence[Surface | str | Path],
    out: str | Path = "report.html",
    names: Sequence[str] | None = None,
    split: str | None = None,
    policies: Sequence[str] = (),
    static: bool = False,
    title: str | None = None,
    quantity: str = "loss",
    view: tuple[float, float] | None = None,
    cmap: str | None = None,
    command: str | None = None,
    **scale: Any,
) -> list[Path]:
    """Write a report: pictures, numbers with their definitions, verdicts, provenance, and the commands to redo it.

    Args:
        groups: For each kind of network its surface or file, or several, one per training seed, as for `compare`.
        out: A .html file, which holds everything; or a .md or .tex file, beside which the pictures are written.
        names: What the groups are called; None for the names of their files.
        split: The split whose losses are measured; None for the first that all have.
        policies: Only these policies for BatchNorm's statistics; all where none are given.
        static: Whether to leave out of a page what needs scripts: it is then a quarter as large.
        title: The heading; None for one that names what is compared.
        quantity: What is shown first: `"loss"`, `"accuracy"`, or any `"split/name"` of the files.
        view: Viewpoint of pictures in space, in degrees: over the floor, and around the vertical axis.
        cmap: Colour map, of those in `landscape.rendering.colour_maps`.
        command: The command that wrote it, for the report; None for one that does.
        scale: What is asked of the scale: `log`, `clip`, `levels`, as for `plot`.

    Returns:
        The files that were written, the report first.

    Raises:
        LandscapeError: If the surfaces cannot be compared, there is no such quantity, or `out` is no kind of report.

    Example:
        >>> import landscape, os, tempfile, torch
        >>> data = (torch.eye(4), torch.arange(4) % 2)
        >>> surface = landscape.compute(torch.nn.Linear(4, 2), data=data, x=(-1, 1, 5), y=(-1, 1, 5), progress=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     [path.name for path in landscape.report(surface, out=f"{folder}/one.html", static=True)]
        ['one.html']
    """
    import landscape
    from landscape.reports.documents import check_report_path, write

    check_report_path(out, static)
    made = assembled(
        *groups,
        out=out,
        names=names,
        split=split,
        policies=policies,
        title=title,
        quantity=quantity,
        view=view,
        cmap=cmap,
        command=command,
        **scale,
    )
    return write(made, Path(out), static, landscape.__version__)


def assembled(
    *groups: Surface | str | Path | Sequence[Surface | str | Path],
    out: str | Path = "report.html",
    names: Sequence[str] | None = None,
    split: str | None = None,
    policies: Sequence[str] = (),
    title: str | None = None,
    quantity: str = "loss",
    view: tuple[float, float] | None = None,
    cmap: str | None = None,
    command: str | None = None,
    **scale: Any,
) -> Report:
    """Put together what a report says and shows, without writing it.

    Args:
        groups: As for `report`, like all that follows.
        out: Where it is to go.
        names: What the groups are called.
        split: The split whose losses are measured.
        policies: Only these policies for BatchNorm's statistics.
        title: The heading.
        quantity: What is shown first.
        view: Viewpoint of pictures in space.
        cmap: Colour map.
        command: The command that writes it.
        scale: What is asked of the scale.

    Returns:
        The report as data.
    """
    from landscape.rendering.appearance import Appearance
    from landscape.reports.report import File, Report, first_quantity, heading, redo

    found = [loaded(group) for group in groups]
    comparison = compare(*found, names=names, split=split, policies=policies)
    called = dict.fromkeys(one.name for one in comparison.contenders)
    files = tuple(
        File(Path(surface.path).name or name, surface, tuple(check(surface)))
        for name, group in zip(called, found, strict=True)
        for surface in group
    )
    return Report(
        title=heading(comparison) if title is None else title,
        comparison=comparison,
        files=files,
        commands=redo(files, command or _command(found, out)),
        quantity=first_quantity(comparison, quantity),
        scale=scale,
        looks=Appearance(view=view, cmap=cmap),
    )


def _command(groups: Sequence[Sequence[Surface]], out: str | Path) -> str:
    """The command that writes such a report of these files."""
    words = [",".join(surface.path for surface in group) for group in groups]
    if not all(surface.path for group in groups for surface in group):
        return f"# landscape.report(..., out={str(out)!r})"
    return shlex.join(["landscape", "report", *words, "-o", str(out)])
