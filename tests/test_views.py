"""Views of planes: heat maps, lines and filled levels alone, uncertainty, drift, and what they mark."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from surfaces import broken, rugged, stacked, surface, valley

import landscape
from landscape.commands.main import main
from landscape.errors import LandscapeError
from landscape.rendering import FIGURES, matplotlib, plotly
from landscape.rendering.comparison import comparison_grid
from landscape.rendering.figures import contour, drift, filled, heat, lines, surface3d, uncertainty, uncertainty_of_rise
from landscape.rendering.inks import contrast, inks
from landscape.rendering.isolines import rim
from landscape.rendering.scene import Cells, ColourBar, Contour, Cut, Hatch, Heat, Lowest, Mesh, Points, cell_edges
from landscape.rendering.style import STYLES, colour_of, hexadecimal
from landscape.storage.file import save
from landscape.types import Axis

UNEVEN = Axis((-1.0, -0.9, -0.4, 0.0, 0.1, 0.7, 1.0))


def marks(scene, *kinds):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, kinds)]


def run(*words):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in words])
    return stop.value.code


def with_errors(source, share=0.1):
    """The same surface with a standard error of the rise: a share of the loss, 0 at the centre."""
    loss = np.asarray(source["test/loss"])
    errors = share * loss
    errors.flat[source.grid.centre()] = 0.0
    more = {"test/loss_rise_stderr": errors, "test/loss_stderr": 2 * errors}
    return dataclasses.replace(source, quantities={**source.quantities, **more})


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("2d", {Heat, Contour}),
        ("lines", {Contour}),
        ("filled", {Heat}),
        ("heat", {Cells}),
        ("3d", {Contour, Mesh}),
    ],
)
def test_each_kind_draws_its_own_marks(name, kinds):
    scene = FIGURES.get(name)(valley())
    assert {type(mark) for mark in marks(scene, Heat, Contour, Cells, Mesh)} == kinds
    assert [mark.look for mark in marks(lines(valley()), Contour)] == ["coloured"]
    for mark in marks(scene, Heat, Contour, Cells, Mesh):
        np.testing.assert_array_equal(mark.values, valley()["test/loss"])


@pytest.mark.parametrize("name", ["2d", "lines", "filled", "heat", "3d", "uncertainty"])
def test_the_ends_that_are_asked_for_are_those_of_the_figure_and_what_lies_beyond_is_told(name):
    source = with_errors(valley())
    shown = FIGURES.get(name)(source, vmin=1.0, vmax=2.0)
    values = shown.bar.scale
    assert (values.lower, values.upper) == (1.0, 2.0)
    drawn = marks(shown, Heat, Cells, Mesh, Contour)[0].values
    below, above = (drawn < 1.0).sum(), (drawn > 2.0).sum()
    assert below
    assert shown.bar.clipped_below
    assert shown.bar.clipped == bool(above)
    assert f"{below} of 117 cells lie below 1" in shown.caption
    assert (f"clipped at 2: {above} of 117 cells lie above" in shown.caption) == bool(above)
    assert "clipped" in shown.bar.label


def test_cells_reach_midway_between_uneven_points_and_keep_their_colours():
    values = np.add.outer(np.arange(7.0), 10.0 * np.arange(5)) + 1
    source = surface(values, x=UNEVEN)
    scene = heat(source)
    (cells,) = marks(scene, Cells)
    assert scene.panels[0].x_range == (-1.05, 1.15)
    figure = matplotlib.render(scene)
    figure.canvas.draw()
    image = np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255
    edges_x, edges_y = cell_edges(cells.x), cell_edges(cells.y)
    style = scene.style
    for i, j in np.ndindex(7, 5):
        expected = style.colours(cells.scale.position(values[i, j]))
        # A quarter of the way from either edge: next to the neighbours, away from the marks at grid points.
        for part in (0.12, 0.88):
            x, y = (edges[k] + part * (edges[k + 1] - edges[k]) for edges, k in ((edges_x, i), (edges_y, j)))
            column, row = figure.axes[0].transData.transform((x, y))
            np.testing.assert_allclose(image[image.shape[0] - 1 - int(row), int(column)], expected, atol=0.011)


def test_cells_of_plotly_are_the_values_themselves():
    source = surface(np.add.outer(np.arange(7.0), 10.0 * np.arange(5)) + 1, x=UNEVEN)
    (trace,) = (trace for trace in plotly.render(heat(source)).data if trace.type == "heatmap")
    np.testing.assert_array_equal(np.asarray(trace.customdata, dtype=float), source["test/loss"].T)
    np.testing.assert_array_equal(trace.x, UNEVEN.array())
    assert trace.zsmooth is None


def test_cells_that_are_not_measured_are_empty_and_those_that_are_not_finite_hatched():
    scene = heat(broken(valley(), nan=[(0, 0), (5, 5)], inf=[(7, 1)], undone=[(3, 3), (3, 4)]))
    (cells,), (hatch,) = marks(scene, Cells), marks(scene, Hatch)
    assert np.argwhere(hatch.mask).tolist() == [[0, 0], [5, 5], [7, 1]]
    assert np.isnan(cells.values).sum() == 5
    assert "hatched: 3 of 117 cells not finite; blank: 2 of 117 cells not yet computed" in scene.caption
    figure = matplotlib.render(scene)
    figure.canvas.draw()
    image = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    column, row = figure.axes[0].transData.transform((cells.x[3], cells.y[3]))
    assert image[image.shape[0] - 1 - int(row), int(column)].tolist() == [255, 255, 255]


def test_levels_are_spoken_of_only_where_they_are_drawn():
    assert "levels" not in heat(valley()).caption
    assert "a cell for each grid point" in heat(valley()).caption
    for figure in (contour, lines, filled, surface3d):
        assert "contour levels" in figure(valley()).caption


def test_the_smallest_loss_is_marked_where_it_is_not_that_of_the_trained_weights():
    source = valley()  # its minimum lies at x = -0.15, and the grid's nearest point at -1/6
    for figure, number in ((contour, 1), (heat, 1), (surface3d, 1)):
        (lowest,) = marks(figure(source), Lowest)
        assert (lowest.x[0], lowest.y[0]) == pytest.approx((-1 / 6, 0))
        assert "plus: smallest test loss on the grid, 0.4778 at (\u22120.167, 0)" in figure(source).caption
        assert len(marks(figure(source), Lowest)) == number
    assert marks(surface3d(source), Lowest)[0].z[0] == source["test/loss"].min()
    assert "plus: smallest loss on each grid" in contour([source, valley(steep=2.0, name="b.pt")]).caption


@pytest.mark.parametrize(
    "source",
    [
        surface(1 + np.add.outer(np.linspace(-1, 1, 9) ** 2, np.linspace(-1, 1, 9) ** 2)),
        surface(np.ones((5, 5))),
        valley(centre={"test": {"loss": 0.1, "count": 200.0}}),
        surface(np.full((4, 4), np.nan)),
    ],
    ids=["bowl", "constant", "between grid points", "nothing finite"],
)
def test_no_smallest_loss_is_marked_where_the_trained_weights_are_no_higher(source):
    assert not marks(contour(source), Lowest)
    assert "plus" not in contour(source).caption


def test_only_losses_have_a_smallest_value_that_is_marked():
    assert not marks(contour(valley(), "accuracy"), Lowest)


def test_an_interpolated_minimum_is_not_marked():
    loss = valley()["test/loss"].copy()
    counts = np.full(loss.shape, 200)
    counts[5, 4] = 0  # the minimum
    there = surface(loss, count=counts)
    values = {**there.quantities, "test/loss": loss, "test/interpolated": counts == 0}
    assert marks(contour(valley()), Lowest)
    assert not marks(contour(dataclasses.replace(there, quantities=values)), Lowest)  # all others lie higher


def test_the_rim_lies_where_the_surface_reaches_the_clip():
    source = surface(1 + np.add.outer(np.linspace(-1, 1, 41) ** 2, np.linspace(-1, 1, 41) ** 2))
    scene = surface3d(source, clip=1.5)
    (cut,) = marks(scene, Cut)
    radii = np.concatenate([np.hypot(*piece.T) for piece in rim(cut)])
    np.testing.assert_allclose(radii, np.sqrt(0.5), atol=2e-3)
    assert "dark rim: where a surface is cut off" in scene.caption
    assert "clipped at 1.5" in scene.caption
    whole = surface3d(source)
    assert not marks(whole, Cut)
    assert "rim" not in whole.caption


def test_uncertainty_is_the_standard_error_as_a_share_of_the_loss_over_lines_of_the_mean():
    source = with_errors(valley())
    scene = uncertainty(source, levels=[1.0, 2.0])
    (cells,), (mean,) = marks(scene, Cells), marks(scene, Contour)
    expected = np.full((13, 9), 10.0)
    expected.flat[source.grid.centre()] = 0.0
    np.testing.assert_allclose(cells.values, expected)
    np.testing.assert_array_equal(mean.values, source["test/loss"])
    assert (mean.look, mean.scale.levels) == ("plain", (1.0, 2.0))
    assert scene.bar.label == "test loss rise, standard error (% of the loss)"
    assert "lines: test loss, 2 contour levels, 1 to 2" in scene.caption


def test_uncertainty_as_a_share_of_the_rise():
    source = with_errors(valley())
    (cells,) = marks(uncertainty_of_rise(source), Cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = 100 * source["test/loss_rise_stderr"] / np.abs(source["test/loss"] - 0.5)
    expected.flat[source.grid.centre()] = 0.0
    np.testing.assert_allclose(cells.values, np.where(np.isfinite(expected), expected, np.nan))
    without = dataclasses.replace(source, centre={"test": {"count": 200.0}})
    np.testing.assert_allclose(marks(uncertainty_of_rise(without), Cells)[0].values, cells.values)
    scene = uncertainty_of_rise(source)
    assert scene.bar.label.startswith("test loss rise, standard error (% of the rise")


def test_the_uncertainty_of_accuracies_is_in_percentage_points():
    source = valley()
    errors = {"test/accuracy_stderr": np.full((13, 9), 0.02)}
    scene = uncertainty(dataclasses.replace(source, quantities={**source.quantities, **errors}), "accuracy")
    np.testing.assert_allclose(marks(scene, Cells)[0].values, 2.0)
    assert "percentage points" in scene.bar.label


def test_without_a_standard_error_there_is_no_uncertainty_and_one_sentence():
    with pytest.raises(LandscapeError, match="has no standard error of test/loss: it is measured of the loss"):
        uncertainty(valley())


def test_drift_draws_the_drift_whatever_the_quantity():
    source = stacked(rugged(), policies=True, drift=True)
    (mark,) = marks(drift(source), Heat)
    np.testing.assert_array_equal(mark.values, source["statistics/drift"])
    np.testing.assert_array_equal(marks(drift(source, "drift:bn1"), Heat)[0].values, source["statistics/drift:bn1"])
    figure = landscape.plot(source, "drift")
    assert "drift" in figure.axes[-1].get_ylabel()
    with pytest.raises(LandscapeError, match="has no 'drift': the drift of BatchNorm's statistics is measured where"):
        landscape.plot(valley(), "drift")


@pytest.mark.parametrize("kind", ["2d", "lines", "filled", "heat", "3d", "uncertainty"])
def test_a_grid_of_any_kind_shares_one_scale(kind):
    pair = [with_errors(valley(name=name, steep=steep)) for name, steep in (("a.pt", 1.0), ("b.pt", 3.0))]
    scene = comparison_grid([stacked(one, policies=True) for one in pair], kind=kind)
    assert len(scene.panels) == 6
    assert scene.columns == 3
    coloured = marks(scene, Heat, Cells, Mesh) or marks(scene, Contour)
    assert {id(mark.scale) for mark in coloured} == {id(scene.bar.scale)}
    assert len(coloured) == 6
    assert {panel.x_range for panel in scene.panels} == {scene.panels[0].x_range}


def test_the_bar_has_points_exactly_where_values_lie_beyond_its_ends():
    for options, expected in (
        ({}, (False, False)),
        ({"vmax": 2.0}, (True, False)),
        ({"vmin": 1.0}, (False, True)),
        ({"vmin": 0.0, "vmax": 9.0}, (False, False)),
    ):
        bar = heat(valley(), **options).bar
        assert isinstance(bar, ColourBar)
        assert (bar.clipped, bar.clipped_below) == expected
        shapes = plotly.render(heat(valley(), **options)).layout.shapes
        assert sorted(shape.yanchor for shape in shapes) == sorted({shape.yanchor for shape in shapes})
        assert len(shapes) == sum(expected)


@settings(max_examples=40)
@given(
    arrays.arrays(np.float64, (4, 3), elements=st.floats(-5, 1e4) | st.sampled_from([np.nan, np.inf])),
    st.lists(st.integers(0, 11), max_size=6),
    st.sampled_from(["2d", "lines", "filled", "heat", "3d"]),
)
def test_what_a_caption_counts_is_what_the_figure_leaves_out(values, undone, kind):
    counts = np.full((4, 3), 200)
    counts.flat[undone] = 0
    source = surface(values, count=counts)
    scene = FIGURES.get(kind)(source)
    done = counts > 0
    broken_cells, missing = int((done & ~np.isfinite(values)).sum()), int((~done).sum())
    assert (f"{broken_cells} of 12 cells not finite" in scene.caption) == bool(broken_cells)
    assert (f"{missing} of 12 cells not yet computed" in scene.caption) == bool(missing)
    assert sum(int(mark.mask.sum()) for mark in marks(scene, Hatch)) == broken_cells
    scale = scene.bar.scale
    finite = values[done & np.isfinite(values)]
    above = int((finite > scale.upper + scale.tolerance).sum())
    assert (f"{above} of 12 cells lie above" in scene.caption) == bool(above)
    assert scene.bar.clipped == bool(above)


def test_logarithms_of_a_value_plus_an_offset_are_said_and_drawn():
    source = surface(5 * (valley()["test/loss"] - 0.4) ** 2)
    scene = surface3d(source, offset=0.1, limit=10.0)
    assert scene.bar.label.startswith("test loss (log of value + 0.1, clipped at 10")
    assert "log scale of the value + 0.1" in scene.caption
    mesh = next(trace for trace in plotly.render(scene).data if trace.type == "surface")
    np.testing.assert_allclose(np.asarray(mesh.z, dtype=float).T, source["test/loss"] + 0.1, rtol=1e-6)
    ticks = plotly.render(scene).layout.scene.zaxis
    shown = dict(zip(ticks.ticktext, ticks.tickvals, strict=True))
    assert all(value == pytest.approx(float(text) + 0.1) for text, value in shown.items())


def test_a_profile_takes_no_offset():
    scene = FIGURES.get("1d")(rugged(), offset=0.1, limit=10.0)
    assert scene.panels[0].scale.offset == 0.0
    assert scene.panels[0].scale.upper > 10.0


def test_marked_points_are_for_pictures_from_above():
    for kind in ("lines", "filled", "heat"):
        landscape.plot(valley(5, 5), kind, points=True)
    with pytest.raises(LandscapeError, match="--points marks the measured points"):
        landscape.plot(valley(5, 5), "3d", points=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vmin", "5", "--vmax", "1"], "vmin must lie below vmax, and 5 does not lie below 1"),
        (["--vmax", "3", "--clip", "3"], "vmax and clip both say where the scale ends; give one of them"),
        (["--log", "--vmin", "0"], "vmin must lie above 0 on a log scale, not at 0"),
        (["--uncertainty"], "has no standard error of test/loss"),
        (["--drift"], "the drift of BatchNorm's statistics is measured where"),
    ],
)
def test_what_cannot_be_drawn_is_told_by_the_command(words, said, tmp_path, capsys):
    path = tmp_path / "run.h5"
    save(valley(), path)
    assert run("plot", path, "-o", tmp_path / "x.png", *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()


def test_the_command_draws_the_new_kinds(tmp_path, capsys):
    path = tmp_path / "run.h5"
    save(with_errors(valley(5, 5)), path)
    for kind in ("lines", "filled", "heat", "uncertainty"):
        assert run("plot", path, f"--{kind}") == 0
        assert (tmp_path / f"run_{kind}.png").exists()


def test_stars_are_the_same_in_every_kind():
    for kind in ("2d", "lines", "filled", "heat"):
        (star,) = marks(FIGURES.get(kind)(valley()), Points)
        assert (star.x[0], star.y[0]) == (0, 0)


@pytest.mark.parametrize("style", list(STYLES))
def test_lines_in_the_colours_of_their_levels_are_seen_on_the_page(style):
    (mark,) = marks(lines(rugged()), Contour)
    found = [inks(mark, level, STYLES[style]) for level in mark.scale.levels]
    assert min(contrast(colour_of(ink.line), colour_of(STYLES[style].page)) for ink in found) > 1.65
    if style == "default":
        own = STYLES[style].colours(mark.scale.position(mark.scale.levels[0]))
        assert found[0].line == hexadecimal(own)  # what can be seen keeps its colour


def test_contrasts_are_those_of_the_standard():
    black, white, grey = (np.full(3, value) for value in (0.0, 1.0, 119 / 255))
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(grey, white) == pytest.approx(4.48, abs=0.01)  # #777777 on white
    assert contrast(grey, grey) == 1
