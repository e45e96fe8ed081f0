"""One panel of a Scene drawn into the user's own matplotlib axes, whose figure, fonts and letters stay theirs."""

from __future__ import annotations

import dataclasses
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from landscape.errors import LandscapeError
from landscape.rendering.layout import Box, entries
from landscape.rendering.matplotlib import draw_flat
from landscape.rendering.matplotlib.settings import line_style
from landscape.rendering.matplotlib.space import fill_space
from landscape.rendering.matplotlib.words import fill_colour_bar
from landscape.rendering.scene import Scene

# The bar beside the axes: left, bottom, width and height, in parts of theirs.
_BAR = {"2d": (1.04, 0.0, 0.045, 1.0), "3d": (1.15, 0.16, 0.035, 0.68)}


def draw_into(scene: Scene, axes: Any, bar: bool = True) -> Any:
    """Draw the only panel of a scene into axes that are there; the caption is left to their owner.

    Args:
        scene: A figure of one panel, or of lines along one direction, whose accuracies are then left out.
        axes: Axes of the user's figure; those of a panel in space have the projection 3d.
        bar: Whether the colour bar stands beside them, inside their figure.

    Returns:
        The axes.

    Raises:
        LandscapeError: If the scene has several panels, or the axes are none for its panel.
    """
    scene = _asked(scene)
    _check(scene, axes)
    panel, style = scene.panels[0], scene.style
    box, letters = _box(axes), axes.xaxis.label.get_size() / 9.0
    (fill_space if panel.kind == "3d" else draw_flat)(axes, panel, box, letters, style)
    title = panel.title or scene.title
    if title:
        axes.set_title(title)
    if panel.legend and (lines := entries(scene)):
        handles = [Line2D([], [], label=label, **line_style(mark, style)) for label, mark in lines.items()]
        axes.legend(handles=handles, frameon=False)
    if bar and scene.bar is not None:
        beside = axes.inset_axes(_BAR[panel.kind])
        beside.set_facecolor("none")
        fill_colour_bar(beside, scene.bar, _box(beside), letters, style)
    _literal(axes)
    return axes


def _asked(scene: Scene) -> Scene:
    """Lines along one direction have what was asked for on top, and the accuracy below."""
    if scene.columns > 1 or any(panel.kind != "1d" or panel.categories for panel in scene.panels):
        return scene
    return dataclasses.replace(scene, panels=(dataclasses.replace(scene.panels[0], inner_x=False),))


def _check(scene: Scene, axes: Any) -> None:
    if not isinstance(axes, Axes):
        raise LandscapeError(
            f"ax is one pair of matplotlib axes, as plt.subplots() makes them, not {type(axes).__name__}"
        )
    if len(scene.panels) != 1:
        raise LandscapeError(
            f"this figure has {len(scene.panels)} panels and ax is for one: draw a single surface, of several policies "
            "that of one, bn=, or leave out ax"
        )
    in_space, wanted = axes.name == "3d", scene.panels[0].kind == "3d"
    if wanted and not in_space:
        raise LandscapeError('a picture in space needs axes in space: plt.subplots(subplot_kw={"projection": "3d"})')
    if in_space and not wanted:
        raise LandscapeError('these axes are in space, and the picture is flat: take plain axes, or the kind "3d"')


def _box(axes: Axes) -> Box:
    """The size of axes in inches; that of axes in a layout that is not yet settled is about right."""
    dots = axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    return Box(0.0, 0.0, axes.bbox.width / dots, axes.bbox.height / dots)


def _literal(axes: Any) -> None:
    """Names of checkpoints are no formulas, whatever the user's settings say."""
    for words in (axes.title, axes.xaxis.label, axes.yaxis.label):
        words.set_parse_math(False)
