"""The figure of the numbers of a comparison: dots are its values, medians and intervals those of its summary."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import surface

from landscape.analysis.comparison import compared
from landscape.analysis.geometry import stacked
from landscape.api import plot
from landscape.errors import LandscapeError
from landscape.rendering import FIGURES, matplotlib, plotly
from landscape.rendering.layout import arrange
from landscape.rendering.numbers import numbers
from landscape.rendering.scene import Dots, Interval, Line
from landscape.types import POLICIES

LINE = np.linspace(-1, 1, 21)
RISES = ["mean_rise_0.5", "mean_rise_1"]


def network(curvature=1.0, name="a.h5", repeats=4, losses=None, **more):
    """A network whose loss is a parabola along each draw, a little steeper along every next one."""
    centre = {
        "test": {
            "loss": 0.5,
            "loss_stderr": 0.02,
            "loss_minus_frozen_stderr": 0.01,
            "accuracy": 0.9,
            "accuracy_stderr": 0.01,
            "count": 200.0,
        }
    }
    draws = []
    for repeat in range(repeats):
        own = 0.5 + curvature * (1 + 0.1 * repeat) * LINE**2 / 2 if losses is None else losses[repeat]
        plain = surface(own, centre=centre, **more)
        draws.append(dataclasses.replace(plain, path=name, provenance={**plain.provenance, "repeat": repeat}))
    return stacked(draws)


def policies(name="a.h5", layers=3, factors=(1.0, 2.0, 3.0), **more):
    """A network under every policy; without layers that keep statistics all are alike."""
    each = [network(factor if layers else 1.0, name, **more) for factor in factors]
    quantities = {key: np.stack([one[key] for one in each], axis=1) for key in each[0].quantities}
    job = dataclasses.replace(each[0].job, bn_stats="all")
    centre = {"test": {key: [value] * len(POLICIES) for key, value in each[0].centre["test"].items()}}
    provenance = {**each[0].provenance, "statistics_layers": layers}
    return dataclasses.replace(each[0], quantities=quantities, job=job, centre=centre, provenance=provenance)


def of(panel, kind):
    return [mark for mark in panel.marks if isinstance(mark, kind)]


def dots(panel, faint=False):
    return [mark for mark in of(panel, Dots) if mark.faint == faint]


def seeds(factor=1.0, name="a", number=3):
    return [
        network(factor * (1 + 0.3 * index), f"{name}{index}.h5", checkpoint_sha256=f"{index}")
        for index in range(number)
    ]


PAIR = compared([[network()], [network(2.0, "b.h5")]])
GROUPS = compared([seeds(), seeds(2.0, "b")], ["one kind", "another"])
FLAT = compared([[network()], [network(1.5, "b.h5")]])  # neither rises by 1
MANY = compared([[policies()], [policies("plain.h5", layers=0)]])


def test_dots_are_the_values_of_the_comparison():
    for name, panel in zip(RISES, numbers(PAIR, RISES).panels, strict=True):
        for contender, mark in zip(PAIR.contenders, dots(panel), strict=True):
            np.testing.assert_array_equal(mark.y, contender.values[name][0])
            assert mark.labels[2] == f"{contender.title}, repeat 2: {mark.y[2]:.4g}"


@pytest.mark.parametrize("comparison", [PAIR, GROUPS, MANY], ids=["draws", "seeds", "policies"])
def test_medians_and_intervals_are_those_of_the_summary(comparison):
    for name, panel in zip(RISES, numbers(comparison, RISES).panels, strict=True):
        shown = list(comparison.distinct())
        for contender, mark in zip(shown, of(panel, Interval), strict=True):
            assert (mark.middle, mark.low, mark.high) == contender.summary(name)


def test_every_seed_is_a_point_with_its_draws_behind_it():
    for name, panel in zip(RISES, numbers(GROUPS, RISES).panels, strict=True):
        pairs = zip(dots(panel), dots(panel, faint=True), strict=True)
        for contender, (large, small) in zip(GROUPS.contenders, pairs, strict=True):
            np.testing.assert_array_equal(large.y, np.median(contender.values[name], axis=1))
            np.testing.assert_array_equal(small.y, contender.values[name].ravel())
            np.testing.assert_allclose(small.x.reshape(3, 4).mean(axis=1), large.x)
    assert large.labels[1].startswith("another, b1: ")
    assert panel.marks.index(small) < panel.marks.index(large)


def test_the_caption_says_what_the_interval_is_over():
    said = numbers(PAIR).caption.replace("\xa0", " ")
    assert "dot: one repeat, a draw of the directions" in said
    assert "line: its 95 % bootstrap interval over the repeats, which covers less than 95 % with so few" in said
    assert "the draw of the directions of one training run, which says nothing of other runs" in said
    assert "n = 200" in said
    groups = numbers(GROUPS).caption
    assert "dot: a trained network, its median over the repeats (small dots)" in groups
    assert "over 3 networks" in groups
    assert "the unit of replication is the trained network." in groups


def test_a_group_beside_a_single_network_is_told_from_it():
    uneven = numbers(compared([seeds(), [network(2.0, "b.h5")], seeds(3.0, "c", number=5)]))
    assert "over networks (3, 5), or over the repeats of one" in uneven.caption
    assert "in columns of one network: one repeat" in uneven.caption
    assert [len(mark.y) for mark in dots(uneven.panels[0])] == [3, 4, 5]


def test_the_same_draw_is_joined_between_two_networks_alone():
    (panel,) = numbers(PAIR, ["mean_rise_1"]).panels
    (line,) = of(panel, Line)
    ends = line.y.reshape(4, 3)
    np.testing.assert_array_equal(ends[:, :2].T, [each.values["mean_rise_1"][0] for each in PAIR.contenders])
    assert np.isnan(ends[:, 2]).all()
    for other in (GROUPS, MANY):
        assert not of(numbers(other).panels[0], Line)


def test_draws_of_other_directions_are_not_joined():
    scene = numbers(compared([[network()], [network(2.0, "b.h5", seed=1)]]), ["mean_rise_1"])
    assert not of(scene.panels[0], Line)
    assert "thin lines" not in scene.caption


def test_two_policies_of_the_same_networks_are_joined_network_by_network():
    own = compared(
        [[policies("a0.h5"), policies("a1.h5", factors=(2, 3, 4), checkpoint_sha256="1")]], policies=["frozen", "batch"]
    )
    scene = numbers(own, ["mean_rise_1"])
    assert of(scene.panels[0], Line)[0].y.size == 2 * 3
    assert "thin lines join the same network" in scene.caption


def test_intervals_stand_beside_the_dots_and_outside_of_joined_ones():
    for comparison in (PAIR, GROUPS):
        (panel,) = numbers(comparison, ["mean_rise_1"]).panels
        for large, mark in zip(dots(panel), of(panel, Interval), strict=True):
            assert abs(mark.x - large.x).min() > mark.reach + 0.02
    first, second = of(numbers(PAIR).panels[0], Interval)
    assert (first.x < 0, second.x > 1) == (True, True)


def test_equal_values_are_seen_apart_and_in_their_order():
    same = compared([[network(losses=[0.5 + LINE**2] * 8, repeats=8)]])
    (mark,) = dots(numbers(same, ["mean_rise_1"]).panels[0])
    assert len(set(mark.y)) == 1
    assert np.diff(mark.x).min() > 0.03
    assert np.ptp(mark.x) < 0.5


def test_lower_bounds_are_triangles_and_said():
    scene = numbers(compared([[network(1.5)], [network(8.0, "b.h5")]]), ["width_1"])
    bounded = [mark.bounds.tolist() for mark in dots(scene.panels[0])]
    assert bounded == [[True] * 4, [False] * 4]
    assert dots(scene.panels[0])[0].labels[0].endswith(": 2 or more")
    assert "triangles: lower bounds" in scene.caption
    assert "triangles" not in numbers(FLAT, ["mean_rise_1"]).caption


def test_what_is_a_lower_bound_everywhere_is_not_chosen():
    titles = [panel.title for panel in numbers(FLAT).panels]
    assert titles == ["width at +0.1", "mean rise at r = 0.5", "mean rise at r = 1", "mean curvature", "roughness"]


def test_the_choice_follows_the_thresholds_and_radii_that_were_asked_for():
    asked = compared([[network()]], thresholds=[0.2, 0.3], radii=[0.25])
    titles = [panel.title for panel in numbers(asked).panels]
    assert titles[:3] == ["width at +0.2", "width at +0.3", "mean rise at r = 0.25"]


@pytest.mark.parametrize(("factor", "log", "zero"), [(1.2, False, False), (2.5, False, True), (5.0, True, False)])
def test_the_axis_suits_the_values(factor, log, zero):
    (panel,) = numbers(compared([[network()], [network(factor, "b.h5")]]), ["mean_rise_1"]).panels
    assert panel.scale.log == log
    assert (panel.scale.lower == 0) == zero
    assert panel.y_label == ("loss, log scale" if log else "loss")


def test_a_number_that_is_always_the_same_is_seen_over_0():
    assert numbers(PAIR, ["basins"]).panels[0].scale.lower == 0
    assert numbers(PAIR, ["nonconvex_share"]).panels[0].scale.upper == 1


@settings(max_examples=25)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=4))
def test_every_mark_lies_inside_of_its_axes(factors):
    scene = numbers(compared([[network(factor, f"{i}.h5")] for i, factor in enumerate(factors)]), RISES)
    for panel in scene.panels:
        for mark in dots(panel):
            assert (panel.scale.lower <= mark.y).all()
            assert (mark.y <= panel.scale.upper).all()
            assert panel.x_range[0] <= mark.x.min() <= mark.x.max() <= panel.x_range[1]


def test_values_that_are_not_finite_are_left_out_and_counted():
    losses = [0.5 + LINE**2, 0.5 + LINE**2, np.where(np.arange(21) > 19, np.inf, 0.5 + LINE**2)]
    scene = numbers(compared([[network(losses=losses, repeats=3)]]), ["largest_rise"])
    (mark,) = dots(scene.panels[0])
    assert len(mark.y) == len(mark.labels) == len(mark.bounds) == 2
    assert "largest rise: 1 of 3 values are not finite" in scene.caption
    assert matplotlib.encode(scene)[:4] == b"\x89PNG"


def test_a_number_that_no_draw_has_leaves_its_column_empty():
    short = network(losses=[np.where(np.abs(LINE) > 0.7, np.inf, 0.5 + LINE**2)] * 3, repeats=3)
    scene = numbers(compared([[network(repeats=3)], [short]]), ["largest_rise"])
    assert [len(mark.y) for mark in dots(scene.panels[0])] == [3, 0]
    assert len(of(scene.panels[0], Interval)) == 1
    for renderer in (matplotlib, plotly):
        assert renderer.render(scene)


def test_numbers_of_the_trained_weights_have_the_error_over_examples():
    scene = numbers(PAIR, ["test/centre_loss"])
    (mark, _), (bar, _) = dots(scene.panels[0]), of(scene.panels[0], Interval)
    assert mark.y.tolist() == [0.5]
    assert (bar.middle, bar.low, bar.high) == pytest.approx((0.5, 0.5 - 1.96 * 0.02, 0.5 + 1.96 * 0.02))
    assert "±1.96 standard errors over the examples" in scene.caption
    assert "dot: the trained weights" in scene.caption
    assert "bootstrap" not in scene.caption
    assert "thin lines" not in scene.caption
    assert not dots(numbers(GROUPS, ["test/centre_loss"]).panels[0], faint=True)


def test_a_single_draw_has_no_interval():
    scene = numbers(compared([[network(repeats=1)]]))
    assert np.isnan(of(scene.panels[0], Interval)[0].low)
    assert "interval" not in scene.caption
    assert "dot: the only draw of the directions" in scene.caption


def test_columns_bear_short_names_and_policies():
    lines = [label.split("\n") for label in numbers(MANY).panels[0].categories]
    assert lines == [["a", "frozen"], ["a", "of each batch"], ["a", "recalibrated"], ["plain", "no statistics"]]
    assert numbers(MANY).panels[0].slanted
    assert not numbers(PAIR).panels[0].slanted


def test_what_all_columns_have_in_common_is_the_title():
    scene = numbers(compared([[policies("net.h5")]]))
    assert scene.title == "net"
    assert scene.panels[0].categories == ("frozen", "of each batch", "recalibrated")


def test_only_the_lowest_panel_of_a_column_shows_names():
    assert [panel.inner_x for panel in numbers(FLAT).panels] == [True, True, False, False, False]


@pytest.mark.parametrize("comparison", [PAIR, GROUPS, MANY], ids=["draws", "seeds", "policies"])
def test_both_renderers_show_the_same_values_and_names(comparison):
    scene = numbers(comparison, ["mean_rise_1"])
    expected = np.sort(np.concatenate([mark.y for mark in of(scene.panels[0], Dots)]))
    drawn, page = matplotlib.render(scene).axes[0], plotly.render(scene)
    first = np.concatenate([one.get_offsets()[:, 1] for one in drawn.collections if len(one.get_offsets())])
    second = np.concatenate([trace.y for trace in page.data if trace.mode == "markers"])
    np.testing.assert_array_equal(np.sort(second), expected)
    assert set(expected) <= set(np.asarray(first).tolist())
    names = [tick.get_text() for tick in drawn.get_xticklabels()]
    assert names == [name.replace("<br>", "\n") for name in page.layout.xaxis.ticktext] == [*scene.panels[0].categories]


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_names_of_columns_stay_in_the_figure_and_off_the_caption(count):
    groups = [[network(1 + i, f"a-long-name-of-a-network-{i}.h5")] for i in range(count)]
    scene = numbers(compared(groups))
    figure, layout = matplotlib.render(scene), arrange(scene)
    figure.canvas.draw()
    boxes = [tick.get_window_extent() for axes in figure.axes for tick in axes.get_xticklabels() if tick.get_visible()]
    assert min(box.x0 for box in boxes) >= 0
    assert min(box.y0 for box in boxes) >= layout.caption_top * figure.dpi
    assert max(box.x1 for box in boxes) <= layout.width * figure.dpi


def test_names_of_columns_do_not_become_tags():
    scene = numbers(compared([[network(name="<b>x.h5")], [network(2.0, "b.h5")]]))
    assert plotly.render(scene).layout.xaxis.ticktext[0] == "&lt;b&gt;x"


def test_an_unknown_number_is_told_with_those_that_exist():
    with pytest.raises(LandscapeError, match=r"this comparison has no number 'width_01'; did you mean width_0.1 or"):
        numbers(PAIR, ["width_01"])
    with pytest.raises(LandscapeError, match=r"name at least one number to draw; known: asymmetry, "):
        numbers(PAIR, [])


@pytest.mark.parametrize(
    ("comparison", "quantity", "written"),
    [
        (PAIR, "loss", True),
        (GROUPS, "loss", True),
        (PAIR, "count", False),
        (compared([[network(repeats=1)]]), "loss", False),
        (compared([[network(repeats=1), network(2.0, repeats=1, checkpoint_sha256="1")]]), "loss", True),
    ],
    ids=["draws", "seeds", "another quantity", "a single draw", "single draws of seeds"],
)
def test_numbers_go_beside_the_pictures_of_the_loss_if_there_are_several(comparison, quantity, written, tmp_path):
    paths = comparison.plot(tmp_path / "a.svg", quantity=quantity)
    assert [path.name for path in paths] == ["a.svg", "a_numbers.svg"][: 1 + written]
    assert ("mean rise at r = 1" in paths[-1].read_text()) == written


def test_numbers_are_no_picture_of_a_surface():
    assert FIGURES.get("numbers") is numbers
    with pytest.raises(LandscapeError, match=r"unknown kind of figure 'numbers'; known: 1d, 2d, 3d, comparison, diff"):
        plot(network(), "numbers")
