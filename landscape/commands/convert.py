"""`landscape convert`: files of other tools, in and out."""

from __future__ import annotations

from typing import Any

import click


@click.command(short_help="Other tools' files, in and out: the 2018 tool's, meshes, tables.")
@click.argument("source", metavar="IN", type=click.Path())
@click.argument("out", metavar="OUT", type=click.Path())
@click.option("--to", metavar="NAME", help="What to write, whatever the suffix: a name or 'file.py:function'.")
@click.option("--metric", help="Meshes: the quantity that is the height. Default: loss.")
@click.option("--clip", type=float, help="Meshes: heights above this become this.")
@click.option("--log/--linear", "log", default=None, help="Meshes: ln(z + 0.1), as in the 2018 tool. Default: linear.")
@click.option(
    "--split", help="The 2018 tool's layout: the split that becomes train_loss. Default: train, else the first."
)
@click.option("--bn", type=click.Choice(["frozen", "batch", "recalibrate"]), help="Only this policy.")
@click.option("--repeat", type=click.IntRange(min=0), help="Only this draw of the directions.")
@click.option(
    "--samples", type=click.IntRange(min=1), help="The 2018 tool's surfaces: how many examples, if you know it."
)
@click.option("--directions", is_flag=True, help="Write the surface's directions, drawn again (with --ckpt).")
@click.option("--ckpt", type=click.Path(), help="Directions: the checkpoint that they belong to.")
@click.option("--model", metavar="SPEC", help="Directions: the model, where it is not recognised.")
@click.option("--trust", is_flag=True, help="Load checkpoints that can run code.")
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def convert(source: str, out: str, **options: Any) -> None:
    """Read IN, whatever it is, and write OUT, as its suffix says.

    IN is a surface, directions or the path of a training, ours or the 2018 tool's (loss-landscape). OUT ends in .h5
    (the 2018 tool's layout, or ours if IN has that), .vtp .obj .stl .ply (meshes), .csv .npz .nc (all numbers).

    \b
    landscape convert run.h5 run.vtp --log --clip 10       for ParaView, z as in the 2018 paper
    landscape convert old_surface.h5 run.h5                then plot, compare, check
    landscape convert run.h5 surface.h5 --split test       for the 2018 tool's scripts
    landscape convert run.h5 directions.h5 --directions --ckpt model.pt
    """
    from landscape.api import convert as write

    click.echo(write(source, out, **options, tell=lambda note: click.echo(note, err=True)))
