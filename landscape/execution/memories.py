"""Measured ratios that later runs on the same machine take over, in the user's folder for caches."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

# Older ones are dropped.
MOST = 1000
UNREACHABLE = (OSError, RuntimeError)  # the latter where nobody knows the user's home


class Memories:
    """Numbers by key, in a file that may vanish at any time; what cannot be read or written is not remembered.

    Args:
        name: Of the file.
    """

    def __init__(self, name: str) -> None:
        self._name = f"{name}.json"

    def recall(self, key: str) -> float | None:
        """The number that was kept under a key, if there is one."""
        found = self._all().get(key)
        return float(found) if isinstance(found, int | float) else None

    def keep(self, key: str, number: float) -> None:
        """Keep a number; the file is replaced as a whole, so that runs side by side do not spoil it."""
        kept = {**self._all(), key: number}
        newest = dict(list(kept.items())[-MOST:])
        with suppress(*UNREACHABLE), tempfile.TemporaryDirectory(dir=_made(folder())) as room:
            written = Path(room) / self._name
            written.write_text(json.dumps(newest), encoding="utf-8")
            written.replace(folder() / self._name)

    def _all(self) -> dict[str, object]:
        with suppress(*UNREACHABLE, ValueError):
            found = json.loads((folder() / self._name).read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        return {}


def folder() -> Path:
    """Where the numbers are kept: `$XDG_CACHE_HOME/landscape`, or `~/.cache/landscape`."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "landscape"


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
