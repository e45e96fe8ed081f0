"""Pairs (input, target) as users' loaders give them: checked, and as plain tensors on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from landscape.errors import LandscapeError

Pair = tuple[Tensor, Tensor]


def pair_of(item: Any, split: str) -> Pair:
    """Check what a loader gave.

    Args:
        item: Should be (input, target), a tensor or an array each, whose first axis counts the examples.
        split: Name of the split, for messages.

    Returns:
        Both as tensors on the CPU.

    Raises:
        LandscapeError: If it is something else.
    """
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        what = f"{type(item).__name__} of {len(item)}" if isinstance(item, (tuple, list)) else type(item).__name__
        raise LandscapeError(
            f"a batch for {split!r} must be (input, target), not a {what}; "
            "wrap the loader in a function that yields such pairs"
        )
    first, second = (_tensor(part) for part in item)
    for part, name in ((first, "input"), (second, "target")):
        if not isinstance(part, Tensor) or part.dim() == 0:
            raise LandscapeError(
                f"the {name} of a batch for {split!r} must be one tensor whose first axis counts the examples, "
                f"not {'a single number' if isinstance(part, Tensor) else 'a ' + type(part).__name__}"
            )
    if len(first) != len(second):
        raise LandscapeError(
            f"a batch for {split!r} has {len(first)} inputs and {len(second)} targets; each input needs one target"
        )
    return first.detach().cpu(), second.detach().cpu()


def check_alike(pairs: Sequence[Pair], split: str) -> None:
    """Refuse pairs of several shapes or types.

    Args:
        pairs: What a loader gave.
        split: Name of the split, for messages.

    Raises:
        LandscapeError: If they differ beyond the first axis.
    """
    for place, what in enumerate(("inputs", "targets")):
        kinds = sorted({(tuple(pair[place].shape[1:]), str(pair[place].dtype)) for pair in pairs})
        if len(kinds) > 1:
            (shape, dtype), (other_shape, other_dtype) = kinds[:2]
            raise LandscapeError(
                f"the {what} for {split!r} must have one shape and type in all batches, "
                f"not {shape} {dtype} and {other_shape} {other_dtype}"
            )


def plain(pair: Pair, split: str) -> Pair:
    """Convert a pair to what networks and losses take.

    Args:
        pair: As `pair_of` gave it.
        split: Name of the split, for messages.

    Returns:
        Contiguous inputs, float32 where they are floating point or bytes of images, which are scaled to [0, 1]; and
        targets, int64 where they are integers.

    Raises:
        LandscapeError: If inputs are not finite.
    """
    inputs, targets = pair
    if are_bytes(inputs):
        inputs = inputs.float() / 255
    inputs = (inputs.float() if inputs.is_floating_point() else inputs).contiguous()
    if inputs.is_floating_point() and not inputs.isfinite().all():
        raise LandscapeError(f"the inputs for {split!r} contain NaN or infinite values; mend the loader")
    return inputs, targets if targets.is_floating_point() or targets.is_complex() else targets.long()


def are_bytes(inputs: Tensor) -> bool:
    """Whether inputs are images of bytes, 0 to 255."""
    return inputs.dtype == torch.uint8 and inputs.dim() > 2


def prepared_in_words(inputs: Tensor) -> tuple[str, tuple[str, ...]]:
    """What `plain` does to inputs, for the job, and a note on it.

    Args:
        inputs: As `pair_of` gave them.

    Returns:
        The preprocessing, and one note or none.
    """
    if are_bytes(inputs):
        return "scaled to [0, 1]", ("the loader gives uint8 images, which are scaled to [0, 1]",)
    return "as the loader gives them", ()


def _tensor(part: Any) -> Any:
    """An array as a tensor of its own (it may be read-only or reversed); anything else as it is."""
    if isinstance(part, Tensor) or not hasattr(part, "__array__"):
        return part
    array = np.array(part, order="C")
    return torch.from_numpy(array) if array.dtype.kind in "biufc" else part
