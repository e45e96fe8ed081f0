"""Pictures: Surfaces become a Scene, plain data, and a Scene becomes a file with one drawing library or another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from landscape.errors import LandscapeError, SurroundingsError, listed, nearest
from landscape.registry import Registry, load
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
        "uncertainty-rise": "landscape.rendering.figures:uncertainty_of_rise",
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
_VTK = "landscape.rendering.vtk:encode"
# Which of the files that can be written each drawing library writes.
WRITERS = {"matplotlib": ("png", "pdf", "svg"), "plotly": ("html",), "vtk": ("png", "pdf", "svg")}
__all__ = ["FIGURES", "WRITERS", "RENDERERS", "Scene", "check_path", "save"]


def check_path(path: str | Path, renderer: str | None = None) -> str:
    """Tell whether a figure can be written under this name, before anything is drawn.

    Args:
        path: Where the figure is to go.
        renderer: Which of `WRITERS` is to draw it, if one was asked for.

    Returns:
        The suffix that chooses the renderer, for example `"png"`.

    Raises:
        LandscapeError: If the suffix is none that can be drawn, or none that the renderer writes.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in RENDERERS.names():
        known = listed(RENDERERS.names())
        raise LandscapeError(f"a figure's name must end in one of {known}, and {Path(path).name!r} does not")
    if renderer is not None and renderer not in WRITERS:
        raise LandscapeError(f"unknown renderer {renderer!r}; {nearest(renderer, WRITERS)}")
    if renderer is not None and suffix not in WRITERS[renderer]:
        raise LandscapeError(f"the renderer {renderer} writes {listed(WRITERS[renderer])} files, not {suffix}")
    return suffix


def save(scene: Scene, path: str | Path, renderer: str | None = None, **settings: Any) -> Path:
    """Draw a scene into a file; the suffix says how.

    Args:
        scene: The figure.
        path: A file name ending in png, pdf, svg or html.
        renderer: Which of `WRITERS` draws it; None for plotly in html files and matplotlib elsewhere.
        settings: Of a html file, as for `rendering.embed.save`.

    Returns:
        The path.

    Raises:
        LandscapeError: If the suffix is unknown or none that the renderer writes, or the renderer is not installed.
        SurroundingsError: If the file cannot be written.
    """
    suffix = check_path(path, renderer)
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if renderer == "vtk":
            path.write_bytes(load(_VTK)(scene, suffix, **settings))
        else:
            RENDERERS.get(suffix)(scene, path, **settings)
    except OSError as error:
        raise SurroundingsError(f"cannot write the figure {str(path)!r}: {error.strerror or error}") from error
    return path
