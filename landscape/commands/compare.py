"""`landscape compare`: several surfaces on one scale, with numbers beside the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from landscape.commands.drawing_options import appearance_options, value_options


@click.command(short_help="Several surfaces on one scale, with numbers and intervals.")
@click.argument("files", nargs=-1, metavar="A.h5 B.h5 ...")
@click.option(
    "-o",
    "--out",
    type=click.Path(),
    default="compare.png",
    show_default=True,
    metavar="FIGURE",
    help="png, pdf, svg or html; <name>_numbers, <name>_1d and <name>_difference are written beside it.",
)
@click.option("--no-figure", is_flag=True, help="The numbers alone.")
@click.option(
    "--table", "tables", multiple=True, type=click.Path(), metavar="TABLE", help="txt, csv, json or tex; repeatable."
)
@click.option("--split", help="The split whose losses are measured; default: the first that all files have.")
@click.option(
    "--bn",
    "policies",
    multiple=True,
    type=click.Choice(["frozen", "batch", "recalibrate"]),
    help="Only these policies for BatchNorm's statistics; repeatable.",
)
@click.option("--name", "names", multiple=True, help="What to call each group of files, in order; repeatable.")
@click.option(
    "--layout",
    type=click.Choice(
        [
            "rows",
            "grid",
            "grid-3d",
            "grid-heat",
            "grid-lines",
            "grid-filled",
            "grid-uncertainty",
            "grid-uncertainty-rise",
        ]
    ),
    default="rows",
    show_default=True,
    help="Of planes: a row for each network and policy, from above and in space; or a row for each network and a "
    "column for each policy.",
)
@click.option("--explain", is_flag=True, help="Print how it was made, too: methods for a paper, with citations.")
@value_options
@appearance_options
def compare(
    files: tuple[str, ...],
    out: str,
    no_figure: bool,
    tables: tuple[str, ...],
    split: str | None,
    policies: tuple[str, ...],
    names: tuple[str, ...],
    layout: str,
    explain: bool,
    values: dict[str, Any],
    looks: dict[str, Any],
) -> None:
    """Compare networks: each argument is a file, or several with commas, one per training seed.

    Everything shares one range, one colour scale and one set of levels. The others are compared with the first. Refused
    if the examples or the loss differ. Intervals need several draws of the directions: landscape compute --repeats 8.

    \b
    landscape compare batch.h5 none.h5 -o pair.pdf --table pair.tex
    landscape compare all_policies.h5
    landscape compare A1.h5,A2.h5,A3.h5 B1.h5,B2.h5,B3.h5
    """
    import landscape
    from landscape.rendering import check_path
    from landscape.reports.comparison import check_table_path

    check_path(out)
    for table in tables:
        check_table_path(table)
    groups = groups_of(files)
    comparison = landscape.compare(*groups, names=names or None, split=split, policies=policies)
    # What cannot be drawn is refused before anything is printed.
    figures = [] if no_figure else comparison.plot(out, layout=layout, **values, **looks)
    click.echo(str(comparison))
    for path in (*map(comparison.save, tables), *figures):
        click.echo(path)
    if explain:
        every = [name for group in groups for name in group]
        click.echo(f"\n{landscape.explain(*every, compared=True)}", nl=False)


def groups_of(words: Sequence[str]) -> list[list[str]]:
    """Read the arguments: each is a file, or several with commas.

    Args:
        words: What was typed.

    Returns:
        The files of each group.

    Raises:
        BadParameter: If there is nothing before, after or between commas.
    """
    groups = [[name.strip() for name in word.split(",")] for word in words]
    for word, names in zip(words, groups, strict=True):
        if not all(names):
            raise click.BadParameter(
                f"a file name is missing beside a comma in {word!r}: write the files of one kind without spaces, "
                "A1.h5,A2.h5,A3.h5",
                param_hint="FILES",
            )
    return groups
