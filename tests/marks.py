"""One mark of each kind and look, for tests of what draws them."""

import numpy as np

from landscape.analysis.scales import centred_scale, choose_scale
from landscape.rendering.scene import (
    Band,
    Cells,
    Contour,
    Cut,
    Dots,
    Hatch,
    Heat,
    Interval,
    Line,
    Lowest,
    Mesh,
    Note,
    Panel,
    Points,
    Scene,
    Sites,
    Trail,
)

X, Y = np.linspace(-1, 1, 7), np.linspace(-1, 1, 5)
VALUES = 1 + np.add.outer(X**2, 2 * Y**2)
SCALE = choose_scale([VALUES])
CLIPPED = choose_scale([VALUES], vmax=2.5)
SIGNED = centred_scale(VALUES - 2)
MASK = np.zeros((7, 5), dtype=bool)
MASK[2, 3] = MASK[4, 4] = True
MARKS = [
    ("1d", Line(X, X**2 + 1, dots=np.arange(len(X)) % 2 == 0)),
    ("1d", Line(X, X**2 + 1, series=1, faint=True)),
    ("1d", Band(X, X**2 + 1, X**2 + 2)),
    ("1d", Points(np.zeros(1), np.ones(1) * 2)),
    ("1d", Hatch(X, None, MASK[:, 3])),
    ("1d", Note("a note")),
    ("1d", Dots(X, X**2 + 1, ("dot",) * 7, 0, MASK[:, 3])),
    ("1d", Dots(X, X**2 + 1, ("dot",) * 7, 1, MASK[:, 0], faint=True)),
    ("1d", Interval(0.5, 2.0, 1.5, 2.5, "median")),
    ("2d", Heat(X, Y, VALUES, SCALE)),
    ("2d", Contour(X, Y, VALUES, SCALE)),
    ("2d", Heat(X, Y, VALUES - 2, SIGNED)),
    ("2d", Contour(X, Y, VALUES - 2, SIGNED)),
    ("2d", Cells(X, Y, VALUES, SCALE)),
    ("2d", Contour(X, Y, VALUES, SCALE, "coloured")),
    ("2d", Contour(X, Y, VALUES, SCALE, "plain")),
    ("2d", Points(np.zeros(1), np.zeros(1))),
    ("2d", Lowest(X[[2]], Y[[1]], "smallest")),
    ("2d", Trail(X, X**2, X < 2, ("", "a") + ("",) * 5, ("p",) * 7)),
    ("2d", Sites(X[:5], Y)),
    ("2d", Hatch(X, Y, MASK)),
    ("2d", Note("a note")),
    ("3d", Contour(X, Y, VALUES, SCALE)),
    ("3d", Mesh(X, Y, VALUES, SCALE)),
    ("3d", Cut(X, Y, VALUES, CLIPPED)),
    ("3d", Points(np.zeros(1), np.zeros(1))),
    ("3d", Lowest(X[[2]], Y[[1]], "smallest", np.ones(1))),
    ("3d", Trail(X, X**2, X < 2, ("", "a") + ("",) * 5, ("p",) * 7, 1 + X**2)),
    ("3d", Hatch(X, Y, MASK)),
    ("3d", Note("a note")),
]


def alone(kind, *marks):
    """A scene of one panel; the note keeps its height the same with and without a mark."""
    y_range = None if kind == "1d" else (-1.0, 1.0)
    return Scene((Panel(kind, (Note(""), *marks), y_range=y_range, scale=SCALE, title="t"),), size=(2, 2))
