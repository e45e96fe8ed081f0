"""The same command again goes on where the run stopped; a different one on the same file is refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from landscape.errors import LandscapeError, listed
from landscape.evaluation import Measurement
from landscape.execution.preparation import Settings
from landscape.storage import load, load_origin, may_be_ours
from landscape.types import Job, Surface


def earlier_run(
    path: Path | None, job: Job, digests: Sequence[str], overwrite: bool, asked: Mapping[str, str]
) -> Surface | None:
    """What an earlier run of the same job left in the file.

    Args:
        path: The file, or None.
        job: What is about to be computed.
        digests: Of the directions as they were rebuilt now.
        overwrite: Whether to begin anew.
        asked: What is left open by the settings, as `Settings.asked` has it.

    Returns:
        The surface to go on with, or None to begin.

    Raises:
        LandscapeError: If the file is not ours, holds another job, or its directions cannot be rebuilt here.
    """
    if path is None or not path.exists():
        return None
    if overwrite:
        _refuse_foreign(path)
        return None
    try:
        surface = load(path)
    except LandscapeError as error:
        raise LandscapeError(f"{error}; or give another file with --out") from error
    differing = _differing(job, surface, asked)
    if differing:
        raise LandscapeError(
            f"{path} holds another run, which differs in {'; '.join(differing)}: give another file with --out, "
            "or replace it with --overwrite"
        )
    recorded = [record.digest for record in surface.directions]
    if recorded != list(digests):
        then = ", ".join(f"{name} {version}" for name, version in surface.provenance.get("versions", {}).items())
        raise LandscapeError(
            f"the directions of {path} (made with {then}) come out differently with the versions here: go on with "
            "those versions, or replace the file with --overwrite"
        )
    return surface


def _differing(job: Job, surface: Surface, asked: Mapping[str, str]) -> list[str]:
    """In what two jobs differ; of a precision that was left open both times, with another tolerance, just that."""
    differing = job.differences(surface.job)
    now, then = asked.get("precision", ""), surface.provenance.get("asked", {}).get("precision", "")
    if not (now and then):
        return differing
    chosen = surface.job.precision + (", corrected," if surface.job.correction else "")
    told = f"--precision {now.replace(',', ' with')} here, settled as {chosen} with {then.removeprefix('auto, ')} there"
    return [told, *(one for one in differing if not one.startswith(("precision ", "correction ")))]


def settled(settings: Settings) -> Settings:
    """Take over from the file what an earlier run settled where `auto` was asked for, then and now.

    Args:
        settings: What is asked for now.

    Returns:
        The same, with the file's own values in the place of `auto`; unchanged where the file does not have them, or
        is to be replaced.
    """
    if settings.out is None or settings.overwrite or not (settings.asked and settings.out.exists()):
        return settings
    try:
        job, provenance = load_origin(settings.out)
    except LandscapeError:  # said when the run is about to go on
        return settings
    then = provenance.get("asked", {})
    values: dict[str, dict[str, Any]] = {
        "precision": {"precision": job.precision, "correct": job.correction > 0},
        "samples": {"samples": job.samples},
    }
    same = [name for name, asked in settings.asked.items() if then.get(name) == asked]
    return dataclasses.replace(settings, **{key: value for name in same for key, value in values[name].items()})


def refuse_another_centre(previous: Surface | None, centre: Measurement) -> None:
    """Refuse to go on where the trained weights give another loss than when the file was begun.

    What the job cannot tell apart (a function that was edited, an activation that does not print) shows here.

    Args:
        previous: What the file holds, or None.
        centre: The trained weights as evaluated now.

    Raises:
        LandscapeError: If the losses differ by more than 1e-5 relative, which is more than rounding explains.
    """
    for split, measured in centre.sums.items():
        if previous is None:
            return
        policy, sums = next(iter(measured.items()))
        then, now = float(previous.sel(bn=policy).centre[split]["loss"]), sums.mean("loss")
        if not math.isclose(then, now, rel_tol=1e-5) and not (math.isnan(then) and math.isnan(now)):
            raise LandscapeError(
                f"the trained weights give the {split} loss {now:.6g} here, but {then:.6g} in the file: the model, the "
                "data or the loss is another one; give another file with --out, or replace it with --overwrite"
            )


def refuse_other_quantities(previous: Surface, names: Sequence[str]) -> None:
    """Refuse to go on with a file that holds other quantities than this run measures.

    Args:
        previous: What the file holds.
        names: Full names of what is measured now.

    Raises:
        LandscapeError: If they are not the same: the drift of single layers is asked for apart from the job.
    """
    differing = sorted(set(previous.quantities) ^ set(names))
    if differing:
        raise LandscapeError(
            f"{previous.path} was begun {'without' if differing[0] in names else 'with'} {listed(differing, 3)}: give "
            "or leave out --bn-layers as then, give another file with --out, or replace it with --overwrite"
        )


def changed_since(provenance: Mapping[str, Any], versions: Mapping[str, str], machine: str) -> str:
    """What has changed since the file was begun and may change last bits.

    Args:
        provenance: That of the file; empty for a new one.
        versions: Those of now.
        machine: That of now.

    Returns:
        A sentence, or nothing.
    """
    then = {**provenance.get("versions", {}), "machine": provenance.get("machine", machine)}
    now = {**versions, "machine": machine}
    changed = [f"{name} {then[name]} then, {now[name]} now" for name in now if then.get(name, now[name]) != now[name]]
    return f"not all is as when the file was begun ({'; '.join(changed)}): the last bits may differ" if changed else ""


def _refuse_foreign(path: Path) -> None:
    """--overwrite is for our own files, newer and broken ones included, and for nothing else."""
    if not may_be_ours(path):
        raise LandscapeError(f"{path} is not a file of landscape's, so --overwrite leaves it alone: give another --out")
