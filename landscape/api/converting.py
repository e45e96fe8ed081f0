"""Files of other tools, in and out."""

from __future__ import annotations

import dataclasses
import inspect
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from landscape.errors import LandscapeError, require_switches
from landscape.storage.export import EXPORTERS, exporter_name
from landscape.types import Surface, Trajectory

Tell = Callable[[str], None]

_EXPORTING = ("metric", "clip", "log", "split", "bn", "repeat", "to")
# What is done, and which options bear on it.
_OPTIONS = {
    "exporting a surface": _EXPORTING,
    "importing and exporting": (*_EXPORTING, "samples"),
    "importing a surface": ("samples",),
    "drawing directions again": ("repeat", "ckpt", "model", "trust"),
    "converting directions": ("ckpt", "model", "trust"),
    "converting a path": (),
}


def convert(
    source: Surface | Trajectory | str | Path,
    out: str | Path,
    *,
    to: str | None = None,
    metric: str | None = None,
    clip: float | None = None,
    log: bool | None = None,
    split: str | None = None,
    bn: str | None = None,
    repeat: int | None = None,
    samples: int | None = None,
    directions: bool = False,
    ckpt: str | Path | None = None,
    model: Any = None,
    trust: bool = False,
    overwrite: bool = False,
    tell: Tell | None = None,
) -> Path:
    """Write a surface, directions or a path as another tool's file, or read such a file and write our own.

    What the input is, is found out; the suffix of the output says what is written: `.h5` for the 2018 tool's layout, or
    for ours where the input has that layout; `.vtp`, `.obj`, `.stl`, `.ply` for a mesh; `.csv`, `.npz`, `.nc` for all
    numbers.

    Args:
        source: A surface, a path, or a file of these or of directions; the 2018 tool's files, too.
        out: The file that is written.
        to: A name of `EXPORTERS` or an import path, whatever the suffix.
        metric: For a mesh, the quantity that is its height; None for the loss.
        clip: For a mesh, heights above this become this.
        log: For a mesh, whether the height is ln(z + 0.1), as in the 2018 tool.
        split: For the 2018 tool's layout, the split that becomes `train_loss`.
        bn: Only this policy for BatchNorm's statistics.
        repeat: Only this draw of the directions; None for the first, where one has to be chosen.
        samples: For the 2018 tool's surfaces, on how many examples each point was measured, if you know.
        directions: Whether to write the directions of a surface, drawn again, instead of its values.
        ckpt: For directions, the checkpoint that they belong to.
        model: For directions, the model, where the surface or the checkpoint does not say.
        trust: Whether a checkpoint may run code when it is loaded.
        overwrite: Whether to replace a file.
        tell: Who is told what a reader of the file should know, sentence by sentence.

    Returns:
        The file that was written.

    Raises:
        LandscapeError: If an input is wrong, or the output exists.
    """
    require_switches(directions=directions, trust=trust, overwrite=overwrite)
    out = Path(out)
    tell = tell or _nobody
    _check_out(source, out, overwrite)
    settings = {"metric": metric, "clip": clip, "log": log, "split": split}
    more = {"bn": bn, "repeat": repeat, "samples": samples, "to": to, "ckpt": ckpt, "model": model, "trust": trust}
    kind = _kind_of(source)
    way = _way(kind, directions, to, out)
    _refuse_strangers(way, {**settings, **more})
    _check_samples(samples)
    if way in ("converting directions", "drawing directions again"):
        from landscape.execution.exchange import convert_directions

        convert_directions(source, out, ckpt, model, repeat, trust, tell)
    elif way == "converting a path":
        _convert_trajectory(source, out)
    elif way == "importing a surface":
        _import(source, out, samples, tell)
    else:
        surface = _opened(source, kind, samples).sel(repeat=repeat, bn=bn)
        given = {name: value for name, value in settings.items() if value is not None}
        _export(surface, out, to or exporter_name(out), given, overwrite, tell)
    return out


def _nobody(_: str) -> None:
    """Tell nobody."""


def _check_out(source: object, out: Path, overwrite: bool) -> None:
    if out.is_dir():
        raise LandscapeError(f"{str(out)!r} is a folder: name the file that is to be written")
    file = source.path if isinstance(source, Surface) else source
    if isinstance(file, str | os.PathLike) and str(file) and _same_file(Path(file), out):
        raise LandscapeError(f"{str(out)!r} is the input itself: give the output another name")
    _refuse_existing(out, overwrite)


def _refuse_existing(out: Path, overwrite: bool) -> None:
    if out.exists() and not overwrite:
        raise LandscapeError(f"{str(out)!r} exists: give another name, or replace it with --overwrite")


def _check_samples(samples: object) -> None:
    if samples is not None and (not isinstance(samples, int) or isinstance(samples, bool) or samples < 1):
        raise LandscapeError(f"samples is how many examples each point was measured on, not {samples!r}")


def _same_file(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))


