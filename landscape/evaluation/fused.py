"""A folded and fused copy of a network: the same function, quicker."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn

from landscape.data import Batches, fits
from landscape.errors import LandscapeError
from landscape.evaluation.arithmetic import DTYPES, lowered
from landscape.models.convolution import FusedConvolution
from landscape.models.folding import fold
from landscape.models.fusing import FUSED, can_fuse, fused, share_of_work
from landscape.models.products import Combination, without_first_layer
from landscape.parameters import Coordinates, Direction, ParameterSpace, Subspace

# The share of the work below which a copy is not worth its memory.
WORTH = 0.2
# Products of the inputs with the first layer are kept for all points up to this many bytes.
MOST_PRODUCTS = 1 << 30
FEW_BYTES = 1 << 24  # which are kept without asking how much memory is free


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
        self._relus = _Relus([one for one in self._layers if isinstance(one, FusedConvolution) and one.relu])
        shortened = without_first_layer(self._program, example.shape[1:])
        self._first = None if shortened is None else _First(*shortened, example.shape[1:], self._space)
        self._example = example
        self._begins_fused = _begins_fused(self._program)
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
            self._first.follow(self._subspace)

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
        if self._first is not None:
            return self._first.products(batches)
        inputs = batches.inputs
        if not (isinstance(inputs, Tensor) and inputs.is_cuda and self._begins_fused):
            return batches
        return dataclasses.replace(batches, inputs=inputs.contiguous(memory_format=torch.channels_last))

    @property
    def keeps_nan(self) -> bool:
        """Whether ReLU is left to torch."""
        return self._relus.keep_nan

    @keeps_nan.setter
    def keeps_nan(self, value: bool) -> None:
        self._relus.keep_nan = value

    def largest(self) -> Tensor | None:
        """The largest absolute value before a ReLU that two examples give at the present weights; NaN if one is."""
        return self._relus.largest(lambda: self._outputs(self._example))

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
        program = self._first.rest if self._first is not None and self._first.takes(inputs) else self._program
        with lowered(self.precision, inputs.device):
            outputs: Tensor = program(inputs)
        return outputs

    def _moved_to(self, point: Coordinates) -> None:
        self._tried_for = None if any(isinstance(one, Tensor) for one in point) else ""
        if self._first is not None:
            self._first.move_to(point)
        for layer in self._layers:
            layer.forget()


class _Relus:
    """ReLUs within convolutions, which make 0 of NaN where they are not left to torch."""

    def __init__(self, convolutions: Sequence[FusedConvolution]) -> None:
        self._convolutions = convolutions

    @property
    def keep_nan(self) -> bool:
        """Whether they are left to torch."""
        return all(convolution.keeps_nan for convolution in self._convolutions)

    @keep_nan.setter
    def keep_nan(self, value: bool) -> None:
        for convolution in self._convolutions:
            convolution.keeps_nan = value

    def largest(self, evaluate: Callable[[], object]) -> Tensor | None:
        """The largest absolute value that one of them is given during an evaluation; None where there are none."""
        if not self._convolutions:
            return None
        seen: list[Tensor] = []
        before, self.keep_nan = self.keep_nan, True
        for convolution in self._convolutions:
            convolution.seen = seen
        try:
            evaluate()
        finally:
            self.keep_nan = before
            for convolution in self._convolutions:
                convolution.seen = None
        return torch.stack(seen).max()


class _First:
    """A first layer that is linear in the flattened inputs, and the program behind it."""

    def __init__(
        self, rest: fx.GraphModule, combination: Combination, shape: torch.Size, space: ParameterSpace
    ) -> None:
        self.rest, self._combination, self._shape = rest, combination, shape
        named = {id(entry.parameter): entry.name for entry in space.entries}
        self._names = [named.get(id(one), "") for one in (self.layer.weight, self.layer.bias)]
        self._steps: list[tuple[Tensor | None, Tensor | None]] = []

    @property
    def layer(self) -> nn.Linear:
        """The layer."""
        return self._combination.layer

    def follow(self, subspace: Subspace) -> None:
        """Move along other directions from now on."""
        weight, bias = self._names
        moved = (direction.tensors for direction in subspace.directions)
        self._steps = [(tensors.get(weight), tensors.get(bias)) for tensors in moved]

    def move_to(self, point: Coordinates) -> None:
        """Combine the products for a point from now on."""
        self._combination.coordinates = point

    def takes(self, inputs: Tensor) -> bool:
        """Whether inputs are products, and no examples."""
        return inputs.shape[1:] != self._shape

    def products(self, batches: Batches) -> Batches:
        """Products of the examples with the layer and its directions; the examples where those are too large."""
        shape = (1 + len(self._steps), self.layer.out_features)
        size = len(batches) * math.prod(shape) * batches.inputs.dtype.itemsize
        if size > MOST_PRODUCTS or (size > FEW_BYTES and not fits(2 * size)) or self._shape == shape:
            return batches
        with torch.inference_mode():
            products = [self._combination.products(inputs, self._steps) for inputs in batches.chunks()]
        return dataclasses.replace(batches, inputs=torch.cat(products))


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
