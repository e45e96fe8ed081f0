"""The order of the points, the loop over them, signals and progress."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import signal
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landscape.analysis.geometry import measured_part
from landscape.errors import Interrupted
from landscape.execution import FullGrid, Results, Silent, coarse_to_fine, progress_on, run
from landscape.execution.plan import Batch
from landscape.execution.progress import Bar, Lines, duration
from landscape.execution.run import pause
from landscape.execution.signals import stop_request
from landscape.types import Axis, Grid, Job, Surface

axes = st.builds(
    lambda number, start: Axis(tuple(float(start + i) for i in range(number))), st.integers(1, 12), st.integers(-12, 3)
)
grids = st.lists(axes, min_size=1, max_size=2).map(lambda found: Grid(tuple(found)))
JOB = Job("a", "b", "c", "d", {"test": "e"}, "cross-entropy", "-1:1:3")


def halved(n: int, centre: int) -> list[set[int]]:
    """The lattices of an axis, written by recursion: the centre, with the ends, and with the middles of all gaps."""
    lattices = [{centre}, {centre, 0, n - 1}]
    while len(lattices[-1]) < n:
        known = sorted(lattices[-1])
        gaps = [(a, b) for a, b in itertools.pairwise(known) if b - a > 1]
        lattices.append(lattices[-1] | {math.ceil((a + b) / 2) if b <= centre else (a + b) // 2 for a, b in gaps})
    return lattices


def lattices(grid: Grid) -> list[list[set[int]]]:
    """For each level from coarse to fine, the indices along each axis."""
    axes = [halved(len(axis), min(range(len(axis)), key=lambda j, a=axis: abs(a.values[j]))) for axis in grid.axes]
    return [[axis[min(level, len(axis) - 1)] for axis in axes] for level in range(max(map(len, axes)))]


@given(grid=grids)
def test_points_go_coarse_to_fine(grid):
    """Every point once, the centre first, and whatever lattice a point is on, the coarser ones are done before."""
    order = coarse_to_fine(grid).tolist()
    assert sorted(order) == list(range(grid.size))
    for lattice in lattices(grid):
        points = {int(np.ravel_multi_index(point, grid.shape)) for point in itertools.product(*lattice)}
        assert set(order[: len(points)]) == points
    if grid.centre() is not None:
        assert order[0] == grid.centre()


def test_a_hundredth_of_the_default_grid_spans_its_whole_range():
    grid = Grid((Axis.parse("-1:1:51"),) * 2)
    part = measured_part(partly(grid, round(0.01 * grid.size)))
    assert part.grid.shape == (5, 5)
    assert [axis.values[0] for axis in part.grid.axes] == [-1, -1]
    assert [axis.values[-1] for axis in part.grid.axes] == [1, 1]


def partly(grid: Grid, done: int) -> Surface:
    """A surface on which so many points are done; the values are the flat indices."""
    results = Results(grid, ["test/loss", "test/count"])
    for index in coarse_to_fine(grid)[:done]:
        results.record(0, index, {"test/loss": [float(index)], "test/count": [5]})
    return Surface(grid, results.quantities(), JOB)


@given(grid=grids, share=st.floats(0, 1))
def test_the_measured_part_is_the_finest_lattice_that_is_done(grid, share):
    surface = partly(grid, round(share * grid.size))
    expected = surface.grid
    for lattice in lattices(grid)[1:-1]:
        points = [[axis.values[i] for i in sorted(rows)] for axis, rows in zip(grid.axes, lattice, strict=True)]
        done = all(surface.done().flat[index_of(grid, point)] for point in itertools.product(*points))
        if done and not surface.complete and all(len(values) >= 3 for values in points):
            expected = Grid(tuple(Axis(tuple(values)) for values in points))
    part = measured_part(surface)
    assert part.grid == expected
    for index in range(part.grid.size if part is not surface else 0):
        assert part["loss"].flat[index] == index_of(grid, part.grid.point(index))
        assert part.provenance["part_of"] == list(grid.shape)


def index_of(grid: Grid, point) -> int:
    indices = [axis.values.index(value) for axis, value in zip(grid.axes, point, strict=True)]
    return int(np.ravel_multi_index(indices, grid.shape))


def test_a_complete_surface_and_one_just_begun_are_left_whole():
    grid = Grid((Axis.parse("-1:1:9"),))
    for done in (0, 1, 9):
        surface = partly(grid, done)
        assert measured_part(surface) is surface
    assert measured_part(partly(grid, 3)).grid.shape == (3,)


class Evaluating:
    """An evaluator whose loss is x + 10 y, and which may do something else at a call."""

    def __init__(self, at: int = -1, act=lambda: None) -> None:
        self.points, self.at, self.act = [], at, act

    def __call__(self, repeat, point):
        if len(self.points) == self.at:
            self.act()
        self.points.append(tuple(point))
        loss = point[0] + 10 * sum(point[1:])
        return {"test/loss": [loss + 100 * repeat], "test/count": [2]}


class Saving:
    """Counts the points that are done at every save."""

    def __init__(self, results: Results, grid: Grid) -> None:
        self.results, self.grid, self.done = results, grid, []

    def __call__(self) -> None:
        self.done.append(self.grid.size - len(self.results.remaining(coarse_to_fine(self.grid))))


PLANE = Grid((Axis.parse("-1:1:5"), Axis.parse("0:1:3")))


def started(grid=PLANE):
    results = Results(grid, ["test/loss", "test/count"])
    return results, Saving(results, grid)


def test_a_run_fills_every_point_coarse_to_fine():
    evaluator, (results, save) = Evaluating(), started()
    run(evaluator, FullGrid(PLANE), results, save, Silent())
    assert evaluator.points == [PLANE.point(index) for index in coarse_to_fine(PLANE)]
    x, y = (axis.array() for axis in PLANE.axes)
    np.testing.assert_array_equal(results.quantities()["test/loss"], x[:, None] + 10 * y)
    assert (results.quantities()["test/count"] == 2).all()
    assert save.done == [1, 15]


def test_saving_takes_a_fiftieth_of_the_time_at_most():
    assert [pause(cost) for cost in (0.0, 0.01, 0.04, 0.5)] == [2, 2, 2, 25]


def test_between_two_saves_there_is_a_pause_that_the_last_one_sets(monkeypatch):
    """Every point takes a second, every save three; the pause is twice as long."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    evaluator, (results, save) = Evaluating(), started()

    def slow_save():
        wait(3)
        save()

    class Clocked(Silent):
        def advance(self, seconds):
            wait(1)

    run(evaluator, FullGrid(PLANE), results, slow_save, Clocked(), pause=lambda cost: 2 * cost)
    assert save.done == [1, 7, 13, 15]


