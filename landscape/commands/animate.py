"""`landscape animate`: surfaces as a film."""

from __future__ import annotations

import sys
from typing import Any

import click

from landscape.commands.drawing_options import appearance_options, value_options


@click.command(short_help="A film: one surface over training, over policies, or from all sides.")
@click.argument("files", nargs=-1, required=True, metavar="A.h5 [B.h5 ...]")
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    default="film.gif",
    show_default=True,
    metavar="FILM",
    help="mp4 (needs ffmpeg), gif, or html (plays in a page, can be turned and pointed at).",
)
@click.option(
    "--kind", type=click.Choice(["2d", "3d"]), help="From above, or in space.  [default: 2d; with --rotate: 3d]"
)
@click.option("--rotate", is_flag=True, help="Go around the surface once.")
@click.option("--fps", type=float, help="Frames per second.  [default: 3; with --rotate: 12]")
@click.option(
    "--order",
    type=click.Choice(["name", "given"]),
    default="name",
    show_default=True,
    help="Of several files: by name, epoch 2 before epoch 10, or as given.",
)
@click.option("--bn", help="Only this policy for BatchNorm's statistics.")
@click.option("--repeat", type=click.IntRange(min=0), help="Which draw of the directions; default: the first (0).")
@value_options
@appearance_options
def animate(
    files: tuple[str, ...],
    out: str,
    kind: str | None,
    rotate: bool,
    fps: float | None,
    order: str,
    bn: str | None,
    repeat: int | None,
    values: dict[str, Any],
    looks: dict[str, Any],
) -> None:
    """Show surfaces one after another, on one scale, in one place, from one viewpoint.

    Several files are the epochs of a training, or whatever else changes between them; one file with several policies
    for BatchNorm's statistics shows these. All lie on one grid.

    \b
    landscape animate run/*.h5 -o training.mp4
    landscape animate bn.h5 --kind 3d -o policies.gif
    landscape animate run.h5 --rotate -o around.html
    """
    import landscape

    def told(done: int, number: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\rdrawing {done} of {number}" + ("\n" if done == number else ""), nl=False, err=True)

    choice: dict[str, Any] = {"kind": kind, "rotate": rotate, "fps": fps, "order": order, "bn": bn, "repeat": repeat}
    given = {name: value for name, value in looks.items() if value is not None}
    click.echo(landscape.animate(files, out, **choice, told=told, **values, **given))
