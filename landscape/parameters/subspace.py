"""Directions in parameter space, the points they span, and how to go there and come back exactly."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError, listed
from landscape.parameters.parametrizations import computed
from landscape.parameters.pieces import inner_product, pieces_of
from landscape.parameters.roles import Filters
from landscape.parameters.space import Entry, ParameterSpace

# Products with coordinates that are tensors take memory of their own up to so many numbers.
AT_ONCE = 1 << 24
# Coordinates of a point, in multiples of the directions: numbers, or tensors without an axis on the device.
Coordinates: TypeAlias = Sequence[float | Tensor]


@dataclass(frozen=True)
class Direction:
    """A direction in parameter space.

    Attributes:
        tensors: One tensor per canonical name, of the parameter's shape; names left out do not move.
        spec: The recipe it came from, or the file.
    """

    tensors: Mapping[str, Tensor]
    spec: str

    def digest(self) -> str:
        """sha256 over the names and float32 values, in the order of the names."""
        total = hashlib.sha256()
        for name in sorted(self.tensors):
            total.update(name.encode() + b"\0")
            flat = self.tensors[name].detach().contiguous()
            for piece in pieces_of(Filters(None), flat.shape):
                total.update(piece.of(flat).float().cpu().numpy().data)
        return total.hexdigest()

    def norms(self, space: ParameterSpace) -> dict[str, float]:
        """Euclidean norm per role."""
        squares: dict[str, float] = {}
        for name, tensor in self.tensors.items():
            entry = space[name]
            squares[entry.role] = squares.get(entry.role, 0.0) + inner_product(entry.filters, tensor, tensor)
        return {role: square**0.5 for role, square in squares.items()}


class Subspace:
    """The points theta_0 + sum_i a_i d_i of a model's parameters.

    Args:
        space: The parameters; their present values are the origin.
        directions: The directions, on any device.

    Attributes:
        directions: The same, laid out as the parameters are; tensors that were so already are shared.

    Raises:
        LandscapeError: If a direction names a parameter that the model lacks, or has another shape.
    """

    def __init__(self, space: ParameterSpace, directions: Sequence[Direction]) -> None:
        entries = {entry.name: entry for entry in space.entries}
        for direction in directions:
            _check_fits(direction, entries)
        names = [name for name in entries if any(name in direction.tensors for direction in directions)]
        self._filters = {name: entries[name].filters for name in names}
        self._parameters: list[Tensor] = [entries[name].parameter for name in names]
        self._origin = [parameter.detach().clone() for parameter in self._parameters]
        self.directions = tuple(_laid_out(direction, names, entries) for direction in directions)
        self._steps: list[tuple[list[Tensor], list[Tensor]]] = [
            ([entries[name].parameter for name in direction.tensors], list(direction.tensors.values()))
            for direction in self.directions
        ]

    @functools.cached_property
    def gram(self) -> list[list[float]]:
        """Inner products of the directions, in float64."""
        return symmetric(len(self.directions), lambda i, j: self._product(self.directions[i], self.directions[j]))

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the first two directions; NaN if there is only one."""
        if len(self.gram) < 2:
            return float("nan")
        scale = (self.gram[0][0] * self.gram[1][1]) ** 0.5
        return self.gram[0][1] / scale if scale else float("nan")

    @contextmanager
    def at(self, point: Coordinates) -> Iterator[None]:
        """Place the model at a point, set from the origin, and restore the origin's bits on every way out.

        Args:
            point: One coordinate per direction, in multiples of it. Tensors are read on the device alone; products with
                them are rounded before they are added.

        Yields:
            Nothing; the model's own parameters have moved meanwhile.
        """
        with torch.no_grad():
            try:
                self._go(point)
                yield
            finally:
                self._return()

    def release(self) -> None:
        """Let go of all tensors; no point can be reached any more."""
        self.directions, self._steps, self._parameters, self._origin = (), [], [], []

    def _go(self, point: Coordinates) -> None:
        for (parameters, step), coordinate in zip(self._steps, point, strict=True):
            if not isinstance(coordinate, Tensor):
                torch._foreach_add_(parameters, step, alpha=float(coordinate))
            elif sum(one.numel() for one in step) <= AT_ONCE:
                torch._foreach_add_(parameters, torch._foreach_mul(step, coordinate.to(step[0].dtype)))
            else:
                for parameter, one in zip(parameters, step, strict=True):
                    parameter.addcmul_(one, coordinate.to(one.dtype))

    def _product(self, a: Direction, b: Direction) -> float:
        both = (name for name in a.tensors if name in b.tensors)
        return sum(inner_product(self._filters[name], a.tensors[name], b.tensors[name]) for name in both)

    def _return(self) -> None:
        torch._foreach_copy_(self._parameters, self._origin)


def symmetric(size: int, entry: Callable[[int, int], float]) -> list[list[float]]:
    """A symmetric matrix from its upper triangle."""
    upper = {(i, j): entry(i, j) for i in range(size) for j in range(i, size)}
    return [[upper[min(i, j), max(i, j)] for j in range(size)] for i in range(size)]


def _laid_out(direction: Direction, names: Sequence[str], entries: Mapping[str, Entry]) -> Direction:
    """A direction on the parameters' devices, in their dtypes, layouts and order."""
    moved = (name for name in names if name in direction.tensors)
    return Direction({name: like(direction.tensors[name], entries[name].parameter) for name in moved}, direction.spec)


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A tensor on the parameter's device, in its dtype and memory layout; itself where it is so already."""
    same = tensor.device == parameter.device and tensor.dtype == parameter.dtype
    if same and tensor.stride() == parameter.stride():
        return tensor
    return torch.empty_like(parameter, requires_grad=False).copy_(tensor)


def _check_fits(direction: Direction, entries: Mapping[str, Entry]) -> None:
    unknown = [name for name in direction.tensors if name not in entries]
    if unknown:
        raise LandscapeError(f"the direction {direction.spec} moves {listed(unknown)}, which the model does not have")
    for name, tensor in direction.tensors.items():
        if tensor.shape != entries[name].parameter.shape:
            raise LandscapeError(
                f"the direction {direction.spec} has shape {tuple(tensor.shape)} for {name}, "
                f"the model {tuple(entries[name].parameter.shape)}: it belongs to another model"
            )


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode, and give it back as it was: buffers, modes and `requires_grad`, bit for bit.

    Args:
        model: The network; its parameters are the business of `Subspace.at`.

    Yields:
        Nothing.
    """
    modes = [(module, module.training) for module in model.modules()]
    needs = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    buffers = [
        (module, name, buffer, None if buffer is None else buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
    ]
    left = computed(model)
    try:
        model.eval()
        yield
    finally:
        for module, name, tensor in left:
            setattr(module, name, tensor)
        for module, mode in modes:
            module.training = mode
        for parameter, flag in needs:
            parameter.requires_grad_(flag)
        with torch.no_grad():
            for module, name, buffer, content in buffers:
                module._buffers[name] = buffer
                if buffer is not None and content is not None:
                    buffer.copy_(content)
