"""Text from files as plain text of a LaTeX, Markdown or HTML document: nothing in it is taken for markup."""

from __future__ import annotations

import re
import unicodedata

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    "±": r"$\pm$",
    "×": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "−": "$-$",
    "…": r"\ldots{}",
    "–": "--",
    "—": "---",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "·": r"$\cdot$",
    "→": r"$\to$",
    "√": r"$\surd$",
    **{letter: f"$\\{unicodedata.name(letter).split()[-1].lower()}$" for letter in "αβγδεζηθικμνξπρστυφχψω"},
    "Δ": r"$\Delta$",
    "Σ": r"$\Sigma$",
    "λ": r"$\lambda$",
}
# Typed letters keep their shape, to be copied from the page.
_TYPED = {"'": r"\textquotesingle{}", "`": r"\textasciigrave{}", '"': r"\char34{}", "-": "-{}"}
# What JSON has in strings alone, and what HTML, or JavaScript before 2019, reads otherwise there.
_SCRIPT = str.maketrans({sign: f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"})
_MARKDOWN = {"<": "&lt;", ">": "&gt;", "&": "&amp;"} | {sign: "\\" + sign for sign in "\\`*_{}[]()#+!|~$"}


def line_of(text: str) -> str:
    """Text as one line that a file can hold: line breaks become blanks, what cannot be printed a question mark."""
    return "".join(" " if sign.isspace() else sign if sign.isprintable() else "?" for sign in text)


def latex_text(text: str) -> str:
    r"""Text as LaTeX that pdflatex sets with its usual fonts.

    Args:
        text: Any text.

    Returns:
        One line; signs that mean something to LaTeX are escaped, numbers have true minus signs, `r^2` is raised, and a
        letter that its fonts lack is written without its accent, or as a question mark.
    """
    found = "".join(_LATEX.get(sign) or _latin(sign) for sign in line_of(text))
    found = found.replace(r"r\textasciicircum{}2", "$r^2$")
    return re.sub(r"(?<![\w.}-])-(?=[\d.])", "$-$", found)


def latex_code(text: str) -> str:
    """Text as LaTeX that is to be typed: dashes and quotes stay what they are."""
    return "".join(_TYPED.get(sign) or _LATEX.get(sign) or _latin(sign) for sign in line_of(text))


def markdown_text(text: str) -> str:
    """Text as one line of Markdown, in which nothing is a heading, a link, a cell of a table, or HTML.

    Args:
        text: Any text.

    Returns:
        The line.
    """
    found = "".join(_MARKDOWN.get(sign, sign) for sign in line_of(text))
    # What would begin a list at the start of a line.
    return re.sub(r"^(\s*)([-+]|\d+[.)])(?=\s)", lambda start: f"{start[1]}{start[2][:-1]}\\{start[2][-1]}", found)


def script_json(text: str) -> str:
    """JSON that cannot end the script element it stands in.

    Args:
        text: JSON.

    Returns:
        The same JSON, in other signs.
    """
    return text.translate(_SCRIPT)


def _latin(sign: str) -> str:
    """A letter that the fonts of LaTeX have, without its accent if need be."""
    if sign.isascii() or ("À" <= sign <= "ÿ" and sign not in "ÐÞðþ"):
        return sign
    plain = unicodedata.normalize("NFKD", sign).encode("ascii", "ignore").decode()
    return "".join(_LATEX.get(letter, letter) for letter in plain) or "?"
