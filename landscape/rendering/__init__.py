"""Pictures: Surfaces become a Scene, plain data, and a Scene becomes a file with one drawing library or another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from landscape.errors import LandscapeError, SurroundingsError, listed
from landscape.registry import Registry
from landscape.rendering.scene import Scene

FIGURES = Registry(
    "figure",
    {
        "1d": "landscape.rendering.profiles:profile",
        "2d": "landscape.rendering.figures:contour",
        "lines": "landscape.rendering.figures:lines",
        "filled": "landscape.rendering.figures:filled",
        "heat": "landscape.rendering.figures:heat",
        "3d": "landscape.rendering.figures:surface3d",
        "uncertainty": "landscape.rendering.figures:uncertainty",
        "drift": "landscape.rendering.figures:drift",
        "trajectory": "landscape.rendering.trajectory:trajectory",  # of a surface and a path in its plane
        "comparison": "landscape.rendering.comparison:comparison",
        "grid": "landscape.rendering.comparison:comparison_grid",
        "difference": "landscape.rendering.difference:difference",
        "numbers": "landscape.rendering.numbers:numbers",  # of a comparison, not of surfaces
    },
)
RENDERERS = Registry(
    "renderer",
    {
        "png": "landscape.rendering.matplotlib:save",
        "pdf": "landscape.rendering.matplotlib:save",
        "svg": "landscape.rendering.matplotlib:save",
        "html": "landscape.rendering.embed:save",
    },
)
__all__ = ["FIGURES", "RENDERERS", "Scene", "check_path", "save"]


def check_path(path: str | Path) -> str:
    """Tell whether a figure can be written under this name, before anything is drawn.

    Args:
        path: Where the figure is to go.

    Returns:
        The suffix that chooses the renderer, for example `"png"`.

    Raises:
        LandscapeError: If the suffix is none that can be drawn.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in RENDERERS.names():
        known = listed(RENDERERS.names())
        raise LandscapeError(f"a figure's name must end in one of {known}, and {Path(path).name!r} does not")
    return suffix


def save(scene: Scene, path: str | Path, **settings: Any) -> Path:
    """Draw a scene into a file; the suffix says how.

    Args:
        scene: The figure.
        path: A file name ending in png, pdf, svg or html.
        settings: Of a html file, as for `rendering.embed.save`.

    Returns:
        The path.

    Raises:
        LandscapeError: If the suffix is unknown.
        SurroundingsError: If the file cannot be written.
    """
    path, draw = Path(path), RENDERERS.get(check_path(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw(scene, path, **settings)
    except OSError as error:
        raise SurroundingsError(f"cannot write the figure {str(path)!r}: {error.strerror or error}") from error
    return path
