"""`landscape check`: verdicts with codes."""

from __future__ import annotations

import click


@click.command(short_help="Say what in a surface would mislead a reader.")
@click.argument("file", required=False, type=click.Path())
@click.pass_context
def check(ctx: click.Context, file: str | None) -> int:
    """Judge a surface; without FILE, the newest run in this folder.

    One line per finding: level, code, and what was measured. Exit code 3 if one of them is an error.
    """
    from landscape.api import check as judge
    from landscape.api import newest

    path = file or newest()
    if not file:
        click.echo(f"checking {path}, the newest run here", err=True)
    findings = judge(path)
    for finding in findings:
        click.echo(f"{finding.level:8}{finding.code}: {finding.text}")
    return 3 if any(finding.level == "error" for finding in findings) else 0