def test_points_that_are_done_are_left_alone():
    evaluator, (results, save) = Evaluating(), started()
    results.record(0, 4, {"test/loss": [float("nan")], "test/count": [2]})
    run(evaluator, FullGrid(PLANE), results, save, Silent(), pause=lambda cost: 0.0)
    assert PLANE.point(4) not in evaluator.points
    assert np.isnan(results.quantities()["test/loss"].flat[4])
    assert save.done == [*range(2, 16), 15]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_point_finish_and_saves(number):
    handlers = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    evaluator, (results, save) = Evaluating(3, lambda: signal.raise_signal(number)), started()
    with pytest.raises(Interrupted, match="stopped with 4 of 15 points done") as caught:
        run(evaluator, FullGrid(PLANE), results, save, Silent())
    assert caught.value.exit_code == 130
    assert save.done == [1, 4]
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_second_signal_does_not_wait_for_the_point():
    def twice():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    evaluator, (results, save) = Evaluating(3, twice), started()
    with pytest.raises(KeyboardInterrupt):
        run(evaluator, FullGrid(PLANE), results, save, Silent())
    assert save.done == [1, 3]


def test_a_signal_at_the_last_point_is_no_interruption():
    evaluator, (results, save) = Evaluating(14, lambda: signal.raise_signal(signal.SIGINT)), started()
    run(evaluator, FullGrid(PLANE), results, save, Silent())
    assert save.done == [1, 15]


class Sparse:
    """A plan that leaves points out, in two batches."""

    def __init__(self, grid: Grid) -> None:
        self.grid, self.exact = grid, False

    def batches(self, results: Results):
        yield Batch([(0, 0), (0, 1)])
        yield Batch([(0, 5), (0, 7)])

    def record(self):
        return {}


@pytest.mark.parametrize(("at", "finished"), [(0, False), (1, False), (2, False), (3, True)])
def test_where_points_are_left_out_a_signal_at_the_last_one_is_no_interruption(at, finished):
    evaluator, (results, save) = Evaluating(at, lambda: signal.raise_signal(signal.SIGINT)), started()
    message = f"stopped with {at + 1} of at most 15 points done"
    with contextlib.nullcontext() if finished else pytest.raises(Interrupted, match=message):
        run(evaluator, Sparse(PLANE), results, save, Silent())
    assert results.done == save.done[-1] == at + 1


def test_a_signal_while_idle_is_nobodys():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs without it
    try:
        _idle()
    finally:
        signal.signal(signal.SIGINT, before)


def _idle():
    with stop_request() as stop:
        assert not stop.requested
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not stop.requested


def test_outside_the_main_thread_no_signal_is_listened_to():
    before, done = signal.getsignal(signal.SIGINT), []

    def work():
        results, save = started()
        run(Evaluating(), FullGrid(PLANE), results, save, Silent())
        done.append(save.done[-1])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [15]
    assert signal.getsignal(signal.SIGINT) is before


def fail():
    raise ZeroDivisionError


def test_an_error_in_the_model_saves_what_was_done():
    evaluator, (results, save) = Evaluating(5, fail), started()
    with pytest.raises(ZeroDivisionError):
        run(evaluator, FullGrid(PLANE), results, save, Silent())
    assert save.done == [1, 5]


