"""What a point costs on grids from 51x51 to 501x501, its saving included: `python -m benchmarks.scale`.

The network has six weights and the data eight examples, so that what is measured is everything but the network.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import landscape
from benchmarks.environment import environment, write_results
from benchmarks.ours import Ticks


def main() -> None:
    """Measure, and write `results/scale.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[51, 101, 251, 501])
    parser.add_argument("--threads", type=int, default=1, help="one is the quickest for so small a network")
    options = parser.parse_args()
    about = environment(options.threads)
    torch.set_num_threads(options.threads)
    measured(5)
    found = []
    for side in options.sides:
        found.append(measured(side))
        print("{side}x{side}: {per_point:.2e} s a point, {bytes:,} bytes".format(**found[-1]), flush=True)
    write_results("scale", {"sides": options.sides, "threads": options.threads}, found, about)


def measured(side: int) -> dict[str, Any]:
    """Compute a grid into a file.

    Args:
        side: Points along each axis.

    Returns:
        Seconds per point from the end of the first point to the end of the call, the last save included; the largest
        pause between two points, which is a save; and the size of the file.
    """
    torch.manual_seed(0)
    net, data = nn.Linear(2, 3, bias=False), (torch.randn(8, 2), torch.arange(8) % 3)
    ticks, axis = Ticks(), (-1.0, 1.0, side)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "surface.h5"
        landscape.compute(net, data, x=axis, y=axis, out=out, device="cpu", progress=ticks)
        seconds = time.perf_counter() - ticks.clock.begun
        size = out.stat().st_size
    stamps = ticks.clock.stamps
    pauses = [after - before for before, after in itertools.pairwise(stamps)]
    return {
        "side": side,
        "points": side * side,
        "per_point": (seconds - stamps[0]) / (len(stamps) - 1),
        "median_between_points": sorted(pauses)[len(pauses) // 2],
        "longest_pause": max(pauses),
        "seconds": seconds,
        "bytes": size,
    }


if __name__ == "__main__":
    main()
