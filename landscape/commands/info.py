"""`landscape info`: what a file holds and how it was made."""

from __future__ import annotations

import json

import click


@click.command(short_help="Say what a surface file holds and how it was made.")
@click.argument("file", required=False, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def info(file: str | None, as_json: bool) -> None:
    """Describe a surface; without FILE, the newest run in this folder.

    Tells the grid, the centre, what was perturbed and what was fixed with their shares of the squared parameter norm,
    the angle between the directions, and the run's provenance.
    """
    from landscape.api import load, newest
    from landscape.storage.text import described, described_json

    surface = load(file or newest())
    click.echo(json.dumps(described_json(surface), indent=2) if as_json else described(surface))
