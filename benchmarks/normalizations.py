"""The same network with each kind of normalization, fused and compiled: `python -m benchmarks.normalizations`.

As `points_per_second`, with the ways that `landscape` itself has. What stands behind a convolution and is not folded
into it (GroupNorm, InstanceNorm, RMSNorm) is memory traffic, which `torch.compile` saves.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.cases import normalized, vit, with_directions
from benchmarks.environment import environment, write_results
from benchmarks.points_per_second import described, measure, parser_of, settings_of

NORMS = ("batch", "none", "layer", "group", "instance", "rms")
CONTENDERS = ("user", "eager", "fp32", "compiled", "bf16", "compiled-bf16")


def main() -> None:
    """Measure all, and write `results/normalizations.json`."""
    options = parser_of(__doc__ or "", images=300, seconds=3.0).parse_args()
    about = environment(options.threads)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in (*NORMS, "vit"):
            print(f"{name}: building", flush=True)
            case = with_directions((vit if name == "vit" else partial(normalized, name))(options.images))
            path = Path(folder) / f"{name}.pt"
            case.save(path)
            found[name] = {**described(case), **measure(path, CONTENDERS, options)}
            write_results("normalizations", settings_of(options), found, about)


if __name__ == "__main__":
    main()
