"""What a full surface costs, with the roofline beside it: `python -m benchmarks.full_surface`.

`landscape.compute` over a grid of 51 x 51 points on 10,000 images, for each network and precision. On a CPU, where that
takes hours, a smaller grid over the same range and fewer images are measured, and the seconds between two points
(median) are multiplied; `--points` and `--measured-images` say how many. The ceilings are measured first, in the same
process.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from typing import Any

import torch

import landscape
from benchmarks.cases import CASES, Case
from benchmarks.ceilings import Ceilings, measure, precisions_on, sizes_for
from benchmarks.environment import environment, write_results
from benchmarks.ours import Ticks
from benchmarks.roofline import Work, bound, counted
from benchmarks.timing import Run
from landscape import LandscapeError, Surface

MODELS = ("resnet20", "resnet56")
TEST_IMAGES = 10_000  # of CIFAR-10
PRECISIONS = ("fp32", "tf32", "bf16", "auto")
FEWER = {"cpu": (9, 1000)}  # points and images that are measured there unless told otherwise


@dataclasses.dataclass(frozen=True)
class Size:
    """How large a surface is.

    Attributes:
        side: Points along each axis.
        images: At each point.
    """

    side: int
    images: int

    @property
    def passes(self) -> int:
        """Images over all points."""
        return self.side**2 * self.images


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is measured, and what it is compared with.

    Attributes:
        part: What is measured.
        whole: What it stands for.
        ceilings: Of the machine.
        device: Where.
    """

    part: Size
    whole: Size
    ceilings: Ceilings
    device: torch.device


def main() -> None:
    """Measure, and write `results/full_surface.json`."""
    options = _options()
    about = environment(options.threads)
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    ceilings = measure(device, precisions_on(device), sizes_for(device))
    _tell_ceilings(ceilings)
    plan = Plan(*_sizes(options), ceilings, device)
    settings = {"device": device.type, "threads": options.threads, "precisions": options.precisions}
    settings |= {"whole": dataclasses.asdict(plan.whole), "measured": dataclasses.asdict(plan.part)}
    found: dict[str, Any] = {"ceilings": dataclasses.asdict(ceilings), "networks": {}}
    for name in options.models:
        case = CASES[name](plan.part.images)
        work = counted(case.model(), case.images.shape[1:])
        compute(case, "fp32", Size(3, 64), device)  # what a process does once: imports, a GPU's start
        rows: list[dict[str, Any]] = []
        found["networks"][name] = {"about": case.about, **dataclasses.asdict(work), "rows": rows}
        for precision in options.precisions:
            rows.append(row(case, work, precision, plan))
            _tell(name, rows[-1])
            write_results("full_surface", settings, found, about)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--models", type=_listed, default=list(MODELS), help="separated by commas")
    parser.add_argument("--precisions", type=_listed, help="separated by commas; default: all that the device has")
    parser.add_argument("--grid", type=int, default=51, help="points along each side")
    parser.add_argument("--images", type=int, default=TEST_IMAGES, help="at each point")
    parser.add_argument("--points", type=int, help="that are measured; default: 9 on a CPU, all on a GPU")
    parser.add_argument("--measured-images", type=int, help="default: 1,000 on a CPU, all on a GPU")
    parser.add_argument("--threads", type=int, default=environment()["cores"])
    options = parser.parse_args()
    if options.device == "auto":
        options.device = "cuda" if torch.cuda.is_available() else "cpu"
    has = (*precisions_on(torch.device(options.device)), "auto")
    options.precisions = options.precisions or [one for one in PRECISIONS if one in has]
    unknown = [one for one in options.models if one not in MODELS]
    unknown += [one for one in options.precisions if one not in has]
    if unknown:
        parser.error(f"{', '.join(unknown)}: choose from {', '.join(MODELS)}, and from {', '.join(has)}")
    if options.images > TEST_IMAGES:
        parser.error(f"CIFAR-10 has {TEST_IMAGES:,} test images, not {options.images:,}")
    return options


def _listed(text: str) -> list[str]:
    return text.split(",")


