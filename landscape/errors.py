"""Everything that can go wrong and that a user can mend.

Each message is one sentence or two: what must hold, what was received, what to type instead.
The command line prints the message alone and exits with the error's `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LandscapeError(Exception):
    """Bad input: a wrong option, checkpoint, model, data set, grid or file (exit code 2)."""

    exit_code = 2


class SurroundingsError(LandscapeError):
    """The surroundings failed: a full disk, a folder that cannot be written, a lost device (exit code 1)."""

    exit_code = 1


class Interrupted(LandscapeError):  # noqa: N818 - not an error of anybody's making
    """The run was stopped by a signal; what was computed is saved (exit code 130).

    Attributes:
        surface: What was computed, a `landscape.Surface`, or None.
    """

    exit_code = 130

    def __init__(self, message: str, surface: object = None) -> None:
        super().__init__(message)
        self.surface = surface


def nearest(word: str, known: Iterable[str], limit: int = 3) -> str:
    """Name the known words that a mistyped one may have meant, then the rest.

    Args:
        word: What was received.
        known: What would have been accepted.
        limit: The most near matches to suggest.

    Returns:
        `"did you mean a or b? (known: a, b, c)"`, or only the part in parentheses.
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=limit, cutoff=0.6)
    listing = f"known: {', '.join(names)}"
    return f"did you mean {' or '.join(close)}? ({listing})" if close else listing


def require_switches(place: str = "", **switches: object) -> None:
    """Refuse settings that are neither on nor off: a text such as `"no"` would count as on.

    Args:
        place: Of what they are settings, where that has to be said.
        switches: Values that must be True or False.

    Raises:
        LandscapeError: If one is something else.
    """
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise LandscapeError(f"{name}{f' of {place}' if place else ''} is True or False, not {value!r}")


def listed(names: Iterable[str], limit: int = 10) -> str:
    """Join names for a message, at most `limit` of them, with a count of the rest."""
    names = list(names)
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
