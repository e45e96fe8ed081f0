"""`landscape check`: verdicts with codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from landscape.types import Finding


@click.command(short_help="Say what in a surface would mislead a reader.")
@click.argument("file", required=False, type=click.Path())
@click.option(
    "--rescale",
    type=float,
    metavar="C",
    help="A self-test on a checkpoint instead of a file: weights times C and all else accordingly, which changes "
    "nothing in the network, must change nothing in its surface; beside it the weights alone. Takes the options below.",
)
@click.option("--ckpt", type=click.Path(), help="The checkpoint; this and what follows as for landscape compute.")
@click.option("--model", metavar="SPEC", help="The model.")
@click.option("--data", metavar="SPEC", help="The data.")
@click.option("--samples", default="200", show_default=True, metavar="N|first:N", help="How many examples.")
@click.option("--x", default="-1:1:5", show_default=True, metavar="MIN:MAX:N", help="Points along the first direction.")
@click.option("--y", default="none", show_default=True, metavar="MIN:MAX:N|none", help="Points along the second.")
@click.option(
    "--bn-stats",
    default="all",
    show_default=True,
    type=click.Choice(["frozen", "batch", "recalibrate", "all"]),
    help="Policies for BatchNorm's statistics.",
)
@click.option("--bn-data", metavar="SPEC", help="The calibration images.")
@click.option("--bn-samples", metavar="N|first:N", help="How many of them, at least 4. Default: 500.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--trust", is_flag=True, help="Load files that can run code.")
def check(file: str | None, rescale: float | None, ckpt: str | None, **options: Any) -> int:
    """Judge a surface; without FILE, the newest run in this folder.

    One line per finding: level, code, and what was measured. Exit code 3 if one of them is an error.

    \b
    landscape check run.h5
    landscape check --rescale 3 --ckpt model.pt --data "cifar10(root='data')"
    """
    from landscape.api import check as judge
    from landscape.api import check_rescaling, newest

    if rescale is not None:
        _demand(ckpt and not file, "--rescale tests a network, not a file: landscape check --rescale 3 --ckpt model.pt")
        return _told(check_rescaling(rescale, ckpt=ckpt, **options))
    typed = _typed(("ckpt", *options))
    belong = f"{' and '.join(typed)} {'belongs' if len(typed) == 1 else 'belong'} to --rescale C"
    _demand(not typed, f"{belong}; a surface is checked by its file: landscape check run.h5")
    path = file or newest()
    if not file:
        click.echo(f"checking {path}, the newest run here", err=True)
    return _told(judge(path))


def _demand(condition: object, text: str) -> None:
    """Refuse options that do not go together."""
    if not condition:
        raise click.UsageError(text)


def _typed(names: Sequence[str]) -> list[str]:
    """Which of the options were given, though it were with the value of the default."""
    source = click.get_current_context().get_parameter_source
    return [f"--{name.replace('_', '-')}" for name in names if source(name) is not ParameterSource.DEFAULT]


def _told(findings: Sequence[Finding]) -> int:
    for finding in findings:
        click.echo(f"{finding.level:8}{finding.code}: {finding.text}")
    return 3 if any(finding.level == "error" for finding in findings) else 0
