"""Axes and grids: where a surface is evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
AXIS_NAMES = ("x", "y")
MOST_POINTS = 1_000_000  # of a grid: 1,000 x 1,000


@dataclass(frozen=True)
class Axis:
    """Coordinates along one direction, in multiples of that direction, strictly increasing."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the coordinates, and keep them as plain numbers (NumPy's write themselves differently).

        Raises:
            LandscapeError: If they are empty, not finite or not strictly increasing.
        """
        values = np.asarray(self.values, dtype=np.float64)
        object.__setattr__(self, "values", tuple(values.ravel().tolist()))
        if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
            raise LandscapeError(f"an axis needs finite, strictly increasing coordinates, not {self.values!r}")

    @classmethod
    def regular(cls, start: float, stop: float, number: int) -> Axis:
        """Space `number` coordinates evenly from `start` to `stop`, both included; 0 is exactly 0 if it is among them.

        Args:
            start: The first coordinate.
            stop: The last coordinate, above `start`.
            number: How many, at least 2 (or 1 where start equals stop).

        Returns:
            The axis.

        Raises:
            LandscapeError: If the bounds are not finite and increasing, or there are too few points.
        """
        text = f"{start:g}:{stop:g}:{number}"
        if not (np.isfinite(start) and np.isfinite(stop)):
            raise LandscapeError(f"the bounds of {text!r} must be finite numbers, for example -1:1:51")
        if start >= stop and not (start == stop and number == 1):
            raise LandscapeError(
                f"the range {text!r} is empty or runs backwards: write MIN:MAX:POINTS with MIN below MAX, as in -1:1:51"
            )
        if number > MOST_POINTS:
            raise LandscapeError(f"the range {text!r} asks for more than {MOST_POINTS:,} points along one axis")
        if number < 2 and start != stop:
            raise LandscapeError(
                f"the range {text!r} asks for {number} points: at least 2 are needed, for example -1:1:51"
            )
        values = np.linspace(start, stop, number)
        values[np.abs(values) < 1e-12 * (stop - start)] = 0.0
        return cls(tuple(values.tolist()))

    @classmethod
    def parse(cls, text: str) -> Axis:
        """Read `MIN:MAX:POINTS`, for example `-1:1:51`, or the coordinates themselves, `0,0.1,0.5`.

        Args:
            text: The range.

        Returns:
            The axis.

        Raises:
            LandscapeError: If the text is neither.
        """
        parts = text.split(":")
        try:
            if len(parts) == 3:
                return cls.regular(float(parts[0]), float(parts[1]), int(parts[2]))
            if len(parts) == 1 and "," in text:
                return cls(tuple(float(part) for part in text.split(",")))
        except ValueError:
            pass
        raise LandscapeError(f"cannot read the range {text!r}: write MIN:MAX:POINTS, for example -1:1:51")

    def __len__(self) -> int:
        """The number of coordinates."""
        return len(self.values)

    def __str__(self) -> str:
        """Text that `parse` reads back: `MIN:MAX:POINTS` where that gives these very coordinates."""
        if Axis.regular(self.values[0], self.values[-1], len(self)) == self:
            return f"{self.values[0]!r}:{self.values[-1]!r}:{len(self)}".replace(".0:", ":")
        return ",".join(map(repr, self.values))

    def array(self) -> FloatArray:
        """The coordinates, shape (n,)."""
        return np.asarray(self.values, dtype=np.float64)


@dataclass(frozen=True)
class Grid:
    """The product of one or two axes; everywhere, `values[i, j]` belongs to `(x[i], y[j])`."""

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        """Check the number of axes and of points.

        Raises:
            LandscapeError: If there are no axes or more than two, or too many points.
        """
        if not 1 <= len(self.axes) <= len(AXIS_NAMES):
            raise LandscapeError(f"a grid has one or two axes, not {len(self.axes)}")
        if self.size > MOST_POINTS:
            raise LandscapeError(
                f"{' x '.join(f'{points:,}' for points in self.shape)} points are more than {MOST_POINTS:,}: ask for "
                "fewer with --x and --y"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes: `("x",)` or `("x", "y")`."""
        return AXIS_NAMES[: len(self.axes)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of points along the axes."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of points."""
        return int(np.prod(self.shape))

    def point(self, index: int) -> tuple[float, ...]:
        """Coordinates of the point with this flat index, in C order."""
        return tuple(axis.values[i] for axis, i in zip(self.axes, np.unravel_index(index, self.shape), strict=True))

    def centre(self) -> int | None:
        """Flat index of the point at which all coordinates are 0, or None if the grid leaves it out."""
        if any(0.0 not in axis.values for axis in self.axes):
            return None
        return int(np.ravel_multi_index([axis.values.index(0.0) for axis in self.axes], self.shape))


def axis_of(value: str | Sequence[float] | Axis) -> Axis:
    """Read an axis from what a caller may pass.

    Args:
        value: `"-1:1:51"`, `(-1, 1, 51)`, or an Axis.

    Returns:
        The axis.

    Raises:
        LandscapeError: If it is none of these.
    """
    if isinstance(value, Axis):
        return value
    if isinstance(value, str):
        return Axis.parse(value)
    try:
        start, stop, number = (float(part) for part in value)
    except (TypeError, ValueError):
        start = stop = number = np.nan
    if not number.is_integer():
        raise LandscapeError(f"a range is (MIN, MAX, POINTS), for example (-1, 1, 51), not {value!r}")
    return Axis.regular(start, stop, int(number))
