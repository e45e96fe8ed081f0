"""`landscape report`: surfaces side by side in one document."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from landscape.commands.compare import groups_of
from landscape.commands.drawing_options import value_options

SUFFIXES = {"html": ".html", "md": ".md", "tex": ".tex"}


@click.command(short_help="A page with pictures, numbers, verdicts and provenance.")
@click.argument("files", nargs=-1, required=True, metavar="A.h5 B.h5 ...")
@click.option("-o", "--out", type=click.Path(), metavar="REPORT", help="html, md or tex.  [default: report.html]")
@click.option(
    "--format",
    "kind",
    type=click.Choice(list(SUFFIXES)),
    help="html, one self-contained file; md, with PNG pictures beside it; tex, to \\\\input, with PDF pictures beside "
    "it. Default: by the name of the report.",
)
@click.option("--static", is_flag=True, help="Of a page: without scripts, a quarter as large.")
@click.option("--title", help="The heading; default: one that names what is compared.")
@click.option("--split", help="The split whose losses are measured; default: the first that all files have.")
@click.option(
    "--bn",
    "policies",
    multiple=True,
    type=click.Choice(["frozen", "batch", "recalibrate"]),
    help="Only these policies for BatchNorm's statistics; repeatable.",
)
@click.option("--name", "names", multiple=True, help="What to call each group of files, in order; repeatable.")
@value_options
def report(
    files: tuple[str, ...],
    out: str | None,
    kind: str | None,
    names: tuple[str, ...],
    values: dict[str, Any],
    **options: Any,
) -> None:
    """Write a report: each argument is a file, or several with commas, one per training seed, as for compare.

    A page that needs neither a network nor another file: surfaces in space that turn together, contours that are read
    at one point together, the table of landscape compare with its definitions, the verdicts of landscape check,
    provenance, and the commands to redo it all.

    \b
    landscape report batch.h5 none.h5 -o pair.html
    landscape report batch.h5 none.h5 --format tex -o pair.tex
    """
    import landscape

    path = _target(out, kind)
    command = shlex.join(["landscape", *sys.argv[1:]])
    written = landscape.report(*groups_of(files), out=path, names=names or None, command=command, **values, **options)
    for one in written:
        click.echo(one)


def _target(out: str | None, kind: str | None) -> Path:
    """Where the report goes.

    Raises:
        BadParameter: If the format and the name do not agree.
    """
    path = Path(out) if out else Path(f"report{SUFFIXES[kind or 'html']}")
    if kind and path.suffix.lower() != SUFFIXES[kind]:
        raise click.BadParameter(
            f"the format {kind} and the name {path.name} do not agree: leave out one of them", param_hint="--format"
        )
    return path
