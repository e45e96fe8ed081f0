"""A report as Markdown, with its pictures in files of their own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from landscape.rendering.escaping import line_of, markdown_text
from landscape.reports.cells import label, matrix, references
from landscape.reports.introduction import introduction, perturbed
from landscape.reports.report import Report
from landscape.reports.report_pictures import Picture
from landscape.storage.text import described


def markdown(report: Report, pictures: Sequence[tuple[Picture, str]], version: str = "") -> str:
    """Write a report as Markdown.

    Args:
        report: The report.
        pictures: Its pictures, each with the name of its file beside the document.
        version: Of the package.

    Returns:
        The document; all text from files is escaped.
    """
    parts = [
        f"# {markdown_text(report.title)}",
        report.how_to_read,
        *(_picture(picture, name) for picture, name in pictures),
        "## Verdicts",
        *_verdicts(report),
        "## Numbers",
        _table(report),
        _list(introduction(report.comparison)),
        "### Definitions",
        _definitions(report),
        "## Provenance",
        _list(perturbed(report.comparison)),
        *(
            part
            for file in report.files
            for part in (f"### {markdown_text(file.name)}", _code(described(file.surface)))
        ),
        "## Redo it",
        f"With landscape {version}, in this order:",
        _code("\n".join(report.commands)),
        "## Methods and references",
        markdown_text(report.methods),
        _list([one.text for one in report.references]),
    ]
    return "\n\n".join(parts) + "\n"


def _picture(picture: Picture, name: str) -> str:
    image = f"![{markdown_text(picture.scene.summary or picture.heading)}]({quote(name)})"
    return "\n\n".join([image, *map(markdown_text, picture.caption.splitlines())])


def _verdicts(report: Report) -> Iterator[str]:
    for name, findings in report.verdicts:
        yield f"### {markdown_text(name)}"
        yield "\n".join(
            f"- **{finding.level}** {markdown_text(finding.text)} (`{finding.code}`)" for finding in findings
        )


def _table(report: Report) -> str:
    contenders, against = report.comparison.contenders, references(report.comparison)
    head = [""]
    for one, other in zip(contenders, against, strict=True):
        compared = "" if other is None else f"<br>compared with {markdown_text(contenders[other].title)}"
        head.append(markdown_text(one.title) + compared)
    rows = [head, ["---", *["---:"] * len(contenders)]]
    for measure, cells in matrix(report.comparison):
        said = [markdown_text(value) + (f"<br>{markdown_text(effect)}" if effect else "") for value, effect in cells]
        rows.append([markdown_text(label(measure)), *said])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _definitions(report: Report) -> str:
    return "\n".join(
        f"- **{markdown_text(label(measure))}**: {markdown_text(measure.definition)}"
        for measure, _ in matrix(report.comparison)
    )


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {markdown_text(line)}" for line in lines)


def _code(text: str) -> str:
    """Text between fences that are longer than any in it."""
    lines = "\n".join(map(line_of, text.splitlines()))
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", lines)), default=0))
    return f"{fence}text\n{lines}\n{fence}"
