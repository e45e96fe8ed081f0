"""What an evaluator calls at a point: the network itself, or a folded and fused copy that is quicker."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from landscape.data import Batches
from landscape.errors import LandscapeError
from landscape.evaluation.arithmetic import DTYPES, lowered
from landscape.models.folding import fold
from landscape.models.fusing import FusedConvolution, can_fuse, fused
from landscape.parameters import Direction, ParameterSpace, Subspace


class Network(Protocol):
    """A network that moves through a subspace of its parameters.

    Attributes:
        name: What it is called in the file.
        precision: Arithmetic of its products, one of `PRECISIONS`.
    """

    name: str
    precision: str

    def follow(self, subspace: Subspace) -> None:
        """Move along other directions from now on."""

    def at(self, point: Sequence[float]) -> AbstractContextManager[None]:
        """Be at a point, and back at the trained weights on every way out."""

    def prepared(self, batches: Batches) -> Batches:
        """The examples with whatever part of the work is the same at every point of the subspace."""

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
        self._model, self._subspace = model, subspace

    def follow(self, subspace: Subspace) -> None:
        """Move along other directions from now on."""
        self._subspace = subspace

    def at(self, point: Sequence[float]) -> AbstractContextManager[None]:
        """Be at a point, and back at the trained weights on every way out."""
        return self._subspace.at(point)

    def prepared(self, batches: Batches) -> Batches:
        """The examples as they are."""
        return batches

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map inputs (n, ...) to outputs (n, ...)."""
        with lowered(self.precision, inputs.device):
            outputs: Tensor = self._model(inputs)
        return outputs


class Fused:
    """A copy of a network with BatchNorm folded into the weights and convolutions fused with what follows them.

    It computes the network's function under frozen statistics, at every point of the subspace, up to rounding: folding
    maps the directions, too (`Folding.direction`), so that BatchNorm is gone from the forward pass.

    Args:
        model: The network, in eval mode and float32; it is not changed.
        space: Its parameters.
        subspace: Where it moves.
        example: A batch of two examples.

    Raises:
        LandscapeError: If the network cannot be traced, or there is nothing to gain.
    """

    name = "fused"

    def __init__(self, model: nn.Module, space: ParameterSpace, subspace: Subspace, example: Tensor) -> None:
        self.precision = "fp32"
        self._names = _full_names(model, space)
        moved = {self._names[name] for direction in subspace.directions for name in direction.tensors}
        self._folding = fold(model, _scaled(model, moved))
        copy = self._folding.model.eval()
        if not any(one.ndim == 5 for one in (*copy.parameters(), *copy.buffers())):
            copy.to(memory_format=torch.channels_last)
        self._space = ParameterSpace(copy, "all")
        self._program = fused(copy, example)
        self._convolutions = [one for one in self._program.modules() if isinstance(one, FusedConvolution)]
        if not self._convolutions:
            raise LandscapeError("it has no 2-D convolutions to fuse")
        self.follow(subspace)

    @property
    def staying(self) -> tuple[str, ...]:
        """Names of the BatchNorms that could not be folded."""
        return self._folding.staying

    def follow(self, subspace: Subspace) -> None:
        """Move along other directions from now on."""
        short = {full: name for name, full in _full_names(self._folding.model, self._space).items()}
        directions = []
        for direction in subspace.directions:
            step = self._folding.direction({self._names[name]: one for name, one in direction.tensors.items()})
            directions.append(Direction({short[full]: tensor for full, tensor in step.items()}, direction.spec))
        self._subspace = Subspace(self._space, directions)

    @contextmanager
    def at(self, point: Sequence[float]) -> Iterator[None]:
        """Be at a point, and back at the trained weights on every way out.

        Yields:
            Nothing.
        """
        try:
            self._forget()
            with self._subspace.at(point):
                yield
        finally:
            self._forget()

    def prepared(self, batches: Batches) -> Batches:
        """The examples as they are."""
        return batches

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map inputs (n, ...) to outputs (n, ...)."""
        for convolution in self._convolutions:
            convolution.dtype = DTYPES.get(self.precision, torch.float32)
        with lowered(self.precision, inputs.device):
            outputs: Tensor = self._program(inputs)
        return outputs

    def _forget(self) -> None:
        for convolution in self._convolutions:
            convolution.forget()


def cannot_fuse(model: nn.Module, device: torch.device) -> str:
    """Why a network has no fused copy, as far as is known before it is tried.

    Args:
        model: The network.
        device: Where it computes.

    Returns:
        The reason, or nothing.
    """
    if not can_fuse(device):
        return f"torch has no fused convolutions for {device} here"
    other = {one.dtype for one in model.parameters() if one.is_floating_point()} - {torch.float32}
    return f"its parameters are {next(iter(other))}".replace("torch.", "") if other else ""


def _full_names(model: nn.Module, space: ParameterSpace) -> dict[str, str]:
    """The names that torch gives the parameters, by canonical name."""
    full = {id(parameter): name for name, parameter in model.named_parameters()}
    return {entry.name: full[id(entry.parameter)] for entry in space.entries}


def _scaled(model: nn.Module, moved: Collection[str]) -> list[str]:
    """Names of the BatchNorms whose gamma moves: a product of two moving factors is not linear."""
    norms = (name for name, one in model.named_modules() if isinstance(one, nn.modules.batchnorm._BatchNorm))
    return [name for name in norms if f"{name}.weight" in moved]
