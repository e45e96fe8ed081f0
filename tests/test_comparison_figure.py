"""Figures of several surfaces: comparisons, grids, differences, and what is drawn of files with several dimensions."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surfaces import broken, rugged, stacked, surface, valley

from landscape.api import plot
from landscape.commands.main import main
from landscape.errors import LandscapeError
from landscape.rendering.captions import caption, statistics_phrase
from landscape.rendering.comparison import comparison, comparison_grid
from landscape.rendering.curves import over_repeats
from landscape.rendering.difference import difference
from landscape.rendering.figures import contour, surface3d
from landscape.rendering.names import called, quantity_label
from landscape.rendering.profiles import profile
from landscape.rendering.quantities import full_name, measured
from landscape.rendering.scene import Band, Contour, Hatch, Heat, Line, Mesh, Note, Points, RowLabel
from landscape.rendering.selection import selected
from landscape.storage import save
from landscape.types import POLICIES, Axis

LINE = surface(np.linspace(-1, 1, 9) ** 2 + 0.5, accuracy=np.linspace(0.1, 0.9, 9))
FOUR = [valley(name=name, bn_stats=policy) for name in ("a.pt", "b.pt") for policy in ("frozen", "recalibrate")]
WITHOUT = dataclasses.replace(valley(name="plain.pt"), provenance={"statistics_layers": 0})


def marks(scene, kind):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, kind)]


def unfinished(source, complete):
    """A stacked surface of which only some repeats are done."""
    done = np.isin(np.arange(source.repeats), complete)
    count = np.where(done.reshape(-1, *[1] * (source["test/count"].ndim - 1)), source["test/count"], 0)
    return dataclasses.replace(source, quantities={**source.quantities, "test/count": count})


# Comparisons of planes


def test_a_row_for_each_surface_shows_it_from_above_and_in_space():
    scene = comparison([valley(13, 9), rugged(15, name="b.pt")])
    assert [panel.kind for panel in scene.panels] == ["2d", "3d", "2d", "3d"]
    for row, source in zip((scene.panels[:2], scene.panels[2:]), (valley(13, 9), rugged(15)), strict=True):
        shown = [mark for panel in row for mark in panel.marks if isinstance(mark, Heat | Contour | Mesh)]
        assert len(shown) == 4
        for mark in shown:
            np.testing.assert_array_equal(mark.values, source["test/loss"])


@pytest.mark.parametrize("figure", [comparison, comparison_grid])
def test_all_rows_share_one_scale_and_one_range(figure):
    sources = [valley(x=Axis.regular(-2, 1, 13)), rugged(name="b.pt")]
    scene = figure(sources, clip=30.0, levels=[1, 2, 5])
    assert {id(mark.scale) for mark in marks(scene, (Heat, Contour, Mesh))} == {id(scene.bar.scale)}
    assert {(panel.x_range, panel.y_range) for panel in scene.panels} == {((-2, 1), (-1, 1))}
    assert (scene.bar.scale.levels, scene.bar.scale.upper, scene.bar.clipped) == ((1, 2, 5), 30.0, True)
    above = int((sources[1]["test/loss"] > 30).sum())
    assert f"Clipped at 30: {above} of 225 cells lie above in b" in scene.caption


def test_rows_tell_network_and_policy():
    assert comparison(FOUR).rows == (
        RowLabel("a", "BatchNorm frozen"),
        RowLabel("a", "BatchNorm recalibrated"),
        RowLabel("b", "BatchNorm frozen"),
        RowLabel("b", "BatchNorm recalibrated"),
    )
    assert comparison([WITHOUT]).rows == (RowLabel("plain", "no BatchNorm statistics"),)
    assert [row.name for row in comparison(FOUR, names=["A", "A", "B", "B"]).rows] == ["A", "A", "B", "B"]


def test_a_file_with_several_policies_gives_a_row_for_each():
    scene = comparison([stacked(valley(), policies=True), WITHOUT], names=["with", "without"])
    assert [row.name for row in scene.rows] == ["with"] * 3 + ["without"]
    factors = [mark.values[0, 0] / valley()["test/loss"][0, 0] for mark in marks(scene, Mesh)]
    np.testing.assert_allclose(factors, [1, 2, 3, 1])
    assert (
        "BatchNorm statistics as named: frozen (the checkpoint's), of each batch of 128, "
        "recalibrated on 1,000 training images (crop4-flip); none in without" in scene.caption
    )


def test_only_the_lowest_row_labels_its_first_axis():
    scene = comparison(FOUR)
    assert [panel.inner_x for panel in scene.panels] == [True] * 6 + [False] * 2
    assert not any(panel.inner_y for panel in scene.panels)


def test_gaps_of_a_comparison_are_counted_once_for_each_surface():
    scene = comparison([broken(valley(), nan=[(0, 0)]), broken(valley(name="b.pt"), nan=[(1, 1), (2, 2)])])
    assert len(marks(scene, Hatch)) == 4
    words = "Hatched, and crosses on the floor: 1 of 117 cells not finite in net (BatchNorm frozen), 2 of 117 in b"
    assert words in scene.caption


@pytest.mark.parametrize(("number", "height"), [(1, 3.3), (2, 2.8), (4, 2.3), (6, 2.0)])
def test_more_rows_are_lower(number, height):
    scene = comparison([valley(name=f"{index}.pt") for index in range(number)])
    assert scene.size == (height, height)


def test_lines_and_planes_do_not_compare():
    with pytest.raises(LandscapeError, match="all have one direction or all two; compare them apart"):
        comparison([LINE, valley()])


@pytest.mark.parametrize("figure", [comparison, comparison_grid, profile])
def test_there_is_a_name_for_every_surface(figure):
    with pytest.raises(LandscapeError, match="one name per surface: the surfaces are 2 and the names 1"):
        figure([valley(), valley(name="b.pt")], names=["a"])


# Grids


@pytest.mark.parametrize(("kind", "mark"), [("2d", Heat), ("3d", Mesh)])
def test_a_grid_has_networks_as_rows_and_policies_as_columns(kind, mark):
    sources = [stacked(valley(steep=steep, name=f"{steep}.pt"), policies=True) for steep in (1, 2)]
    scene = comparison_grid(sources, kind=kind)
    assert {panel.kind for panel in scene.panels} == {kind}
    assert scene.columns == 3
    assert scene.rows == (RowLabel("1"), RowLabel("2"))
    assert [panel.title for panel in scene.panels[:3]] == [
        "BatchNorm frozen",
        "BatchNorm of each batch",
        "BatchNorm recalibrated",
    ]
    assert not any(panel.title for panel in scene.panels[3:])
    expected = [source.sel(bn=policy)["test/loss"] for source in sources for policy in POLICIES]
    for drawn, values in zip(marks(scene, mark), expected, strict=True):
        np.testing.assert_array_equal(drawn.values, values)


def test_a_grid_of_single_files_does_not_hang_on_their_order():
    scene = comparison_grid([FOUR[3], FOUR[0], FOUR[1], FOUR[2]], names=["B", "A", "A", "B"])
    assert [row.name for row in scene.rows] == ["B", "A"]
    assert [panel.title for panel in scene.panels[:2]] == ["BatchNorm recalibrated", "BatchNorm frozen"]
    assert [panel.inner_y for panel in scene.panels] == [False, True] * 2


def test_a_grid_with_a_hole_or_a_doubled_cell_is_refused():
    with pytest.raises(LandscapeError, match=r"once under every policy .* of b there are 0 with recalibrate"):
        comparison_grid(FOUR[:3])
    with pytest.raises(LandscapeError, match="of a there are 2 with frozen"):
        comparison_grid([FOUR[0], FOUR[0]])
    with pytest.raises(LandscapeError, match=r"the pictures of a comparison are '2d', .*'3d'.*, not '1d'"):
        comparison_grid(FOUR, kind="1d")


# Differences


def test_a_difference_is_the_second_minus_the_first():
    a, b = valley(13, 9), valley(13, 9, steep=3, name="b.pt")
    scene = difference(a, b)
    for mark in marks(scene, (Heat, Contour)):
        np.testing.assert_array_equal(mark.values, b["test/loss"] - a["test/loss"])
        assert mark.scale.diverging
        assert mark.scale.lower == -mark.scale.upper
    assert scene.title == "b − net"
    assert scene.bar.label == "difference of the test loss"
    assert "test loss of b minus that of net; from −0.044 to 6.6; dashed below 0, bold at 0" in scene.caption


def test_swapping_the_two_turns_the_sign_alone():
    a, b = rugged(), rugged(name="b.pt")
    b = dataclasses.replace(b, quantities={**b.quantities, "test/loss": b["test/loss"][::-1] ** 0.9})
    (there,), (back,) = marks(difference(a, b), Heat), marks(difference(b, a), Heat)
    np.testing.assert_array_equal(there.values, -back.values)
    assert there.scale == back.scale


def test_the_difference_of_accuracies_is_in_percentage_points():
    a = valley()
    b = dataclasses.replace(a, quantities={**a.quantities, "test/accuracy": a["test/accuracy"] / 2})
    scene = difference(a, b, "accuracy")
    np.testing.assert_allclose(marks(scene, Heat)[0].values, -50 * a["test/accuracy"])
    assert scene.bar.label == "difference of the test accuracy (percentage points)"


def test_a_difference_is_hatched_where_either_value_is_not_finite():
    scene = difference(broken(valley(), nan=[(0, 0)], undone=[(5, 5)]), broken(valley(), inf=[(1, 2)]))
    (hatch,), (heat,) = marks(scene, Hatch), marks(scene, Heat)
    assert sorted(map(tuple, np.argwhere(hatch.mask))) == [(0, 0), (1, 2)]
    assert np.isnan(heat.values).sum() == 3


def test_a_clipped_difference_says_so_at_both_ends():
    scene = difference(valley(), valley(steep=3), clip=1.5)
    beyond = int((np.abs(marks(scene, Heat)[0].values) > 1.5).sum())
    assert (scene.bar.clipped, scene.bar.clipped_below) == (True, False)
    assert f"clipped at ±1.5: {beyond} of 117 cells lie beyond" in scene.caption


def test_equal_surfaces_differ_by_nothing():
    scene = difference(valley(), valley())
    assert not marks(scene, Heat)[0].values.any()
    assert "from 0 to 0" in scene.caption
    assert scene.title == "net (2) − net (1)"


def test_a_difference_needs_one_grid():
    with pytest.raises(LandscapeError, match="needs one grid, and these have -1:1:13 x -1:1:9 and -1:1:5 x -1:1:9"):
        difference(valley(13, 9), valley(5, 9))


# Repeats


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=9))
def test_quartiles_are_those_of_numpy(rows):
    values = np.array(rows)
    np.testing.assert_allclose(over_repeats(values), np.quantile(values, [0.25, 0.5, 0.75], axis=0), atol=1e-9)


def test_what_is_not_finite_has_no_quartile_unless_enough_else_is():
    values = np.array([[1.0, 1, np.nan], [2, np.inf, 2], [3, np.inf, 3], [4, 2, 4], [5, 3, 5]])
    low, middle, high = over_repeats(values)
    np.testing.assert_array_equal(middle, [3, 3, np.nan])
    np.testing.assert_array_equal(low, [2, 2, np.nan])
    np.testing.assert_array_equal(high, [4, np.nan, np.nan])


def test_repeats_are_drawn_as_median_quartiles_and_single_lines():
    source = stacked(LINE, repeats=5)
    scene = profile(source)
    losses = [mark for mark in scene.panels[0].marks if isinstance(mark, Line)]
    np.testing.assert_array_equal([line.y for line in losses if line.faint], source["test/loss"])
    (median,) = (line for line in losses if not line.faint)
    np.testing.assert_allclose(median.y, 1.2 * LINE["test/loss"])
    band = scene.panels[0].marks[0]
    np.testing.assert_allclose([band.lower, band.upper], [1.1 * LINE["test/loss"], 1.3 * LINE["test/loss"]])
    assert "5 repeats" in scene.caption
    assert "line: median over repeats; band: quartiles; thin lines: single repeats" in scene.caption
    assert "standard errors" not in scene.caption


def test_single_lines_are_left_out_where_they_would_be_too_many():
    scene = comparison([stacked(LINE, repeats=3), *(stacked(surface(LINE["loss"], name=n), 3) for n in "bcd")])
    assert len(marks(scene, Band)) == len(marks(scene, Line)) == 4
    assert not any(line.faint for line in marks(scene, Line))
    assert "thin lines" not in scene.caption


def test_lines_compare_in_the_same_axes_with_accuracy_below():
    scene = comparison([LINE, stacked(LINE, policies=True)], names=["one", "two"])
    assert [panel.kind for panel in scene.panels] == ["1d", "1d"]
    assert [panel.y_label for panel in scene.panels] == ["test loss", "test accuracy (%)"]
    labels = [line.label for line in marks(scene, Line)[:4]]
    assert labels == [
        "one (BatchNorm frozen)",
        *(f"two (BatchNorm {words})" for words in ("frozen", "of each batch", "recalibrated")),
    ]


def test_a_plane_with_repeats_is_cut_in_all_of_them():
    source = stacked(valley(13, 9), repeats=3)
    first, second = (
        [mark for mark in panel.marks if isinstance(mark, Line) and mark.faint] for panel in profile(source).panels[:2]
    )
    np.testing.assert_array_equal([line.y for line in first], source["test/loss"][:, :, 4])
    np.testing.assert_array_equal([line.y for line in second], source["test/loss"][:, 6, :])


@pytest.mark.parametrize("figure", [contour, surface3d, comparison])
def test_of_planes_with_repeats_the_first_is_drawn(figure):
    scene = figure(stacked(valley(), repeats=3))
    np.testing.assert_array_equal(marks(scene, Contour)[0].values, valley()["test/loss"])
    assert "repeat 0 of 3" in scene.caption


def test_a_repeat_can_be_chosen():
    (chosen,) = selected(stacked(valley(), repeats=3), repeat=2)
    np.testing.assert_allclose(chosen["test/loss"], 1.2 * valley()["test/loss"])
    assert "repeat 2 of 3" in caption(chosen)


@pytest.mark.parametrize(
    ("complete", "repeats", "words"),
    [([0, 2], 2, "2 of 4 repeats complete"), ([0], 1, "repeat 0 of 4; 1 of 4 repeats complete")],
)
def test_repeats_that_are_not_complete_are_left_out_and_counted(complete, repeats, words):
    source = unfinished(stacked(LINE, repeats=4), complete)
    (kept,) = selected(source, repeats=True)
    assert kept.repeats == repeats
    np.testing.assert_array_equal(np.atleast_2d(kept["test/loss"]), source["test/loss"][complete])
    assert words in caption(kept)


def test_of_a_run_that_has_just_begun_the_first_repeat_is_drawn():
    (kept,) = selected(unfinished(stacked(LINE, repeats=4, policies=True), []), repeats=True, bn="batch")
    assert kept.repeats == 1
    assert not kept.complete
    assert "repeat 0 of 4; 0 of 4 repeats complete" in caption(kept)


# Policies


@pytest.mark.parametrize("figure", [contour, surface3d])
def test_a_file_with_several_policies_gives_a_panel_for_each_under_one_name(figure):
    scene = figure(stacked(valley(), policies=True))
    assert scene.title == "net"
    assert [panel.title for panel in scene.panels] == [
        "BatchNorm frozen",
        "BatchNorm of each batch",
        "BatchNorm recalibrated",
    ]
    assert {id(mark.scale) for mark in marks(scene, (Heat, Mesh, Contour))} == {id(scene.bar.scale)}


def test_two_networks_under_two_policies_are_told_apart_by_a_note():
    scene = contour(FOUR)
    assert [panel.title for panel in scene.panels] == ["a", "a", "b", "b"]
    notes = [next(mark.text for mark in panel.marks if isinstance(mark, Note)) for panel in scene.panels]
    assert notes == ["BatchNorm frozen", "BatchNorm recalibrated"] * 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"bn_stats": "frozen"}, "frozen (the checkpoint's)"),
        ({"bn_stats": "batch", "bn_batch_size": 1024}, "of each batch of 1,024"),
        (
            {"bn_samples": "1000", "bn_preprocessing": "augment crop4-flip, scaled to [0, 1]"},
            "recalibrated on 1,000 training images (crop4-flip)",
        ),
        (
            {"bn_samples": "first:500", "bn_data": "set.npz(augment='none')", "bn_preprocessing": "as stored"},
            "recalibrated on the first 500 training images (not augmented)",
        ),
        ({"bn_samples": "all", "bn_data": "train.npz"}, "recalibrated on all images of train.npz (not augmented)"),
    ],
)
def test_the_policy_is_said_with_what_it_takes(settings, words):
    assert statistics_phrase(valley(**{"bn_stats": "recalibrate", **settings})) == f"BatchNorm statistics {words}"


def test_policies_that_the_names_do_not_tell_stand_beside_the_names():
    sources = [valley(name="a.pt"), valley(name="b.pt", bn_stats="batch", bn_batch_size=64)]
    assert caption(sources).splitlines()[1:] == [
        "a: BatchNorm statistics frozen (the checkpoint's).",
        "b: BatchNorm statistics of each batch of 64.",
    ]


def test_a_network_without_statistics_under_several_policies_names_the_policies():
    sources = [dataclasses.replace(WITHOUT, job=dataclasses.replace(WITHOUT.job, bn_stats=one)) for one in POLICIES]
    assert [one.detail for one in called(sources, policies=True)] == [
        "BatchNorm frozen",
        "BatchNorm of each batch",
        "BatchNorm recalibrated",
    ]
    assert caption(sources).count("no BatchNorm statistics") == 1


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (
            [valley(bn_stats=policy, seed=seed) for policy in ("frozen", "batch") for seed in (0, 1)],
            ["BatchNorm frozen, seed 0", "BatchNorm frozen, seed 1"],
        ),
        (list(stacked(valley(), repeats=2).each()), ["repeat 0", "repeat 1"]),
        ([dataclasses.replace(valley(), path=f"runs/{name}.h5") for name in "ab"], ["a", "b"]),
    ],
)
def test_what_tells_surfaces_of_one_name_apart_is_gathered(sources, expected):
    names = called(sources)
    assert [one.detail for one in names][:2] == expected
    assert len({one.title for one in names}) == len(names)


# Drift


@pytest.mark.parametrize("name", ["drift", "statistics/drift"])
@pytest.mark.parametrize("figure", [contour, surface3d])
def test_drift_is_drawn_once_on_a_log_scale_with_its_floor(figure, name):
    source = stacked(rugged(), policies=True, drift=True)
    scene = figure(source, name)
    assert len(scene.panels) == 1
    np.testing.assert_array_equal(marks(scene, Contour)[0].values, source["statistics/drift"])
    assert scene.bar.label == "drift of BatchNorm statistics (nats per channel, log scale)"
    floor = source["statistics/drift_floor"]
    assert (
        f"floor, that between halves of the calibration images: {floor.min():.2g} to {floor.max():.2g}" in scene.caption
    )
    assert "recalibrated on 1,000 training images (crop4-flip)" in scene.caption
    assert "split" not in scene.caption
    centre = source["statistics/drift"][7, 7]
    assert marks(scene, Note) == [Note(f"trained weights: drift {centre:.2g}, floor {centre / 8:.2g}")]


def test_the_drift_of_a_layer_has_no_floor_of_its_own():
    source = stacked(rugged(), policies=True, drift=True)
    scene = contour(source, "drift:bn1")
    np.testing.assert_array_equal(marks(scene, Heat)[0].values, source["statistics/drift:bn1"])
    assert scene.bar.label.startswith("drift of BatchNorm statistics in bn1 (nats per channel")
    assert "floor" not in scene.caption


def test_profiles_of_the_drift_show_its_floor_below():
    source = stacked(LINE, repeats=3, policies=True, drift=True)
    scene = profile(source, "drift")
    drift, floor = (line for line in marks(scene, Line) if line.label)
    np.testing.assert_allclose(drift.y, 0.02 * LINE["test/loss"])
    np.testing.assert_allclose(floor.y, drift.y / 8)
    assert (drift.label, floor.label, floor.dashed) == ("drift", "floor", True)
    assert scene.panels[0].scale.lower <= floor.y.min()


def test_drift_is_blank_where_a_point_is_not_done():
    source = broken(stacked(rugged(), drift=True), undone=[(1, 2)])
    assert np.argwhere(np.isnan(measured(source, "drift").finite)).tolist() == [[1, 2]]
    assert "blank: 1 of 225 cells not yet computed" in contour(source, "drift").caption


def test_a_surface_without_drift_says_how_it_is_measured():
    with pytest.raises(LandscapeError, match=r"has no 'drift': .* landscape compute --bn-stats recalibrate"):
        full_name(valley(), "drift")
    with pytest.raises(LandscapeError, match=r"has no 'drift:fc1'.*--bn-layers"):
        contour(stacked(valley(), drift=True), "drift:fc1")


def test_labels_of_the_statistics():
    assert quantity_label("statistics/drift_floor") == "floor of the drift of BatchNorm statistics (nats per channel)"


# Plot


def test_plot_draws_what_is_asked_for(tmp_path):
    source = stacked(valley(), repeats=2, policies=True, drift=True)
    figure = plot(source, bn=["frozen", "batch"])
    assert [text.get_text() for text in figure.texts if "BatchNorm" in text.get_text()][:2] == [
        "BatchNorm frozen",
        "BatchNorm of each batch",
    ]
    words = " ".join(text.get_text() for text in plot(source, bn="batch", repeat=1).texts)
    assert "repeat 1 of 2" in words
    assert "BatchNorm statistics of each batch of 128" in words
    for kind in ("comparison", "grid"):
        assert plot(source, kind, out=tmp_path / f"{kind}.png").exists()


def test_plot_draws_the_difference_of_two_policies_of_one_file():
    figure = plot(stacked(valley(), policies=True), "difference", bn=("frozen", "recalibrate"))
    assert "net (BatchNorm recalibrated) − net (BatchNorm frozen)" in [text.get_text() for text in figure.texts]
    with pytest.raises(LandscapeError, match="a difference is that of two surfaces, not 3"):
        plot(stacked(valley(), policies=True), "difference")


def test_plot_refuses_repeats_and_policies_that_are_not_there():
    source = stacked(valley(), repeats=2)
    with pytest.raises(LandscapeError, match="has the repeats 0 to 1, but not 5"):
        plot(source, repeat=5)
    with pytest.raises(LandscapeError, match="no surface with the BatchNorm statistics 'batch'"):
        plot(source, bn="batch")


@pytest.mark.parametrize("kind", ["1d", "2d", "3d"])
def test_the_first_picture_of_an_unfinished_run_of_repeats(kind):
    source = stacked(valley(9, 9), repeats=3, policies=True)
    count = source["test/count"].copy()
    count[1:] = 0
    count[0, :, 1::2] = count[0, :, :, 1::2] = 0
    figure = plot(dataclasses.replace(source, quantities={**source.quantities, "test/count": count}), kind)
    words = " ".join(text.get_text() for text in figure.texts)
    assert "unfinished run: the 25 points of a coarser grid out of 81" in words
    assert "repeat 0 of 3; 0 of 3 repeats complete" in words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--bn", "batch", "--repeat", "1"], ["repeat 1 of 2", "BatchNorm statistics of each batch of 128"]),
        (["--metric", "drift"], ["nats per channel", "recalibrated on 1,000 training images"]),
    ],
)
def test_the_command_takes_policy_and_repeat(words, said, tmp_path, capsys):
    path, figure = tmp_path / "s.h5", tmp_path / "s.svg"
    save(stacked(valley(), repeats=2, policies=True, drift=True), path)
    with pytest.raises(SystemExit) as stop:
        main(["plot", str(path), *words, "-o", str(figure)])
    assert (stop.value.code, capsys.readouterr().out) == (0, f"{figure}\n")
    assert all(phrase in figure.read_text() for phrase in said)


def test_stars_of_a_comparison_stand_at_the_trained_weights():
    scene = comparison([valley(), valley(name="b.pt")])
    assert {(float(mark.x[0]), float(mark.y[0])) for mark in marks(scene, Points)} == {(0.0, 0.0)}


def test_the_command_draws_a_grid_of_any_kind(tmp_path, capsys):
    files = [tmp_path / f"{name}.h5" for name in "ab"]
    for file, steep in zip(files, (1.0, 3.0), strict=True):
        save(stacked(valley(5, 5, name=f"{file.stem}.pt", steep=steep), policies=True), file)
    figure = tmp_path / "grid.svg"
    with pytest.raises(SystemExit) as stop:
        main(["compare", *map(str, files), "--layout", "grid-heat", "--vmin", "0", "--vmax", "9", "-o", str(figure)])
    assert stop.value.code == 0
    assert str(figure) in capsys.readouterr().out
    assert "a cell for each grid point" in figure.read_text()
