"""How well a surface is known: standard errors as a share of what they are errors of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from landscape.analysis.scales import Scale, ScaleOptions, choose_scale
from landscape.errors import LandscapeError
from landscape.rendering.planes import shared_scale
from landscape.rendering.quantities import Measured, is_accuracy, measured
from landscape.types import FloatArray, Surface


@dataclass(frozen=True, eq=False)
class Errors:
    """Standard errors, ready to draw, and the unit that they are in."""

    data: Measured
    unit: str


def relative_errors(surface: Surface, mean: Measured, share: Literal["value", "rise"] = "value") -> Errors:
    """The standard errors of a quantity, as a share of it.

    That of the rise over the trained weights is taken where it was measured: the same examples serve every point, so
    that it is the error of the shape. It is 0 at the trained weights, and counts as a share of 0 there.

    Args:
        surface: A surface with one policy and one repeat.
        mean: The quantity.
        share: Of what it is a share: of the value itself, or of its rise over the trained weights.

    Returns:
        The errors in percent of the size of the value or of its rise; those of accuracies in percentage points.

    Raises:
        LandscapeError: If no standard error was measured, or the value at the trained weights is not known.
    """
    names = [name for ending in ("_rise_stderr", "_stderr") if (name := f"{mean.name}{ending}") in surface]
    if not names:
        raise LandscapeError(
            f"{surface.path or 'this surface'} has no standard error of {mean.name}: it is measured of the loss and of "
            "metrics of single examples; take another --metric"
        )
    errors = measured(surface, names[0])
    if is_accuracy(mean.name):
        return Errors(errors, "percentage points")
    base = 0.0 if share == "value" else _at_the_weights(surface, mean)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(errors.values == 0, 0.0, 100 * errors.values / np.abs(mean.values - base))
    return Errors(Measured(names[0], found, errors.done), "% of the loss" if share == "value" else "% of the rise")


def _at_the_weights(surface: Surface, mean: Measured) -> float:
    split, _, quantity = mean.name.partition("/")
    known = surface.centre.get(split, {}).get(quantity)
    index = surface.grid.centre()
    if known is not None:
        return float(known)
    if index is not None:
        return float(mean.values.flat[index])
    raise LandscapeError(
        f"the rise of {mean.name} is not known: {surface.path or 'this surface'} does not hold its value at the "
        "trained weights; draw the error as a share of the value"
    )


def error_scales(errors: Sequence[Measured], means: Sequence[Measured], options: ScaleOptions) -> tuple[Scale, Scale]:
    """The scale of the errors, from 0 up, and that of the lines of the mean.

    Args:
        errors: The errors of each surface.
        means: What they are errors of.
        options: What is asked: the levels, the offset and the limit of the lines, all else of the errors.

    Returns:
        Both scales.
    """
    values: list[FloatArray] = [each.finite for each in errors]
    of_errors: ScaleOptions = {"log": options.get("log"), "clip": options.get("clip")}
    of_errors |= {"vmin": options.get("vmin"), "vmax": options.get("vmax")}
    of_lines: ScaleOptions = {"levels": options.get("levels"), "offset": options.get("offset", 0.0)}
    of_lines |= {"limit": options.get("limit")}
    return choose_scale(values, **of_errors), shared_scale(means, **of_lines)
