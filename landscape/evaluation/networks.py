"""What an evaluator calls at a point: the network itself, or a folded and fused copy that is quicker."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor, fx, nn

from landscape.data import Batches, fits
from landscape.errors import LandscapeError
from landscape.evaluation.arithmetic import DTYPES, lowered
from landscape.models.convolution import FusedConvolution
from landscape.models.folding import fold
from landscape.models.fusing import FUSED, can_fuse, fused, share_of_work
from landscape.models.products import without_first_layer
from landscape.parameters import Coordinates, Direction, ParameterSpace, Subspace

# The share of the work below which a copy is not worth its memory.
WORTH = 0.2
# Products of the inputs with the first layer are kept for all points up to this many bytes.
MOST_PRODUCTS = 1 << 30
FEW_BYTES = 1 << 24  # which are kept without asking how much memory is free


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


class Fused:
    """A copy of a network with BatchNorm folded into the weights and layers fused with what follows them.

    A first layer that is linear in the flattened inputs is multiplied with them once, for all points of the subspace.
    The copy computes the network's function under frozen statistics, at every point of the subspace, up to rounding:
    folding maps the directions, too (`Folding.direction`), so that BatchNorm is gone from the forward pass.

    A ReLU within a convolution makes 0 of NaN. At every point two examples are therefore tried before the rest: where
    they come within the square root of the largest number of the arithmetic, ReLU is left to torch, which keeps NaN.

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
        self._layers = [one for one in self._program.modules() if isinstance(one, FUSED)]
        shortened = without_first_layer(self._program, example.shape[1:])
        self._rest = None if shortened is None else shortened[0]
        self._first = None if shortened is None else shortened[1]
        self._shape = example.shape[1:]
        self._example = example
        self._begins_fused = _begins_fused(self._program)
        self._relus = [one for one in self._layers if isinstance(one, FusedConvolution) and one.relu]
        self._tried_for: str | None = ""
        self._refuse_little(copy)
        self.follow(subspace)

    def _refuse_little(self, copy: nn.Module) -> None:
        """A copy has to be worth its memory."""
        quick: set[nn.Module] = {one.layer for one in self._layers}
        quick |= {copy.get_submodule(name) for name in self._folding.norms}
        quick |= set() if self._first is None else {self._first.layer}
        share = share_of_work(self._program, quick, self._example)
        if share < WORTH:
            raise LandscapeError(
                f"only {share:.0%} of its multiplications are in layers that could be folded, fused or taken out"
                if quick
                else "it has no BatchNorm to fold, no 2-D convolutions to fuse, and does not begin with a linear layer"
            )

    @property
    def module(self) -> nn.Module:
        """The copy, as a program."""
        return self._program

    def follow(self, subspace: Subspace) -> None:
        """Move along other directions from now on."""
        short = {full: name for name, full in _full_names(self._folding.model, self._space).items()}
        directions = []
        for direction in subspace.directions:
            step = self._folding.direction({self._names[name]: one for name, one in direction.tensors.items()})
            directions.append(Direction({short[full]: tensor for full, tensor in step.items()}, direction.spec))
        self._subspace = Subspace(self._space, directions)
        if self._first is not None:
            named = {id(entry.parameter): entry.name for entry in self._space.entries}
            weight, bias = (named.get(id(one), "") for one in (self._first.layer.weight, self._first.layer.bias))
            moved = [direction.tensors for direction in self._subspace.directions]
            self._steps = [(tensors.get(weight), tensors.get(bias)) for tensors in moved]

    @contextmanager
    def at(self, point: Coordinates) -> Iterator[None]:
        """Be at a point, and back at the trained weights on every way out.

        Args:
            point: Its coordinates; where they are tensors, `keeps_nan` is for the caller to choose.

        Yields:
            Nothing.
        """
        try:
            self._moved_to(point)
            with self._subspace.at(point):
                yield
        finally:
            self._moved_to([0.0] * len(point))

    def prepared(self, batches: Batches) -> Batches:
        """The examples, laid out as a GPU takes them, or their products with the first layer and its directions."""
        if self._first is None:
            inputs = batches.inputs
            if not (isinstance(inputs, Tensor) and inputs.is_cuda and self._begins_fused):
                return batches
            return dataclasses.replace(batches, inputs=inputs.contiguous(memory_format=torch.channels_last))
        shape = (1 + len(self._steps), self._first.layer.out_features)
        size = len(batches) * math.prod(shape) * batches.inputs.dtype.itemsize
        if size > MOST_PRODUCTS or (size > FEW_BYTES and not fits(2 * size)) or self._shape == shape:
            return batches
        with torch.inference_mode():
            products = [self._first.products(inputs, self._steps) for inputs in batches.chunks()]
        return dataclasses.replace(batches, inputs=torch.cat(products))

    @property
    def keeps_nan(self) -> bool:
        """Whether ReLU is left to torch."""
        return all(convolution.keeps_nan for convolution in self._relus)

    @keeps_nan.setter
    def keeps_nan(self, value: bool) -> None:
        for convolution in self._relus:
            convolution.keeps_nan = value

    def largest(self) -> Tensor | None:
        """The largest absolute value before a ReLU that two examples give at the present weights; NaN if one is."""
        if not self._relus:
            return None
        seen: list[Tensor] = []
        before, self.keeps_nan = self.keeps_nan, True
        for convolution in self._relus:
            convolution.seen = seen
        try:
            self._outputs(self._example)
        finally:
            self.keeps_nan = before
            for convolution in self._relus:
                convolution.seen = None
        return torch.stack(seen).max()

    def in_range(self, largest: float) -> bool:
        """Whether other examples are far from the largest number, too."""
        return largest < math.sqrt(torch.finfo(DTYPES.get(self.precision, torch.float32)).max)

    def __call__(self, inputs: Tensor) -> Tensor:
        """Map inputs (n, ...) to outputs (n, ...)."""
        if self._tried_for not in (self.precision, None):
            largest = self.largest()
            self.keeps_nan = largest is not None and not self.in_range(float(largest))
            self._tried_for = self.precision
        return self._outputs(inputs)

    def _outputs(self, inputs: Tensor) -> Tensor:
        for layer in self._layers:
            layer.dtype = DTYPES.get(self.precision, torch.float32)
        program = self._program if self._rest is None or inputs.shape[1:] == self._shape else self._rest
        with lowered(self.precision, inputs.device):
            outputs: Tensor = program(inputs)
        return outputs

    def _moved_to(self, point: Coordinates) -> None:
        self._tried_for = None if any(isinstance(one, Tensor) for one in point) else ""
        if self._first is not None:
            self._first.coordinates = point
        for layer in self._layers:
            layer.forget()


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
    if any(one._forward_hooks or one._forward_pre_hooks for one in model.modules()):
        return "it has hooks, which a copy does not call"
    other = {one.dtype for one in model.parameters() if one.is_floating_point()} - {torch.float32}
    return f"its parameters are {next(iter(other))}".replace("torch.", "") if other else ""


def _begins_fused(program: fx.GraphModule) -> bool:
    """Whether the inputs go into fused convolutions and nowhere else, so that their layout does not matter."""
    inputs = next(node for node in program.graph.nodes if node.op == "placeholder")
    return all(
        user.op == "call_module" and isinstance(program.get_submodule(str(user.target)), FusedConvolution)
        for user in inputs.users
    )


def _full_names(model: nn.Module, space: ParameterSpace) -> dict[str, str]:
    """The names that torch gives the parameters, by canonical name."""
    full = {id(parameter): name for name, parameter in model.named_parameters()}
    return {entry.name: full[id(entry.parameter)] for entry in space.entries}


def _scaled(model: nn.Module, moved: Collection[str]) -> list[str]:
    """Names of the BatchNorms whose gamma moves: a product of two moving factors is not linear."""
    norms = (name for name, one in model.named_modules() if isinstance(one, nn.modules.batchnorm._BatchNorm))
    return [name for name in norms if f"{name}.weight" in moved]