def _sizes(options: argparse.Namespace) -> tuple[Size, Size]:
    """What is measured of a surface, and the whole of it."""
    whole = Size(options.grid, options.images)
    points, images = FEWER.get(options.device, (None, whole.images))
    points = options.points or points
    side = whole.side if points is None else min(side_of(points), whole.side)
    return Size(side, min(options.measured_images or images, whole.images)), whole


def side_of(points: int) -> int:
    """The largest odd number of points along a side with no more than so many in all, and at least three.

    Args:
        points: In all.

    Returns:
        The number; odd, so that the trained weights are in the middle.
    """
    side = int(points**0.5)
    return max(3, side - 1 + side % 2)


def compute(case: Case, precision: str, size: Size, device: torch.device) -> tuple[Surface, Run]:
    """Compute a surface in memory.

    Args:
        case: The network and its images.
        precision: As for `landscape.compute`.
        size: How many points, and of how many of the images.
        device: Where.

    Returns:
        The surface, and when its points were finished.
    """
    model, data = case.model(), case.first_images(size.images).tensors()
    ticks, axis = Ticks(), (-1.0, 1.0, size.side)
    surface = landscape.compute(model, data, x=axis, y=axis, precision=precision, device=device.type, progress=ticks)
    return surface, Run(time.perf_counter() - ticks.clock.begun, ticks.clock.stamps)


def row(case: Case, work: Work, precision: str, plan: Plan) -> dict[str, Any]:
    """Measure a surface in one precision, or a part of it.

    Args:
        case: The network and its images.
        work: What one of them costs.
        precision: As for `landscape.compute`.
        plan: How much is measured.

    Returns:
        Seconds, what ran, its error and the roofline; or the reason why there are none.
    """
    try:
        surface, run = compute(case, precision, plan.part, plan.device)
    except LandscapeError as error:
        return {"precision": precision, "reason": str(error)}
    job, about = surface.job, surface.provenance
    least = bound(work, plan.ceilings, job.precision, plan.whole.passes, job.correction)
    return {
        "precision": precision,
        "ran": f"{about['evaluator']} {job.precision}{', corrected' if job.correction else ''}",
        "why": about.get("capture_reason") or about["evaluator_reason"],
        "batch": about["batch_size"],
        "error": about.get("precision", {}).get("error"),
        "compared": about.get("precision", {}).get("points"),
        **seconds(run, plan.part, plan.whole),
        "roofline": least.plain(),
    }


def seconds(run: Run, part: Size, whole: Size) -> dict[str, Any]:
    """What a point and a surface cost.

    Args:
        run: What was measured.
        part: How much that was.
        whole: What it stands for.

    Returns:
        Seconds between the ends of two points (median), of the set-up (all before the first point and after the last),
        and of the whole surface: measured, or multiplied with the set-up added once.
    """
    setup = max(0.0, run.seconds - (run.stamps[-1] - run.stamps[0]) - run.typical)
    multiplied = part != whole
    steady = run.typical * whole.passes / part.images
    return {
        "seconds_per_point": run.typical,
        "setup": setup,
        "multiplied": multiplied,
        "whole": steady + setup if multiplied else run.seconds,
    }


def _tell_ceilings(ceilings: Ceilings) -> None:
    for name, speed in ceilings.measured.items():
        unit = "GB/s" if name == "copy" else "GFLOP/s"
        print(f"{name}: {speed / 1e9:,.0f} {unit}", flush=True)


def _tell(name: str, found: dict[str, Any]) -> None:
    if "reason" in found:
        print(f"{name}, {found['precision']}: {found['reason']}", flush=True)
        return
    times, how = found["whole"] / found["roofline"]["seconds"], "multiplied" if found["multiplied"] else "measured"
    print(
        f"{name}, {found['precision']}: {found['ran']}, {found['seconds_per_point']:.3g} s a point, "
        f"{found['whole']:,.0f} s a surface ({how}), {times:.2f} times the roofline",
        flush=True,
    )


if __name__ == "__main__":
    main()
