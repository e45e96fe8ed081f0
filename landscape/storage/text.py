"""A surface file in words, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from landscape.types import Surface


def of_centre(surface: Surface, split: str) -> str:
    """The numbers of the trained weights: `loss 0.3727 +- 0.0093, accuracy 91.73 % (10,000 examples)`."""
    centre = surface.centre[split]
    if "loss" not in centre:
        return "not measured"
    text = f"loss {centre['loss']:.5g}"
    if "loss_stderr" in centre:
        text += f" +- {centre['loss_stderr']:.2g}"
    if "accuracy" in centre:
        text += f", accuracy {100 * centre['accuracy']:.2f} %"
    return f"{text} ({centre['count']:,.0f} examples)" if "count" in centre else text


def centres(surface: Surface) -> list[str]:
    """The numbers of the trained weights, a line for each split and policy: `test, frozen: loss ...`."""
    several = len(surface.policies) > 1
    return [
        f"{split}{f', {policy}' if several else ''}: {of_centre(surface.sel(bn=policy), split)}"
        for split in surface.splits
        for policy in surface.policies
    ]


def described(surface: Surface) -> str:
    """Describe a surface.

    Args:
        surface: What to describe.

    Returns:
        Lines of text.
    """
    job, provenance = surface.job, surface.provenance
    done = int((surface[f"{surface.splits[0]}/count"] > 0).sum())
    lines = [
        f"file          {surface.path}  (fingerprint {job.fingerprint()})",
        f"checkpoint    {job.checkpoint}  sha256 {job.checkpoint_sha256[:16].partition(':')[0]}",
        f"model         {job.model}",
        f"data          {job.data}, samples {job.samples}"
        f"{''.join(f'; {how}' for how in sorted(set(job.preprocessing.values())))}",
        f"grid          x {job.x}, y {job.y}{_leading(surface)}: {done:,} of {surface.done().size:,} points done",
        f"statistics    {_statistics(surface)}",
        *_adaptive(surface),
        f"loss          {job.loss}; precision {surface.arithmetic}",
    ]
    lines += [f"centre        {line}" for line in centres(surface)]
    lines += [f"states        {name} {100 * value:.2f} %" for name, value in provenance.get("stated", {}).items()]
    lines += _calibration(surface)
    lines += [f"direction     {record.spec}  sha256 {record.digest[:16]}" for record in surface.directions]
    cosines = [cosine for cosine in provenance.get("cosines", [provenance.get("cosine")]) if cosine is not None]
    if cosines:
        lines.append(f"cosine        {', '.join(f'{cosine:+.5f}' for cosine in cosines)} between the two directions")
    lines += _parameters(provenance.get("parameters", []))
    lines.append(_made(provenance))
    if provenance.get("command"):
        lines.append(f"command       {provenance['command']}")
    lines += [f"note          {note}" for note in provenance.get("notes", [])]
    return "\n".join(lines)


def _made(provenance: Mapping[str, Any]) -> str:
    """When, where and how the file was made, or what it was imported from."""
    if source := provenance.get("imported"):
        return f"imported      {source['file']}  sha256 {source['sha256'][:16]}  ({source['from']})"
    return (
        f"made          {provenance.get('updated', '')} in {provenance.get('seconds', 0):.0f} s on "
        f"{provenance.get('machine', '')}; batches of at most {provenance.get('batch_size', '')}"
        f"{_evaluator(provenance)}"
    )


def _evaluator(provenance: Mapping[str, Any]) -> str:
    """How the network was evaluated, and why not in a quicker way."""
    name, reason = provenance.get("evaluator"), provenance.get("evaluator_reason")
    uncaptured = provenance.get("capture_reason")
    return "".join(
        [
            f"; {name} evaluator" if name else "",
            f", because {reason}" if name and reason else "",
            f"; not captured, because {uncaptured}" if uncaptured else "",
        ]
    )


def _adaptive(surface: Surface) -> list[str]:
    """Where an adaptive run stopped refining, and what it left out."""
    if not surface.job.adaptive:
        return []
    told = [one["said"] for one in surface.provenance.get("adaptive", ()) if one["finished"]]
    rest = [] if surface.complete else ["not finished: the same compute command goes on"]
    return [f"adaptive      tolerance {surface.job.adaptive:g}: {line}" for line in (*told, *rest)]


def _leading(surface: Surface) -> str:
    repeats = f", {surface.repeats} draws of the directions" if surface.repeats > 1 else ""
    return repeats + (f", {len(surface.policies)} policies" if len(surface.policies) > 1 else "")


def _statistics(surface: Surface) -> str:
    """What becomes of the statistics of BatchNorm at a point."""
    job = surface.job
    layers = surface.provenance.get("statistics_layers")
    if layers == 0:
        return "no layer keeps running statistics"
    words = {
        "frozen": "frozen (the checkpoint's)",
        "batch": f"of each batch of {job.bn_batch_size}",
        "recalibrate": f"recalibrated over {job.bn_samples} of {job.bn_data}, in batches of {job.bn_batch_size}",
    }
    return f"{f'of {layers} layers, ' if layers else ''}{'; '.join(words[policy] for policy in job.policies)}"


def _calibration(surface: Surface) -> list[str]:
    """How sure recalibrated statistics are, and what they change at the trained weights."""
    lines = []
    for split, apart in surface.provenance.get("calibration", {}).get("half_difference", {}).items():
        lines.append(
            f"halves        {split} losses under the statistics of the two halves of the calibration set differ by "
            f"{abs(apart['centre']):.2g} at the trained weights, by up to {abs(apart['ends']):.2g} at the ends"
        )
        centre = surface.sel(bn="recalibrate").centre[split]
        lines.append(
            f"recalibrated  {split} loss minus frozen at the trained weights {centre['loss_minus_frozen']:+.2g} +- "
            f"{centre['loss_minus_frozen_stderr']:.2g} (examples, paired)"
        )
    return lines + _drift(surface)


def _drift(surface: Surface) -> list[str]:
    """How far recalibrated statistics are from the checkpoint's, at the trained weights and at most."""
    if "statistics/drift" not in surface or not np.isfinite(surface["statistics/drift"]).any():
        return []
    drift, floor = (surface[f"statistics/{name}"].reshape(-1, surface.grid.size) for name in ("drift", "drift_floor"))
    centre = surface.grid.centre()
    here = (
        "" if centre is None else f"{drift[0, centre]:.2g} nats at the trained weights (floor {floor[0, centre]:.2g}), "
    )
    return [f"drift         {here}up to {np.nanmax(drift):.2g}"]


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
        "dimensions": dict(zip(surface.dimensions, surface.done().shape, strict=True)),
        "done": int((surface[f"{surface.splits[0]}/count"] > 0).sum()),
        "complete": surface.complete,
        "quantities": list(surface),
        "centre": {split: dict(values) for split, values in surface.centre.items()},
        "directions": [dataclasses.asdict(record) for record in surface.directions],
        "provenance": dict(surface.provenance),
    }
