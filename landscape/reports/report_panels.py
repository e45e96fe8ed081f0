"""The numbers behind the interactive pictures of a report, as plain data for its scripts."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from landscape.analysis.levels import steps
from landscape.analysis.scales import Scale, choose_scale
from landscape.errors import LandscapeError
from landscape.rendering.curves import curve
from landscape.rendering.decimation import thinned
from landscape.rendering.names import axis_label, quantity_label
from landscape.rendering.planes import lowest
from landscape.rendering.profiles import MOST_THIN
from landscape.rendering.quantities import Measured, is_accuracy, measured, sampled, split_of
from landscape.rendering.scene import Band, Line, Lowest, Scene
from landscape.rendering.style import Style, hexadecimal
from landscape.reports.report import Report
from landscape.types import FloatArray, Surface
from landscape.types.surface import INTERPOLATED

NUMBERS = 400_000  # in all panels together, about 2 MB of a page
CLIPS = 7
NOT_DONE, MEASURED, INTERPOLATED_POINT = 0, 1, 2
_UNSEEN = ("count", "loss_rise_stderr")


def content(report: Report) -> dict[str, Any]:
    """Everything that the scripts of a page draw.

    Args:
        report: The report.

    Returns:
        Plain data for JSON. Arrays are base64 of little-endian float32 or uint8, the first axis first.
    """
    names = list(quantities(report.shown))
    chosen = report.quantity if report.quantity in names else names[0]
    style = report.looks.applied(Scene(panels=())).style
    return {
        "line": report.is_line,
        "split": report.comparison.split,
        "quantities": [_quantity(report, name, style) for name in names],
        "chosen": chosen,
        "panels": list(_panels(report, names)),
        "view": list(style.view),
        "series": list(style.series),
        "mark": style.mark,
    }


def quantities(surfaces: Sequence[Surface]) -> Iterator[str]:
    """Name what can be shown of some surfaces, each of which has at least one of them.

    Args:
        surfaces: What is drawn.

    Yields:
        Full names, those of the first surface first; without what only errors of differences are.
    """
    for name in dict.fromkeys(name for surface in surfaces for name in surface):
        ending = name.rpartition("/")[2]
        if ending not in _UNSEEN and not name.endswith(INTERPOLATED):
            yield name


def _quantity(report: Report, name: str, style: Style) -> dict[str, Any]:
    """A quantity with the scales that a reader may switch between."""
    having = [surface for surface in report.shown if name in surface]
    data = [reached(surface, name, _is_thin(report)) for surface in having]
    asked = dict(report.scale) if name == report.quantity else {}
    automatic = choose_scale(data, bounded=is_accuracy(name), **asked)
    clips = [("automatic", asked.get("clip")), ("none", _largest(data))]
    clips += [(f"{value:g}", value) for value in _round_clips(data, name, automatic)]
    scales = {
        f"{'log' if way else 'linear'}/{key}": _scale(scale, data, style)
        for way in (False, True)
        for key, value in clips
        if (scale := _possible(data, name, asked | {"log": way, "clip": value})) is not None
    }
    return {
        "name": name,
        "label": quantity_label(name),
        "automatic": "log" if automatic.log else "linear",
        "clips": [key for key, _ in clips if any(f"{way}/{key}" in scales for way in ("linear", "log"))],
        "scales": scales,
    }


def reached(surface: Surface, name: str, thin: bool) -> FloatArray:
    """The values of a quantity that are drawn: of a plane all finite ones, of a line what `curve_of` gives."""
    if len(surface.grid.axes) > 1:
        return measured(surface, name).finite
    return np.stack(curve_of(surface, name, thin))


def curve_of(surface: Surface, name: str, thin: bool) -> list[FloatArray]:
    """A quantity along a line: lower end of its band, value and upper end, and of several draws each, if wanted.

    Args:
        surface: A surface over one direction.
        name: The quantity.
        thin: Whether single draws are wanted.

    Returns:
        Arrays of shape (points,), NaN where there is nothing to draw; of several draws median and quartiles first.
    """
    marks = curve(surface, name, "", 0, thin=thin)
    lines = [mark for mark in marks if isinstance(mark, Line) and not mark.dashed]
    middle = next(mark.y for mark in lines if not mark.faint)
    band = next((mark for mark in marks if isinstance(mark, Band)), None)
    ends = (middle, middle) if band is None else (band.lower, band.upper)
    return [ends[0], middle, ends[1], *(mark.y for mark in lines if mark.faint)]


def _possible(data: Sequence[FloatArray], name: str, asked: Mapping[str, Any]) -> Scale | None:
    """The scale, or None where these values have none such; levels that it does not hold give way."""
    for options in (asked, {**asked, "levels": None}):
        try:
            return choose_scale(data, bounded=is_accuracy(name), **options)
        except LandscapeError:
            continue
    return None


def _largest(data: Sequence[FloatArray]) -> float | None:
    finite = [float(np.nanmax(each)) for each in data if np.isfinite(each).any()]
    return max(finite, default=None)


def _round_clips(data: Sequence[FloatArray], name: str, scale: Scale) -> list[float]:
    """Round values inside the range at which a reader may cut."""
    largest = _largest(data)
    if largest is None or is_accuracy(name) or not largest > scale.lower:
        return []
    lowest = scale.lower + 0.02 * (scale.upper - scale.lower)
    return [value for value in steps(lowest, largest, CLIPS, log=lowest > 0) if scale.lower < value < largest]


def _scale(scale: Scale, data: Sequence[FloatArray], style: Style) -> dict[str, Any]:
    """A scale with the colours of its bands, and whether values lie beyond its ends."""
    slack = 1e-12 * max(abs(scale.lower), abs(scale.upper))
    return {
        "log": scale.log,
        "edges": list(scale.boundaries),
        "ticks": [[tick, scale.text(tick)] for tick in scale.ticks],
        "upper": scale.text(scale.upper),
        "above": any(bool((each > scale.upper + slack).any()) for each in data),
        "colours": [hexadecimal(colour) for colour in style.colours(scale.bands, scale.diverging)],
    }


def _panels(report: Report, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    share = NUMBERS / (len(report.shown) * (len(names) + 1))
    for surface, named in zip(report.shown, report.called, strict=True):
        own = [name for name in names if name in surface]
        data = {name: measured(surface, name) for name in own}
        panel = {
            "name": named.title,
            "group": named.name,
            "policy": surface.job.bn_stats,
            "axes": [axis_label(surface, axis, short=True) for axis in range(len(surface.grid.axes))],
        }
        yield {**panel, **(_line(surface, own, _is_thin(report)) if report.is_line else _plane(surface, data, share))}


def _is_thin(report: Report) -> bool:
    """Whether single draws are drawn, too."""
    return len(report.shown) <= MOST_THIN


def _line(surface: Surface, names: Sequence[str], thin: bool) -> dict[str, Any]:
    return {
        "x": surface.grid.axes[0].array().tolist(),
        "curves": {name: [_floats(values) for values in curve_of(surface, name, thin)] for name in names},
    }


def _plane(surface: Surface, data: dict[str, Measured], share: float) -> dict[str, Any]:
    """A plane, with no more lines than its share of the numbers allows."""
    first = next(iter(data.values()))
    shape = first.values.shape
    lines = max(3, math.isqrt(int(share)))
    kept = thinned(first.finite, lines, [_centre(surface)])
    grids = (axis.array()[index] for axis, index in zip(surface.grid.axes, (kept.rows, kept.columns), strict=True))
    x, y = (grid.tolist() for grid in grids)
    cells = np.ix_(kept.rows, kept.columns)
    return {
        "x": x,
        "y": y,
        "of": list(shape) if (len(x), len(y)) != shape else [],
        "state": _encoded(_state(surface, first)[cells].astype(np.uint8)),
        "lowest": {
            name: [float(mark.x[0]), float(mark.y[0]), mark.label]
            for name, each in data.items()
            for mark in lowest(surface, each)
            if isinstance(mark, Lowest)
        },
        "values": {name: _floats(kept.of(each.values)) for name, each in data.items()},
    }


def _centre(surface: Surface) -> tuple[int, int]:
    first, second = (int(np.abs(axis.array()).argmin()) for axis in surface.grid.axes)
    return first, second


def _state(surface: Surface, data: Measured) -> Any:
    """For every point whether it is not done, measured or interpolated."""
    there = sampled(surface, f"{split_of(data.name) or surface.splits[0]}/loss")
    return np.where(there, MEASURED, np.where(data.done, INTERPOLATED_POINT, NOT_DONE))


def _floats(values: FloatArray) -> str:
    with np.errstate(over="ignore"):  # what no float32 holds is drawn as infinite
        return _encoded(values.astype("<f4"))


def _encoded(values: Any) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
