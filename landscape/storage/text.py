"""A surface file in words, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from landscape.types import Surface


def of_centre(surface: Surface, split: str) -> str:
    """The numbers of the trained weights: `loss 0.3727 +- 0.0093, accuracy 91.73 % (10,000 examples)`."""
    centre = surface.centre[split]
    text = f"loss {centre['loss']:.5g} +- {centre['loss_stderr']:.2g}"
    if "accuracy" in centre:
        text += f", accuracy {100 * centre['accuracy']:.2f} %"
    return f"{text} ({centre['count']:,.0f} examples)"


def described(surface: Surface) -> str:
    """Describe a surface.

    Args:
        surface: What to describe.

    Returns:
        Lines of text.
    """
    job, provenance = surface.job, surface.provenance
    done = int(surface.done().sum())
    statistics = "none" if provenance.get("statistics_layers") == 0 else f"BatchNorm {job.bn_stats}"
    lines = [
        f"file          {surface.path}  (fingerprint {job.fingerprint()})",
        f"checkpoint    {job.checkpoint}  sha256 {job.checkpoint_sha256[:16]}",
        f"model         {job.model}",
        f"data          {job.data}, samples {job.samples}; {'; '.join(sorted(set(job.preprocessing.values())))}",
        f"grid          x {job.x}, y {job.y}: {done:,} of {surface.grid.size:,} points done",
        f"statistics    {statistics}; loss {job.loss}; precision {job.precision}",
    ]
    lines += [f"{split:13} {of_centre(surface, split)}" for split in surface.splits]
    lines += [f"states        {name} {100 * value:.2f} %" for name, value in provenance.get("stated", {}).items()]
    lines += [f"direction     {record.spec}  sha256 {record.digest[:16]}" for record in surface.directions]
    if provenance.get("cosine") is not None:
        lines.append(f"cosine        {provenance['cosine']:+.5f} between the two directions")
    lines += _parameters(provenance.get("parameters", []))
    lines.append(
        f"made          {provenance.get('updated', '')} in {provenance.get('seconds', 0):.0f} s on "
        f"{provenance.get('machine', '')}; batches of at most {provenance.get('batch_size', '')}"
    )
    if provenance.get("command"):
        lines.append(f"command       {provenance['command']}")
    lines += [f"note          {note}" for note in provenance.get("notes", [])]
    return "\n".join(lines)


def _parameters(rows: list[dict[str, Any]]) -> list[str]:
    """The table of what moves; shares are of the squared norm of all parameters."""
    lines = ["", f"{'role':12}{'':10}{'tensors':>9}{'elements':>13}{'share of norm^2':>18}"]
    for row in rows:
        state = {0: "fixed", row["tensors"]: "perturbed"}.get(row["perturbed"], f"{row['perturbed']} moved")
        guess = f"  ({row['by_shape']} by shape)" if row["by_shape"] else ""
        lines.append(
            f"{row['role']:12}{state:10}{row['tensors']:>9,}{row['elements']:>13,}{100 * row['share']:>17.2f}%{guess}"
        )
    return [*lines, ""] if rows else []


def described_json(surface: Surface) -> dict[str, Any]:
    """Everything but the arrays.

    Args:
        surface: What to describe.

    Returns:
        Plain data for JSON.
    """
    return {
        "file": surface.path,
        "fingerprint": surface.job.fingerprint(),
        "job": json.loads(surface.job.to_json()),
        "shape": list(surface.grid.shape),
        "done": int(surface.done().sum()),
        "complete": surface.complete,
        "quantities": list(surface),
        "centre": {split: dict(values) for split, values in surface.centre.items()},
        "directions": [dataclasses.asdict(record) for record in surface.directions],
        "provenance": dict(surface.provenance),
    }
