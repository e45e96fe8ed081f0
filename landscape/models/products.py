"""The first layer of a network, whose output is linear in its weights: computed once for all points of a subspace."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from landscape.models.graph import altered, asks_for_shape, plain_layer

FLATTENING = {"flatten", "view", "reshape", "contiguous"}


class Combination(nn.Module):
    """The output of a linear layer at a point, from its products with the inputs.

    With weights W + sum_i a_i D_i and biases b + sum_i a_i d_i the output is (W x + b) + sum_i a_i (D_i x + d_i).

    Attributes:
        layer: The layer, with its weights at the trained ones.
        coordinates: The a_i, numbers or tensors without an axis.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.coordinates: Sequence[float | Tensor] = ()

    def products(self, inputs: Tensor, steps: Sequence[tuple[Tensor | None, Tensor | None]]) -> Tensor:
        """Multiply inputs with the weights and with every direction.

        Args:
            inputs: Shape (n, ...), flattened to (n, features).
            steps: For each direction, the steps of the weights and of the biases; None for what does not move.

        Returns:
            Shape (n, 1 + directions, outputs).
        """
        rows = inputs.flatten(1)
        found = [self.layer(rows)]
        for weight, bias in steps:
            product = torch.zeros_like(found[0]) if weight is None else rows @ weight.T
            found.append(product if bias is None else product + bias)
        return torch.stack(found, dim=1)

    def forward(self, products: Tensor) -> Tensor:
        """Map products (n, 1 + directions, outputs) to outputs (n, outputs)."""
        total = products[:, 0]
        for number, coordinate in enumerate(self.coordinates, start=1):
            if isinstance(coordinate, Tensor):
                total = torch.addcmul(total, products[:, number], coordinate.to(total.dtype))
            else:
                total = torch.add(total, products[:, number], alpha=coordinate)
        return total


def without_first_layer(written: fx.GraphModule, shape: torch.Size) -> tuple[fx.GraphModule, Combination] | None:
    """Let a program begin behind its first layer, if that is a linear one on the flattened inputs.

    Args:
        written: The program; it is not changed.
        shape: That of an example.

    Returns:
        A program that takes `Combination.products`, and what combines them; None where the first layer is another.
    """
    graph = copy.deepcopy(written.graph)
    begin = next(node for node in graph.nodes if node.op == "placeholder")
    node = begin
    while (after := _only_reader(node)) is not None and _flattens(after, written):
        node = after
    layer = written.get_submodule(str(after.target)) if after is not None and after.op == "call_module" else None
    if after is None or after.kwargs or not _takes_all(layer, shape):
        return None
    assert isinstance(layer, nn.Linear)
    combination = Combination(layer)
    rest = fx.GraphModule(written, graph)
    rest.add_submodule("combination", combination)
    with graph.inserting_after(begin):
        combined = graph.call_module("combination", (begin,))
    after.replace_all_uses_with(combined)
    graph.eliminate_dead_code()
    rest.recompile()
    return rest, combination


def _takes_all(layer: nn.Module | None, shape: torch.Size) -> bool:
    """Whether a layer is linear in all the numbers of an example, in a row."""
    return isinstance(layer, nn.Linear) and plain_layer(layer) and bool(layer.in_features == shape.numel())


def _only_reader(node: fx.Node) -> fx.Node | None:
    """The only operation that uses the values of a node, not merely its shape."""
    readers = [user for user in node.users if not asks_for_shape(user)]
    return readers[0] if len(readers) == 1 else None


def _flattens(node: fx.Node, written: fx.GraphModule) -> bool:
    """Whether a node may only change the shape; that the layer gets (n, features) follows from its weights."""
    if node.op == "call_module":
        module = written.get_submodule(str(node.target))
        return type(module) in (nn.Flatten, nn.Identity) and not altered(module)
    return getattr(node.target, "__name__", node.target) in FLATTENING
