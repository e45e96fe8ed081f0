"""Seconds per point, ours beside the user's loop and the peers: `python -m benchmarks.points_per_second`.

Every contender lives in a process of its own; one after the other they run over a grid of as many points, round after
round, in an order that is rotated. A point costs what lies between the end of one point and the end of the next.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import CASES, Case, build_case
from benchmarks.environment import environment, write_results
from benchmarks.timing import Run, largest_relative, summary
from benchmarks.workers import CONTENDERS, EXACT, FailedError, Worker

REFERENCE = "fp32"
TRIAL = 2  # points along each side of a trial
REST = 0.3  # threads of the contender before go to sleep


def main() -> None:
    """Measure what the command line asks for, and write `results/points_per_second.json`."""
    options = _options()
    about = environment(options.threads)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            print(f"{name}: building", flush=True)
            case = build_case(name, options.images)
            path = Path(folder) / f"{name}.pt"
            case.save(path)
            names = [one for one in options.only if name in (CONTENDERS[one].models or CASES)]
            found[name] = {**described(case), **measure(path, names, options)}
            write_results("points_per_second", settings_of(options), found, about)


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__ or "")
    parser.add_argument("--models", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS), help="contenders")
    return parser.parse_args()


def parser_of(about: str, images: int = 1000, seconds: float = 4.0) -> argparse.ArgumentParser:
    """The options of every script that times contenders.

    Args:
        about: What the script is.
        images: How many by default.
        seconds: That the user's loop may take for a round by default.

    Returns:
        A parser; more options may be added.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=images)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=seconds, help="that the user's loop may take for a round")
    parser.add_argument("--side", type=int, help="points along each side; default: what fits into --seconds")
    parser.add_argument("--threads", type=int, default=environment()["cores"])
    parser.add_argument("--device", default="cpu", help="of ours and of the user's loop")
    parser.add_argument("--no-check", action="store_true", help="leave out float64 and the peers' losses")
    return parser


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """What a file of results says of its options."""
    return {name: getattr(options, name) for name in ("images", "rounds", "threads", "device", "seconds")}


def described(case: Case) -> dict[str, Any]:
    """What a file of results says of a network and its data."""
    parameters = sum(parameter.numel() for parameter in case.model().parameters())
    tiny = torch.finfo(torch.float32).tiny
    denormals = sum(int(((t != 0) & (t.abs() < tiny)).sum()) for t in case.state.values() if t.is_floating_point())
    return {"about": case.about, "images": len(case.images), "parameters": parameters, "denormals": denormals}


def measure(path: Path, names: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    """Time contenders on one case.

    Args:
        path: The case.
        names: Who.
        options: The command line.

    Returns:
        The number of points, and a row for each contender: its numbers, or the reason why there are none.
    """
    with contextlib.ExitStack() as stack:
        names = sorted(names, key=list(CONTENDERS).index)
        workers = {name: stack.enter_context(Worker(name, options.threads, options.device)) for name in names}
        rows, reasons = _prepared(workers, path)
        side = options.side or _side(rows, options.seconds)
        runs = _rounds({name: workers[name] for name in rows}, side, options.rounds, reasons)
        exact = None if options.no_check else _exact(path, side, options)
        for name, ran in runs.items():
            rows[name].update(summary(ran), **_differences(ran[-1], runs.get(REFERENCE), exact))
            _tell(name, rows[name])
            if not options.no_check:
                rows[name].update(_checked(workers[name]))
    finished = {name: rows[name] if name in runs else {"reason": reasons[name]} for name in names}
    return {"side": side, "points": side * side, "contenders": finished}


def _rounds(workers: Mapping[str, Worker], side: int, rounds: int, reasons: dict[str, str]) -> dict[str, list[Run]]:
    """Run all, round after round; who fails drops out, with a reason."""
    runs: dict[str, list[Run]] = {name: [] for name in workers}
    for number in range(rounds):
        for name in _rotated(list(runs), number):
            try:
                runs[name].append(_timed(workers[name], side))
            except FailedError as error:
                reasons[name] = str(error)
                del runs[name]
    return runs


def _exact(path: Path, side: int, options: argparse.Namespace) -> Run:
    """The losses of the common grid in float64."""
    with Worker(EXACT, options.threads, options.device) as worker:
        worker.prepare(path, "")
        return _timed(worker, side)


def _prepared(workers: Mapping[str, Worker], path: Path) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Choose the fastest variant of each contender by a short run, which warms it up too."""
    rows: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}
    for name, worker in workers.items():
        try:
            variants = worker.variants()
            tried = {variant: _tried(worker, path, variant) for variant in variants}
            best = min(tried, key=lambda variant: tried[variant])
            worker.prepare(path, best)
            rows[name] = {"variant": best, "variants": tried, "trial": tried[best]}
        except FailedError as error:
            reasons[name] = str(error)
            print(f"  {name}: {error}", flush=True)
    return rows, reasons


def _tried(worker: Worker, path: Path, variant: str) -> float:
    worker.prepare(path, variant)
    return _timed(worker, TRIAL).typical


def _timed(worker: Worker, side: int) -> Run:
    time.sleep(REST)
    run = worker.run(side)
    assert isinstance(run, Run)
    return run


def _side(rows: Mapping[str, Mapping[str, Any]], seconds: float) -> int:
    """The odd number of points along a side that the user's loop, or else the slowest, does in these seconds."""
    slowest = rows["user"]["trial"] if "user" in rows else max((row["trial"] for row in rows.values()), default=1.0)
    side = int((seconds / slowest) ** 0.5)
    return min(max(3, side - 1 + side % 2), 11)


def _rotated(names: Sequence[str], number: int) -> list[str]:
    start = number * 3 % len(names) if names else 0
    return list(itertools.islice(itertools.cycle(names), start, start + len(names)))


def _differences(run: Run, reference: Sequence[Run] | None, exact: Run | None) -> dict[str, Any]:
    """Largest relative differences of loss, from ours in fp32 and from float64, at the points of the common grid."""
    if run.losses is None:
        return {}
    losses = _flat(run.losses)
    found: dict[str, Any] = {"compared_points": len(losses)}
    if exact is not None and exact.losses is not None:
        found["largest_error"] = largest_relative(losses, _flat(exact.losses))
    if not reference or reference[-1] is run or reference[-1].losses is None:
        return found
    found["largest_relative_difference"] = largest_relative(losses, _flat(reference[-1].losses))
    if run.accuracies is not None and reference[-1].accuracies is not None:
        pairs = zip(_flat(run.accuracies), _flat(reference[-1].accuracies), strict=True)
        found["largest_difference_of_accuracy"] = max(abs(one - other) for one, other in pairs)
    return found


def _flat(values: Sequence[Sequence[float]]) -> list[float]:
    return list(itertools.chain.from_iterable(values))


def _checked(worker: Worker) -> dict[str, Any]:
    try:
        return worker.check()
    except FailedError as error:
        return {"check_failed": str(error)}


def _tell(name: str, row: Mapping[str, Any]) -> None:
    apart = row.get("largest_relative_difference")
    words = "" if apart is None else f", largest relative difference {apart:.1e}"
    words += f", from float64 {row['largest_error']:.1e}" if row.get("largest_error") is not None else ""
    print(f"  {name:18s} {1e3 * row['median']:9.2f} ms a point (minimum {1e3 * row['minimum']:.2f}){words}", flush=True)


if __name__ == "__main__":
    main()
