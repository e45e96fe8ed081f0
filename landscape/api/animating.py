"""Films: one surface over the epochs of a training or under several policies, or from all sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from landscape.api.reading import loaded
from landscape.api.scenes import parted, scene_of
from landscape.errors import LandscapeError
from landscape.types import Surface

KINDS = ("2d", "3d")
ORDERS = ("name", "given")
GIF_DPI = 110  # a .gif is as large as its pixels are many


def animate(
    surfaces: Surface | str | Path | Sequence[Surface | str | Path],
    out: str | Path,
    kind: str | None = None,
    *,
    rotate: bool = False,
    fps: float | None = None,
    order: str = "name",
    bn: str | None = None,
    repeat: int | None = None,
    quantity: str = "loss",
    told: Callable[[int, int], None] = lambda done, number: None,
    **options: Any,
) -> Path:
    """Make a film of surfaces on one grid: one scale, one place and one viewpoint for all pictures.

    Args:
        surfaces: Surfaces or files, one per picture, or a single one that holds several policies for BatchNorm's
            statistics.
        out: A .mp4 (which ffmpeg writes), .gif or .html file.
        kind: `"2d"` or `"3d"`; None for `"2d"`, or `"3d"` where the viewpoint goes around.
        rotate: Whether the viewpoint goes around once.
        fps: Frames per second; None for 3, or 12 where the viewpoint goes around.
        order: `"name"` for the natural order of the names of the files, epoch 2 before epoch 10, or `"given"`.
        bn: Policy for BatchNorm's statistics; None for all of a single surface.
        repeat: Which draw of the directions, from 0; None for the first.
        quantity: What is shown, as for `plot`.
        told: Told how many frames of how many are drawn.
        options: Settings of the scale and of the looks, as for `plot`.

    Returns:
        The path.

    Raises:
        LandscapeError: If the surfaces lie on different grids, were measured on different examples or with different
            losses, there is only one picture to show, an option is unknown, or the film cannot be written.
    """
    from landscape.rendering.film import film
    from landscape.rendering.film.files import check_film_path, save_film

    suffix = check_film_path(out)
    kind = kind or ("3d" if rotate else "2d")
    if kind not in KINDS:
        raise LandscapeError(f"a film shows surfaces from above, 2d, or in space, 3d, not {kind!r}")
    looks, values = parted({"dpi": GIF_DPI, **options} if suffix == "gif" else options)
    if looks.transparent:
        raise LandscapeError("a film has no transparent page: leave out --transparent")
    shown = _ordered(surfaces, order)
    _check_alike(shown, bn)
    scene = scene_of(shown, kind, looks, quantity=quantity, bn=bn, repeat=repeat, **values)
    made = film(scene, rotate, fps)
    return save_film(made, out, lambda done: told(done, len(made.frames)))


def _ordered(surfaces: Surface | str | Path | Sequence[Surface | str | Path], order: str) -> list[Surface]:
    from landscape.rendering.film import natural

    if order not in ORDERS:
        raise LandscapeError(f"the order of a film's files is that of their names (name) or as given, not {order!r}")
    found = loaded(surfaces)
    if not found:
        raise LandscapeError("there is nothing to show: name at least one surface file")
    named = all(one.path for one in found) and order == "name"
    return sorted(found, key=lambda one: natural(one.path)) if named else found


def _check_alike(surfaces: list[Surface], bn: str | None) -> None:
    """Refuse surfaces that cannot be shown one after another."""
    from landscape.analysis.compatibility import common_splits, refuse_different_questions

    first, *others = surfaces
    names = [Path(one.path).name or one.job.checkpoint for one in surfaces]
    line = next((name for one, name in zip(surfaces, names, strict=True) if len(one.grid.axes) == 1), None)
    if line:
        raise LandscapeError(
            f"a film shows planes, and {line} holds a line: landscape compare draws all lines in one picture"
        )
    for other, name in zip(others, names[1:], strict=True):
        if other.grid != first.grid:
            raise LandscapeError(
                f"a film shows surfaces on one grid, and that of {names[0]}, {_grid(first)}, is not that of {name}, "
                f"{_grid(other)}: compute all with the same --x and --y"
            )
    refuse_different_questions(surfaces, names, common_splits(surfaces))
    several = next((name for one, name in zip(surfaces, names, strict=True) if len(one.policies) > 1), None)
    if others and several and bn is None:
        raise LandscapeError(
            f"a film shows one change at a time, and {several} holds several policies for BatchNorm's statistics: "
            "choose one with --bn"
        )


def _grid(surface: Surface) -> str:
    ends = ", ".join(f"{axis.values[0]:g} to {axis.values[-1]:g}" for axis in surface.grid.axes)
    return f"{' x '.join(map(str, surface.grid.shape))} points over {ends}"
