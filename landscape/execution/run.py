"""The loop over the points: evaluate, record, save every few seconds, stop when asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from landscape.errors import Interrupted
from landscape.execution.plan import coarse_to_fine
from landscape.execution.progress import Progress
from landscape.execution.results import Results
from landscape.execution.signals import stop_request
from landscape.types import Grid

SAVE_EVERY = 2.0


Evaluate = Callable[[int, Sequence[float]], Mapping[str, Sequence[float]]]


def run(
    evaluate: Evaluate,
    grid: Grid,
    results: Results,
    save: Callable[[], None],
    progress: Progress,
    save_every: float = SAVE_EVERY,
) -> None:
    """Evaluate every point that is not done: repeat by repeat, each coarse to fine.

    Args:
        evaluate: Gives the numbers of a point, from the repeat's number and the coordinates.
        grid: The points.
        results: What is filled; points that are done in it are left alone.
        save: Writes what is there; called after the first point, every few seconds, and at the end.
        progress: Told of every point.
        save_every: Seconds between two saves.

    Raises:
        Interrupted: If Ctrl-C or SIGTERM arrives; the point at hand is finished and saved before.
    """
    todo = results.remaining(coarse_to_fine(grid))
    done = results.size - len(todo)
    saved = -save_every
    with stop_request() as stop:
        progress.start(done, results.size)
        try:
            for repeat, index in todo:
                begun = time.monotonic()
                results.record(repeat, index, evaluate(repeat, grid.point(index)))
                done += 1
                progress.advance(time.monotonic() - begun)
                if time.monotonic() - saved >= save_every:
                    save()
                    saved = time.monotonic()
                if stop.requested and done < results.size:
                    raise Interrupted(f"stopped with {done:,} of {results.size:,} points done")
        except BaseException:  # a save that failed is tried once more, and says why again
            save()
            raise
        finally:
            progress.stop()
    save()
