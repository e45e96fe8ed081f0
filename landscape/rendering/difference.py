"""The difference of two surfaces on one grid, as a map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from landscape.analysis.scales import Scale, centred_scale
from landscape.errors import LandscapeError
from landscape.rendering.captions import caption
from landscape.rendering.names import Called, called, plain, quantity_words
from landscape.rendering.planes import panel, planes, proportion, trained
from landscape.rendering.quantities import Measured, is_accuracy, measured
from landscape.rendering.scene import ColourBar, Contour, Hatch, Heat, Mark, Scene
from landscape.types import FloatArray, Surface

WIDTH = 4.4
LONGEST = 28  # letters of a name of which two stand above the figure


def difference(
    a: Surface,
    b: Surface,
    quantity: str = "loss",
    clip: float | None = None,
    levels: int | Sequence[float] | None = None,
    names: Sequence[str] | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
) -> Scene:
    """Draw what one surface has more or less than another, `b - a`, seen from above.

    The scale is linear and as wide below 0 as above: blue where `b` is lower, red where it is higher. Contour lines
    below 0 are dashed, that at 0 is bold. Cells in which either value is not finite are hatched.

    Args:
        a: A surface over two directions.
        b: Another on the same grid; of several policies or repeats in either, the first is taken.
        quantity: `loss`, `accuracy`, ... of the first split, or `split/name`.
        clip: The largest absolute difference shown; None decides by the values.
        levels: About how many levels, or the levels themselves.
        names: What to call the two; their checkpoints if left out.
        vmin: The lower end of the scale; one of the two ends says the other.
        vmax: The upper end.

    Returns:
        The figure; accuracies differ in percentage points.

    Raises:
        LandscapeError: If the grids differ, or the quantity, clip or levels do not fit.
    """
    pair = [planes(surface, quantity, "difference")[0] for surface in (a, b)]
    if pair[0].grid != pair[1].grid:
        raise LandscapeError(
            "the difference of two surfaces needs one grid, and these have "
            f"{_grid_words(pair[0])} and {_grid_words(pair[1])}; compute one of them again with the other's --x and --y"
        )
    first, second = (measured(surface, quantity) for surface in pair)
    own = called(pair, names)
    values = second.finite - first.finite
    scale = centred_scale(values, clip, levels, vmin, vmax)
    x, y = (axis.array() for axis in pair[0].grid.axes)
    broken = first.broken | second.broken
    marks: list[Mark] = [
        Heat(x, y, values, scale, f"difference of the {_words(first)}"),
        Contour(x, y, values, scale),
        *([Hatch(x, y, broken)] if broken.any() else []),
        *trained(pair[0]),
    ]
    return Scene(
        panels=(panel("2d", pair, 0, marks, scale),),
        title=" \N{MINUS SIGN} ".join(plain(one.title, LONGEST) for one in (own[1], own[0])),
        caption=_caption(pair, first, values, scale, own),
        size=(WIDTH, WIDTH * proportion(pair)),
        bar=_bar(first, values, scale),
    )


def _grid_words(surface: Surface) -> str:
    return " x ".join(map(str, surface.grid.axes))


def _words(data: Measured) -> str:
    return quantity_words(data.name)


def _bar(data: Measured, values: FloatArray, scale: Scale) -> ColourBar:
    unit = " (percentage points)" if is_accuracy(data.name) else ""
    above, below = bool((values > scale.upper).any()), bool((values < scale.lower).any())
    return ColourBar(scale, f"difference of the {_words(data)}{unit}", True, above, below)


def _caption(pair: Sequence[Surface], data: Measured, values: FloatArray, scale: Scale, names: Sequence[Called]) -> str:
    finite = values[np.isfinite(values)]
    said = [f"{_words(data)} of {names[1].title} minus that of {names[0].title}"]
    if finite.size:
        said.append(f"from {scale.text(float(finite.min()))} to {scale.text(float(finite.max()))}")
    said.append("dashed below 0, bold at 0")
    beyond = int((np.abs(finite) > scale.upper).sum())
    said += [f"clipped at ±{scale.text(scale.upper)}: {beyond:,} of {values.size:,} cells lie beyond"] if beyond else []
    said += ["star: trained weights"] if trained(pair[0]) else []
    return caption(pair, [data.name], None, "; ".join(said), names)
