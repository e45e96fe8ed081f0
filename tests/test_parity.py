"""Every renderer draws every mark in every style, and what stands in space at the same place."""

import dataclasses
import importlib.util
import typing
from functools import cache

import numpy as np
import pytest
from marks import MARKS, SCALE, VALUES, X, Y, alone
from surfaces import surface

from landscape.errors import LandscapeError
from landscape.rendering import matplotlib, plotly, vtk
from landscape.rendering.appearance import Appearance
from landscape.rendering.figures import surface3d
from landscape.rendering.scene import Lowest, Mark, Mesh, Note, Points, Scene, Trail
from landscape.rendering.style import STYLES

OVER = Lowest | Trail | Note
needs_pyvista = pytest.mark.skipif(
    importlib.util.find_spec("pyvista") is None, reason="pyvista is not installed: pip install 'landscape-viz[vtk]'"
)


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    """Surfaces are cut into fewer pieces, and drawn no finer than they are seen."""
    monkeypatch.setattr("landscape.rendering.relief.PIECES", 24)
    monkeypatch.setattr("landscape.rendering.vtk.surface.PIECES", 24)
    monkeypatch.setattr("landscape.rendering.vtk.FINEST", 1)


def styled(scene, style, dpi=60):
    return Appearance(style, dpi=dpi).applied(scene)


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255


def empty(kind, mark):
    """The panel without the mark; a note leaves its line empty, so that nothing moves."""
    return alone(kind, Note(" ")) if isinstance(mark, Note) else alone(kind)


def data(scene):
    return plotly.render(scene).to_json(engine="json")


bare = cache(lambda kind, style, noted: pixels(matplotlib.render(styled(empty(kind, Note("") if noted else 0), style))))
bare_data = cache(lambda kind, style, noted: data(styled(empty(kind, Note("") if noted else 0), style)))
each_mark = pytest.mark.parametrize(
    ("kind", "mark"), MARKS, ids=lambda each: each if isinstance(each, str) else type(each).__name__
)


def test_the_marks_of_the_tests_are_all_that_there_are():
    assert {type(mark) for _, mark in MARKS} == set(typing.get_args(Mark))


@each_mark
@pytest.mark.parametrize("style", STYLES)
def test_matplotlib_draws_every_mark(kind, mark, style):
    drawn = pixels(matplotlib.render(styled(alone(kind, mark), style)))
    before = bare(kind, style, isinstance(mark, Note))
    assert drawn.shape == before.shape
    assert (np.abs(drawn - before).max(axis=-1) > 0.05).sum() >= 4


@each_mark
@pytest.mark.parametrize("style", STYLES)
def test_plotly_draws_every_mark(kind, mark, style):
    assert data(styled(alone(kind, mark), style)) != bare_data(kind, style, isinstance(mark, Note))


