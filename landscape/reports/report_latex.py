"""A report as a piece of a LaTeX document, with its pictures in files of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from landscape.rendering.escaping import latex_code, latex_text
from landscape.reports.cells import label, matrix, references
from landscape.reports.introduction import introduction, perturbed
from landscape.reports.report import Report
from landscape.reports.report_pictures import Picture

COLUMNS = 4  # of a table, as many contenders as fit on a page
ROOM = 0.86  # of the height of a page, for a picture


def latex(report: Report, pictures: Sequence[tuple[Picture, str]], version: str = "") -> str:
    r"""Write a report as LaTeX to `\input`.

    Args:
        report: The report.
        pictures: Its pictures, each with the name of its file beside the document.
        version: Of the package.

    Returns:
        Paragraphs, figures and tables; all text from files is escaped.
    """
    parts = [
        f"% Written by landscape {version}. In the preamble: \\usepackage{{booktabs,graphicx}}; if this file lies in "
        "another folder,\n% \\graphicspath{{that folder/}}, too.",
        rf"\section*{{{latex_text(report.title)}}}",
        latex_text(report.how_to_read),
        *(_figure(picture, name) for picture, name in pictures),
        *_tables(report),
        _items(introduction(report.comparison)),
        r"\subsection*{Definitions}",
        _described((label(measure), measure.definition) for measure, _ in matrix(report.comparison)),
        r"\subsection*{Verdicts}",
        *_verdicts(report),
        r"\subsection*{What was perturbed}",
        _items(perturbed(report.comparison)),
        r"\subsection*{Commands}",
        _commands(report.commands),
        r"\subsection*{Methods and references}",
        latex_text(report.methods),
        _items([one.text for one in report.references]),
    ]
    return "\n\n".join(parts) + "\n"


def _figure(picture: Picture, name: str) -> str:
    size = rf"width=\linewidth,height={ROOM}\textheight,keepaspectratio"
    words = " ".join([f"{picture.heading}.", *picture.caption.splitlines()])
    return "\n".join(
        [
            r"\begin{figure}[p]",
            r"\centering",
            rf"\includegraphics[{size}]{{\detokenize{{{name}}}}}",
            rf"\caption{{{latex_text(words)}}}",
            r"\end{figure}",
        ]
    )


def _tables(report: Report) -> Iterator[str]:
    """As many contenders side by side as a page is wide."""
    number = len(report.comparison.contenders)
    for first in range(0, number, COLUMNS):
        yield _table(report, range(first, min(first + COLUMNS, number)))


def _table(report: Report, columns: range) -> str:
    contenders, against = report.comparison.contenders, references(report.comparison)
    lines = [[""] + [latex_text(contenders[index].title) for index in columns]]
    others = [None if against[index] is None else contenders[against[index] or 0].title for index in columns]
    if any(others):
        lines.append([""] + [rf"\scriptsize vs. {latex_text(other)}" if other else "" for other in others])
    head, body = len(lines), []
    for measure, cells in matrix(report.comparison):
        shown = [cells[index] for index in columns]
        body.append([latex_text(label(measure)), *(latex_text(value) for value, _ in shown)])
        if any(effect for _, effect in shown):
            body.append(["", *(rf"\scriptsize {latex_text(effect)}" if effect else "" for _, effect in shown)])
    rows = [" & ".join(line) + r" \\" for line in (*lines, *body)]
    return "\n".join(
        [
            r"\begin{table}[p]",
            r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{latex_text(introduction(report.comparison)[0])}.}}",
            r"\begin{tabular}{@{}l" + "r" * len(columns) + "@{}}",
            r"\toprule",
            *rows[:head],
            r"\midrule",
            *rows[head:],
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _verdicts(report: Report) -> Iterator[str]:
    for name, findings in report.verdicts:
        yield rf"\paragraph{{{latex_text(name)}}}"
        yield _described((f"{one.level} {one.code}", one.text) for one in findings)


def _items(lines: Sequence[str]) -> str:
    return "\n".join([r"\begin{itemize}", *(rf"\item {latex_text(line)}" for line in lines), r"\end{itemize}"])


def _described(pairs: Iterator[tuple[str, str]]) -> str:
    items = (rf"\item[{{{latex_text(term)}}}] {latex_text(text)}" for term, text in pairs)
    return "\n".join([r"\begin{description}", *items, r"\end{description}"])


def _commands(lines: Sequence[str]) -> str:
    typed = (rf"{latex_code(line)}\par" for line in lines)
    return "\n".join([r"\begin{quote}\footnotesize\ttfamily\raggedright", *typed, r"\end{quote}"])
