"""Measured ratios that later runs on the same machine take over, in the user's folder for caches."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

# Older ones are dropped.
MOST = 1000


class Memories:
    """Numbers by key, in a file that may vanish at any time; what cannot be read or written is not remembered.

    Args:
        name: Of the file.
    """

    def __init__(self, name: str) -> None:
        self._path = folder() / f"{name}.json"

    def recall(self, key: str) -> float | None:
        """The number that was kept under a key, if there is one."""
        found = self._all().get(key)
        return float(found) if isinstance(found, int | float) else None

    def keep(self, key: str, number: float) -> None:
        """Keep a number; the file is replaced as a whole, so that runs side by side do not spoil it."""
        kept = {**self._all(), key: number}
        newest = dict(list(kept.items())[-MOST:])
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False, encoding="utf-8") as file:
                json.dump(newest, file)
            Path(file.name).replace(self._path)

    def _all(self) -> dict[str, object]:
        with suppress(OSError, ValueError):
            found = json.loads(self._path.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        return {}


def folder() -> Path:
    """Where the numbers are kept: `$XDG_CACHE_HOME/landscape`, or `~/.cache/landscape`."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "landscape"
