"""The loop over the points: evaluate, record, save every now and then, stop when asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from landscape.errors import Interrupted
from landscape.execution.plan import Batch, Plan
from landscape.execution.progress import Progress
from landscape.execution.results import Results
from landscape.execution.signals import StopRequest, stop_request

SAVE_EVERY = 2.0
SAVE_SHARE = 0.02  # of the time, at most, goes into saving

Evaluate = Callable[[int, Sequence[float]], Mapping[str, Sequence[float]]]


def pause(cost: float) -> float:
    """Seconds between two saves, of which the last took `cost`."""
    return max(SAVE_EVERY, cost / SAVE_SHARE)


def run(
    evaluate: Evaluate,
    plan: Plan,
    results: Results,
    save: Callable[[], None],
    progress: Progress,
    pause: Callable[[float], float] = pause,
) -> None:
    """Evaluate every point of a plan that is not done.

    Args:
        evaluate: Gives the numbers of a point, from the repeat's number and the coordinates.
        plan: Which points, and in which order.
        results: What is filled; points that are done in it are left alone.
        save: Writes what is there; called after the first point, every few seconds, and at the end.
        progress: Told of every point.
        pause: Seconds between two saves, from those that the last one took.

    Raises:
        Interrupted: If Ctrl-C or SIGTERM arrives; the point at hand is finished and saved before.
    """
    with stop_request() as stop:
        loop = _Loop(evaluate, plan, results, save, progress, pause, stop)
        try:
            for batch in plan.batches(results):
                loop.compute(batch)
        except BaseException:  # a save that failed is tried once more, and says why again
            save()
            raise
        finally:
            progress.stop()
    save()


class _Loop:
    """The points of one call of `run`, batch by batch."""

    def __init__(
        self,
        evaluate: Evaluate,
        plan: Plan,
        results: Results,
        save: Callable[[], None],
        progress: Progress,
        pause: Callable[[float], float],
        stop: StopRequest,
    ) -> None:
        self._evaluate, self._plan, self._results, self._stop = evaluate, plan, results, stop
        self._save, self._progress, self._pause = save, progress, pause
        self._done, self._next_save = results.done, -float("inf")
        self._begun = False

    def compute(self, batch: Batch) -> None:
        """Evaluate and record the points of a batch."""
        total = self._done + len(batch.points)
        if batch.said:
            self._progress.say(batch.said)
        if self._begun:
            self._progress.extend(total)
        else:
            self._progress.start(self._done, total)
        self._begun = True
        for repeat, index in batch.points:
            self._stop_if_asked()
            begun = time.monotonic()
            self._results.record(repeat, index, self._evaluate(repeat, self._plan.grid.point(index)))
            self._done += 1
            self._progress.advance(time.monotonic() - begun)
            self._save_in_time()

    def _stop_if_asked(self) -> None:
        """Stop before a point, not after it: a plan that has no other one is finished."""
        if self._stop.requested:
            bound = "" if self._plan.exact else "at most "
            raise Interrupted(f"stopped with {self._done:,} of {bound}{self._results.size:,} points done")

    def _save_in_time(self) -> None:
        begun = time.monotonic()
        if begun >= self._next_save:
            self._save()
            saved = time.monotonic()
            self._next_save = saved + self._pause(saved - begun)
