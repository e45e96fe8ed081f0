"""What an adaptive run left out: interpolated as it should be, said wherever it is shown, and nothing else touched."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surfaces import stacked, surface, valley

import landscape
from landscape.analysis.checks import check
from landscape.analysis.comparison import compared
from landscape.analysis.filling import deviations, filled, interpolated
from landscape.analysis.geometry import lattice_levels, measured_part, point_levels
from landscape.analysis.measures import measures
from landscape.analysis.scales import choose_scale
from landscape.errors import LandscapeError
from landscape.rendering import FIGURES
from landscape.rendering.captions import facts
from landscape.rendering.scene import Heat, Line, Sites
from landscape.storage import load, save
from landscape.storage.text import described, described_json
from landscape.types import Axis, Grid

TOLD = {"points": 117, "first": 81, "measured": 81, "finished": True, "checked": 6, "rms": 0.004, "largest": 0.01}
TOLD["said"] = "81 of 117 points were measured"
steps = st.lists(st.floats(0.9, 1.1), min_size=1, max_size=24)
axes = st.builds(lambda gaps, place: Axis(tuple(np.cumsum([0.0, *gaps]) - place * sum(gaps))), steps, st.floats(0, 1))
grids = st.lists(axes, min_size=1, max_size=2).map(lambda found: Grid(tuple(found)))
even_grids = (  # the trained weights in the middle: steps of a lattice differ by a factor of 2 at most
    st.lists(
        st.builds(lambda n, end: Axis.regular(-end, end, n), st.integers(2, 40), st.floats(0.5, 2)), min_size=1
    ).map(lambda found: Grid(tuple(found[:2])))
)


def lattice(grid: Grid, fewest: int) -> np.ndarray:
    """The coarsest lattice with so many points along each axis, or all that there are."""
    levels = [lattice_levels(axis) for axis in grid.axes]
    level = next(
        level for level in range(1, 99) if all((own <= level).sum() >= min(fewest, len(own)) for own in levels)
    )
    return point_levels(grid) <= level


def polynomial(grid: Grid, degree: int, seed: int) -> np.ndarray:
    """A random polynomial of this degree in each coordinate."""
    scaled = [axis.array() / max(abs(axis.array()).max(), 1) for axis in grid.axes]
    coefficients = np.random.default_rng(seed).standard_normal((degree + 1,) * len(scaled))
    evaluate = np.polynomial.polynomial.polyval if len(scaled) == 1 else np.polynomial.polynomial.polygrid2d
    return evaluate(*scaled, coefficients)


@given(grid=grids, seed=st.integers(0, 99))
def test_what_is_linear_along_each_axis_is_found_from_the_coarsest_lattice(grid, seed):
    values = polynomial(grid, 1, seed)
    found, _ = interpolated(values, point_levels(grid) <= 1, grid)
    np.testing.assert_allclose(found, values, atol=1e-9)


@given(grid=even_grids, seed=st.integers(0, 99))
def test_cubics_are_found_from_four_points_along_each_axis(grid, seed):
    values = polynomial(grid, 3, seed)
    found, expected = interpolated(values, lattice(grid, 5), grid)
    np.testing.assert_allclose(found, values, atol=1e-9)
    finer = ~lattice(grid, 5)
    np.testing.assert_allclose(expected[finer], values[finer], atol=1e-9)


def test_a_point_is_the_value_of_the_cubic_through_the_four_nearest():
    axis = Axis((-1.0, -0.8, -0.5, -0.1, 0.0, 0.3, 0.4, 0.8, 1.0))
    assert lattice_levels(axis).tolist() == [1, 3, 2, 3, 0, 3, 2, 3, 1]
    values = np.random.default_rng(0).standard_normal(9)
    known = np.array([True, False, True, False, True, False, True, False, True])
    found, _ = interpolated(values, known, Grid((axis,)))
    for place, four in ((1, [0, 2, 4, 6]), (3, [0, 2, 4, 6]), (5, [2, 4, 6, 8]), (7, [2, 4, 6, 8])):
        x = axis.array()
        assert found[place] == pytest.approx(np.polyval(np.polyfit(x[four], values[four], 3), x[place]), abs=1e-12)


def test_beside_what_is_not_finite_it_is_linear_and_next_to_it_nothing():
    grid, values = Grid((Axis.regular(-1, 1, 9),)), np.arange(9.0) ** 3
    known = np.arange(9) % 2 == 0
    values[8] = np.inf
    values[7] = 5.0
    found, _ = interpolated(np.where(np.isfinite(values), values, np.nan), known, grid)
    np.testing.assert_allclose(found[[1, 3]], [1.0, 27.0])  # the four nearest are finite
    assert found[5] == (values[4] + values[6]) / 2
    assert np.isnan(found[7])


def test_axes_of_wild_spacing_do_not_swing():
    axis = Axis((-1.0, -1e-3, 0.0, 1e-3, 2e-3, 3e-3, 4e-3, 5e-3, 1.0))
    grid, known = Grid((axis,)), point_levels(Grid((axis,))) <= 2
    values = np.random.default_rng(1).uniform(0, 1, 9)
    found, _ = interpolated(values, known, grid)
    assert found.min() > -0.5
    assert found.max() < 1.5


@given(grid=grids, seed=st.integers(0, 99))
def test_exchanging_the_axes_changes_nothing(grid, seed):
    rng = np.random.default_rng(seed)
    values, known = rng.uniform(0.1, 1, grid.shape), (rng.uniform(size=grid.shape) < 0.5) | (point_levels(grid) <= 1)
    turned = Grid(grid.axes[::-1])
    np.testing.assert_allclose(
        interpolated(values.T, known.T, turned)[0].T, interpolated(values, known, grid)[0], atol=1e-12
    )


def test_a_deviation_is_a_share_of_the_range_that_is_plotted():
    grid = Grid((Axis.regular(-1, 1, 9),))
    known = np.arange(9) % 2 == 0
    values = np.array([0.0, 2, 4, 6, 8, 10, 12, 14, 16])
    values[3] += 4
    np.testing.assert_allclose(deviations(values, known, grid), [0, 0, 0, 0.25, 0, 0, 0, 0, 0], atol=1e-12)
    decades = 10.0**values
    np.testing.assert_allclose(deviations(decades, known, grid)[3], 0.25)
    values[5], values[7] = np.nan, np.inf
    assert deviations(values, known, grid)[[5, 7]].tolist() == [np.inf, np.inf]


CENTRE = {"test": {"loss": 0.5, "loss_stderr": 0.1, "accuracy": 0.9, "count": 200.0}}


def adaptive(source, known=None, finished=True, **told):
    """The surface as an adaptive run leaves it: what is not known was not measured."""
    known = lattice(source.grid, 9) if known is None else known
    quantities = {
        name: np.where(known, values, 0 if name.endswith("/count") else np.nan).astype(values.dtype)
        for name, values in source.quantities.items()
    }
    record = {**TOLD, "finished": finished, **told}
    return dataclasses.replace(
        source,
        quantities=quantities,
        job=dataclasses.replace(source.job, adaptive=0.02),
        provenance={**source.provenance, "adaptive": [record] * source.repeats},
    )


def test_only_what_was_left_out_of_an_adaptive_run_is_filled():
    whole = valley()
    part = adaptive(whole)
    found = filled(part)
    there = part.done()
    np.testing.assert_array_equal(found["loss"][there], whole["loss"][there])
    np.testing.assert_allclose(found["loss"], whole["loss"], rtol=1e-9)  # a paraboloid
    np.testing.assert_array_equal(found["test/count"], part["test/count"])
    np.testing.assert_array_equal(found["test/interpolated"], ~there)
    assert found.done().all()
    assert filled(found) is found
    assert part.filled()["loss"].tolist() == found["loss"].tolist()
    unfinished = dataclasses.replace(part, job=whole.job)
    assert filled(unfinished) is unfinished
    assert filled(whole) is whole


@given(seed=st.integers(0, 999), share=st.floats(0, 1))
def test_what_was_measured_is_never_altered(seed, share):
    rng = np.random.default_rng(seed)
    values = np.exp(3 * rng.standard_normal((11, 9)))
    values[rng.uniform(size=values.shape) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
    source = surface(values)
    known = (rng.uniform(size=values.shape) < share) | (point_levels(source.grid) <= 1)
    found = filled(adaptive(source, known))
    np.testing.assert_array_equal(found["loss"][known], values[known])
    assert np.isfinite(found["loss"][found.done() & ~known]).all()


def test_interpolated_values_keep_to_where_values_can_be():
    x = np.linspace(-1, 1, 17)
    rise = np.where(np.abs(np.add.outer(x, x)) < 0.6, 0.0, 1.0)
    source = surface(1e-3 * 1000**rise, accuracy=0.9 - 0.8 * rise)
    quantities = {**source.quantities, "test/loss_rise_stderr": rise}
    found = filled(adaptive(dataclasses.replace(source, quantities=quantities)))
    assert found["loss"].min() > 0
    assert found["test/loss_rise_stderr"].min() == 0
    assert (found["accuracy"].min(), found["accuracy"].max()) == (0.9 - 0.8, 0.9)


def test_every_repeat_and_policy_is_filled_on_its_own():
    whole = stacked(valley(), repeats=2, policies=True, drift=True)
    part = adaptive(whole)
    found = filled(part)
    assert found["statistics/drift"].shape == (2, 13, 9)
    np.testing.assert_allclose(found["statistics/drift"], whole["statistics/drift"])
    for repeat in range(2):
        for policy in whole.policies:
            own = filled(part.sel(repeat=repeat, bn=policy))
            for name in own:
                np.testing.assert_array_equal(found.sel(repeat=repeat, bn=policy)[name], own[name])


def test_a_run_just_begun_is_not_filled_and_one_under_way_is():
    source = valley()
    begun = adaptive(source, np.arange(117).reshape(13, 9) == 58, finished=False)
    assert not filled(begun)["test/interpolated"].any()
    assert measured_part(filled(begun)).done().sum() == 1
    under_way = adaptive(source, point_levels(source.grid) <= 1, finished=False)
    assert filled(under_way).done().all()
    assert measured_part(filled(under_way)).grid == source.grid
    assert facts(filled(under_way))[4] == (
        "unfinished adaptive run, tolerance 0.02: 9 of 117 points measured, the rest interpolated linearly"
    )


def test_complete_is_what_has_ended_in_every_repeat():
    assert adaptive(valley()).complete
    assert not adaptive(valley(), finished=False).complete
    two = adaptive(stacked(valley(), repeats=2))
    ended = [TOLD, {**TOLD, "finished": False}]
    half = dataclasses.replace(two, provenance={**two.provenance, "adaptive": ended})
    assert two.complete
    assert not half.complete
    assert half.sel(repeat=0).complete
    assert not half.sel(repeat=1).complete
    assert not dataclasses.replace(two, provenance={**two.provenance, "adaptive": ended[:1]}).complete
    assert repr(adaptive(valley())).startswith("Surface(net.pt, 13 x 9 points, 81 of 117 done")


def test_figures_are_drawn_of_the_filled_plane_and_say_so():
    part = adaptive(valley())
    full = filled(part)
    above = FIGURES.get("2d")(part)
    heat = next(mark for mark in above.panels[0].marks if isinstance(mark, Heat))
    np.testing.assert_array_equal(heat.values, full["loss"])
    said = "daptive run, tolerance 0.02: 81 of 117 points measured, the rest interpolated ("
    assert f"{said}RMS error about 0.4 % of the range)" in above.caption
    assert f"{said}refined where the loss needs it)" in FIGURES.get("2d")(part, quantity="accuracy").caption
    draws = FIGURES.get("1d")(adaptive(stacked(valley(), repeats=3))).caption
    assert "(RMS error about 0.4 % of the range, the largest of 3 draws)" in draws
    assert "daptive run, tolerance 0.02; " in FIGURES.get("2d")(adaptive(valley(), valley().done())).caption
    lines = [mark for panel in FIGURES.get("1d")(part).panels for mark in panel.marks if isinstance(mark, Line)]
    np.testing.assert_array_equal(lines[0].y, full["loss"][:, 4])  # not from that row alone
    np.testing.assert_array_equal(lines[1].y, full["loss"][6])
    assert "not yet computed" not in above.caption


def test_dots_stand_where_was_measured(tmp_path):
    part = adaptive(valley())
    scene = FIGURES.get("2d")(part, points=True)
    (dots,) = (mark for mark in scene.panels[0].marks if isinstance(mark, Sites))
    x, y = (axis.array() for axis in part.grid.axes)
    np.testing.assert_array_equal(
        sorted(zip(dots.x, dots.y, strict=True)), [(x[i], y[j]) for i, j in np.argwhere(part["test/count"] > 0)]
    )
    assert "star: trained weights; " in scene.caption
    assert "dots: measured points" in scene.caption
    for name in ("a.png", "a.html"):
        assert landscape.plot(part, points=True, out=tmp_path / name).stat().st_size > 5000
    with pytest.raises(
        LandscapeError, match="--points marks the measured points in a picture from above, --2d, or along lines, --1d"
    ):
        landscape.plot(part, "3d", points=True)


def lines_of(scene):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, Line)]


def test_along_lines_dots_stand_where_was_measured_alone(tmp_path):
    part = adaptive(valley())
    scene = FIGURES.get("1d")(part)
    for line, there in zip(lines_of(scene)[:2], (part.done()[:, 4], part.done()[6]), strict=True):
        np.testing.assert_array_equal(line.dots, there)
    assert not part.done()[:, 4].all()
    assert scene.caption.endswith("dots: measured points.")
    assert "dots" not in FIGURES.get("1d")(valley()).caption
    fine = adaptive(surface(np.add.outer(np.linspace(-1, 1, 65) ** 2, np.ones(5)) + 0.1), None)
    assert lines_of(FIGURES.get("1d")(fine))[0].dots.sum() == 9
    whole = surface(np.linspace(-1, 1, 65) ** 2 + 0.1)
    assert lines_of(FIGURES.get("1d")(whole))[0].dots is None
    assert lines_of(FIGURES.get("1d")(whole, points=True))[0].dots.all()
    for name in ("a.png", "a.html"):
        assert landscape.plot(part, "1d", points=True, out=tmp_path / name).stat().st_size > 5000


def test_standard_errors_are_linear_between_measured_points_and_the_caption_says_so():
    rng = np.random.default_rng(3)
    whole = surface(rng.uniform(0.1, 1, 17))
    errors = 10 ** rng.uniform(-3, 0, 17)
    part = adaptive(dataclasses.replace(whole, quantities={**whole.quantities, "test/loss_rise_stderr": errors}))
    there, x = part.done(), part.grid.axes[0].array()
    np.testing.assert_allclose(filled(part)["test/loss_rise_stderr"], np.interp(x, x[there], errors[there]))
    scene = FIGURES.get("1d")(part)
    assert "standard errors of the rise over the trained weights, linear between measured points" in scene.caption


def test_a_run_under_way_is_interpolated_linearly_and_marked():
    source = valley()
    under_way = adaptive(source, lattice(source.grid, 5), finished=False)
    there, (x, y) = under_way.done(), (axis.array() for axis in source.grid.axes)
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    heights = choose_scale([under_way["loss"]]).heights(source["loss"])
    along = np.stack([np.interp(y, y[columns], heights[row, columns]) for row in rows])
    expected = np.stack([np.interp(x, x[rows], column) for column in along.T], axis=1)
    np.testing.assert_allclose(choose_scale([under_way["loss"]]).heights(filled(under_way)["loss"]), expected)
    above, profile = FIGURES.get("2d")(under_way), FIGURES.get("1d")(under_way)
    (dots,) = (mark for mark in above.panels[0].marks if isinstance(mark, Sites))
    assert len(dots.x) == there.sum()
    np.testing.assert_array_equal(lines_of(profile)[0].dots, there[:, 4])
    for scene in (above, profile):
        assert "tolerance 0.02: 25 of 117 points measured, the rest interpolated linearly; " in scene.caption
        assert "nfinished adaptive run, " in scene.caption


def test_of_several_draws_the_first_can_be_drawn_before_the_others_have_begun():
    source = stacked(valley(), repeats=3)
    known = np.broadcast_to(lattice(source.grid, 5), source["loss"].shape) & (np.arange(3) == 0)[:, None, None]
    begun = adaptive(source, known, finished=False)
    for told in ([], begun.provenance["adaptive"][:1]):
        part = dataclasses.replace(begun, provenance={**begun.provenance, "adaptive": told})
        assert "25 of 117 points measured" in FIGURES.get("2d")(part).caption
        assert not part.sel(repeat=2).complete


def test_numbers_are_those_of_the_filled_surface():
    whole, part = valley(), adaptive(valley())
    own = measures(part)
    for name, value in measures(whole).items():
        assert own[name] == pytest.approx(value, rel=1e-6, nan_ok=True)
    comparison = compared([[whole], [part]], ["whole", "part"])
    assert comparison.effect("width_1", 1).estimate == pytest.approx(1.0)
    (found,) = (one for one in comparison.findings if one.code == "COMPARE-ADAPTIVE")
    assert found.level == "warning"
    assert "(whole: measured whole; part: to a tolerance of 0.02, 69% measured): those of small regions" in found.text


def test_of_one_adaptive_file_a_comparison_says_that_it_is_interpolated():
    def said(source):
        comparison = compared([[source]], ["a"])
        definitions = {one.name: one.definition for one in comparison.measures}
        return [one.level for one in comparison.findings if one.code == "COMPARE-ADAPTIVE"], definitions

    (levels, adapted), (none, whole) = said(adaptive(valley())), said(valley())
    assert (levels, none) == (["note"], [])
    assert "cells with a corner that was neither measured nor interpolated are left out" in adapted["width_0.1"]
    assert "over the measured or interpolated points" in adapted["largest_rise"]
    assert not any("interpolated" in whole[name] for name in ("width_0.1", "largest_rise", "measured_share"))


def test_check_judges_what_was_measured_and_says_how_good_the_rest_is():
    def codes(found):
        return {finding.code: finding.level for finding in check(found)}

    assert codes(adaptive(valley(), checked=10))["INTERPOLATED"] == "ok"
    few = codes(adaptive(valley(), checked=9))
    assert few["INTERPOLATED"] == "note"
    assert "ALL-WELL" not in few
    assert "INCOMPLETE" not in few
    assert codes(adaptive(valley(), valley().done(), measured=117, checked=0))["INTERPOLATED"] == "ok"
    unfinished = codes(adaptive(valley(), finished=False))
    assert unfinished["INCOMPLETE"] == "note"
    assert "INTERPOLATED" not in unfinished


def test_the_lowest_point_that_is_told_was_measured():
    x = np.linspace(-1, 1, 17)
    source = surface(1 + (np.add.outer(x, 0 * x) - 0.3125) ** 2, centre={"test": {"loss": 1.2, "count": 200}})
    quantities = {**source.quantities, "test/loss_rise_stderr": np.full((17, 17), 1e-3)}
    known = lattice(source.grid, 9)
    part = adaptive(dataclasses.replace(source, quantities=quantities), known)
    (found,) = (finding for finding in check(part) if finding.code == "CENTRE-NOT-MINIMUM")
    lowest = source["loss"][known].min()
    assert found.values["drop"] == pytest.approx(1.2 - lowest)


def test_info_tells_what_was_measured():
    part = adaptive(valley(centre=CENTRE))
    assert "81 of 117 points done" in described(part)
    assert "adaptive      tolerance 0.02: 81 of 117 points were measured" in described(part)
    assert described_json(part)["done"] == 81
    assert described_json(part)["complete"]
    assert "not finished: the same compute command goes on" in described(
        adaptive(valley(centre=CENTRE), finished=False)
    )


def test_a_filled_surface_says_what_is_interpolated_in_its_file_too(tmp_path):
    found = filled(adaptive(valley()))
    save(found, tmp_path / "a.h5")
    again = load(tmp_path / "a.h5")
    np.testing.assert_array_equal(again["test/interpolated"] > 0, found["test/interpolated"])
    assert again.done().all()
    assert (again["test/count"] == 0).sum() == 36
