"""Paths of trainings over planes: where they are drawn, how high, and what is said of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import broken, rugged, stacked, surface, valley

import landscape
from landscape.commands.main import main
from landscape.errors import LandscapeError
from landscape.rendering import matplotlib, plotly
from landscape.rendering.quantities import measured
from landscape.rendering.scene import Points, Trail
from landscape.rendering.trajectory import APART, MOST_WRITTEN, heights_below, trajectory
from landscape.rendering.views import VIEWS
from landscape.storage.file import save
from landscape.types import Axis, Trajectory

SHARE = np.linspace(0, 1, 9)
PATH = Trajectory(
    -0.8 * (1 - SHARE), 0.6 * (1 - SHARE) ** 2, tuple(f"epoch {i}" for i in range(9)), (0.832, 0.121), "p.h5"
)


def trail_of(scene):
    (found,) = (mark for mark in scene.panels[0].marks if isinstance(mark, Trail))
    return found


def test_the_points_are_those_of_the_path_and_all_are_dots():
    trail = trail_of(trajectory(valley(), path=PATH))
    np.testing.assert_array_equal(trail.x, PATH.x)
    np.testing.assert_array_equal(trail.y, PATH.y)
    assert trail.dots.all()
    assert trail.names == PATH.labels
    assert trail.z is None


def test_the_caption_and_the_axes_say_what_the_path_is():
    scene = trajectory(valley(), path=PATH)
    for phrase in (
        "path of 9 points projected on the plane (p.h5)",
        "numbers: epoch",
        "83.2 % and 12.1 % of its variance lie along the axes",
        "ring and square: first and last point of the path",
    ):
        assert phrase in scene.caption
    assert scene.panels[0].x_label == "α  (direction 1: 83.2 % of the path's variance)"
    assert scene.panels[0].y_label == "β  (direction 2: 12.1 % of the path's variance)"
    assert trajectory(valley(), path=PATH, kind="3d").panels[0].x_label == "α  (83.2 %)"


def test_a_path_without_labels_and_shares_is_drawn_plainly():
    scene = trajectory(valley(), path=Trajectory(PATH.x, PATH.y))
    assert scene.panels[0].x_label == "α  (filter-normalised direction 1)"
    assert "variance" not in scene.caption
    assert "numbers" not in scene.caption
    assert set(trail_of(scene).labels) == {""}
    assert trail_of(scene).names[0] == "point 1 of 9"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)), min_size=1, max_size=40), st.booleans())
def test_what_is_written_stands_apart_and_inside(places, named):
    x, y = np.array(places).T
    if not ((abs(x) <= 1) & (abs(y) <= 1)).any():
        return
    labels = tuple(f"epoch {i}" if named else f"{i}" for i in range(len(x)))
    scene = trajectory(valley(), path=Trajectory(x, y, labels))
    trail = trail_of(scene)
    written = [index for index, label in enumerate(trail.labels) if label]
    assert 1 <= len(written) <= MOST_WRITTEN
    assert all(trail.labels[index] == str(index) for index in written)
    assert (abs(x[written]) <= 1).all()
    assert (abs(y[written]) <= 1).all()
    apart = np.hypot(*(np.stack([x, y])[:, written, None] - np.stack([x, y])[:, None, written])) / 2
    assert (apart[~np.eye(len(written), dtype=bool)] >= APART - 1e-12).all()
    inside = (abs(x) <= 1) & (abs(y) <= 1)
    outside = int((~inside).sum())
    assert (f"{outside} of {len(x)} networks outside of the picture" in scene.caption) == bool(outside)
    assert int(np.flatnonzero(inside)[0]) in written


@pytest.mark.parametrize("log", [False, True])
def test_a_path_in_space_lies_on_the_surface_as_it_is_drawn(log):
    source = rugged(31)
    scene = trajectory(source, path=PATH, kind="3d", log=log)
    trail, scale = trail_of(scene), scene.bar.scale
    assert trail.dots.sum() == 9
    np.testing.assert_allclose(trail.x[trail.dots], PATH.x)
    x, y = (axis.array() for axis in source.grid.axes)
    # Bilinear in the heights, by two one-dimensional interpolations.
    rows = [np.interp(trail.x, x, scale.heights(source["test/loss"])[:, j]) for j in range(len(y))]
    expected = np.array([np.interp(at, y, row) for at, row in zip(trail.y, np.array(rows).T, strict=True)])
    np.testing.assert_allclose(scale.heights(trail.z), expected, atol=1e-9)


def test_a_path_in_space_breaks_at_gaps_outside_and_where_the_surface_is_cut_off():
    source = broken(surface(1 + np.add.outer(np.linspace(-1, 1, 5), np.zeros(5))), nan=[(1, 1)])
    data = measured(source, "loss")
    scene = trajectory(source, path=PATH, kind="3d", clip=1.5)
    x, y = np.array([-0.5, -0.4, 0.0, 0.5, 0.6, 3.0, 1.0]), np.array([0.5, -0.4, 0.0, 0.0, 0.0, 0.0, -1.0])
    found = heights_below(source, data, scene.bar.scale, x, y)
    np.testing.assert_allclose(found, [0.5, np.nan, 1.0, 1.5, np.nan, np.nan, np.nan])


def test_heights_go_back_from_a_logarithm_with_an_offset():
    source = valley()
    scene = trajectory(source, path=PATH, kind="3d", offset=0.1, limit=10.0)
    at_end = trail_of(scene).z[-1]
    assert at_end == pytest.approx(source["test/loss"].flat[source.grid.centre()])


@pytest.mark.parametrize("kind", list(VIEWS))
def test_a_path_lies_over_every_view_of_planes_below_the_star(kind):
    source = stacked(valley(), policies=True)
    errors = {f"test/loss{ending}": 0.1 * source["test/loss"] for ending in ("_rise_stderr", "_stderr")}
    source = landscape.Surface(source.grid, {**source.quantities, **errors}, source.job, source.centre)
    scene = trajectory(source, path=PATH, kind=kind)
    assert len(scene.panels) == 3
    for panel in scene.panels:
        order = [type(mark) for mark in panel.marks if isinstance(mark, Trail | Points)]
        assert order[0] is Trail
        assert order.count(Trail) == 1


def test_both_libraries_draw_line_dots_and_labels_where_they_are():
    scene = trajectory(valley(), path=PATH)
    axes = matplotlib.render(scene).axes[0]
    (line,) = (one for one in axes.lines if len(one.get_xdata()) == 9)
    np.testing.assert_array_equal(line.get_xydata().T, [PATH.x, PATH.y])
    written = {text.get_text().strip(): text.get_position() for text in axes.texts}
    assert written["0"] == (PATH.x[0], PATH.y[0])
    traces = [trace for trace in plotly.render(scene).data if trace.type == "scatter" and trace.mode == "markers"]
    traces = [trace for trace in traces if len(trace.x) == 9]
    np.testing.assert_array_equal(traces[0].x, PATH.x)
    assert list(traces[0].marker.symbol) == ["circle"] * 8 + ["square"]
    assert list(traces[0].text) == list(PATH.labels)


def test_a_path_that_is_elsewhere_or_on_a_line_is_refused():
    with pytest.raises(
        LandscapeError, match=r"no point of the trajectory p.h5 lies inside the picture, -1 to 1 by -1 to 1"
    ):
        trajectory(valley(), path=Trajectory(PATH.x + 9, PATH.y, source="p.h5"))
    with pytest.raises(LandscapeError, match=r"a trajectory is drawn over a plane, .* and not over a '1d' figure"):
        trajectory(valley(), path=PATH, kind="1d")
    with pytest.raises(
        LandscapeError, match="a trajectory figure needs at least two points along each of two directions"
    ):
        trajectory(surface(np.arange(5.0)), path=PATH)
    with pytest.raises(LandscapeError, match="a figure of a trajectory needs the path"):
        landscape.plot(valley(), "trajectory")


def test_a_single_point_and_one_at_the_edge_are_drawn():
    for path in (Trajectory([0.5], [0.5], ("epoch 1",)), Trajectory([-1.0, 1.0], [1.0, -1.0])):
        for kind in ("2d", "3d"):
            scene = trajectory(valley(x=Axis.regular(-1, 1, 13)), path=path, kind=kind)
            assert np.isfinite(trail_of(scene).z[trail_of(scene).dots]).all() if kind == "3d" else True
            matplotlib.render(scene)
            plotly.render(scene)


def test_the_command_reads_the_path(tmp_path, capsys):
    run, path = tmp_path / "run.h5", tmp_path / "path.csv"
    save(valley(), run)
    path.write_text("x,y,label\n-0.5,0.5,epoch 0\n0,0,epoch 1\n", encoding="utf-8")
    for words, name in (([], "run_trajectory.png"), (["--3d"], "run_trajectory_3d.png")):
        with pytest.raises(SystemExit) as stop:
            main(["plot", str(run), "--trajectory", str(path), *words])
        assert stop.value.code == 0
        assert (tmp_path / name).exists()
    with pytest.raises(SystemExit) as stop:
        main(["plot", str(run), "--trajectory", str(tmp_path / "none.h5")])
    assert stop.value.code == 2
    assert "there is no file" in capsys.readouterr().err
