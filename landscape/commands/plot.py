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
@click.option("--lines", "kind", flag_value="lines", help="Contour lines alone, each in the colour of its level.")
@click.option("--filled", "kind", flag_value="filled", help="Filled levels alone.")
@click.option("--heat", "kind", flag_value="heat", help="A cell for each point in its exact colour: nothing between.")
@click.option("--3d", "kind", flag_value="3d", help="A lit surface over its contours.")
@click.option(
    "--uncertainty", "kind", flag_value="uncertainty", help="Standard errors in percent, under lines of the mean."
)
@click.option(
    "--uncertainty-rise", "kind", flag_value="uncertainty-rise", help="The same, in percent of the rise of the loss."
)
@click.option("--drift", "kind", flag_value="drift", help="How far BatchNorm's statistics drift from the checkpoint's.")
@click.option(
    "--trajectory",
    type=click.Path(),
    metavar="FILE",
    help="The path of a training through this plane, drawn over it: a projection file of the 2018 tool, or a csv file.",
)
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
@click.option("--explain", is_flag=True, help="Print how it was made, too: methods for a paper, with citations.")
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
    trajectory: str | None,
    explain: bool,
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
    landscape plot run.h5 --heat --vmin 0 --vmax 5 --explain
    landscape plot run.h5 --3d --trajectory proj_cos.h5
    """
    import landscape
    from landscape.api import natural_kind, newest

    path = Path(file) if file else newest()
    if not file:
        click.echo(f"drawing {path}, the newest run here", err=True)
    surface = landscape.load(path)
    kind = kind or natural_kind(surface)
    options: dict[str, Any] = {"fragment": fragment, "plotlyjs": plotlyjs, "renderer": renderer}
    named = kind if trajectory is None else "trajectory" if kind == "2d" else f"trajectory_{kind}"
    target = Path(out) if out else path.with_name(f"{path.stem}_{named}.{'html' if fragment else 'png'}")
    options |= {"bn": bn, "repeat": repeat, "points": points, "trajectory": trajectory}
    click.echo(landscape.plot(surface, kind, out=target, **options, **values, **looks))
    if explain:
        drawn = surface.sel(repeat=repeat, bn=bn[0] if len(bn) == 1 else None)
        click.echo(f"\n{landscape.explain(drawn)}", nl=False)
