"""The surfaces of the trained networks: lines in several directions, and of the first seed of each row a plane.

    python examples/normalization_atlas/surfaces.py [--nets ...] [--norms ...]

What is finished is left alone; what was interrupted goes on. Each file says which `landscape compute` makes it.
"""

from __future__ import annotations

import argparse
import glob
import os
import shlex
from pathlib import Path

import torch
from recipes import NETS, Variant
from train import folder_of

import landscape
from landscape.evaluation.batchnorm import statistics_layers
from landscape.models import build_model

HERE = Path(__file__).parent
SURFACES = HERE / "surfaces"
SAMPLES, FEWER = 1000, 500  # test images along the lines, and over the planes
LINE = "-1,-0.75,-0.5,-0.3,-0.2,-0.1,0,0.1,0.2,0.3,0.5,0.75,1"
PLANE = "-1:1:15"
REPEATS = 6  # directions of the lines


def plane_of(net: str, variant: Variant, root: Path = SURFACES) -> Path:
    """The plane of the first seed."""
    return root / net / f"{folder_of(root, net, variant, '').name}_seed0_plane.h5"


def lines_of(net: str, variant: Variant, root: Path = SURFACES) -> list[Path]:
    """The lines of every seed that there is."""
    return sorted((root / net).glob(f"{glob.escape(folder_of(root, net, variant, '').name)}_seed[0-9]_lines.h5"))


def surface(checkpoint: Path, out: Path, **options: str) -> None:
    """Compute a surface, as its command line would."""
    checkpoint, out = (Path(os.path.relpath(path)) for path in (checkpoint, out))
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
    parser.add_argument("--out", type=Path, default=SURFACES)
    options = parser.parse_args()
    for net in options.nets:
        for variant in NETS[net].variants:
            if options.norms and variant.name not in options.norms:
                continue
            for checkpoint in sorted(folder_of(options.runs, net, variant, "").glob("seed*/model.pt")):
                compute(net, variant, checkpoint, options.out)


def compute(net: str, variant: Variant, checkpoint: Path, root: Path) -> None:
    """The lines of a network; of the first seed also the plane, and all policies for BatchNorm's statistics."""
    plane, seed = plane_of(net, variant, root), checkpoint.parent.name
    policies = "all" if seed == "seed0" and statistics_layers(build_model(variant.spec)) else "frozen"
    for out, samples, grid in (
        (plane, FEWER, {"x": PLANE, "y": PLANE}),
        (plane.with_name(plane.name.replace("seed0_plane", f"{seed}_lines")), SAMPLES, {"x": LINE, "y": "none"}),
    ):
        if out != plane or seed == "seed0":
            more = {} if policies == "frozen" else {"bn_stats": policies, "bn_samples": str(samples)}
            repeats = {} if out == plane else {"repeats": str(REPEATS)}
            surface(checkpoint, out, data="fashion-mnist", samples=str(samples), **more, **grid, **repeats)


if __name__ == "__main__":
    torch.set_flush_denormal(True)
    main()
