"""`landscape plot`: a surface as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from landscape.commands.drawing_options import appearance_options, renderer_option, value_options


@click.command(short_help="Draw a surface: contours, a profile or in 3D.")
@click.argument("file", required=False, type=click.Path())
@click.option(
    "--1d",
    "kind",
    flag_value="1d",
    help="Profiles along the axes, with the error of the rise (the default for a line).",
)
@click.option("--2d", "kind", flag_value="2d", help="Contours over filled levels (the default for a plane).")
@click.option("--3d", "kind", flag_value="3d", help="A lit surface over its contours.")
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    metavar="FIGURE",
    help="png, pdf, svg or html (interactive, self-contained); default: <file>_<kind>.png.",
)
@click.option("--bn", multiple=True, help="Only these policies for BatchNorm's statistics; repeatable.")
@click.option(
    "--repeat",
    type=click.IntRange(min=0),
    help="Which draw of the directions; default: all together in profiles, else the first (0).",
)
@click.option(
    "--points", is_flag=True, help="Mark the points that were measured (--2d, --1d): an adaptive run leaves out some."
)
@click.option("--fragment", is_flag=True, help="Of html: a piece to paste into a page, as often as wanted.")
@click.option(
    "--plotlyjs",
    type=click.Choice(["embed", "directory", "none"]),
    default="embed",
    show_default=True,
    help="Of html: plotly.js in the file, in one file beside it, or left to the page.",
)
@renderer_option
@value_options
@appearance_options
def plot(
    file: str | None,
    kind: str | None,
    out: str | None,
    bn: tuple[str, ...],
    repeat: int | None,
    points: bool,
    fragment: bool,
    plotlyjs: str,
    renderer: str | None,
    values: dict[str, Any],
    looks: dict[str, Any],
) -> None:
    """Draw a surface; without FILE, the newest run in this folder.

    The caption says what the picture shows: split, number of examples, BatchNorm statistics, seed, normalization, clip
    and scale, and how many cells have no finite value.

    \b
    landscape plot                        contours of the newest run, as PNG
    landscape plot run.h5 --3d -o run.pdf
    landscape plot run.h5 --3d -o run.html
    landscape plot run.h5 --style paper --size 3.3x3 -o figure1.pdf
    landscape plot run.h5 --3d --style paper --renderer vtk
    landscape plot run.h5 --3d --fragment -o figure1.html
    """
    from landscape.api import load, natural_kind, newest
    from landscape.api import plot as draw

    path = Path(file) if file else newest()
    if not file:
        click.echo(f"drawing {path}, the newest run here", err=True)
    surface = load(path)
    kind = kind or natural_kind(surface)
    web: dict[str, Any] = {"fragment": fragment, "plotlyjs": plotlyjs, "renderer": renderer}
    target = Path(out) if out else path.with_name(f"{path.stem}_{kind}.{'html' if fragment else 'png'}")
    click.echo(draw(surface, kind, out=target, bn=bn, repeat=repeat, points=points, **web, **values, **looks))
