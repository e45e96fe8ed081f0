"""Peak memory of a run, as a multiple of the network's own bytes: `python -m benchmarks.memory`.

A language model of 124 million parameters, few tokens, so that the weights are what is measured. Every run is a process
of its own; what importing costs is measured first in it and subtracted. Two peaks: all resident pages (VmHWM, the
checkpoint's mapped pages included, which the system can drop), and anonymous ones (RssAnon, sampled).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.environment import ROOT, environment, write_results

TOKENS = {"sequences": 2, "positions": 16}
MODES: dict[str, dict[str, Any]] = {"plain": {}, "low memory": {"low_memory": True}}


def main() -> None:
    """Measure both containers and both modes, and write `results/memory.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depth", type=int, default=12, help="blocks of the model; 12 for GPT-2 small")
    parser.add_argument("--points", type=int, default=3, help="points along each side")
    parser.add_argument("--threads", type=int, default=environment()["cores"])
    parser.add_argument("--run", nargs=2, metavar=("CHECKPOINT", "MODE"), help="measure one run in this process")
    options = parser.parse_args()
    if options.run:
        print(json.dumps(measured(Path(options.run[0]), options.run[1], options)))
        return
    about = environment(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        files, size = _checkpoints(Path(folder), options.depth)
        rows = {}
        for mode in MODES:
            for file in files:
                rows[f"{mode}, {file.suffix}"] = row = _in_a_process(file, mode, options)
                print(f"{mode}, {file.suffix}: {_told(row, size)}", flush=True)
    settings = {"depth": options.depth, "points": options.points**2, "tokens": TOKENS, "threads": options.threads}
    write_results("memory", settings, {"model_bytes": size, "logits_bytes": _logits(), "runs": rows}, about)


def _checkpoints(folder: Path, depth: int) -> tuple[list[Path], int]:
    """Random weights of the model, as .safetensors and .pt, and their bytes."""
    import torch
    from safetensors.torch import save_file

    from benchmarks.models import gpt2_small

    torch.manual_seed(0)
    state = gpt2_small(depth=depth).state_dict()
    save_file(state, folder / "model.safetensors")
    torch.save(state, folder / "model.pt")
    return [folder / "model.safetensors", folder / "model.pt"], sum(tensor.nbytes for tensor in state.values())


def _logits() -> int:
    """Bytes of the largest activation, which are part of the peaks."""
    from benchmarks.models import VOCABULARY

    return TOKENS["sequences"] * TOKENS["positions"] * VOCABULARY * 4


def _in_a_process(file: Path, mode: str, options: argparse.Namespace) -> dict[str, Any]:
    words = ["--depth", options.depth, "--points", options.points, "--threads", options.threads, "--run", file, mode]
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"reason": done.stderr.strip().splitlines()[-1]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _told(row: dict[str, Any], size: int) -> str:
    if "reason" in row:
        return str(row["reason"])
    return (
        f"{row['resident'] / size:.2f} x the model (anonymous {row['anonymous'] / size:.2f} x), {row['seconds']:.0f} s"
    )


def measured(checkpoint: Path, mode: str, options: argparse.Namespace) -> dict[str, Any]:
    """Compute a surface in this process and report its peaks over the imports.

    Args:
        checkpoint: The weights.
        mode: One of `MODES`.
        options: The command line.

    Returns:
        Bytes of the peaks, and seconds.
    """
    _import_all(options.threads)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak so far is forgotten
    baseline = _status("VmRSS"), _status("RssAnon")
    axis = (-0.1, 0.1, options.points)
    begun = time.perf_counter()
    with Sampler() as sampler:
        import landscape

        surface = landscape.compute(
            ckpt=checkpoint,
            model=f"benchmarks.models:gpt2_small(depth={options.depth})",
            data=_data_spec(),
            x=axis,
            y=axis,
            device="cpu",
            progress=False,
            **MODES[mode],
        )
    return {
        "baseline": baseline[0],
        "resident": _status("VmHWM") - baseline[0],
        "anonymous": sampler.peak - baseline[1],
        "seconds": time.perf_counter() - begun,
        "loss": surface.centre["test"]["loss"],
        "evaluator": surface.provenance.get("evaluator", ""),
    }


def _data_spec() -> str:
    settings = ", ".join(f"{name}={value}" for name, value in TOKENS.items())
    return f"benchmarks.models:token_batches({settings})"


def _import_all(threads: int) -> None:
    """Whatever a run imports, by a run of the smallest size; and torch's threads are started."""
    import torch

    import landscape

    torch.set_num_threads(threads)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
    batches = [(torch.ones(8, 2, 2), torch.zeros(8, dtype=torch.long))]
    landscape.compute(net, batches, x=(-1, 1, 2), y=None, device="cpu", progress=False)


class Sampler:
    """Samples anonymous memory from a thread, every few milliseconds."""

    def __init__(self, every: float = 0.005) -> None:
        self.peak = 0
        self._every, self._stop = every, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(self._every):
            self.peak = max(self.peak, _status("RssAnon"))


def _status(key: str) -> int:
    """A number of bytes in /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


if __name__ == "__main__":
    main()
