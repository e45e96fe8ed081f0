"""What an evaluator calls at a point, and the network itself, which is the definition of the rest."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from torch import Tensor, nn

from landscape.data import Batches
from landscape.evaluation.arithmetic import lowered
from landscape.parameters import Coordinates, Subspace


class Network(Protocol):
    """A network that moves through a subspace of its parameters.

    Attributes:
        name: What it is called in the file.
        precision: Arithmetic of its products, one of `PRECISIONS`.
        keeps_nan: Whether NaN shows in the outputs; where it is slower so, it is chosen by the network at coordinates
            that are numbers, and by the caller at tensors.
        module: What it calls.
    """

    name: str
    precision: str
    keeps_nan: bool

    @property
    def module(self) -> nn.Module:
        """What it calls."""

    def follow(self, subspace: Subspace) -> None:
        """Move along other directions from now on."""

    def at(self, point: Coordinates) -> AbstractContextManager[None]:
        """Be at a point, and back at the trained weights on every way out."""

    def largest(self) -> Tensor | None:
        """What `in_range` is to be asked where `keeps_nan` is not chosen; None where it need not be."""

    def in_range(self, largest: float) -> bool:
        """Whether numbers are far from the end of their range, where they become NaN, going by `largest`."""

    def prepared(self, batches: Batches) -> Batches:
        """The examples with the part of the work that is the same at every point; asked at the trained weights."""

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map prepared inputs (n, ...) to outputs (n, ...)."""


class Plain:
    """The network itself, as it computes: the definition that others are compared with.

    Args:
        model: The network, in eval mode.
        subspace: Where it moves.
    """

    name = "eager"

    def __init__(self, model: nn.Module, subspace: Subspace) -> None:
        self.precision = "fp32"
        self.keeps_nan = True
        self._model, self._subspace = model, subspace

    @property
    def module(self) -> nn.Module:
        """The network itself."""
        return self._model

    def follow(self, subspace: Subspace) -> None:
        """Move along other directions from now on."""
        self._subspace = subspace

    def at(self, point: Coordinates) -> AbstractContextManager[None]:
        """Be at a point, and back at the trained weights on every way out."""
        return self._subspace.at(point)

    def largest(self) -> None:
        """Nothing: what runs out of range shows in the outputs."""

    def in_range(self, largest: float) -> bool:
        """Yes."""
        return True

    def prepared(self, batches: Batches) -> Batches:
        """The examples as they are."""
        return batches

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map inputs (n, ...) to outputs (n, ...)."""
        with lowered(self.precision, inputs.device):
            outputs: Tensor = self._model(inputs)
        return outputs
