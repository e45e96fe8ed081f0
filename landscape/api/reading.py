"""Surfaces from their files, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from landscape.errors import LandscapeError
from landscape.storage import is_surface
from landscape.storage import load as load_file
from landscape.types import Finding, Surface


def load(path: str | Path) -> Surface:
    """Read a surface from its file; that of a run still going on, too.

    Args:
        path: The HDF5 file.

    Returns:
        The surface.
    """
    return load_file(path)


def loaded(surfaces: Surface | str | Path | Sequence[Surface | str | Path]) -> list[Surface]:
    """Take a surface or several, each as it is or from its file.

    Args:
        surfaces: A surface, its file, or several.

    Returns:
        The surfaces.
    """
    listed = [surfaces] if isinstance(surfaces, Surface | str | Path) else surfaces
    return [one if isinstance(one, Surface) else load(one) for one in listed]


def newest(folder: str | Path = ".") -> Path:
    """Find the newest surface file of a folder.

    Args:
        folder: Where to look.

    Returns:
        Its path.

    Raises:
        LandscapeError: If there is none.
    """
    files = sorted(Path(folder).glob("*.h5"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files:
        if is_surface(path):
            return path
    raise LandscapeError("there is no surface in this folder: make one with landscape compute --ckpt model.pt")


def check(surface: Surface | str | Path) -> list[Finding]:
    """Judge a surface: is the centre a minimum, does the range suit, is the noise below the contour step?

    Args:
        surface: The surface, or its file.

    Returns:
        The findings, at least one.
    """
    from landscape.analysis.checks import check as judge

    return judge(surface if isinstance(surface, Surface) else load(surface))
