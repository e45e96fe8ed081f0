"""The surfaces of the trained networks: a plane of each, and lines in several directions under every BatchNorm policy.

    python examples/normalization_atlas/surfaces.py [--nets ...] [--norms ...]

What is finished is left alone; what was interrupted goes on. Each file says which `landscape compute` makes it.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import torch
from recipes import NETS
from train import folder_of

import landscape
from landscape.evaluation.batchnorm import statistics_layers
from landscape.models import build_model

HERE = Path(__file__).parent
SAMPLES = 1000
LINE = "-1,-0.75,-0.5,-0.3,-0.2,-0.1,0,0.1,0.2,0.3,0.5,0.75,1"
PLANE = "-1:1:21"
REPEATS = 6  # directions of the lines


def surface(checkpoint: Path, out: Path, **options: str) -> None:
    """Compute a surface, as its command line would."""
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    command = shlex.join(["landscape", "compute", "--ckpt", str(checkpoint), *words, "--out", str(out)])
    out.parent.mkdir(parents=True, exist_ok=True)
    given = {**options, "repeats": int(options.get("repeats", 1))}
    landscape.compute(ckpt=checkpoint, out=out, progress=False, command=command, **given)  # type: ignore[arg-type]
    print(out, flush=True)


def main() -> None:
    """Compute what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    parser.add_argument("--norms", nargs="+", help="names of rows; default: all")
    parser.add_argument("--runs", type=Path, default=HERE / "runs")
    parser.add_argument("--out", type=Path, default=HERE / "surfaces")
    options = parser.parse_args()
    for net in options.nets:
        for variant in NETS[net].variants:
            if options.norms and variant.name not in options.norms:
                continue
            for checkpoint in sorted(folder_of(options.runs, net, variant, "").glob("seed*/model.pt")):
                place = options.out / net / checkpoint.parent.parent.name
                computed(variant.spec, checkpoint, place, checkpoint.parent.name)


def computed(spec: str, checkpoint: Path, place: Path, seed: str) -> None:
    """The lines of a network, and of the first seed the plane."""
    common = {"data": "fashion-mnist", "samples": str(SAMPLES)}
    if statistics_layers(build_model(spec)):
        common |= {"bn_stats": "all", "bn_samples": str(SAMPLES)}
    lines = place.with_name(f"{place.name}_{seed}_lines.h5")
    surface(checkpoint, lines, **common, x=LINE, y="none", repeats=str(REPEATS))
    if seed == "seed0":
        surface(checkpoint, place.with_name(f"{place.name}_{seed}_plane.h5"), **common, x=PLANE, y=PLANE)


if __name__ == "__main__":
    torch.set_flush_denormal(True)
    main()
