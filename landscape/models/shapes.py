"""What the names and shapes of a state dict tell about the network they belong to."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

from landscape.registry import Spec

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

# A counter of BatchNorm that torch has written since 0.4.1; no output depends on it.
COUNTER = "num_batches_tracked"
# What wrappers put before the names of the network that they wrap.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors, without BatchNorm's counters of batches.

    Args:
        state: A state dict.

    Returns:
        A shape for each name.
    """
    return {name: tuple(tensor.shape) for name, tensor in state.items() if name.rpartition(".")[2] != COUNTER}


def with_computed(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """Names and shapes, and those of the weights that parametrizations compute (weight norm, say).

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The same, with `conv1.weight` besides `conv1.parametrizations.weight.original`.
    """
    computed = {}
    for name, shape in shapes.items():
        if found := re.fullmatch(r"(.*\.)parametrizations\.(\w+)\.original1?", name):
            computed[found[1] + found[2]] = shape
    return {**shapes, **computed}


def possible_norms(shapes: Shapes, slot: str) -> list[str]:
    """Names of the normalizations that would leave these tensors in a slot, and in the layers before such slots.

    Args:
        shapes: Names and shapes of a state dict.
        slot: Name of the module, for example `bn1`.

    Returns:
        The likeliest first: several have the same parameters. Those that none can tell from another (a local response
        norm from none, a virtual batch from the whole) are left out.
    """
    here = {name.removeprefix(f"{slot}.") for name in shapes if name.startswith(f"{slot}.")}
    norms = next((found for tensors, found in _TENSORS if tensors <= here), ["none"])
    if norms == ["batch-group"]:
        norms = [_batch_group(shapes)]
    wrapping = _wrapping(shapes)
    return norms if wrapping is None else [_wrapped(wrapping, norm) for norm in norms]


def _batch_group(shapes: Shapes) -> str:
    """Each slot has the greatest common divisor of its channels and the number of groups."""
    found = (shape[0] for name, shape in shapes.items() if name.endswith(".statistics.running_mean"))
    groups = math.lcm(*found)
    return "batch-group" if groups == GROUPS else f"batch-group(groups={groups})"


def _wrapping(shapes: Shapes) -> str | None:
    tensors = {name.partition(".parametrizations.weight.")[2] for name in shapes}
    return next((name for tensor, name in _WRAPPINGS.items() if tensor in tensors), None)


def _wrapped(wrapping: str, norm: str) -> str:
    usual = "group" if wrapping == "weight-standardization" else "none"
    return wrapping if norm == usual else f"{wrapping}(then={norm!r})"


GROUPS = 8  # of batch-group, where the number is not said
_TENSORS: list[tuple[set[str], list[str]]] = [
    ({"mean_weight", "running_mean"}, ["switchable"]),
    ({"statistics.running_mean"}, ["batch-group"]),
    ({"running_mean"}, ["batch"]),
    ({"gamma", "beta"}, ["global-response"]),
    ({"weight", "bias"}, ["group", "layer", "instance"]),
    ({"weight"}, ["rms", "divisive"]),
]
_WRAPPINGS = {
    "0.gain": "scaled-ws",
    "original1": "weight-norm",
    "0._u": "spectral-norm",
    "original": "weight-standardization",
}


def minimal_spec(target: str, factory: Callable[..., Any], **settings: Any) -> Spec:
    """The spec with those settings alone that differ from the factory's defaults.

    Args:
        target: Name of the model.
        factory: What the name stands for.
        settings: All settings that are known.

    Returns:
        The spec.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(factory).parameters.items()}
    known = {name: settings[name] for name in defaults if name in settings}
    return Spec(target, {name: value for name, value in known.items() if defaults[name] != value})


def shared_prefix(names: Iterable[str]) -> str:
    """What wrappers (DataParallel, torch.compile, Lightning) have put before every one of these names.

    Args:
        names: Names of parameters.

    Returns:
        For example `module._orig_mod.`, or an empty string.
    """
    names, prefix = list(names), ""
    while names:
        longer = (prefix + part for part in PREFIXES if all(name.startswith(prefix + part) for name in names))
        extended = next(longer, None)
        if extended is None:
            break
        prefix = extended
    return prefix