@needs_pyvista
def test_vtk_draws_every_mark_that_has_a_depth_in_every_style(monkeypatch):
    marks = [mark for kind, mark in MARKS if kind == "3d" and not isinstance(mark, OVER)]
    panels = [alone("3d", mark).panels[0] for mark in marks]
    stages, drawn = [], vtk._drawn  # all of them in one process: starting it takes longer than they do
    monkeypatch.setattr(
        vtk, "_drawn", lambda asked: stages.extend(asked) or [np.zeros((2, 2, 4), np.uint8)] * len(asked)
    )
    for style in STYLES:
        vtk.render(styled(Scene(tuple(panels), size=(1.5, 1.5)), style, 150))
    pictures = iter(drawn(stages))
    for style in STYLES.values():
        star = [int(style.mark[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        for mark in marks:
            picture = next(pictures)
            shown = picture[picture[..., 3] == 255][:, :3] / 255
            assert len(shown) >= 4, (style.name, type(mark))
            if isinstance(mark, Points):
                assert np.abs(shown - star).sum(axis=1).min() < 0.1


@pytest.mark.parametrize("mark", [mark for kind, mark in MARKS if kind == "3d" and isinstance(mark, OVER)], ids=type)
@pytest.mark.parametrize("style", STYLES)
def test_vtk_has_the_rest_drawn_over_it(style, mark, monkeypatch):
    monkeypatch.setattr(vtk.subprocess, "run", None)
    drawn = pixels(vtk.render(styled(alone("3d", mark), style)))
    before = pixels(vtk.render(styled(empty("3d", mark), style)))
    assert (np.abs(drawn - before).max(axis=-1) > 0.05).sum() >= 4


@pytest.mark.parametrize("kind", ["1d", "2d"])
def test_vtk_leaves_flat_panels_to_matplotlib(kind, monkeypatch):
    monkeypatch.setattr(vtk.subprocess, "run", None)
    marks = [mark for each, mark in MARKS if each == kind]
    scene = styled(alone(kind, *marks), "default")
    np.testing.assert_array_equal(pixels(vtk.render(scene)), pixels(matplotlib.render(scene)))


# --- the same place -----------------------------------------------------------------------------------------------


def peak(corner):
    """A flat surface with one peak."""
    axis = np.linspace(-1, 1, 21)
    away = np.add.outer((axis - axis[corner[0]]) ** 2, (axis - axis[corner[1]]) ** 2)
    scene = surface3d(surface(1 + np.exp(-away / 0.05)), clip=2.0)
    (mesh,) = (mark for mark in scene.panels[0].marks if isinstance(mark, Mesh))
    return dataclasses.replace(scene, panels=(dataclasses.replace(scene.panels[0], marks=(mesh,)),))


def brightest(image):
    """The middle of the yellow of the colour map's end, in shares of the picture, left of the colour bar."""
    image = image[:, : int(0.82 * image.shape[1])]
    red, green, blue = image.transpose(2, 0, 1)
    yellow = (red > 0.45) & (blue < 0.5 * red) & (np.abs(red - green) < 0.15)
    rows, columns = np.nonzero(yellow)
    assert len(rows) >= 3
    return np.array([columns.mean(), rows.mean()]) / image.shape[:2][::-1]


@needs_pyvista
def test_a_peak_stands_at_the_same_place_in_both_libraries(monkeypatch):
    corner = 16, 5
    for module in ("relief", "vtk.surface"):
        monkeypatch.setattr(f"landscape.rendering.{module}.PIECES", 120)
    scene = styled(peak(corner), "default", 100)
    places = [brightest(pixels(library.render(scene))) for library in (matplotlib, vtk)]
    np.testing.assert_allclose(places[0], places[1], atol=0.01)
    figure = matplotlib.render(scene)
    axes = figure.axes[0]
    x, y = (-1 + 0.1 * index for index in corner)
    from mpl_toolkits.mplot3d import proj3d

    flat = axes.transData.transform(proj3d.proj_transform(x, y, 2.0, axes.get_proj())[:2])
    width, height = figure.canvas.get_width_height()
    np.testing.assert_allclose(places[0] * [0.82, 1], [flat[0] / width, 1 - flat[1] / height], atol=0.03)


@pytest.mark.parametrize("view", [None, (60.0, 20.0), (10.0, -120.0)])
def test_plotly_looks_from_where_matplotlib_does(view):
    scene = Appearance(view=view).applied(peak((16, 5)))
    axes, camera = matplotlib.render(scene).axes[0], plotly.render(scene).layout.scene.camera
    eye = np.array([camera.eye.x, camera.eye.y, camera.eye.z]) - [0, 0, 0]
    assert np.degrees(np.arctan2(eye[1], eye[0])) == pytest.approx(axes.azim, abs=3)
    assert np.degrees(np.arctan2(eye[2], np.hypot(*eye[:2]))) == pytest.approx(axes.elev, abs=3)


@needs_pyvista
def test_vtk_cuts_at_the_clip_and_leaves_gaps_open():
    axis = np.linspace(-1, 1, 41)
    values = 1 + np.add.outer(axis**2, axis**2)
    values[20, 20] = np.nan
    panel = dataclasses.replace(alone("3d").panels[0], marks=(Mesh(axis, axis, values, SCALE),), x_range=(-1, 1))
    above = Appearance(dpi=100, view=(90.0, -90.0)).applied(Scene((panel,), size=(3, 3)))
    image = pixels(vtk.render(above))
    column, row = matplotlib.render(above).axes[0].transData.transform((0.0, 0.0))
    middle = image[image.shape[0] - 1 - round(row), round(column)]
    assert np.ptp(middle) < 0.1  # the floor, in grey
    ring = image[image.shape[0] - 1 - round(row), round(column) + 25]
    assert np.ptp(ring) > 0.15


# --- where VTK is missing -----------------------------------------------------------------------------------------


def test_without_pyvista_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setattr(vtk.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LandscapeError, match=r"needs pyvista, .*pip install 'landscape-viz\[vtk\]'") as caught:
        vtk.render(alone("3d", Mesh(X, Y, VALUES, SCALE)))
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("worker", "told"),
    [
        ("import os; os.abort()", r"\(code -6\)"),
        ("raise RuntimeError('no screen')", r"\(RuntimeError: no screen\)"),
        ("import time; time.sleep(60)", r"\(nothing came within 1 s\)"),
        ("pass", r"\(code 0\)"),
    ],
    ids=["crash", "error", "hang", "nothing"],
)
def test_a_driver_that_fails_takes_nothing_along(worker, told, tmp_path, monkeypatch):
    script = tmp_path / "worker.py"
    script.write_text(worker)
    monkeypatch.setattr(vtk, "WORKER", script)
    monkeypatch.setattr(vtk, "LONGEST", 1)
    monkeypatch.setattr(vtk.importlib.util, "find_spec", lambda name: name)
    with pytest.raises(LandscapeError, match=f"VTK could not draw without a screen {told}: install OpenGL"):
        vtk.render(alone("3d", Mesh(X, Y, VALUES, SCALE)))
