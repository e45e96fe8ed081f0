"""About how much room letters take, and how words are broken into lines for it."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence

from landscape.rendering.style import LABEL, SMALL, TICK

LONG = 1.15  # a label may be this much longer than its axis
BESIDE = 0.3  # by which notes may be wider than their panel


def written(words: str, size: float = TICK) -> float:
    """About how long a line of text is, in inches.

    Args:
        words: The line.
        size: Size of the letters in points.

    Returns:
        The length, on the long side.
    """
    return len(words) * 0.54 * size / 72


def fitted(label: str, length: float, letters: float = 1.0) -> list[str]:
    """Break the label of an axis or a bar into lines.

    Args:
        label: The label.
        length: Length of the axis in inches.
        letters: By how much letters are larger than usual.

    Returns:
        One line, or more where it is too long: first at its parenthesis.
    """
    most = max(20, math.floor(length * 72 / (0.52 * letters * LABEL)))
    if len(label) <= most:
        return [label]
    parts = label.replace(" (", "\n(", 1).splitlines()
    return [line for part in parts for line in _even(part, most)]


def _even(part: str, most: int) -> list[str]:
    """Lines of at most so many letters, as few as can be and about equally long: no single word in the last."""
    part = part.replace(" + ", "\N{NO-BREAK SPACE}+\N{NO-BREAK SPACE}")
    lines = textwrap.wrap(part, most, break_on_hyphens=False)
    tries = (textwrap.wrap(part, length, break_on_hyphens=False) for length in range(max(1, most // 2), most))
    even = next((found for found in tries if len(found) == len(lines)), lines)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in even]


def line_count(label: str, length: float) -> int:
    """Into how many lines `fitted` breaks a label, in letters of the usual size."""
    return len(fitted(label, length))


def wrapped(text: str, width: float, size: float = SMALL) -> tuple[str, ...]:
    """Break text into lines.

    Args:
        text: The text; its own line breaks are kept.
        width: Width of a line in inches.
        size: Size of the letters in points.

    Returns:
        The lines.
    """
    letters = max(20, math.floor(width * 72 / (0.495 * size)))
    return tuple(line for part in text.splitlines() for line in textwrap.wrap(part, letters, break_on_hyphens=False))


def shortened(label: str, length: float, letters: float = 1.0) -> str:
    """The label of a coordinate, without what the caption says too where it is longer than its axis.

    Args:
        label: For example `\N{GREEK SMALL LETTER BETA}  (filter-normalised direction 2)`.
        length: Length of the axis in inches.
        letters: By how much letters are larger than usual.

    Returns:
        The label, or its letter with the number of the direction, or its letter alone.
    """
    candidates = [label, re.sub(r"\(.*(direction \d+)\)", r"(\1)", label), label.split("  (")[0]]
    return next((one for one in candidates if written(one, letters * LABEL) <= LONG * length), candidates[-1])


def note_lines(notes: Sequence[str], width: float, letters: float = 1.0) -> list[str]:
    """The notes above a panel, in lines that do not reach into the next panel.

    Args:
        notes: The notes.
        width: Width of the panel in inches.
        letters: By how much letters are larger than usual.

    Returns:
        A line or more for each note.
    """
    lines: list[str] = []
    for note in notes:
        broken = wrapped(note, width + BESIDE * letters, letters * SMALL)
        even = written(note, letters * SMALL) / max(1, len(broken)) + 0.25 * width  # no single word in the last line
        lines += wrapped(note, min(width + BESIDE * letters, even), letters * SMALL) if len(broken) > 1 else [note]
    return lines
