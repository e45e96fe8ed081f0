"""`landscape models`: the names that --model, norm=, --data, --loss and --metric take."""

from __future__ import annotations

import click


@click.command(short_help="List the models, normalizations, data sets, losses and metrics by name.")
def models() -> None:
    """List what --model, norm=, --data, --loss and --metric know by name."""
    from landscape.data import DATASETS
    from landscape.evaluation import LOSSES, METRICS
    from landscape.models import MODELS, NORMS

    for title, names in (
        ("models", (*MODELS.names(), "torchvision:NAME", "timm:NAME", "file.py:factory", "package.module:factory")),
        ("norm=", NORMS.names()),
        ("data", (*DATASETS.names(), "set.npz", "folder/", "file.py:loader")),
        ("loss", (*LOSSES.names(), "file.py:function")),
        ("metric", (*METRICS.names(), "file.py:function")),
    ):
        click.echo(f"{title:8}{', '.join(names)}")
