"""One self-contained HTML page: figures, a table of numbers, findings and the commands to take on."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landscape.errors import SurroundingsError
from landscape.rendering.embed import STYLE, fragment, script
from landscape.rendering.matplotlib import encode
from landscape.rendering.scene import Scene
from landscape.types import Finding

HOW_TO_READ = (
    "Each picture shows the loss of one trained network on a plane through its weights. The star marks the trained "
    "weights; along α and β they are moved in two random directions, scaled filter by filter to the size of the "
    "weights themselves, so that networks of different weight scale can be compared. All pictures in a row share "
    "range, colours and contour levels. A plane shows two directions out of very many: a smooth or narrow valley here "
    "describes this plane, and is no verdict on how well the network generalises."
)
_MARKS = {"ok": "✓", "note": "i", "warning": "!", "error": "×"}


@dataclass(frozen=True)
class Table:
    """Numbers as text, ready to print.

    Attributes:
        columns: Headings; the first is that of the row names.
        rows: The cells, each row as long as `columns`.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Figure:
    """A scene with its heading.

    Attributes:
        heading: What it shows, in a few words.
        scene: The figure as data.
    """

    heading: str
    scene: Scene


def write_page(
    path: str | Path,
    title: str,
    figures: Sequence[Figure],
    introduction: str = HOW_TO_READ,
    table: Table | None = None,
    findings: Sequence[tuple[str, Finding]] = (),
    commands: Sequence[str] = (),
    provenance: Sequence[str] = (),
) -> Path:
    """Write a page that needs neither a network nor any other file.

    Every text is escaped: names of checkpoints and of data come from files.

    Args:
        path: The HTML file.
        title: The heading.
        figures: Interactive figures, in this order; a picture of each is embedded for readers without scripts.
        introduction: How to read them; blank lines separate paragraphs.
        table: The numbers beside the figures.
        findings: Verdicts, each with the name of the surface it is about.
        commands: The commands that made this, one per line.
        provenance: Small print, one line each.

    Returns:
        The path.

    Raises:
        SurroundingsError: If the file cannot be written.
    """
    parts = [f"<h1>{_escaped(title)}</h1>"]
    parts += [f"<p>{_escaped(paragraph)}</p>" for paragraph in introduction.split("\n\n") if paragraph.strip()]
    parts += [_figure(figure, f"figure-{number}") for number, figure in enumerate(figures, start=1)]
    parts += [_table(table)] if table else []
    parts += [_findings(findings)] if findings else []
    parts += [_commands(commands)] if commands else []
    parts += [_provenance(provenance)] if provenance else []
    text = _PAGE.format(title=_escaped(title), style=_STYLE + STYLE, script=script(), body="\n".join(parts))
    path = Path(path)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SurroundingsError(f"cannot write the page {str(path)!r}: {error.strerror or error}") from error
    return path


def _escaped(text: str) -> str:
    return html.escape(text.encode("utf-8", "replace").decode())


def _figure(figure: Figure, name: str) -> str:
    picture = encode(figure.scene, "png")
    return f"<section><h2>{_escaped(figure.heading)}</h2>\n{fragment(figure.scene, name, picture)}</section>"


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in table.columns)
    rows = "\n".join(
        f'<tr><th scope="row">{_escaped(row[0])}</th>{"".join(f"<td>{_escaped(cell)}</td>" for cell in row[1:])}</tr>'
        for row in table.rows
    )
    return (
        '<section><h2>Numbers</h2><div class="scroll" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></div></section>"
    )


def _findings(findings: Sequence[tuple[str, Finding]]) -> str:
    items = "\n".join(
        f'<li class="{finding.level}"><span class="mark" aria-label="{finding.level}">{_MARKS[finding.level]}</span>'
        f"<div><b>{_escaped(name)}</b> {_escaped(finding.text)} <code>{_escaped(finding.code)}</code></div></li>"
        for name, finding in findings
    )
    return f'<section><h2>Findings</h2><ul class="findings">{items}</ul></section>'


def _commands(commands: Sequence[str]) -> str:
    lines = _escaped("\n".join(commands))
    return f'<section><h2>Take it on</h2><pre tabindex="0">{lines}</pre></section>'


def _provenance(lines: Sequence[str]) -> str:
    return f"<footer>{'<br>'.join(_escaped(line) for line in lines)}</footer>"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' \
blob:; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; worker-src blob:">
<title>{title}</title>
<style>{style}</style>
{script}</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#f6f7f9;color:#1f2328;font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,\
"Liberation Sans",Helvetica,Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:2.5rem 1.5rem 3rem}
h1{font-size:1.9rem;line-height:1.2;letter-spacing:-.015em;margin:0 0 .9rem;overflow-wrap:anywhere}
h2{font-size:1.12rem;line-height:1.3;margin:0 0 .8rem}
p{max-width:74ch;margin:0 0 1rem;color:#3d444d}
section{background:#fff;border:1px solid #d8dee4;border-radius:10px;padding:1.2rem 1.4rem 1.3rem;margin:1.2rem 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.92rem;font-variant-numeric:tabular-nums}
th,td{padding:.5rem .8rem;text-align:right;border-bottom:1px solid #e6e9ed;white-space:nowrap}
th:first-child{text-align:left}
thead th{white-space:normal;color:#57606a;font-weight:600;border-bottom:1.5px solid #afb8c1}
tbody tr:last-child>*{border-bottom:0}
tbody th{font-weight:600}
.findings{list-style:none;margin:0;padding:0}
.findings li{display:flex;gap:.75rem;padding:.4rem 0;overflow-wrap:anywhere}
.findings li>div{min-width:0}
.mark{flex:none;width:1.45rem;height:1.45rem;border-radius:50%;color:#fff;background:#57606a;text-align:center;\
font-weight:700;font-size:.85rem;line-height:1.45rem;margin-top:.1rem}
.ok .mark{background:#1a7f37}.warning .mark{background:#9a6700}.error .mark{background:#cf222e}
code{font-size:.8em;color:#57606a;background:#f0f2f4;border-radius:4px;padding:.1em .4em}
pre{margin:0;padding:.9rem 1rem;background:#f0f2f4;border-radius:8px;overflow-x:auto;font-size:.85rem;line-height:1.6}
footer{color:#57606a;font-size:.8rem;line-height:1.6;margin-top:1.5rem;overflow-wrap:anywhere}
@media(max-width:720px){main{padding:1.4rem .7rem 2rem}section{padding:1rem .7rem}h1{font-size:1.45rem}
th,td{padding:.45rem .55rem}}
@media print{body{background:#fff}section{break-inside:avoid}}
"""
