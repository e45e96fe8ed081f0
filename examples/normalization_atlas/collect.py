"""Gather what training left: `runs/` becomes `results.json`, from which the tables of the README are made.

python examples/normalization_atlas/collect.py
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from recipes import NETS, Variant
from train import chosen_rate, finals, searches

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
KEPT = ("running_loss", "train_loss", "train_accuracy", "test_loss", "test_accuracy")


def row_of(root: Path, net: str, variant: Variant) -> dict[str, Any] | None:
    """The search and the final runs of one row; None where it is not trained."""
    tried = searches(root, net, variant)
    if not all(run.finished() for run in tried):
        return None
    rate = chosen_rate(tried)
    done = [run for run in finals(root, net, variant, rate) if run.finished()]
    if not done:
        return None
    return {
        "model": variant.spec,
        "rate": rate,
        "search": {f"{run.rate:g}": finite(run.metrics()[-1]["running_loss"]) for run in tried},
        "seeds": {
            str(run.seed): {
                **{name: finite(run.metrics()[-1][name]) for name in KEPT},
                "running_accuracy": [round(row["running_accuracy"], 5) for row in run.metrics()],
                "seconds": round(sum(row["seconds"] for row in run.metrics()), 1),
            }
            for run in done
        },
    }


def finite(value: float) -> float | None:
    """A number of a few digits; None where training diverged."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def main() -> None:
    """Write the results of all rows that are trained."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=HERE / "runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = {
        net: {variant.name: row for variant in about.variants if (row := row_of(options.runs, net, variant))}
        for net, about in NETS.items()
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(options.out, *(f"{net}: {len(rows)} of {len(NETS[net].variants)} rows" for net, rows in found.items()))


if __name__ == "__main__":
    main()
