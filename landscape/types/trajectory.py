"""Paths of networks through a plane: where each saved epoch of a training lies on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.errors import LandscapeError
from landscape.types.grid import FloatArray


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Points in the plane of two directions, in the order of training.

    Attributes:
        x: Coordinates along the first direction, float64, shape (n,), in the unit of the plane's own axis.
        y: Those along the second, shape (n,).
        labels: What each point is called, for example `epoch 3`; none where that is unknown.
        explained: Shares of the path's variance that lie along the two directions, each in [0, 1]; None where they are
            unknown, or the directions are no principal components.
        source: The file that it came from, or an empty string.
    """

    x: FloatArray
    y: FloatArray
    labels: tuple[str, ...] = ()
    explained: tuple[float, float] | None = None
    source: str = ""

    def __post_init__(self) -> None:
        """Keep the coordinates as float64, and check that all belongs together.

        Raises:
            LandscapeError: If there are no points, a coordinate is not finite, or the numbers of coordinates and labels
                differ.
        """
        for name in ("x", "y"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))
        if self.x.ndim != 1 or self.x.shape != self.y.shape or len(self.labels) not in (0, len(self.x)):
            raise LandscapeError(
                f"a trajectory needs as many second coordinates, and labels if any, as first ones, not "
                f"{self.y.shape} and {len(self.labels)} to {self.x.shape}{self._where()}"
            )
        if not len(self.x) or not (np.isfinite(self.x).all() and np.isfinite(self.y).all()):
            raise LandscapeError(f"a trajectory needs at least one point, and finite coordinates{self._where()}")

    def __len__(self) -> int:
        """The number of points."""
        return len(self.x)

    def _where(self) -> str:
        return f" (in {self.source})" if self.source else ""
