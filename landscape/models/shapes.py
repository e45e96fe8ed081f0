"""What the names and shapes of a state dict tell about the network they belong to."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

from landscape.errors import LandscapeError
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


def possible_norms(shapes: Shapes, slot: str) -> list[str]:
    """Names of the normalizations that would leave these tensors in a slot.

    Args:
        shapes: Names and shapes of a state dict.
        slot: Name of the module, for example `bn1`.

    Returns:
        Group and layer normalization have the same parameters, so there may be several.
    """
    if f"{slot}.running_mean" in shapes:
        return ["batch"]
    return ["group", "layer"] if f"{slot}.weight" in shapes else ["none"]


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
    return Spec(target, {name: value for name, value in settings.items() if defaults[name] != value})


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


def require_positive(model: str, **settings: Any) -> None:
    """Check the sizes that a user chose for a network.

    Args:
        model: Name of the network.
        settings: Values that must be positive whole numbers.

    Raises:
        LandscapeError: If one is not.
    """
    for name, value in settings.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise LandscapeError(f"{name} of {model} must be a positive whole number, not {value!r}")
