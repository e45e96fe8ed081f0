"""A comparison as text, and as a file: text, CSV, JSON or LaTeX."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

from landscape.analysis.comparison import Comparison
from landscape.errors import LandscapeError, SurroundingsError, listed
from landscape.reports.cells import cells, number, rows
from landscape.reports.introduction import introduction, perturbed
from landscape.reports.tables import comma_separated, javascript, latex

__all__ = ["WRITERS", "check_table_path", "number", "save_table", "text"]

WIDTH = 118


def text(comparison: Comparison) -> str:
    """Write a comparison as plain text: a row per number, a column per contender, then how they differ.

    Args:
        comparison: What to write.

    Returns:
        Lines of text: what was measured, the table, the definitions, what is perturbed, the cautions.
    """
    head, listing = cells(comparison)
    widths = [max(map(len, column)) for column in zip(head, *listing, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *listing)
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join(
        [
            *map(_wrapped, introduction(comparison)),
            "",
            lines[0],
            rule,
            *lines[1:],
            rule,
            *(_wrapped(f"{measure.label}: {measure.definition}") for measure in rows(comparison)),
            "",
            *map(_wrapped, perturbed(comparison)),
            *(_wrapped(f"{finding.level} {finding.code}: {finding.text}") for finding in comparison.findings),
        ]
    )


WRITERS: dict[str, Callable[[Comparison], str]] = {
    ".txt": lambda comparison: text(comparison) + "\n",
    ".csv": comma_separated,
    ".json": javascript,
    ".tex": latex,
}


def check_table_path(path: str | Path) -> None:
    """Refuse a name whose suffix is no kind of table, before anything is computed.

    Args:
        path: Where the table is to go.

    Raises:
        LandscapeError: If the suffix is unknown.
    """
    if Path(path).suffix.lower() not in WRITERS:
        raise LandscapeError(f"a table's name must end in one of {listed(WRITERS)}, and {Path(path).name!r} does not")


def save_table(comparison: Comparison, path: str | Path) -> Path:
    """Write a comparison into a file; the suffix says how.

    Args:
        comparison: What to write.
        path: A file name ending in .txt, .csv, .json or .tex.

    Returns:
        The path.

    Raises:
        LandscapeError: If the suffix is unknown.
        SurroundingsError: If the file cannot be written.
    """
    check_table_path(path)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(WRITERS[path.suffix.lower()](comparison), encoding="utf-8")
    except OSError as error:
        raise SurroundingsError(f"cannot write the table {str(path)!r}: {error.strerror or error}") from error
    return path


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
