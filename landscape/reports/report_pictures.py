"""The still pictures of a report: for print, for readers without scripts, and for documents of other kinds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from landscape.rendering import FIGURES
from landscape.rendering.scene import Scene
from landscape.reports.report import Report

ROWS = 4  # of a picture, as many as fit on a page of paper


@dataclass(frozen=True)
class Picture:
    """A still picture.

    Attributes:
        name: One word, part of a file name.
        heading: What it shows.
        scene: The figure, without its caption.
        always: Whether it adds to the interactive pictures, and does not only stand in for them.
        caption: The text below it, one or several lines; empty where that below another picture says it.
    """

    name: str
    heading: str
    scene: Scene
    caption: str
    always: bool = True


def pictures(report: Report) -> Iterator[Picture]:
    """Draw what a report shows, on the scale that its interactive pictures have at first.

    Args:
        report: The report.

    Yields:
        All surfaces, cut into pages; of planes their profiles, too; numbers where there are several draws or networks.
    """
    pairs = zip(report.stacks, report.names, strict=True)
    having = [(surface, name) for surface, name in pairs if report.quantity in surface]
    stacks, asked = [one for one, _ in having], {"quantity": report.quantity, "names": [name for _, name in having]}
    asked |= report.scale
    if report.is_line:
        yield _picture(report, "profiles", "Profiles", FIGURES.get("1d")(stacks, **asked), False)
    else:
        whole = FIGURES.get("comparison")(stacks, **asked)
        yield from _pages(report, whole)
        profiles = FIGURES.get("1d")(stacks, **asked)
        yield _picture(report, "profiles", "Profiles along the axes", profiles)
    if report.comparison.replicated:
        yield _picture(report, "numbers", "Numbers", FIGURES.get("numbers")(report.comparison))


def _picture(report: Report, name: str, heading: str, scene: Scene, always: bool = True) -> Picture:
    bare = dataclasses.replace(scene, caption="")
    return Picture(name, heading, report.looks.applied(bare), scene.caption, always)


def _pages(report: Report, scene: Scene) -> Iterator[Picture]:
    """A figure of many rows as several, all on one scale; the caption of all stands under the last."""
    rows = len(scene.panels) // scene.columns
    number = -(-rows // ROWS)
    for page in range(number):
        first, last = page * rows // number, (page + 1) * rows // number
        panels = list(scene.panels[first * scene.columns : last * scene.columns])
        bottom = [dataclasses.replace(panel, inner_x=False) for panel in panels[-scene.columns :]]
        part = dataclasses.replace(
            scene, panels=(*panels[: -scene.columns], *bottom), rows=scene.rows[first:last], caption=""
        )
        name = "surfaces" if number == 1 else f"surfaces{page + 1}"
        yield Picture(name, "Surfaces", report.looks.applied(part), scene.caption if page == number - 1 else "", False)
