"""How soon a picture is right, row by row, coarse to fine, adaptive: `python -m benchmarks.time_to_picture`.

The truth is the full grid, measured once. What a part of its points would have shown is interpolated from them, and
its error is the root mean square over the grid of the difference in log10 of the loss, as a fraction of the range of
log10 of the loss. Adaptive runs are made with `landscape.compute(adaptive=...)` on a network of two weights whose loss
is the table of the full grid, so that they decide as they do on the network that was measured; one is made on the
ResNet-20 itself, for its seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

import landscape
from benchmarks.environment import ROOT, SHARED, environment, write_results
from benchmarks.models import Chaos, Table, height_loss
from landscape import LandscapeError, Surface

ASSETS = ROOT / "landscape" / "assets"
FRACTIONS = (0.02, 0.03, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.7, 0.85, 1.0)
TOLERANCES = (0.2, 0.1, 0.05, 0.02, 0.01)
REAL = 0.02
FloatArray = NDArray[np.float64]


def main() -> None:
    """Measure, and write `results/time_to_picture.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=51)
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--threads", type=int, default=environment()["cores"])
    options = parser.parse_args()
    about = environment(options.threads)
    torch.set_num_threads(options.threads)
    found: dict[str, Any] = {}
    for name, arguments in _sources(options.images).items():
        print(f"{name}: full grid", flush=True)
        full = _computed(arguments, options.side)
        found[name] = row = described(full)
        if name == "ResNet-20":
            row["on_the_network"] = _on_the_network(arguments, full)
        _tell(row)
        write_results("time_to_picture", _settings(options), found, about)


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {"side": options.side, "images": options.images, "threads": options.threads, "tolerances": TOLERANCES}


def _sources(images: int) -> dict[str, dict[str, Any]]:
    """What `landscape.compute` takes for each surface."""
    samples = {"samples": f"first:{images}"}
    found: dict[str, dict[str, Any]] = {}
    checkpoint, data = SHARED / "checkpoints" / "resnet20-12fca82f.th", SHARED / "data" / "cifar10_test.npz"
    if checkpoint.exists():
        found["ResNet-20"] = {"ckpt": checkpoint, "data": f"{data}(mean='imagenet')", **samples}
    for norm, name in (("batch", "LeNet with BatchNorm"), ("none", "LeNet without normalization")):
        found[name] = {"ckpt": ASSETS / f"lenet_{norm}.pt", **samples}
    return {**found, "chaotic formula": {"model": Chaos()}}


def _computed(arguments: Mapping[str, Any], side: int, **more: Any) -> Surface:
    axis = (-1.0, 1.0, side)
    options = {"x": axis, "y": axis, "device": "cpu", "progress": False, **more}
    if "ckpt" in arguments:
        return landscape.compute(**arguments, **options)
    with tempfile.TemporaryDirectory() as folder:
        data = (torch.ones(2, 1), torch.zeros(2))
        planes = _plane(Path(folder) / "plane.h5")
        return landscape.compute(arguments["model"], data, loss=height_loss, directions=planes, **options)


def _plane(path: Path) -> Path:
    """Directions along the two weights of a formula, in the 2018 tool's format."""
    with h5py.File(path, "w") as file:
        for group, weights in (("xdirection", (1.0, 0.0)), ("ydirection", (0.0, 1.0))):
            for number, weight in enumerate(weights):
                file[f"{group}/{number}"] = np.full((1, 1), weight, dtype=np.float32)
    return path


def described(full: Surface) -> dict[str, Any]:
    """Errors of what a part of a full grid would have shown.

    Args:
        full: The full grid.

    Returns:
        Curves (number of points, error) in row order and coarse to fine, and what adaptive runs measured.
    """
    from landscape.execution.plan import coarse_to_fine

    truth = full["test/loss"]
    orders = {"row order": np.arange(truth.size), "coarse to fine": coarse_to_fine(full.grid)}
    curves = {
        name: [[number, error(truth, _shown(full, order[:number], name))] for number in _numbers(truth.size)]
        for name, order in orders.items()
    }
    axes = [torch.tensor(axis.array(), dtype=torch.float32) for axis in full.grid.axes]
    table = {"model": Table(*axes, torch.from_numpy(truth))}
    return {
        "points": truth.size,
        "seconds": full.provenance["seconds"],
        "seconds_per_point": full.provenance["seconds"] / truth.size,
        "range": [float(np.nanmin(truth)), float(np.nanmax(truth))],
        "curves": curves,
        "adaptive": [_adaptive(table, truth, tolerance) for tolerance in TOLERANCES],
    }


def _numbers(size: int) -> list[int]:
    return [round(fraction * size) for fraction in FRACTIONS]


def _shown(full: Surface, measured: NDArray[np.int64], order: str) -> FloatArray:
    """What those points alone would show: later rows repeat the last one, finer lattices are interpolated."""
    from landscape.analysis.filling import interpolated

    truth = full["test/loss"]
    known = np.zeros(truth.size, dtype=bool)
    known[measured] = True
    known = known.reshape(truth.shape)
    if order == "row order":
        last = np.maximum.accumulate(np.where(known, np.arange(len(truth))[:, None], 0))
        return np.take_along_axis(truth, last, axis=0)
    heights = np.where(known, np.log10(truth), np.nan)
    return np.asarray(10.0 ** interpolated(heights, known, full.grid)[0])


def error(truth: FloatArray, shown: FloatArray) -> float:
    """Root mean square difference of log10 of the loss over the grid, by its range; NaN where something is missing."""
    finite = np.isfinite(truth)
    heights, found = np.log10(truth[finite]), np.log10(shown[finite])
    return float(np.sqrt(np.mean((found - heights) ** 2)) / (heights.max() - heights.min()))


def _adaptive(arguments: Mapping[str, Any], truth: FloatArray, tolerance: float) -> dict[str, Any]:
    """What an adaptive run measures, how far its picture is off, and what it says of that itself."""
    try:
        surface = _computed(arguments, len(truth), adaptive=tolerance)
    except (LandscapeError, TypeError) as failure:
        return {"tolerance": tolerance, "reason": str(failure)}
    return {"tolerance": tolerance, **_judged(surface, truth)}


def _judged(surface: Surface, truth: FloatArray) -> dict[str, Any]:
    told: Sequence[Mapping[str, Any]] = surface.provenance.get("adaptive") or [{}]
    points = int(surface.done().sum())
    return {
        "points": points,
        "share": points / truth.size,
        "error": error(truth, surface.filled()["test/loss"]),
        "said": told[0].get("said", ""),
    }


def _on_the_network(arguments: Mapping[str, Any], full: Surface) -> dict[str, Any]:
    """An adaptive run on the network itself, for its seconds."""
    truth = full["test/loss"]
    begun = time.perf_counter()
    try:
        surface = _computed(arguments, len(truth), adaptive=REAL)
    except (LandscapeError, TypeError) as failure:
        return {"tolerance": REAL, "reason": str(failure)}
    return {"tolerance": REAL, "seconds": time.perf_counter() - begun, **_judged(surface, truth)}


def _tell(row: Mapping[str, Any]) -> None:
    print(f"  {row['points']} points in {row['seconds']:.0f} s", flush=True)
    for one in (*row["adaptive"], *([row["on_the_network"]] if "on_the_network" in row else [])):
        what = one.get("reason") or f"{one['points']} points ({one['share']:.0%}), error {one['error']:.2%}"
        print(f"  adaptive {one['tolerance']:g}: {what}", flush=True)


if __name__ == "__main__":
    main()
