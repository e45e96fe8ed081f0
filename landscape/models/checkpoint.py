"""The weights in a checkpoint file, whatever the file and however they are wrapped in it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from landscape.errors import LandscapeError, listed, nearest
from landscape.models.containers import Content, open_container
from landscape.models.shapes import shared_prefix

# Where training scripts put the weights, the likeliest first.
KEYS = ("state_dict", "model", "net", "model_state_dict", "model_state", "network", "weights", "params", "module")
AVERAGED = {"ema", "swa", "averaged", "average"}
# Parts of a checkpoint that hold tensors which are not weights.
OTHER_PARTS = ("optim", "scheduler", "lr_scheduler", "callbacks", "loops", "hyper_parameters", "landscape", "scaler")
ACCURACIES = re.compile(
    r"((best|test|val|valid|eval)_)*(acc|accuracy|acc_?1|prec_?1|top_?1|acc_top_?1|top_?1_acc)(_test|_val)?"
)


@dataclass(frozen=True)
class Checkpoint:
    """Weights, and what their file says about them.

    Attributes:
        path: The file.
        name: Its name without folders.
        sha256: Digest of its bytes.
        container: The kind of file, in words.
        state: The weights by name, on the CPU, in the dtypes of the file; prefixes that wrappers put before every
            name are gone.
        key: Where in the file they were, parts joined by `/`; empty for a bare state dict.
        stated: Accuracies that the file states, by their names there, as fractions in [0, 1].
        metadata: The file's own `landscape` entry: specs under `model` and `data`.
        module: The module itself, if the file holds a pickled one and is trusted.
        notes: Everything that was assumed or changed, a sentence each.
        mapped: Whether the weights are parts of the file, mapped into memory; they are only to be read.
    """

    path: Path
    name: str
    sha256: str
    container: str
    state: Mapping[str, Tensor]
    key: str = ""
    stated: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    module: nn.Module | None = None
    notes: tuple[str, ...] = ()
    mapped: bool = False


def read_checkpoint(path: str | PathLike[str], *, trust: bool = False, key: str | None = None) -> Checkpoint:
    """Read the weights in a file; nothing in the file is run unless it is trusted.

    Args:
        path: What `torch.save`, safetensors, TorchScript or `torch.export` wrote.
        trust: Whether code in the file may run: needed for pickled modules and torch.export archives.
        key: Where in the file the weights are, if there are several; raw weights are preferred to averaged ones.

    Returns:
        The weights and what is known about them.

    Raises:
        LandscapeError: If the file is missing, damaged, no checkpoint, in need of trust, or holds no weights
            or several that cannot be told apart.
    """
    path = Path(path)
    content = open_container(path, trust=trust)
    value, notes = content.value, list(content.notes)
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
        notes.append("the file is a list of one; its only entry was taken")
    chosen, found = _choose(path, content, dict(_weights_in(value)), key, notes)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    module = _module(found, notes)
    state = _clean(found.state_dict() if isinstance(found, nn.Module) else found, notes)
    top = value if isinstance(value, Mapping) else {}
    return Checkpoint(
        path=path,
        name=path.name,
        sha256=digest,
        container=content.container,
        state=state,
        key=chosen,
        stated=_stated(top),
        metadata=_metadata(top),
        module=module,
        notes=tuple(notes),
        mapped=content.mapped and module is None,  # a module's own tensors are moved
    )


def _weights_in(value: Any, place: str = "", depth: int = 3) -> Iterator[tuple[str, Any]]:
    """Every state dict and module in a nested dict, with the place where it is."""
    if isinstance(value, nn.Module) or _is_state(value):
        yield place, value
    elif isinstance(value, Mapping) and depth > 0:
        for name, part in value.items():
            if isinstance(name, str) and not name.lower().startswith(OTHER_PARTS):
                yield from _weights_in(part, f"{place}/{name}".lstrip("/"), depth - 1)


def _is_state(value: Any) -> bool:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        return False
    tensors = {name: item for name, item in value.items() if isinstance(item, Tensor)}
    whole = len(tensors) == len(value) or any("." in name for name in tensors)
    return whole and any(tensor.ndim > 0 for tensor in tensors.values())


def _choose(
    path: Path, content: Content, found: Mapping[str, Any], key: str | None, notes: list[str]
) -> tuple[str, Any]:
    if not found:
        raise LandscapeError(
            f"{path} holds no weights: it is a {content.container} with {_description(content.value)}; "
            "pass a file with a state dict"
        )
    if key is not None:
        if key not in found:
            known = [place or "'' (the whole file)" for place in found]
            raise LandscapeError(f"{path} has no weights under {key!r}; {nearest(key, known)}")
        return key, found[key]
    raw = [place for place in found if not averaged(place)] or list(found)
    ranks = {place: _rank(place) for place in raw}
    likely = [place for place in raw if ranks[place] == min(ranks.values())]
    if len(likely) > 1:
        raise LandscapeError(
            f"{path} holds several sets of weights: choose one with --weights KEY, where KEY is {listed(likely)}"
        )
    place = likely[0]
    if averaged(place):
        notes.append(f"these are the averaged weights under {place!r}; the file holds no others")
    for other in found:
        if other != place:
            kind = "averaged weights" if averaged(other) else "weights"
            notes.append(
                f"the weights under {place!r} were taken; choose the {kind} under {other!r} with --weights {other}"
            )
    return place, found[place]


def averaged(place: str) -> bool:
    """Whether the name of a place in a file says that the weights there are averages over training."""
    return bool(AVERAGED & set(re.split(r"[^a-z]+", place.lower())))


def _rank(place: str) -> tuple[int, int]:
    """How unlikely a place is to hold the weights: usual names before others, shallow places before deep ones."""
    parts = place.lower().split("/")
    return min(KEYS.index(part) if part in KEYS else len(KEYS) for part in parts), len(parts)


def _description(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"the keys {listed(map(str, value))}" if value else "an empty dict"
    return f"a {type(value).__name__}"


def _clean(found: Mapping[str, Any], notes: list[str]) -> dict[str, Tensor]:
    """Tensors under names without wrappers' prefixes."""
    state = {name: item.detach() for name, item in found.items() if isinstance(item, Tensor) and name != "n_averaged"}
    if dropped := [name for name in found if name not in state]:
        notes.append(f"entries that are not weights were left out: {listed(dropped)}")
    prefix = shared_prefix(state)
    if prefix:
        notes.append(f"the prefix {prefix!r} was taken off every name")
    return {name.removeprefix(prefix): item for name, item in state.items()}


