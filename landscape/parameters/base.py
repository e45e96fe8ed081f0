"""The trained values of parameters that move: read back from where they are stored, else from one copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from landscape.parameters.pieces import pieces_of
from landscape.parameters.roles import Filters
from landscape.parameters.space import Entry

HALVES = (torch.float16, torch.bfloat16)
BITS = {8: torch.int64, 4: torch.int32, 2: torch.int16, 1: torch.int8}


class Base:
    """Trained values by canonical name, on the CPU.

    A stored tensor serves where it gives the parameter's present bits; a copy is kept of any other parameter: one that
    is computed, folded or converted from float64, or that no file holds.

    Args:
        model: The network, at its trained weights.
        entries: Those of its parameters that move.
        stored: Tensors that cost no memory, by their names in the network's state dict.
        check: Called before stored tensors are read; raises if they are no longer what they were.

    Attributes:
        kept: Bytes of the copies.
    """

    def __init__(
        self, model: nn.Module, entries: Sequence[Entry], stored: Mapping[str, Tensor], check: Callable[[], None]
    ) -> None:
        self._entries, self._check = entries, check
        self._values: dict[str, Tensor] = {}
        self.kept = 0
        names: dict[int, list[str]] = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            names.setdefault(id(parameter), []).append(name)
        for entry in entries:
            candidates = (stored[name] for name in names[id(entry.parameter)] if name in stored)
            found = next((one for one in candidates if _gives(one, entry.parameter)), None)
            self._values[entry.name] = self._copy(entry.parameter) if found is None else found

    def __getitem__(self, name: str) -> Tensor:
        """The trained values of the parameter of this canonical name, contiguous; a shorter dtype may be stored."""
        self._check()
        return self._values[name]

    def restore(self) -> None:
        """Give all parameters their trained values, bit for bit."""
        self._check()
        for entry in self._entries:
            entry.parameter.detach().copy_(self._values[entry.name])

    def _copy(self, parameter: Tensor) -> Tensor:
        self.kept += parameter.numel() * parameter.element_size()
        return parameter.detach().cpu().clone(memory_format=torch.contiguous_format)


def _gives(stored: Tensor, parameter: Tensor) -> bool:
    """Whether copying a stored tensor gives a parameter's bits; half precision is widened exactly in any case."""
    widened = stored.dtype in HALVES and parameter.dtype == torch.float32
    if (
        stored.shape != parameter.shape
        or not stored.is_contiguous()
        or not (stored.dtype == parameter.dtype or widened)
    ):
        return False
    integer, own = BITS[parameter.element_size()], parameter.detach().contiguous()
    return all(
        torch.equal(piece.of(stored).to(parameter.dtype).view(integer), piece.of(own).cpu().view(integer))
        for piece in pieces_of(Filters(None), parameter.shape)
    )
