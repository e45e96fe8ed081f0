"""How many bytes the operations of a network touch at a time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn


def working_set(model: nn.Module, compute: Callable[[], object]) -> int:
    """The largest working set of an operation: its inputs and its outputs.

    Args:
        model: What is called; operations are its modules and theirs.
        compute: Calls it on a batch.

    Returns:
        Bytes, for the whole batch.
    """
    found = [0]

    def note(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], outputs: Any) -> None:
        tensors = [one for one in (*inputs, *named.values(), outputs) if isinstance(one, Tensor)]
        found.append(sum(one.nbytes for one in tensors))

    with ExitStack() as stack:
        for module in model.modules():
            stack.callback(module.register_forward_hook(note, with_kwargs=True).remove)
        compute()
    return max(found)
