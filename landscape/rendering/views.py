"""Views of planes: which marks each kind of picture makes of surfaces that share a scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from landscape.analysis.scales import Scale, ScaleOptions
from landscape.errors import LandscapeError
from landscape.rendering.captions import levels_phrase
from landscape.rendering.names import quantity_label
from landscape.rendering.planes import lowest, shared_scale, sites, standing, trained
from landscape.rendering.quantities import Measured, measured, refining
from landscape.rendering.scene import Cells, Contour, Cut, Hatch, Heat, Kind, Mark, Mesh
from landscape.rendering.uncertainty import error_scales, relative_errors
from landscape.types import Surface

Look = Literal["over", "coloured", "plain"]


@dataclass(frozen=True, eq=False)
class View:
    """What is drawn of surfaces side by side.

    Attributes:
        kind: `"2d"` or `"3d"`.
        marks: The marks of each surface, from back to front.
        data: What is coloured of each.
        scale: The scale of the colours.
        banded: Whether colours step at the levels.
        whole: Whether cells at the edge are shown whole, beyond the outermost grid points.
        unit: The unit of what is coloured, if that is not its usual one.
        said: What else the caption has to say.
    """

    kind: Kind
    marks: tuple[tuple[Mark, ...], ...]
    data: tuple[Measured, ...]
    scale: Scale
    banded: bool
    whole: bool = False
    unit: str = ""
    said: tuple[str, ...] = ()


Maker = Callable[[Sequence[Surface], str, bool, ScaleOptions], View]


def view(name: str, surfaces: Sequence[Surface], quantity: str, points: bool, options: ScaleOptions) -> View:
    """Make the view of this name.

    Args:
        name: One of `VIEWS`.
        surfaces: Planes, each with one policy and one repeat.
        quantity: What is drawn of them.
        points: Whether to mark the points that were measured.
        options: What is asked of the scale.

    Returns:
        The view.

    Raises:
        LandscapeError: If there is no such view, or the quantity or the options do not fit.
    """
    if name not in VIEWS:
        known = ", ".join(repr(known) for known in VIEWS)
        raise LandscapeError(f"the pictures of a comparison are {known}, not {name!r}")
    return VIEWS[name](surfaces, quantity, points, options)


def from_above(
    surface: Surface, data: Measured, scale: Scale, points: bool = False, fill: bool = True, lines: bool = True
) -> tuple[Mark, ...]:
    """A surface seen from above: filled levels, lines, gaps and the trained weights.

    Args:
        surface: The surface.
        data: What is drawn of it.
        scale: The scale.
        points: Whether to mark the points that were measured, as is done in any case while a run refines.
        fill: Whether levels are filled; lines without them have the colours of their levels.
        lines: Whether there are lines.

    Returns:
        Marks from back to front.
    """
    return (
        *([Heat(*_axes(surface), data.finite, scale, quantity_label(data.name))] if fill else []),
        *([_lines(surface, data, scale, "over" if fill else "coloured")] if lines else []),
        *_over(surface, data, points),
    )


def in_space(surface: Surface, data: Measured, scale: Scale) -> tuple[Mark, ...]:
    """A surface in space over its contour lines.

    Args:
        surface: The surface.
        data: What is drawn of it.
        scale: The scale.

    Returns:
        Marks from back to front.
    """
    x, y = _axes(surface)
    cut = bool((data.finite > scale.upper).any())
    return (
        Contour(x, y, data.finite, scale),
        *_hatch(surface, data),
        *trained(surface),
        Mesh(x, y, data.finite, scale, quantity_label(data.name)),
        *([Cut(x, y, data.finite, scale)] if cut else []),
        *standing(surface, data, scale),
        *lowest(surface, data, scale),
    )


def _lines(surface: Surface, data: Measured, scale: Scale, look: Look) -> Mark:
    return Contour(*_axes(surface), data.finite, scale, look)


def _hatch(surface: Surface, data: Measured) -> list[Mark]:
    return [Hatch(*_axes(surface), data.broken)] if data.broken.any() else []


def _over(surface: Surface, data: Measured, points: bool, least: bool = True) -> tuple[Mark, ...]:
    """What lies over the values of a picture from above."""
    return (
        *_hatch(surface, data),
        *(sites(surface, data) if points or refining(surface) else []),
        *trained(surface),
        *(lowest(surface, data) if least else []),
    )


def _filled(fill: bool, lines: bool) -> Maker:
    def made(surfaces: Sequence[Surface], quantity: str, points: bool, options: ScaleOptions) -> View:
        data = tuple(measured(surface, quantity) for surface in surfaces)
        scale = shared_scale(data, **options)
        marks = tuple(
            from_above(surface, each, scale, points, fill, lines) for surface, each in zip(surfaces, data, strict=True)
        )
        return View("2d", marks, data, scale, banded=True)

    return made


def _cells(surfaces: Sequence[Surface], quantity: str, points: bool, options: ScaleOptions) -> View:
    data = tuple(measured(surface, quantity) for surface in surfaces)
    scale = shared_scale(data, **options)
    marks = tuple(
        (Cells(*_axes(surface), each.finite, scale, quantity_label(each.name)), *_over(surface, each, points))
        for surface, each in zip(surfaces, data, strict=True)
    )
    return View("2d", marks, data, scale, banded=False, whole=True, said=("a cell for each grid point",))


def _space(surfaces: Sequence[Surface], quantity: str, points: bool, options: ScaleOptions) -> View:
    data = tuple(measured(surface, quantity) for surface in surfaces)
    scale = shared_scale(data, **options)
    marks = tuple(in_space(surface, each, scale) for surface, each in zip(surfaces, data, strict=True))
    return View("3d", marks, data, scale, banded=False)


def _errors(share: Literal["value", "rise"]) -> Maker:
    def made(surfaces: Sequence[Surface], quantity: str, points: bool, options: ScaleOptions) -> View:
        means = tuple(measured(surface, quantity) for surface in surfaces)
        errors = [relative_errors(surface, mean, share) for surface, mean in zip(surfaces, means, strict=True)]
        scale, levels = error_scales([error.data for error in errors], means, options)
        marks = tuple(
            (
                Cells(*_axes(surface), error.data.finite, scale, quantity_label(error.data.name, unit=error.unit)),
                _lines(surface, mean, levels, "plain"),
                *_over(surface, error.data, points, least=False),
            )
            for surface, mean, error in zip(surfaces, means, errors, strict=True)
        )
        said = (f"lines: {quantity_label(means[0].name, levels)}, {levels_phrase(levels)}",)
        data = tuple(error.data for error in errors)
        return View("2d", marks, data, scale, banded=False, whole=True, unit=errors[0].unit, said=said)

    return made


def _axes(surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    first, second = (axis.array() for axis in surface.grid.axes)
    return first, second


VIEWS: dict[str, Maker] = {
    "2d": _filled(fill=True, lines=True),
    "lines": _filled(fill=False, lines=True),
    "filled": _filled(fill=True, lines=False),
    "heat": _cells,
    "3d": _space,
    "uncertainty": _errors("value"),
    "uncertainty-rise": _errors("rise"),
}
