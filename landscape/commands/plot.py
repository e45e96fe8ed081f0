"""`landscape plot`: a surface as a picture."""

from __future__ import annotations

from pathlib import Path

import click


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
@click.option(
    "--metric",
    "quantity",
    default="loss",
    show_default=True,
    help="What to draw: loss, accuracy, loss_stderr, SPLIT/NAME, or drift (of BatchNorm's statistics).",
)
@click.option("--log/--linear", "log", default=None, help="Scale of the values; without either, chosen by their range.")
@click.option("--clip", type=float, help="Draw values above this as this.")
@click.option("--levels", metavar="N|A,B,C", help="How many contour levels, or which.")
@click.option("--bn", multiple=True, help="Only these policies for BatchNorm's statistics; repeatable.")
@click.option(
    "--repeat",
    type=click.IntRange(min=0),
    help="Which draw of the directions; default: all together in profiles, else the first (0).",
)
@click.option(
    "--points", is_flag=True, help="Mark the points that were measured (--2d, --1d): an adaptive run leaves out some."
)
def plot(
    file: str | None,
    kind: str | None,
    out: str | None,
    quantity: str,
    log: bool | None,
    clip: float | None,
    levels: str | None,
    bn: tuple[str, ...],
    repeat: int | None,
    points: bool,
) -> None:
    """Draw a surface; without FILE, the newest run in this folder.

    The caption says what the picture shows: split, number of examples, BatchNorm statistics, seed, normalization, clip
    and scale, and how many cells have no finite value.

    \b
    landscape plot                        contours of the newest run, as PNG
    landscape plot run.h5 --3d -o run.pdf
    landscape plot run.h5 --3d -o run.html
    """
    from landscape.api import load, natural_kind, newest
    from landscape.api import plot as draw

    path = Path(file) if file else newest()
    if not file:
        click.echo(f"drawing {path}, the newest run here", err=True)
    surface = load(path)
    kind = kind or natural_kind(surface)
    target = Path(out) if out else path.with_name(f"{path.stem}_{kind}.png")
    chosen = chosen_levels(levels)
    picture = draw(
        surface,
        kind,
        out=target,
        quantity=quantity,
        log=log,
        clip=clip,
        levels=chosen,
        bn=bn,
        repeat=repeat,
        points=points,
    )
    click.echo(picture)


def chosen_levels(text: str | None) -> int | list[float] | None:
    """Read `--levels`: a number of levels, or the levels with commas.

    Args:
        text: What was typed, or None.

    Returns:
        The number or the levels.

    Raises:
        BadParameter: If it is neither.
    """
    if text is None:
        return None
    try:
        return int(text) if text.isdigit() else [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.BadParameter(
            "it is a number of levels, or the levels with commas", param_hint="--levels"
        ) from error
