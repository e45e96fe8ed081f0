"""How long it takes until something happens, in fresh processes: `python -m benchmarks.import_time`.

The start-up of a run is what lies between the start of `landscape compute` and the line that its first point writes,
less what a process takes that imports torch alone. The two are interleaved.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.environment import ROOT, environment, write_results

TORCH, COMPUTE = "import torch", "landscape compute, first point"
CHECKPOINT = ROOT / "landscape" / "assets" / "lenet_batch.pt"


def main() -> None:
    """Measure, and write `results/import_time.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    about = environment()
    with tempfile.TemporaryDirectory() as folder:
        seconds = _interleaved(_commands(Path(folder)), options.rounds)
    found: dict[str, Any] = {name: _summary(each) for name, each in seconds.items()}
    pairs = zip(seconds[COMPUTE], seconds[TORCH], strict=True)
    found[f"{COMPUTE}, besides importing torch"] = _summary([compute - torch for compute, torch in pairs])
    for name, row in found.items():
        print(f"{name}: {row['median']:.2f} s (minimum {row['minimum']:.2f})", flush=True)
    write_results("import_time", {"rounds": options.rounds}, found, about)


def _commands(folder: Path) -> dict[str, tuple[list[str], str]]:
    """What is run, and the text at which the clock stops; an empty one for the end of the process."""
    axes = ["--x", "-1:1:5", "--y", "-1:1:5", "--samples", "100"]
    compute = ["compute", "--ckpt", str(CHECKPOINT), *axes, "--out", str(folder / "surface.h5"), "--overwrite"]
    return {
        "python": (["-c", "pass"], ""),
        "landscape --help": (["-m", "landscape", "--help"], ""),
        "import landscape": (["-c", "import landscape"], ""),
        TORCH: (["-c", "import torch; print('done', flush=True)"], "done"),
        COMPUTE: (["-m", "landscape", *compute], " s a point"),
    }


def _interleaved(commands: Mapping[str, tuple[list[str], str]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each, round after round; a round before the first fills the caches."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, (words, text) in commands.items():
            taken = _until(words, text)
            if number:
                seconds[name].append(taken)
    return seconds


def _summary(each: list[float]) -> dict[str, Any]:
    return {"seconds": each, "median": statistics.median(each), "minimum": min(each), "maximum": max(each)}


def _until(words: list[str], text: str) -> float:
    """Seconds from the start of a Python process until it writes a line with a text, or ends."""
    begun = time.perf_counter()
    merged = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, **merged)
    said, seconds = [], None
    for line in process.stdout or ():
        said.append(line)
        if text and text in line and seconds is None:
            seconds = time.perf_counter() - begun
    if process.wait() or (text and seconds is None):
        raise SystemExit(f"{' '.join(words)} did not do what it should: {''.join(said)}")
    return time.perf_counter() - begun if seconds is None else seconds


if __name__ == "__main__":
    main()
