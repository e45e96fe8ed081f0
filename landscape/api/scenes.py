"""Which figure is drawn of what: surfaces and comparisons as scenes, for every way of showing them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.api.reading import loaded
from landscape.errors import LandscapeError, nearest
from landscape.types import Surface, Trajectory
from landscape.types.surface import STATISTICS

if TYPE_CHECKING:
    from landscape.analysis.comparison import Comparison
    from landscape.rendering import Scene
    from landscape.rendering.appearance import Appearance

_GRIDS = ("3d", "lines", "filled", "heat", "uncertainty", "uncertainty-rise")
_LAYOUTS: dict[str, tuple[str, dict[str, str]]] = {
    "rows": ("comparison", {}),
    "grid": ("grid", {"kind": "2d"}),
    **{f"grid-{kind}": ("grid", {"kind": kind}) for kind in _GRIDS},
}
_FLAT = (
    "1d",
    "2d",
    "lines",
    "filled",
    "heat",
    "uncertainty",
    "uncertainty-rise",
    "drift",
)  # in which measured points can be marked


def natural_kind(*surfaces: Surface) -> str:
    """The kind of figure that suits the number of directions: `"1d"` as soon as one surface has a single one."""
    return "1d" if any(len(one.grid.axes) == 1 for one in surfaces) else "2d"


def scene_of(
    surface: Surface | str | Path | Sequence[Surface | str | Path],
    kind: str | None = None,
    looks: Appearance | None = None,
    *,
    quantity: str = "loss",
    bn: str | Sequence[str] | None = None,
    repeat: int | None = None,
    points: bool = False,
    trajectory: Trajectory | str | Path | None = None,
    **scale: Any,
) -> Scene:
    """Make the figure that `landscape.plot` draws.

    Args:
        surface: The surface, its file, or several.
        kind: As for `plot`.
        looks: How it is to look.
        quantity: What is drawn of the surfaces.
        bn: Policy for BatchNorm's statistics, or several; None for all.
        repeat: Which draw of the directions; None for all together in a figure of lines, else the first.
        points: Whether to mark the points that were measured.
        trajectory: A path through the plane that is drawn over it, or its file.
        scale: Settings of the scale: `log`, `clip`, `levels`, `vmin`, `vmax`.

    Returns:
        The figure as data.

    Raises:
        LandscapeError: If the kind or quantity is unknown, there is no such policy or repeat, or points are to be
            marked in another kind of picture.
    """
    from landscape.analysis.geometry import measured_part
    from landscape.rendering import FIGURES
    from landscape.rendering.selection import selected

    found = loaded(surface)
    kind = kind or natural_kind(*found)
    known = [name for name in FIGURES.names() if name != "numbers"]  # those are of a comparison, not of surfaces
    if kind not in known:
        raise LandscapeError(f"unknown kind of figure {kind!r}; {nearest(kind, known)}")
    quantity = "drift" if kind == "drift" and quantity == "loss" else quantity
    more = _additions(kind, points, trajectory)
    lines = "1d" in {kind, natural_kind(*found)}
    shown = [measured_part(one) for one in selected(found, quantity, repeats=lines, repeat=repeat, bn=bn)]
    if kind == "difference" and len(shown) != 2:
        raise LandscapeError(f"a difference is that of two surfaces, not {len(shown)}: name two, or two policies")
    if kind == "difference":
        taken = {name: scale.get(name) for name in ("clip", "levels", "vmin", "vmax")}
        scene = FIGURES.get(kind)(*shown, quantity=quantity, **taken)
    else:
        options = scale if looks is None else looks.values(quantity, scale)
        scene = FIGURES.get("trajectory" if "path" in more else kind)(shown, quantity=quantity, **options, **more)
    return _looking(scene, looks)


def _additions(kind: str, points: bool, trajectory: Trajectory | str | Path | None) -> dict[str, Any]:
    """What is drawn beside the values, as settings of a figure."""
    if points and kind not in _FLAT:
        raise LandscapeError(
            f"--points marks the measured points in a picture from above, --2d, or along lines, --1d, not in a {kind} "
            "figure"
        )
    marked = {"points": True} if points else {}
    if trajectory is None and kind == "trajectory":
        raise LandscapeError("a figure of a trajectory needs the path: name its file, --trajectory proj_cos.h5")
    if trajectory is None:
        return marked
    from landscape.storage.trajectories import read_trajectory

    path = trajectory if isinstance(trajectory, Trajectory) else read_trajectory(trajectory)
    return {**marked, "path": path, "kind": {"trajectory": "2d", "drift": "2d"}.get(kind, kind)}


def _looking(scene: Scene, looks: Appearance | None) -> Scene:
    if looks is None:
        return scene
    looks.check(scene)
    return looks.applied(scene)


def comparison_scenes(
    comparison: Comparison, *, quantity: str = "loss", layout: str = "rows", **scale: Any
) -> Iterator[tuple[str, Scene]]:
    """Make the figures that `api.draw_comparison` draws, the main one first.

    Args:
        comparison: The comparison.
        quantity: What is drawn.
        layout: `"rows"`, or `"grid"` and `"grid-3d"`, `"grid-heat"`, ... for grids of other kinds of pictures.
        scale: Settings of the scale, as for `scene_of`.

    Yields:
        What is appended to the name of the figure's file, and the figure as data.

    Raises:
        LandscapeError: If the layout or the quantity is unknown, the layout is one of planes and these are lines, or
            there is nothing to draw.
    """
    from landscape.analysis.geometry import stacked
    from landscape.rendering import FIGURES

    drift = quantity.removeprefix(STATISTICS).startswith("drift")
    contenders = [one for one in comparison.distinct() if not drift or one.policy == "recalibrate"]
    if not contenders:
        raise LandscapeError("the drift of statistics is there where they are recalibrated: compute --bn-stats all")
    surfaces = [stacked(network) for contender in contenders for network in contender.surfaces]
    names = [contender.name for contender in contenders for _ in contender.surfaces]
    quantity = quantity if "/" in quantity or drift else f"{comparison.split}/{quantity}"
    if layout not in _LAYOUTS:
        raise LandscapeError(f"unknown layout {layout!r}; {nearest(layout, _LAYOUTS)}")
    if layout != "rows" and len(surfaces[0].grid.axes) == 1:
        raise LandscapeError(f"the layout {layout} is one of planes, and these are lines: take the layout rows")
    kind, more = _LAYOUTS[layout]
    yield "", FIGURES.get(kind)(surfaces, quantity=quantity, names=names, **scale, **more)
    if len(surfaces[0].grid.axes) > 1:
        yield "_1d", FIGURES.get("1d")(surfaces, quantity=quantity, names=names, **scale)
        if len(surfaces) == 2 and surfaces[0].grid == surfaces[1].grid:
            yield "_difference", FIGURES.get("difference")(*surfaces, quantity=quantity, names=names)
    if comparison.replicated and quantity == f"{comparison.split}/loss":
        yield "_numbers", FIGURES.get("numbers")(comparison)


def parted(options: Mapping[str, Any]) -> tuple[Appearance, dict[str, Any]]:
    """Tell the looks among the options of `plot` from what chooses and scales the values.

    Args:
        options: Options of `plot`, without its file.

    Returns:
        The looks, and the others, for `scene_of`.

    Raises:
        LandscapeError: If an option is unknown, or a look cannot be drawn.
    """
    from landscape.api.drawing import plot
    from landscape.rendering.appearance import Appearance

    looks = {field.name for field in dataclasses.fields(Appearance)}
    own = {"surface", "kind", "out", "ax", "bar", "fragment", "plotlyjs", "renderer"}
    known = set(inspect.signature(plot).parameters) - own
    unknown = [name for name in options if name not in known]
    if unknown:
        raise LandscapeError(f"a figure has no option {unknown[0]!r}; {nearest(unknown[0], known)}")
    chosen = {name: value for name, value in options.items() if name in looks}
    return Appearance(**chosen), {name: value for name, value in options.items() if name not in looks}
