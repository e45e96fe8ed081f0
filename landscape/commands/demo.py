"""`landscape demo`: the main job on embedded inputs."""

from __future__ import annotations

import time

import click


@click.command(short_help="Two small networks, from checkpoint to pictures and a page.")
@click.option("--out", default="landscape-demo", show_default=True, type=click.Path(), help="Where everything goes.")
@click.option("--points", default=21, show_default=True, type=click.IntRange(3), help="Points along each axis.")
@click.option("--samples", default="1000", show_default=True, metavar="N", help="How many of the 2,000 test images.")
@click.option("--overwrite", is_flag=True, help="Replace runs that were made with other settings.")
def demo(out: str, points: int, samples: str, overwrite: bool) -> None:
    """Compute and draw the loss around LeNet with and without BatchNorm, on embedded Fashion-MNIST images.

    It takes under a minute on two CPU cores, and ends with the plain commands that do the same.
    """
    from landscape.demo import demonstrate

    begun = time.monotonic()
    made = demonstrate(out, points, samples, overwrite, say=lambda text: click.echo(text, err=True))
    click.echo(f"made in {time.monotonic() - begun:.0f} s, in {made.folder}:")
    for path in (*(surface.path for surface in made.surfaces), *made.pictures, made.page):
        click.echo(f"  {path}")
    click.echo("the same by hand:")
    for command in made.commands:
        click.echo(f"  {command}")
    click.echo(f"open {made.page} in a browser")
