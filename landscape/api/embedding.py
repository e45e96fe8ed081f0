"""Surfaces and comparisons as native figures, to edit further, and as what a notebook shows of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.api.scenes import comparison_scenes, parted, scene_of
from landscape.errors import LandscapeError, nearest
from landscape.registry import load
from landscape.types import Surface

if TYPE_CHECKING:
    from landscape.analysis.comparison import Comparison
    from landscape.rendering import Scene

LIBRARIES = {
    "matplotlib": "landscape.rendering.matplotlib:render",
    "plotly": "landscape.rendering.plotly:render",
    "vtk": "landscape.rendering.vtk:render",
}


def figure(
    shown: Surface | Comparison | str | Path | Sequence[Surface | str | Path],
    renderer: str = "matplotlib",
    kind: str | None = None,
    *,
    ax: Any = None,
    bar: bool = True,
    **options: Any,
) -> Any:
    """Make a figure of a drawing library, to edit further.

    Args:
        shown: A surface, its file, several, or a comparison.
        renderer: `"matplotlib"`, `"plotly"` or `"vtk"` (matplotlib, with surfaces in space drawn by VTK).
        kind: Kind of the figure, as for `plot`; None for what suits. A comparison has layouts instead.
        ax: Axes of a matplotlib figure to draw into, for a picture of one panel; None for a figure of its own.
        bar: Whether axes that are given get a colour bar.
        options: As for `plot`; of a comparison the quantity, the `layout`, the settings of the scale and the looks.

    Returns:
        A matplotlib or plotly figure, or the axes that were given.

    Raises:
        LandscapeError: If the renderer, the kind or an option is unknown, or the picture does not fit the axes.
    """
    return drawn(scene_of_any(shown, kind, **options), renderer, ax, bar)


def drawn(scene: Scene, renderer: str | None = None, ax: Any = None, bar: bool = True) -> Any:
    """Draw a scene with one of the libraries.

    Args:
        scene: The figure as data.
        renderer: One of `LIBRARIES`; None for matplotlib.
        ax: Axes of a matplotlib figure to draw into; None for a figure of its own.
        bar: Whether axes that are given get a colour bar.

    Returns:
        A figure of the library, or the axes that were given.

    Raises:
        LandscapeError: If the renderer is unknown or another than that of the axes, or the picture does not fit them.
    """
    renderer = renderer or "matplotlib"
    if renderer not in LIBRARIES:
        raise LandscapeError(f"unknown renderer {renderer!r}; {nearest(renderer, LIBRARIES)}")
    if ax is not None and renderer != "matplotlib":
        raise LandscapeError(f"ax is for the renderer matplotlib, not {renderer}")
    if ax is not None:
        return load("landscape.rendering.matplotlib.axes:draw_into")(scene, ax, bar)
    return load(LIBRARIES[renderer])(scene)


def scene_of_any(
    shown: Surface | Comparison | str | Path | Sequence[Surface | str | Path], kind: str | None = None, **options: Any
) -> Scene:
    """Make the figure of whatever can be drawn.

    Args:
        shown: A surface, its file, several, or a comparison.
        kind: As for `figure`.
        options: As for `figure`.

    Returns:
        The figure as data.

    Raises:
        LandscapeError: If a kind is asked for of a comparison, or as for `figure`.
    """
    from landscape.analysis.comparison import Comparison

    if not isinstance(shown, Comparison):
        looks, values = parted(options)
        return scene_of(shown, kind, looks, **values)
    if kind is not None:
        raise LandscapeError(f"a comparison has no kinds of figure but a layout: rows, grid or grid-3d, not {kind!r}")
    layout = {"layout": options.pop("layout")} if "layout" in options else {}
    looks, values = parted(options)
    values = looks.values(values.get("quantity", "loss"), values)
    return looks.applied(next(comparison_scenes(shown, **layout, **values))[1])


def bundle(
    shown: Surface | Comparison, include: Collection[str] | None = None, exclude: Collection[str] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a notebook shows of a surface or a comparison: text always, and pictures where they can be drawn.

    Nothing that is wrong with a surface raises here: the text then says why there is no picture.

    Args:
        shown: What is shown.
        include: Kinds of output to make; None for all.
        exclude: Kinds of output to leave out.

    Returns:
        Outputs by their kind, and what is to be known of them.
    """
    outputs, known = {"text/plain": _text(shown)}, {}
    try:
        from landscape.rendering.notebook import kinds, output

        wanted = [kind for kind in kinds() if (not include or kind in include) and kind not in (exclude or ())]
        scene = scene_of_any(shown)
        for kind in wanted:
            made = output(scene, kind)
            if made is not None:
                outputs[kind], known[kind] = made
    except Exception as error:  # whatever it is: the notebook must go on
        outputs["text/plain"] += f"\n(no picture: {error})"
    return {kind: value for kind, value in outputs.items() if kind not in (exclude or ())}, known


def _text(shown: Surface | Comparison) -> str:
    """The surface on one line, the comparison as its table; the bare type of what has neither."""
    try:
        return str(shown)
    except Exception as error:
        return f"{type(shown).__name__} that cannot be told: {error}"