def _module(found: Any, notes: list[str]) -> nn.Module | None:
    """The pickled module, in float32 where it was shorter."""
    module = found.module if isinstance(found, nn.DataParallel) else found
    if not isinstance(module, nn.Module):
        return None
    tensors = module.state_dict().values()
    short = {tensor.dtype for tensor in tensors if tensor.is_floating_point() and tensor.element_size() < 4}
    if short:
        notes.append(f"{listed(sorted(str(d).removeprefix('torch.') for d in short))} weights converted to float32")
    return module.float() if short else module


def _stated(top: Mapping[Any, Any]) -> dict[str, float]:
    stated = {}
    for name, value in top.items():
        if isinstance(name, str) and ACCURACIES.fullmatch(name.lower().replace("-", "_").replace("@", "")):
            number = _number(value)
            if 0 <= number <= 100:
                stated[name] = number / 100 if number > 1 else number
    return stated


def _number(value: Any) -> float:
    if isinstance(value, bool):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):  # RuntimeError: a tensor with several elements
        return math.nan


def _metadata(top: Mapping[Any, Any]) -> dict[str, Any]:
    entry = top.get("landscape")
    if isinstance(entry, str):  # safetensors keeps text alone
        try:
            entry = json.loads(entry)
        except ValueError:
            entry = None
    return dict(entry) if isinstance(entry, Mapping) else {}
