"""One quantity of a surface, ready to draw: its full name, its values, and where there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError
from landscape.types import FloatArray, Surface
from landscape.types.surface import INTERPOLATED, STATISTICS

DRIFT, FLOOR = f"{STATISTICS}drift", f"{STATISTICS}drift_floor"


@dataclass(frozen=True, eq=False)
class Measured:
    """One quantity of one surface, ready to draw.

    Attributes:
        name: Its full name, `split/quantity` or `statistics/quantity`.
        values: Shape of the grid, after the dimension of the repeats where there are several; accuracies in percent;
            NaN where not done, inf and NaN where measured so.
        done: Which points are done, same shape.
    """

    name: str
    values: FloatArray
    done: NDArray[np.bool_]

    @property
    def finite(self) -> FloatArray:
        """The values, NaN wherever there is none to draw."""
        return np.where(self.done & np.isfinite(self.values), self.values, np.nan)

    @property
    def broken(self) -> NDArray[np.bool_]:
        """Where a measured value is not finite."""
        return self.done & ~np.isfinite(self.values)


def measured(surface: Surface, quantity: str) -> Measured:
    """Take one quantity out of a surface with one policy for BatchNorm's statistics.

    Args:
        surface: The surface.
        quantity: As for `full_name`.

    Returns:
        Its values; accuracies in percent.

    Raises:
        LandscapeError: If there is none of this name.
    """
    name = full_name(surface, quantity)
    done = surface.done(split_of(name) or None)
    percent = 100.0 if is_accuracy(name) else 1.0
    return Measured(name, np.where(done, np.asarray(surface[name], dtype=np.float64) * percent, np.nan), done)


def full_name(surface: Surface, quantity: str) -> str:
    """The full name of a quantity.

    Args:
        surface: The surface.
        quantity: `split/quantity` or `statistics/quantity`; without the part before the slash, that of the first split
            or, if it has none, that of the statistics.

    Returns:
        The name under which the surface holds it.

    Raises:
        LandscapeError: If there is none of this name.
    """
    names = (quantity, f"{surface.splits[0]}/{quantity}", f"{STATISTICS}{quantity}")
    found = [name for name in names if name in surface]
    if not found and quantity.removeprefix(STATISTICS).startswith("drift"):
        raise LandscapeError(
            f"{surface.path or 'this surface'} has no {quantity!r}: the drift of BatchNorm's statistics is measured "
            "where they are recalibrated, with landscape compute --bn-stats recalibrate (or all), and --bn-layers for "
            "that of each layer"
        )
    if not found:
        surface[quantity]  # names those that there are
    return found[0]


def sampled(surface: Surface, name: str) -> NDArray[np.bool_]:
    """Where a quantity was measured, interpolated values left out.

    Args:
        surface: A surface with one policy.
        name: Full name of the quantity.

    Returns:
        Shape of the grid; of several repeats, where all of them were measured.
    """
    counts = surface[f"{split_of(name) or surface.splits[0]}/count"]
    return np.asarray((counts > 0).all(axis=0) if surface.repeats > 1 else counts > 0)


def refining(surface: Surface) -> bool:
    """Whether a surface is that of an adaptive run that has not ended, with what is missing filled in."""
    return is_interpolated(surface) and not surface.complete


def is_interpolated(surface: Surface) -> bool:
    """Whether a surface is that of an adaptive run, with what was left out filled in."""
    return any(name.endswith(INTERPOLATED) for name in surface)


def split_of(name: str) -> str:
    """The split of a quantity's full name; empty for what is measured of the statistics themselves."""
    return "" if name.startswith(STATISTICS) else name.split("/")[0]


def is_accuracy(name: str) -> bool:
    """Whether a quantity is a fraction that is written in percent."""
    return name.rpartition("/")[2] in {"accuracy", "accuracy_stderr"}
