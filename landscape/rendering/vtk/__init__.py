"""Draw a Scene with VTK: surfaces in space lit by a sun and the sky, with soft shadows, finer than a screen shows.

VTK draws what stands in space; the axes, all words and all flat panels are matplotlib's, whose viewpoint it takes.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landscape.errors import LandscapeError
from landscape.rendering import matplotlib
from landscape.rendering.layout import Box, arrange
from landscape.rendering.matplotlib.settings import settings
from landscape.rendering.matplotlib.space import fill_space
from landscape.rendering.relief import floor
from landscape.rendering.scene import Lowest, Mark, Mesh, Note, Panel, Points, Scene, Trail
from landscape.rendering.style import Style
from landscape.rendering.vtk.room import Eye, Room, Sheet
from landscape.rendering.vtk.strokes import joined, strokes
from landscape.rendering.vtk.surface import SUN, lit_surface
from landscape.types import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GLOSS = 0.04
WORKER = Path(__file__).with_name("worker.py")
LONGEST = 300  # seconds
FINEST, MOST_PIXELS = 3, 5000  # a picture is drawn so many times finer, with at most so many pixels along a side


def render(scene: Scene) -> Figure:
    """Draw a scene.

    Args:
        scene: The figure as data.

    Returns:
        A matplotlib figure with a picture by VTK in every panel in space.

    Raises:
        LandscapeError: If pyvista is not installed, or finds no way to draw without a screen.
    """
    bare = [dataclasses.replace(panel, marks=_kept(panel, Note)) for panel in scene.panels]
    figure = matplotlib.render(dataclasses.replace(scene, panels=tuple(bare)))
    boxes = zip(figure.axes, scene.panels, arrange(scene).panels, strict=False)
    spaces = [(axes, panel, box) for axes, panel, box in boxes if panel.kind == "3d"]
    stages = [_stage(axes, panel, scene.style) for axes, panel, _ in spaces]
    pictures = iter(_drawn([stage for stage in stages if stage.sheets]))
    for (axes, panel, box), stage in zip(spaces, stages, strict=True):
        if stage.sheets:
            _lay(figure, axes, stage, next(pictures))
        _stand(figure, axes, panel, box, scene.style)
    return figure


def _kept(panel: Panel, *kinds: type) -> tuple[Mark, ...]:
    """The marks of a panel, of one in space those of these kinds alone."""
    return tuple(mark for mark in panel.marks if panel.kind != "3d" or isinstance(mark, kinds))


def _stand(figure: Figure, axes: Any, panel: Panel, box: Box, style: Style) -> None:
    """Stars and paths on a surface lie over all: nothing of it may hide them."""
    marks = (mark for mark in _kept(panel, Points, Lowest, Trail) if getattr(mark, "z", None) is not None)
    over = figure.add_axes(axes.get_position(original=True), projection="3d")
    with settings(style):
        fill_space(over, dataclasses.replace(panel, marks=tuple(marks)), box, style.letters, style)
    over.set_axis_off()
    over.set_zorder(axes.get_zorder() + 0.6)


def encode(scene: Scene, suffix: str = "png") -> bytes:
    """Draw a scene in memory.

    Args:
        scene: The figure as data.
        suffix: `png`, `pdf` or `svg`.

    Returns:
        The content of such a file.

    Raises:
        LandscapeError: If pyvista is not installed or cannot draw here.
    """
    return matplotlib.written(render(scene), scene.style, suffix)


@dataclasses.dataclass(frozen=True, eq=False)
class _Stage:
    """A picture to be drawn: what stands there, from where it is seen, its pixels and its place on the axes."""

    sheets: list[Sheet]
    eye: Eye
    width: int
    height: int
    half: tuple[float, float]


def _stage(axes: Any, panel: Panel, style: Style) -> _Stage:
    """Look at a panel from where matplotlib does."""
    assert panel.scale is not None
    assert panel.y_range is not None
    axes.apply_aspect()
    figure = axes.figure
    z_range = floor(panel.scale), float(panel.scale.transform(panel.scale.upper))
    box = axes.bbox
    corners = axes.transData.inverted().transform(box.get_points())
    half = float(np.abs(corners[:, 0]).max()), float(np.abs(corners[:, 1]).max())
    inches = [2 * part / np.ptp(corners[:, i]) * (box.width, box.height)[i] / figure.dpi for i, part in enumerate(half)]
    eye = _eye(axes, (panel.x_range, panel.y_range, z_range), half[1], inches[1])
    room = Room(panel.x_range, panel.y_range, z_range, panel.scale, eye, style)
    width, height = (max(2, round(length * style.dpi)) for length in inches)
    return _Stage(_sheets(panel, room), eye, width, height, half)


def _sheets(panel: Panel, room: Room) -> list[Sheet]:
    """Everything of a panel that VTK draws; depth says which hides which."""
    meshes = [mark for mark in panel.marks if isinstance(mark, Mesh)]
    surfaces = [sheet for mesh in meshes for sheet in lit_surface(mesh, room, floor=mesh is meshes[0])]
    return [*surfaces, *joined([stroke for mark in panel.marks for stroke in strokes(mark, room)])]


def _eye(axes: Any, ends: tuple[tuple[float, float], ...], half: float, height: float) -> Eye:
    """Where matplotlib looks from: its projection maps the box, less its lengths, to the plane of the picture."""
    lengths = np.asarray(axes.get_box_aspect(), dtype=np.float64)
    to_data = np.eye(4)
    for axis, ((low, high), length) in enumerate(zip(ends, lengths, strict=True)):
        to_data[axis, axis], to_data[axis, 3] = (high - low) / length, low
    flat = (axes.get_proj() @ to_data)[[0, 1, 3]]
    place = np.linalg.svd(flat)[2][-1]
    focal = float(np.linalg.norm(flat[0, :3]))
    slope = half / focal
    return Eye(
        lengths, place[:3] / place[3], flat[0, :3] / focal, flat[1, :3] / focal, slope, 2 * slope / (72 * height)
    )


def _lay(figure: Figure, axes: Any, stage: _Stage, picture: FloatArray) -> None:
    """Put a picture over its axes."""
    (wide, high), across = stage.half, figure.transFigure.inverted()
    corners = across.transform(axes.transData.transform([(-wide, -high), (wide, high)]))
    over = figure.add_axes((*corners[0], *(corners[1] - corners[0])))
    over.set_axis_off()
    over.imshow(picture, aspect="auto", interpolation="antialiased")
    over.set_zorder(axes.get_zorder() + 0.5)


def _drawn(stages: list[_Stage]) -> list[FloatArray]:
    """Have pictures drawn in a process of its own.

    Returns:
        Red, green, blue and opacity, uint8 of shape (height, width, 4), for every stage.

    Raises:
        LandscapeError: If pyvista is not installed or cannot draw.
    """
    if not stages:
        return []
    if importlib.util.find_spec("pyvista") is None:
        raise LandscapeError("the vtk renderer needs pyvista, which is not installed: pip install 'landscape-viz[vtk]'")
    with tempfile.TemporaryDirectory(prefix="landscape-") as folder:
        source, target = Path(folder) / "stages.npz", Path(folder) / "pictures.npz"
        _write(stages, source)
        _run(source, target)
        with np.load(target) as arrays:
            return [arrays[f"picture{index}"] for index in range(len(stages))]


def _run(source: Path, target: Path) -> None:
    # Without a display VTK takes EGL or OSMesa; with one that is far away it would wait for it.
    surroundings = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    command = [sys.executable, "-P", str(WORKER), str(source), str(target)]
    try:
        done = subprocess.run(command, capture_output=True, env=surroundings, timeout=LONGEST, check=False)
        failed = "" if done.returncode == 0 and target.exists() else _last(done.stderr) or f"code {done.returncode}"
    except subprocess.TimeoutExpired:
        failed = f"nothing came within {LONGEST} s"
    if failed:
        raise LandscapeError(
            f"VTK could not draw without a screen ({failed}): install OpenGL in software, such as Debian's libegl1 and "
            "libgl1-mesa-dri, or leave out --renderer"
        )


def _last(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].split("|")[-1].strip()[:90] if lines else ""


def _write(stages: list[_Stage], path: Path) -> None:
    """Store stages as the worker reads them: JSON, and arrays that it names."""
    arrays: dict[str, Any] = {}

    def kept(array: FloatArray, kind: type) -> str:
        name = f"array{len(arrays)}"
        arrays[name] = np.ascontiguousarray(array, dtype=kind)
        return name

    described = []
    for stage in stages:
        pieces = [
            {
                "points": kept(sheet.points, np.float32),
                "faces": kept(sheet.faces, np.int32),
                "colours": kept(sheet.colours, np.uint8),
                "normals": kept(sheet.normals, np.float32),
                "side": sheet.side,
                "top": sheet.top,
                "gloss": GLOSS if len(sheet.normals) else 0.0,
            }
            for sheet in stage.sheets
            if len(sheet.faces)
        ]
        eye = stage.eye
        finer = max(1, min(FINEST, MOST_PIXELS // max(stage.width, stage.height)))
        described.append(
            {"sheets": pieces, "width": stage.width, "height": stage.height, "finer": finer, "sun": list(SUN)}
            | {"eye": eye.place.tolist(), "focus": eye.focus.tolist(), "up": eye.up.tolist()}
            | {"angle": 2 * float(np.degrees(np.arctan(eye.half)))}
        )
    np.savez(path, stages=json.dumps(described), **arrays)
