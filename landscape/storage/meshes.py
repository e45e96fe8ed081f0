"""A surface as a mesh: points in space, and quads between neighbours on the grid.

The conventions are those of the 2018 tool's files for ParaView: x runs fastest, the quad at point i is (i, i + 1,
i + m + 1, i + m) with m points along x, heights are clipped first and then, on a log scale, z = ln(z + 0.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landscape.errors import LandscapeError
from landscape.types import FloatArray, IntArray, Surface

OFFSET = 0.1  # added before the logarithm, as in the 2018 tool
FLOAT = np.finfo(np.float32)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Points in space and the quads between them.

    Attributes:
        points: float64, shape (n, 3); along x first, then along y. Those that no quad needs are left out.
        quads: Numbers of the points at the corners, counter-clockwise as seen from above, shape (m, 4). A quad with a
            corner that was not measured, or not finite, is a hole.
        missing: How many quads of the whole grid are holes.
        about: What the mesh shows, on one line of printable ASCII.
    """

    points: FloatArray
    quads: IntArray
    missing: int
    about: str

    @property
    def triangles(self) -> IntArray:
        """Two triangles for each quad, counter-clockwise as seen from above, shape (2 m, 3)."""
        return self.quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)


def mesh_of(surface: Surface, metric: str = "loss", clip: float | None = None, log: bool = False) -> Mesh:
    """Make a mesh of one quantity over the plane.

    Args:
        surface: A plain surface over two directions.
        metric: The quantity that is the height; accuracies are fractions.
        clip: Heights above this become this; what is infinite stays a hole.
        log: Whether the height is ln(z + 0.1), after clipping.

    Returns:
        The mesh.

    Raises:
        LandscapeError: If the surface is a line, holds several surfaces, or has no four neighbours that were measured.
    """
    _check(surface, metric, clip)
    values = np.where(surface.done(_split(metric)), np.asarray(surface[metric], dtype=np.float64), np.nan)
    heights = _heights(values, clip, log)
    nx, ny = surface.grid.shape
    corners = (np.arange(ny - 1)[:, None] * nx + np.arange(nx - 1)).ravel()
    quads = corners[:, None] + np.array([0, 1, nx + 1, nx])
    x, y = np.meshgrid(*(axis.array() for axis in surface.grid.axes))
    points = np.stack([x.ravel(), y.ravel(), heights.T.ravel()], axis=1)
    whole = np.isfinite(points[:, 2])[quads].all(axis=1)
    if not whole.any():
        raise LandscapeError(
            f"{_name(surface)} has no four neighbouring points with a finite {metric}: there is no mesh to make"
        )
    points, kept = _compact(points, quads[whole])
    return Mesh(points, kept, int((~whole).sum()), _about(surface, metric, clip, log))


def _check(surface: Surface, metric: str, clip: float | None) -> None:
    surface[metric]  # says which there are
    if clip is not None and not np.isfinite(clip):
        raise LandscapeError(f"clip is a height, not {clip:g}: leave it out to keep all")
    if len(surface.grid.axes) != 2 or min(surface.grid.shape) < 2:
        shape = " x ".join(map(str, surface.grid.shape))
        raise LandscapeError(
            f"{_name(surface)} has {shape} points, and a mesh needs at least two along each of two directions: "
            "write a line as a table (.csv, .npz, .nc)"
        )
    if surface[metric].ndim != 2:
        raise LandscapeError(
            f"{_name(surface)} holds several surfaces, and a mesh is one: select it with --bn and --repeat"
        )


def _heights(values: FloatArray, clip: float | None, log: bool) -> FloatArray:
    if clip is not None:
        values = np.where(np.isfinite(values), np.minimum(values, clip), values)
    if log:
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.log(values + OFFSET)
    return np.where(np.abs(values) > FLOAT.max, np.nan, values)  # files hold single precision


def _compact(points: FloatArray, quads: IntArray) -> tuple[FloatArray, IntArray]:
    """Only the points that quads need, in the same order."""
    used = np.zeros(len(points), dtype=bool)
    used[quads] = True
    number = np.cumsum(used) - 1
    return points[used], np.asarray(number[quads], dtype=np.int64)


def _split(metric: str) -> str | None:
    split = metric.rpartition("/")[0]
    return split if split not in ("", "statistics") else None


def _name(surface: Surface) -> str:
    return surface.path or "this surface"


def _about(surface: Surface, metric: str, clip: float | None, log: bool) -> str:
    scale = "ln(z + 0.1)" if log else "z"
    said = f"landscape {surface.job.fingerprint()}: {scale} of {metric}"
    said += f" clipped at {clip:g}" if clip is not None else ""
    text = f"{said}, {surface.job.checkpoint}"
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)