def _kind_of(source: object) -> str:
    """What is to be converted: `surface`, `reference` (the 2018 tool's), `directions` or `trajectory`."""
    if isinstance(source, Surface):
        return "surface"
    if isinstance(source, Trajectory):
        return "trajectory"
    if not isinstance(source, str | os.PathLike):
        raise LandscapeError(f"convert takes a surface, a path or a file, not a {type(source).__name__}")
    from landscape.storage.kinds import kind_of

    found = kind_of(Path(source))
    if found is None:
        raise LandscapeError(
            f"{str(source)!r} holds neither a surface, nor directions, nor a path, of landscape or of the 2018 tool "
            "(loss-landscape): there is nothing to convert"
        )
    return found


def _way(kind: str, directions: bool, to: str | None, out: Path) -> str:
    """What is done: a key of `_OPTIONS`."""
    if directions and kind != "surface":
        raise LandscapeError("--directions draws those of a surface of landscape again, and the input is none")
    if directions:
        return "drawing directions again"
    if kind == "reference":
        return "importing a surface" if to is None and out.suffix.lower() == ".h5" else "importing and exporting"
    return {"surface": "exporting a surface", "directions": "converting directions"}.get(kind, "converting a path")


def _refuse_strangers(way: str, options: Mapping[str, Any]) -> None:
    """Options that have no effect on what is done are mistakes."""
    typed = [name for name, value in options.items() if value is not None and value is not False]
    if wrong := [f"--{name}" for name in typed if name not in _OPTIONS[way]]:
        raise LandscapeError(_no_effect(wrong, way))


def _no_effect(options: Sequence[str], what: str) -> str:
    have, them = ("has", "it") if len(options) == 1 else ("have", "them")
    return f"{' and '.join(options)} {have} no effect on {what}: leave {them} out"


def _opened(source: Any, kind: str, samples: int | None) -> Surface:
    if isinstance(source, Surface):
        return source
    if kind == "reference":
        from landscape.storage.reference_surface import read_reference_surface

        return read_reference_surface(source, samples)
    from landscape.storage import load

    return load(source)


def _import(source: Any, out: Path, samples: int | None, tell: Tell) -> None:
    from landscape.storage import save

    surface = _opened(source, "reference", samples)
    words = ["landscape", "convert", Path(source).name, out.name, *(["--samples", str(samples)] if samples else [])]
    _make_folder(out)
    save(dataclasses.replace(surface, provenance={**surface.provenance, "command": shlex.join(words)}), out)
    for note in surface.provenance["notes"]:
        tell(note)


def _convert_trajectory(source: Any, out: Path) -> None:
    from landscape.storage.trajectories import read_trajectory, write_trajectory

    trajectory = source if isinstance(source, Trajectory) else read_trajectory(source)
    _make_folder(out)
    write_trajectory(trajectory, out)


def _export(surface: Surface, out: Path, to: str, given: dict[str, Any], overwrite: bool, tell: Tell) -> None:
    from landscape.registry import Spec

    name = Spec.parse(to).target
    exporter = EXPORTERS.get(name)
    takes = inspect.signature(exporter).parameters if callable(exporter) else {}
    open_ended = any(one.kind is one.VAR_KEYWORD for one in takes.values())
    if wrong := [f"--{name}" for name in given if name not in takes and not open_ended]:
        raise LandscapeError(_no_effect(wrong, f"what {name} writes"))
    if name == "csv":
        from landscape.storage.export_tables import sidecar

        _refuse_existing(sidecar(out), overwrite)
    if "metric" in takes:
        surface, given = _for_a_mesh(surface, given, tell)
    elif "split" in takes:
        surface = _first_draw(surface, tell)
    _make_folder(out)
    told = EXPORTERS.build(to, surface, out, **given)
    for note in told if isinstance(told, Iterable) and not isinstance(told, str) else ():
        tell(str(note))
    if not out.exists():
        raise LandscapeError(f"exporter {name} ended without writing {str(out)!r}")


def _for_a_mesh(surface: Surface, given: dict[str, Any], tell: Tell) -> tuple[Surface, dict[str, Any]]:
    """One draw of the directions, with what an adaptive run left out filled in, and the full name of the quantity."""
    from landscape.rendering.quantities import full_name

    surface = _first_draw(surface, tell)
    if surface.job.adaptive:
        tell("what the adaptive run left out is interpolated, as in the figures")
        surface = surface.filled()
    return surface, {**given, "metric": full_name(surface, given.get("metric", "loss"))}


def _first_draw(surface: Surface, tell: Tell) -> Surface:
    if len(surface.policies) > 1:
        raise LandscapeError(
            f"{surface.path or 'this surface'} holds the policies {', '.join(surface.policies)} for BatchNorm's "
            "statistics, and the file that is asked for one surface: choose one with --bn"
        )
    if surface.repeats > 1:
        tell(f"the first of {surface.repeats} draws of the directions: choose another with --repeat")
        return surface.sel(repeat=0)
    return surface


def _make_folder(out: Path) -> None:
    from landscape.storage.opening import make_folder

    make_folder(out)
