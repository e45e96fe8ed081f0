"""The network itself, compiled by torch: normalizations, activations and sums are computed in one go."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.evaluation.arithmetic import lowered
from landscape.evaluation.memory import out_of_memory
from landscape.evaluation.networks import Plain
from landscape.parameters import Subspace


class Compiled(Plain):
    """The network itself, compiled by `torch.compile`, which reads its weights where they lie.

    It is compiled for one number of examples; what is fewer is filled up, what is more is cut. Examples must not depend
    on one another.

    Args:
        model: The network, in eval mode.
        subspace: Where it moves.
        size: The number of examples.

    Attributes:
        size: The present one; halved when memory runs out, and the error goes on to the caller.
    """

    name = "compiled"

    def __init__(self, model: nn.Module, subspace: Subspace, size: int) -> None:
        super().__init__(model, subspace)
        self.size = size
        # Whole or not at all: what is compiled in pieces falls back, piece by piece and in silence, in long processes.
        self._compiled = torch.compile(_fresh(model), dynamic=False, fullgraph=True)
        self._rooms: dict[tuple[torch.Size, torch.dtype], Tensor] = {}
        self._known: set[tuple[object, ...]] = set()

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map inputs (n, ...) to outputs (n, ...)."""
        with lowered(self.precision, inputs.device):
            parts = [self._part(one) for one in torch.split(inputs, self.size)]
        return torch.cat(parts) if len(parts) > 1 else parts[0]

    def _part(self, inputs: Tensor) -> Tensor:
        number, room = len(inputs), self._filled(inputs)
        key = room.shape, room.dtype, self.precision
        try:
            if key in self._known:
                return self._compiled(room)[:number]
            with _quiet():
                outputs = self._compiled(room)
        except (MemoryError, RuntimeError) as error:
            if out_of_memory(error):
                self._rooms.clear()
                self.size = max(self.size // 2, 1)
            raise
        if not isinstance(outputs, Tensor) or outputs.shape[:1] != room.shape[:1]:
            raise LandscapeError("the examples are not along the first axis of the network's outputs")
        self._known.add(key)
        return outputs[:number]

    def _filled(self, inputs: Tensor) -> Tensor:
        """The inputs at the head of a tensor that is always the same: another layout would be compiled anew."""
        key = inputs.shape[1:], inputs.dtype
        if key not in self._rooms:
            layout = torch.channels_last if _channels_last(self.module, inputs) else torch.contiguous_format
            shape = (self.size, *inputs.shape[1:])
            self._rooms[key] = torch.empty(shape, dtype=inputs.dtype, device=inputs.device, memory_format=layout)
        room = self._rooms[key]
        room[: len(inputs)].copy_(inputs)
        room[len(inputs) :] = inputs[:1]
        return room


def cannot_compile(model: nn.Module, device: torch.device) -> str:
    """Why a network cannot be compiled, as far as is known before it is tried.

    Args:
        model: The network.
        device: Where it computes.

    Returns:
        The reason, or nothing.
    """
    if device.type not in ("cpu", "cuda"):
        return f"torch.compile is not used on {device}"
    if os.environ.get("TORCHDYNAMO_DISABLE", "0") not in ("", "0"):
        return "TORCHDYNAMO_DISABLE is set"
    return "the network is compiled already" if is_compiled(model) else ""


def is_compiled(model: nn.Module) -> bool:
    """Whether a part of a network is TorchScript or compiled by torch, and so is not called module by module."""
    return any(isinstance(one, torch.jit.ScriptModule) or hasattr(one, "_orig_mod") for one in model.modules())


def _channels_last(model: nn.Module, inputs: Tensor) -> bool:
    """Whether inputs are laid out as the convolutions take them."""
    weights = (one for one in model.parameters() if one.ndim == 4)
    return inputs.ndim == 4 and any(not one.is_contiguous() for one in weights)


def _fresh(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """A function with code of its own: torch compiles the code that networks share eight times, and then no more."""

    def forward(inputs: Tensor) -> Tensor:
        outputs: Tensor = model(inputs)
        return outputs

    return FunctionType(forward.__code__.replace(), forward.__globals__, "forward", None, forward.__closure__)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the compiler's advice to its own developers away from the run's messages."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
