"""What a file holds, of ours and of the 2018 tool's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from landscape.errors import LandscapeError
from landscape.storage.opening import format_of, opened
from landscape.storage.reference import GROUPS, PROJECTIONS
from landscape.storage.reference_surface import AXES
from landscape.storage.schema import DIRECTIONS_FORMAT, FORMAT

Kind = Literal["surface", "reference", "directions", "trajectory"]
OURS: dict[str, Kind] = {FORMAT: "surface", DIRECTIONS_FORMAT: "directions"}


def kind_of(path: Path) -> Kind | None:
    """Find out what a file holds.

    Args:
        path: The file.

    Returns:
        `surface` (ours), `reference` (a surface of the 2018 tool), `directions` or `trajectory` (ours or the tool's);
        None for anything else.

    Raises:
        LandscapeError: If it is missing or cannot be read.
    """
    if path.suffix.lower() == ".csv":
        if not path.is_file():
            raise LandscapeError(f"there is no file {str(path)!r}")
        return "trajectory"
    with opened(path) as file:
        if ours := OURS.get(format_of(file)):
            return ours
        theirs: dict[str, Kind] = {AXES[0]: "reference", GROUPS[0]: "directions", PROJECTIONS[0]: "trajectory"}
        return next((kind for name, kind in theirs.items() if name in file), None)