def test_results_take_over_an_earlier_run():
    results, earlier = started()[0], partly(PLANE, 6)
    results.take_over(earlier)
    assert results.remaining(coarse_to_fine(PLANE)) == [(0, index) for index in coarse_to_fine(PLANE)[6:]]
    results.record(0, 0, {"test/loss": [-1.0], "test/count": [5]})
    assert earlier["loss"].flat[0] != -1.0
    copies = results.quantities()
    copies["test/loss"][:] = 0
    assert results.quantities()["test/loss"].flat[0] == -1.0


def test_a_point_is_done_when_all_its_splits_are():
    results = Results(PLANE, ["test/loss", "test/count", "train/loss", "train/count"])
    results.record(0, 7, {"test/loss": [1.0], "test/count": [3]})
    assert (0, 7) in results.remaining(coarse_to_fine(PLANE))
    results.record(0, 7, {"train/loss": [1.0], "train/count": [3]})
    assert (0, 7) not in results.remaining(coarse_to_fine(PLANE))


def test_repeats_are_done_one_after_the_other_and_policies_side_by_side():
    results = Results(PLANE, ["test/loss", "test/count", "statistics/drift"], policies=3, repeats=2)
    seen = []

    def evaluate(repeat, point):
        seen.append((repeat, point))
        losses = [point[0] + 10 * point[1] + 100 * policy + 1000 * repeat for policy in range(3)]
        return {"test/loss": losses, "test/count": [4] * 3, "statistics/drift": [float(repeat)]}

    run(evaluate, FullGrid(PLANE), results, lambda: None, Silent())
    points = [PLANE.point(index) for index in coarse_to_fine(PLANE)]
    assert seen == [(repeat, point) for repeat in range(2) for point in points]
    found = results.quantities()
    x, y = (axis.array() for axis in PLANE.axes)
    leading = 1000 * np.arange(2)[:, None, None, None] + 100 * np.arange(3)[:, None, None]
    np.testing.assert_array_equal(found["test/loss"], leading + x[:, None] + 10 * y)
    np.testing.assert_array_equal(found["statistics/drift"], np.arange(2.0)[:, None, None] * np.ones((5, 3)))


def clocked(progress, monkeypatch, seconds, points, done=0):
    """Let points pass, so many seconds each."""
    now = [0.0]
    monkeypatch.setattr("landscape.execution.progress.time.monotonic", lambda: now[0])
    progress.start(done, points)
    for _ in range(points - done):
        now[0] += seconds
        progress.advance(seconds)
    progress.stop()


def test_plain_lines_estimate_and_count(monkeypatch):
    stream = io.StringIO()
    clocked(Lines(stream, every=5), monkeypatch, seconds=3, points=5)
    assert stream.getvalue().splitlines() == [
        "3 s a point, 4 to go: about 12 s",
        "2 of 5 points, about 9 s left",
        "4 of 5 points, about 3 s left",
        "5 of 5 points in 15 s",
    ]


def test_lines_count_up_to_more_where_more_turns_out_to_be_needed(monkeypatch):
    stream, now = io.StringIO(), [0.0]
    monkeypatch.setattr("landscape.execution.progress.time.monotonic", lambda: now[0])
    progress = Lines(stream, every=5)
    progress.start(0, 2)
    for total in (2, 5):
        progress.extend(total)
        for _ in range(total - 2 or 2):
            now[0] += 3
            progress.advance(3.0)
    progress.stop()
    assert stream.getvalue().splitlines() == [
        "3 s a point, 1 to go: about 3 s",
        "3 of 5 points, about 6 s left",
        "5 of 5 points in 15 s",
    ]


def test_lines_of_a_resumed_run_count_what_was_done(monkeypatch):
    stream = io.StringIO()
    clocked(Lines(stream, every=5), monkeypatch, seconds=60, points=2601, done=2598)
    assert stream.getvalue().splitlines()[0] == "60 s a point, 2 to go: about 2 min"
    assert stream.getvalue().splitlines()[-1] == "2,601 of 2,601 points in 3 min"


class Terminal(io.StringIO):
    """Claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_everything_else_lines():
    assert isinstance(progress_on(Terminal()), Bar)
    assert isinstance(progress_on(io.StringIO()), Lines)


def test_the_bar_shows_counts_and_an_estimate(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    bar = progress_on(stream)
    bar.say("a [note] is no markup")
    bar.start(1, 3)
    bar.extend(4)
    for _ in range(3):
        bar.advance(0.5)
    bar.stop()
    text = stream.getvalue()
    assert "a [note] is no markup" in text
    assert "0.5 s a point: about 0.5 s" in text
    assert "4/4" in text


def test_a_bar_that_never_started_stops():
    progress_on(Terminal()).stop()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (0.94, "0.9 s"),
        (8, "8 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5940, "99 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_said_as_a_person_does(seconds, text):
    assert duration(seconds) == text


def test_silence_says_nothing(capsys):
    progress = Silent()
    progress.say("a")
    progress.start(0, 1)
    progress.advance(1.0)
    progress.stop()
    assert capsys.readouterr() == ("", "")
