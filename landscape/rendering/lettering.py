"""About how much room letters take, and how words are broken into lines for it."""

from __future__ import annotations

import math
import textwrap

from landscape.rendering.style import LABEL, SMALL, TICK


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
    return [line for part in parts for line in textwrap.wrap(part, most, break_on_hyphens=False)]


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
