"""Measuring fewer points: what is measured and why, how good the rest is, and that an interruption changes nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interruptible import compute
from surfaces import surface

import landscape
from landscape.analysis.filling import filled, interpolated
from landscape.analysis.geometry import point_levels
from landscape.analysis.measures import measures
from landscape.analysis.scales import choose_scale
from landscape.commands.main import main
from landscape.errors import Interrupted
from landscape.execution import Results, Silent, run
from landscape.execution.adaptive import Adaptive, Outcome, Refinement, first_level, near_centre
from landscape.types import Axis, Grid

PLANES = Path(__file__).parents[1] / "examples" / "figure1"
NET = {"x": "-1:1:21", "y": "-1:1:14", "adaptive": 0.01}


def square(n: int = 51) -> Grid:
    return Grid((Axis.regular(-1, 1, n),) * 2)


def on(grid: Grid, function) -> np.ndarray:
    return function(*np.meshgrid(*(axis.array() for axis in grid.axes), indexing="ij"))


ANALYTIC = {
    "bowl": lambda x, y: 0.1 + x**2 + 3 * y**2,
    "decades": lambda x, y: 0.01 * np.exp(6 * np.hypot(x, 0.5 * y)),
    "kink": lambda x, y: 0.1 + np.abs(x + 0.37 * y) + 2 * np.maximum(0, y - 0.21),
    "ridge": lambda x, y: 0.1 + x**2 + y**2 + 2 * np.exp(-(((x - 0.31 * y - 0.13) / 0.06) ** 2)),
    "bump": lambda x, y: 0.1 + x**2 + y**2 + 2 * np.exp(-((x - 0.31) ** 2 + (y - 0.43) ** 2) / 0.01),
    "noise": lambda x, y: 0.1 + x**2 + y**2 + 0.02 * np.random.default_rng(0).standard_normal(x.shape),
}
CHAOS = lambda x, y: np.exp(2 * np.sin(37.3 * x + 91.7 * x * y) + 2 * np.cos(113 * y - 71 * x))  # noqa: E731


def refined(losses, grid, tolerance):
    """What is measured of given losses, shape (surfaces, *grid); what became of it, and the number of passes."""
    losses = np.atleast_2d(losses) if len(grid.axes) == 1 else losses.reshape(-1, *grid.shape)
    known = np.zeros(grid.shape, dtype=bool)
    refinement = Refinement(grid, tolerance, lambda: np.where(known, losses, np.nan))
    passes = []
    for one in refinement.passes():
        assert one.points.any()
        assert not (one.points & known).any()
        known |= one.points
        passes.append(one.reason)
    return known, refinement.outcome, passes


def errors(loss, grid, known):
    """How far what is drawn is from the truth, as a share of the range that is plotted."""
    scale = choose_scale([np.where(known, loss, np.nan)])
    heights = interpolated(scale.heights(loss), known, grid)[0]
    drawn = np.where(known, loss, 10**heights if scale.log else heights)
    scale = choose_scale([loss])
    return np.abs(scale.position(drawn) - scale.position(loss))


def rms(values) -> float:
    return float(np.sqrt(np.mean(values**2)))


@pytest.mark.parametrize("tolerance", [0.005, 0.02, 0.1])
@pytest.mark.parametrize("name", ANALYTIC)
def test_the_error_of_the_picture_is_below_the_tolerance(name, tolerance):
    grid = square()
    loss = on(grid, ANALYTIC[name])
    known, outcome, _ = refined(loss, grid, tolerance)
    assert rms(errors(loss, grid, known)) < 1.1 * tolerance  # about 50 checks tell it no better than that
    assert outcome.finished
    assert outcome.measured == known.sum()
    assert outcome.points == 2601


@pytest.mark.parametrize(("name", "most"), [("bowl", 0.11), ("decades", 0.12), ("kink", 0.12), ("ridge", 0.4)])
def test_points_are_spent_where_they_are_needed(name, most):
    grid = square()
    known, outcome, _ = refined(on(grid, ANALYTIC[name]), grid, 0.02)
    assert known.mean() < most
    assert outcome.measured / outcome.points == known.mean()
    assert f"({known.mean():.1%}), the rest is interpolated; estimated error" in str(outcome)


@pytest.mark.parametrize("name", ANALYTIC)
def test_the_estimated_error_is_near_the_true_one(name):
    grid = square(101)
    loss = on(grid, ANALYTIC[name])
    known, outcome, _ = refined(loss, grid, 0.02)
    truth = errors(loss, grid, known)
    assert outcome.checked >= 80
    assert rms(truth) / 4 < outcome.rms < 2.5 * rms(truth)  # what is wrong in few places may be missed
    assert outcome.largest <= 2 * truth.max()


def test_of_a_chaotic_surface_everything_is_measured_and_that_is_said():
    grid = square(51)
    for tolerance in (0.005, 0.02, 0.1):
        known, outcome, _ = refined(on(grid, CHAOS), grid, tolerance)
        assert known.all()
        assert str(outcome) == "every point was measured (2,601): the surface is as rough as the grid"
        assert (outcome.rms, outcome.checked) == (0, 0)


@settings(max_examples=25)
@given(shape=st.lists(st.integers(1, 30), min_size=1, max_size=2), seed=st.integers(0, 99), start=st.floats(-1.5, 0.0))
def test_a_tolerance_of_next_to_nothing_measures_everything(shape, seed, start):
    grid = Grid(tuple(Axis.regular(start, start + 1.5, n) if n > 1 else Axis((0.0,)) for n in shape))
    loss = np.random.default_rng(seed).uniform(0.1, 1, grid.shape)
    known, outcome, _ = refined(loss, grid, 1e-12)
    assert known.all()
    assert ("too coarse" in str(outcome)) == (max(shape) <= 9 or outcome.first == grid.size)


@settings(max_examples=25)
@given(number=st.integers(20, 40), seed=st.integers(0, 99))
def test_the_same_values_give_the_same_points(number, seed):
    grid = Grid((Axis.regular(-1, 1, number), Axis.regular(-0.5, 1, 13)))
    rng = np.random.default_rng(seed)
    loss = on(grid, ANALYTIC["bump"]) + 0.01 * rng.standard_normal(grid.shape)
    first, second = (refined(loss, grid, 0.01) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1:] == second[1:]


def test_a_grid_no_finer_than_the_first_lattice_is_measured_whole():
    known, outcome, passes = refined(on(square(9), ANALYTIC["bowl"]), square(9), 0.5)
    assert known.all()
    assert len(passes) == 1
    assert str(outcome) == "every point was measured (81): the grid is too coarse to leave any out"


@pytest.mark.parametrize("sizes", [(33,), (20,), (50,), (51, 7), (12, 30), (2, 40), (1, 40)])
def test_lines_and_oblong_grids_are_refined_too(sizes):
    grid = Grid(tuple(Axis.regular(-1, 1, n) if n > 1 else Axis((0.0,)) for n in sizes))
    loss = on(grid, lambda *x: 0.1 + sum(each**2 for each in x) + np.tanh(9 * (x[-1] - 0.2)))
    known, _, _ = refined(loss, grid, 0.01)
    assert rms(errors(loss, grid, known)) < 0.01
    assert known[point_levels(grid) <= first_level(grid)].all()
    assert not known.all()


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_around_what_is_not_finite_everything_is_measured(hole):
    grid = square(41)
    loss = on(grid, lambda x, y: np.where(np.hypot(x - 0.4, y + 0.3) < 0.22, hole, 0.1 + x**2 + y**2))
    known, outcome, _ = refined(loss, grid, 0.05)
    beside = np.lib.stride_tricks.sliding_window_view(np.pad(~np.isfinite(loss), 1), (3, 3)).any(axis=(2, 3))
    assert known[beside].all()
    assert known.mean() < 0.4
    assert outcome.rms < 0.05
    assert np.isfinite(interpolated(loss, known & np.isfinite(loss), grid)[0][~known]).all()


def test_losses_that_are_not_positive_are_refined_on_a_linear_scale():
    grid = square()
    loss = on(grid, ANALYTIC["ridge"]) - 2.0
    known, _, _ = refined(loss, grid, 0.02)
    assert rms(errors(loss, grid, known)) < 0.02
    assert not known.all()


@pytest.mark.parametrize(("sizes", "most"), [((21, 21), 16), ((51, 51), 24), ((101, 101), 32), ((33,), 4)])
def test_what_lies_about_the_trained_weights_is_measured_in_any_case(sizes, most):
    grid = Grid(tuple(Axis.regular(-1, 1, n) for n in sizes))
    flat, _, _ = refined(np.full(grid.shape, 0.3), grid, 0.1)
    centre = tuple(slice(n // 2 - 1, n // 2 + 2) for n in sizes)
    assert flat[centre].all()
    assert (near_centre(grid) & (point_levels(grid) > first_level(grid))).sum() == most


def test_widths_and_curvatures_are_those_of_what_was_measured_about_the_trained_weights():
    """A narrow well: of the lattice of 9 x 9 alone its width would be that of the interpolation."""
    grid = square()
    loss = on(grid, lambda x, y: 0.3 * np.exp(6 * (x**2 + 2 * y**2) / (0.05 + x**2 + 2 * y**2) ** 0.5))
    known, _, _ = refined(loss, grid, 0.05)
    whole = surface(loss)
    job = dataclasses.replace(whole.job, adaptive=0.05)
    quantities = {name: np.where(known, whole[name], np.nan) for name in whole if not name.endswith("count")}
    quantities["test/count"] = np.where(known, 200, 0)
    told = {"adaptive": [{"finished": True}]}
    part = dataclasses.replace(whole, quantities=quantities, job=job, provenance={**whole.provenance, **told})
    expected, found = measures(whole), measures(part)
    assert known.mean() < 0.15
    for name in ("width_0.1", "width_1", "curvature_mean"):
        assert found[name] == pytest.approx(expected[name], rel=0.05)


def test_what_the_figures_clip_is_not_refined():
    grid = square()
    tower = on(grid, lambda x, y: 1 + x**2 + y**2 + 1e4 * ((np.abs(x - 0.48) < 0.13) & (np.abs(y - 0.48) < 0.13)))
    assert choose_scale([tower]).upper < 4
    known, _, _ = refined(tower, grid, 0.02)
    inside = tower > 1e3
    assert inside.sum() == 49
    assert not known[inside].all()


def test_what_the_first_lattice_misses_is_found_by_the_last_checks():
    """Ripples that are 0 at all points of 9 x 9 and close to the centre: only points that were left out can tell."""
    grid = square(65)
    ripples = on(grid, lambda x, y: np.sin(4 * np.pi * x) ** 2 * np.sin(4 * np.pi * y) ** 2 * (np.hypot(x, y) > 0.36))
    loss = on(grid, lambda x, y: 1 + x**2 + y**2) + ripples
    known, _, passes = refined(loss, grid, 0.02)
    assert [reason.partition(":")[0] for reason in passes[1:3]] == ["checking", "refining"]
    assert rms(errors(loss, grid, known)) < 0.02


def test_every_split_and_policy_has_a_say():
    grid = square()
    smooth, bump = on(grid, ANALYTIC["bowl"]), on(grid, ANALYTIC["bump"])
    both, _, _ = refined(np.stack([smooth, bump]), grid, 0.01)
    for loss in (smooth, bump):
        assert rms(errors(loss, grid, both)) < 0.01
    assert both.sum() > refined(smooth, grid, 0.01)[0].sum()


@pytest.mark.parametrize("name", ["skip", "noskip"])
def test_of_real_surfaces_the_picture_is_within_the_tolerance(name):
    """The two ResNet-56 of the examples: at 21 x 21 points much is as rough as the grid."""
    surface = landscape.load(PLANES / f"{name}_plane.h5")
    for plain, tolerance in itertools.product(surface.each(), (0.02, 0.05)):
        known, outcome, _ = refined(plain["loss"], plain.grid, tolerance)
        truth = rms(errors(plain["loss"], plain.grid, known))
        assert truth < tolerance / 2
        assert abs(outcome.rms - truth) < tolerance / 2


class Stopped(Exception):
    """Nothing went wrong."""


class Counting:
    """Gives the values of a surface, and stops after so many."""

    def __init__(self, loss, grid, after=10**9):
        self.loss, self.grid, self.left, self.asked = loss, grid, after, []

    def __call__(self, repeat, point):
        if self.left == 0:
            raise Stopped
        self.left -= 1
        self.asked.append((repeat, point))
        index = tuple(axis.values.index(value) for axis, value in zip(self.grid.axes, point, strict=True))
        return {"test/loss": [self.loss[repeat][index]], "test/count": [4]}


def test_a_run_that_is_interrupted_anywhere_comes_to_the_same_points_in_the_same_order():
    grid = Grid((Axis.regular(-1, 1, 23), Axis.regular(-1, 1, 12)))
    loss = [on(grid, ANALYTIC["ridge"]), on(grid, ANALYTIC["kink"])]

    def part(results, after=10**9):
        evaluate, plan = Counting(loss, grid, after), Adaptive(grid, 0.02, [])
        with contextlib.suppress(Stopped):
            run(evaluate, plan, results, lambda: None, Silent())
        return evaluate.asked, plan.record()["adaptive"]

    whole = Results(grid, ["test/loss", "test/count"], repeats=2)
    asked, told = part(whole)
    assert 0 < len(asked) < 2 * grid.size
    assert [one["finished"] for one in told] == [True, True]
    for after in range(1, len(asked), 7):
        results = Results(grid, ["test/loss", "test/count"], repeats=2)
        before, begun = part(results, after)
        rest, ended = part(results)
        assert before + rest == asked
        assert ended == told
        assert len(begun) < 2 or not begun[1]["finished"]
        for name, values in whole.quantities().items():
            np.testing.assert_array_equal(results.quantities()[name], values)


class Telling(Silent):
    """Keeps what is said and counted, and stops after so many points."""

    def __init__(self, after=10**9):
        self.left, self.said, self.totals = after, [], []

    def say(self, text):
        self.said.append(text)

    def start(self, done, total):
        self.totals.append(total)

    def extend(self, total):
        self.totals.append(total)

    def advance(self, seconds):
        self.left -= 1
        if self.left == 0:
            raise Stopped


@pytest.mark.parametrize("after", [1, 40, 80, 90, 100])
def test_a_computed_surface_goes_on_exactly(tmp_path, after):
    with pytest.raises(Stopped):
        compute(tmp_path / "a.h5", progress=Telling(after), **NET)
    begun = landscape.load(tmp_path / "a.h5")
    assert not begun.complete
    assert begun.done().sum() == after + 1 - (begun.grid.centre() is None)
    resumed, straight = compute(tmp_path / "a.h5", **NET), compute(tmp_path / "b.h5", **NET)
    assert resumed.complete
    for name in straight:
        np.testing.assert_array_equal(resumed[name], straight[name])
    assert resumed.provenance["adaptive"] == straight.provenance["adaptive"]
    assert 0 < (~resumed.done()).sum() < resumed.done().size
    again = Telling()
    assert compute(tmp_path / "a.h5", progress=again, **NET).provenance["adaptive"] == straight.provenance["adaptive"]
    assert again.said[-1].endswith("a.h5 is complete: nothing is left to compute")


def test_a_computed_surface_says_what_it_left_out(tmp_path):
    progress = Telling()
    surface = compute(tmp_path / "a.h5", progress=progress, **NET)
    (told,) = landscape.load(tmp_path / "a.h5").provenance["adaptive"]
    done = int(surface.done().sum())
    assert told["said"] == progress.said[-1]
    assert told["said"].startswith(f"{done} of 294 points were measured ({done / 294:.1%})")
    assert (told["measured"], told["points"], told["finished"]) == (done, 294, True)
    first = told["first"]
    said = f"first {first} points over the whole range, and the time that these take; refining follows (at most 294)"
    assert said in progress.said
    assert any(
        text.startswith("refining: ") and text.endswith(f" more points ({first} measured, at most 294)")
        for text in progress.said
    )
    assert any(text.startswith("checking: ") and "points that were left out (" in text for text in progress.said)
    assert progress.totals[0] == first
    assert progress.totals[-1] == done
    whole = compute(None, x=NET["x"], y=NET["y"])
    there = surface.done()
    np.testing.assert_array_equal(surface["loss"][there], whole["loss"][there])
    assert np.isnan(surface["loss"][~there]).all()
    scale = choose_scale([whole["loss"]])
    found = scale.position(filled(surface)["loss"]) - scale.position(whole["loss"])
    assert rms(found) < 0.01


def test_an_interruption_says_that_the_number_of_points_is_a_bound():
    class Signalling(Silent):
        def advance(self, seconds):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted, match="stopped with 1 of at most 294 points done"):
        compute(None, progress=Signalling(), **NET)


def test_every_repeat_is_refined_on_its_own():
    surface = compute(None, repeats=2, **NET)
    first, second = surface.done()
    assert (first != second).any()
    for repeat, told in enumerate(surface.provenance["adaptive"]):
        assert told["measured"] == surface.done()[repeat].sum()
        assert surface.sel(repeat=repeat).provenance["adaptive"] == [told]
    alone = compute(None, **NET)
    np.testing.assert_array_equal(alone["loss"], surface.sel(repeat=0)["loss"])


def test_the_tolerance_is_part_of_the_job(tmp_path):
    compute(tmp_path / "a.h5", **NET)
    with pytest.raises(landscape.LandscapeError, match=r"differs in adaptive \(0\.02 here, 0\.01 there\)"):
        compute(tmp_path / "a.h5", **{**NET, "adaptive": 0.02})
    with pytest.raises(landscape.LandscapeError, match=r"differs in adaptive \(every point here, 0\.01 there\)"):
        compute(tmp_path / "a.h5", **{**NET, "adaptive": None})


def test_from_the_command_line(tmp_path, capsys):
    def command(*words):
        with pytest.raises(SystemExit) as stop:
            main(list(map(str, words)))
        assert stop.value.code == 0
        return capsys.readouterr().out

    compute(tmp_path / "a.h5", **NET)
    compute(tmp_path / "b.h5", x=NET["x"], y=NET["y"])
    assert "adaptive      tolerance 0.01: " in command("info", tmp_path / "a.h5")
    assert json.loads(command("info", "--json", tmp_path / "a.h5"))["complete"]
    assert "INTERPOLATED" in command("check", tmp_path / "a.h5")
    command("plot", tmp_path / "a.h5", "--points", "-o", tmp_path / "a.png")
    command("compare", tmp_path / "b.h5", tmp_path / "a.h5", "-o", tmp_path / "c.png")
    assert (tmp_path / "a.png").exists()
    assert (tmp_path / "c.png").exists()


def test_the_largest_error_is_said_to_be_that_of_the_points_checked():
    outcome = Outcome(2601, 105, 292, True, 49, 0.00374, 0.0131)
    assert str(outcome) == (
        "292 of 2,601 points were measured (11.2%), the rest is interpolated; estimated error 0.37% of the plotted "
        "range (RMS), from 49 points that were checked; the largest at the points checked was 1.31%, elsewhere "
        "it may be two or three times that"
    )
    assert "from only 9 points that were checked" in str(dataclasses.replace(outcome, checked=9))


def test_a_tolerance_that_is_no_number_is_refused_in_a_sentence(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["compute", "--ckpt", "a.pt", "--adaptive", "2%"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "--adaptive is a fraction of the plotted range between 0 and 1, for example 0.02, not '2%'" in said
