"""`landscape models`: the names that --model, norm= and --data take."""

from __future__ import annotations

import click


@click.command(short_help="List the models, normalizations and data sets by name.")
def models() -> None:
    """List what --model, norm= and --data know by name."""
    from landscape.data import DATASETS
    from landscape.models import MODELS, NORMS

    for title, names in (
        ("models", (*MODELS.names(), "torchvision:NAME", "timm:NAME", "file.py:factory", "package.module:factory")),
        ("norm=", NORMS.names()),
        ("data", (*DATASETS.names(), "set.npz", "folder/", "file.py:loader")),
    ):
        click.echo(f"{title:8}{', '.join(names)}")
