"""Layers that add a shortcut and apply ReLU or GELU before their output leaves the caches.

The sums are those of the separate operations; what is saved is a trip of every activation to memory and back. On a CPU
they are oneDNN's convolutions and products with weights packed for it, on a GPU cuDNN's convolutions; all are torch's
own operators.
"""

from __future__ import annotations

import operator
from collections.abc import Collection
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from landscape.errors import LandscapeError
from landscape.models.convolution import FusedConvolution
from landscape.models.graph import Layer, altered, plain_layer, program
from landscape.models.linear import FusedLinear

RELU_FUNCTIONS = {torch.relu, torch.relu_, functional.relu, functional.relu_}
ADDITIONS = {operator.add, operator.iadd, torch.add}
# Beyond it torch's own pool is as quick.
FEW_CHANNELS = 32
FUSED = FusedConvolution | FusedLinear
NOTHING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


class HalvingPool(nn.Module):
    """Maxima over squares of two by two, a border of odd size left out: `max_pool2d(x, 2)` in whole rows.

    torch pools one position at a time, all channels of it at once: with few channels five times as slow on a CPU.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, channels, height, width) to (n, channels, height // 2, width // 2)."""
        height, width = (size - size % 2 for size in inputs.shape[2:])
        rows = inputs.permute(0, 2, 3, 1)[:, :height, :width]
        halves = torch.maximum(rows[:, 0::2], rows[:, 1::2])
        return torch.maximum(halves[:, :, 0::2], halves[:, :, 1::2]).permute(0, 3, 1, 2)


def can_fuse(device: torch.device) -> bool:
    """Whether torch has fused convolutions for a device."""
    if device.type == "cpu":
        return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")  # type: ignore[no-untyped-call]
    return device.type == "cuda"


def fused(model: nn.Module, example: Tensor) -> fx.GraphModule:
    """Write a network down as a program whose layers are fused with what follows them.

    They are 2-D convolutions and, on a CPU, linear layers on tokens.

    Args:
        model: The network, in eval mode; its parameters are shared, not copied.
        example: A batch of two examples, to learn the shapes of activations.

    Returns:
        The program.

    Raises:
        LandscapeError: If the network cannot be traced, or changes in place what is used elsewhere.
    """
    written = program(model)
    graph, modules = written.graph, dict(written.named_modules())
    _refuse_shared_changes(graph, modules)
    for node in graph.nodes:
        if node.op == "call_method" and node.target == "view":
            node.target = "reshape"  # the same where both can be, and channels last need not be views
    with torch.inference_mode():
        _Shapes(written).run(example)
    for node in list(graph.nodes):
        if node.op == "call_module" and type(modules[node.target]) in NOTHING and not altered(modules[node.target]):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    for number, node in enumerate(list(graph.nodes)):
        layer = modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(layer, nn.Conv2d) and _is_plain(layer) and not node.kwargs:
            _fuse_convolution(written, node, layer, f"fused_{number}")
        elif isinstance(layer, nn.Linear) and example.device.type == "cpu" and _is_on_tokens(layer, node):
            _fuse_linear(written, node, layer, f"fused_{number}")
    if example.device.type == "cpu":
        _halve(written)
    graph.lint()
    written.recompile()
    return written


class _Shapes(fx.Interpreter):
    """Runs a program and notes the shape of every value."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            n.meta["shape"] = result.shape
        return result


def _halve(written: fx.GraphModule) -> None:
    """Pool in whole rows where squares of two by two of few channels are pooled."""
    modules = dict(written.named_modules())
    for number, node in enumerate(list(written.graph.nodes)):
        if _pools_squares(node, modules) and (shape := _shape(node)) is not None and shape[1] <= FEW_CHANNELS:
            written.add_submodule(f"pool_{number}", HalvingPool())
            with written.graph.inserting_after(node):
                whole = written.graph.call_module(f"pool_{number}", (node.args[0],))
            whole.meta = dict(node.meta)
            node.replace_all_uses_with(whole)
            written.graph.erase_node(node)


def _pools_squares(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        pool = modules[str(node.target)]
        return (
            type(pool) is nn.MaxPool2d
            and not altered(pool)
            and _settings(pool.kernel_size, pool.stride, pool.padding, pool.dilation)
            and (not pool.ceil_mode and not pool.return_indices)
        )
    if node.op != "call_function" or node.target not in (functional.max_pool2d, torch.max_pool2d):
        return False
    given = dict(zip(("kernel_size", "stride", "padding", "dilation", "ceil_mode"), node.args[1:], strict=False))
    given |= {"padding": 0, "dilation": 1} | given | dict(node.kwargs)
    stride = given.get("stride") or given["kernel_size"]
    plain = not given.get("ceil_mode") and not given.get("return_indices")
    return plain and _settings(given["kernel_size"], stride, given["padding"], given["dilation"])


def _settings(kernel: Any, stride: Any, padding: Any, dilation: Any) -> bool:
    """Whether a pool's settings are those of disjoint squares of two by two."""
    pairs = [one if isinstance(one, tuple) else (one, one) for one in (kernel, stride, padding, dilation)]
    return pairs == [(2, 2), (2, 2), (0, 0), (1, 1)]


def _is_plain(layer: nn.Conv2d) -> bool:
    return plain_layer(layer) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def share_of_work(written: fx.GraphModule, quick: Collection[nn.Module], example: Tensor) -> float:
    """The share of a program's multiplications that some of its layers do.

    Args:
        written: The program.
        quick: Layers of it.
        example: A batch.

    Returns:
        A fraction of the multiplications of all convolutions and linear layers.
    """
    work: dict[nn.Module, float] = {}

    def note(module: nn.Module, inputs: tuple[Any, ...], outputs: Tensor) -> None:
        layer = module.layer if isinstance(module, FUSED) else module
        assert isinstance(layer, Layer)
        # The weight of a transposed convolution is (inputs, outputs, ...), and each input is multiplied with all of it.
        values = inputs[0] if isinstance(layer, nn.modules.conv._ConvTransposeNd) else outputs
        work[layer] = work.get(layer, 0.0) + values.numel() / layer.weight.shape[0] * layer.weight.numel()

    with ExitStack() as stack, torch.inference_mode():
        for module in written.modules():
            if isinstance(module, Layer | FUSED):
                stack.callback(module.register_forward_hook(note).remove)
        written(example)
    return sum(work.get(layer, 0.0) for layer in quick) / max(sum(work.values()), 1.0)


def _fuse_convolution(written: fx.GraphModule, node: fx.Node, layer: nn.Conv2d, name: str) -> None:
    """Put one operation in the place of a convolution and of what follows it alone: a sum, ReLU, or both."""
    modules = dict(written.named_modules())
    end, other = _with_sum(node)
    after = _only_user(end)
    relu = after is not None and _is_relu(after, modules)
    end = after if relu and after is not None else end
    _replace(written, node, end, other, FusedConvolution(layer, relu), name)


def _fuse_linear(written: fx.GraphModule, node: fx.Node, layer: nn.Linear, name: str) -> None:
    """Put one operation in the place of a linear layer and of what follows it alone: a sum or GELU."""
    modules = dict(written.named_modules())
    end, other = _with_sum(node)
    after = _only_user(end)
    gelu = None if other is not None or after is None else _approximation(after, modules)
    end = after if gelu is not None and after is not None else end
    _replace(written, node, end, other, FusedLinear(layer, gelu), name)


def _with_sum(node: fx.Node) -> tuple[fx.Node, fx.Node | None]:
    """Where an operation ends together with the sum that alone uses it, and the other summand."""
    addition = _only_user(node)
    other = None if addition is None else _other_summand(addition, node)
    return (node, None) if other is None or addition is None else (addition, other)


def _replace(
    written: fx.GraphModule, node: fx.Node, end: fx.Node, other: fx.Node | None, module: nn.Module, name: str
) -> None:
    """Call a module in the place of a chain of operations, the first of which is `node` and the last `end`."""
    written.add_submodule(name, module)
    with written.graph.inserting_after(end):
        operands = (node.args[0],) if other is None else (node.args[0], other)
        whole = written.graph.call_module(name, operands)
    whole.meta = dict(end.meta)
    end.replace_all_uses_with(whole)
    while end is not node:
        before = next(one for one in end.all_input_nodes if one is not other)
        written.graph.erase_node(end)
        end = before
    written.graph.erase_node(node)


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _other_summand(node: fx.Node, one: fx.Node) -> fx.Node | None:
    """What is added to a value, if both have the same shape."""
    added = node.op == "call_function" and node.target in ADDITIONS
    added = added or (node.op == "call_method" and node.target in ("add", "add_"))
    if not added or node.kwargs or len(node.args) != 2 or len(node.all_input_nodes) != 2:
        return None
    other = next(operand for operand in node.all_input_nodes if operand is not one)
    return other if _shape(other) == _shape(one) is not None else None


def _shape(node: fx.Node) -> Any:
    return node.meta.get("shape")


def _is_on_tokens(layer: nn.Linear, node: fx.Node) -> bool:
    """Whether a layer has many rows an example, so that packing its weights is soon made up for."""
    inputs = node.args[0] if node.args and not node.kwargs else None
    return plain_layer(layer) and isinstance(inputs, fx.Node) and len(_shape(inputs) or ()) > 2


def _approximation(node: fx.Node, modules: dict[str, nn.Module]) -> str | None:
    """The approximation of a GELU; None where a node is something else."""
    if node.op == "call_module":
        module = modules[str(node.target)]
        return module.approximate if type(module) is nn.GELU and not altered(module) else None
    if node.op != "call_function" or node.target is not functional.gelu or len(node.args) != 1:
        return None
    return str(node.kwargs.get("approximate", "none"))


def _is_relu(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        module = modules[str(node.target)]
        return type(module) is nn.ReLU and not altered(module)
    if node.op == "call_function":
        return node.target in RELU_FUNCTIONS
    return node.op == "call_method" and node.target in ("relu", "relu_")


def _refuse_shared_changes(graph: fx.Graph, modules: dict[str, nn.Module]) -> None:
    """Operations are moved behind others: none of those may change in place what is used elsewhere."""
    for node in graph.nodes:
        if _in_place(node, modules) and any(len(operand.users) > 1 for operand in node.all_input_nodes[:1]):
            name = getattr(node.target, "__name__", node.target)
            raise LandscapeError(f"its operation {name} changes in place what is used elsewhere, too")


def _in_place(node: fx.Node, modules: dict[str, nn.Module]) -> bool:
    if node.op == "call_module":
        return bool(getattr(modules[str(node.target)], "inplace", False))
    if node.op not in ("call_function", "call_method"):
        return False
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    inner = name.endswith("_") and not name.endswith("__")
    return inner or (node.target in (operator.iadd, operator.imul, operator.isub)) or bool(node.kwargs.get("inplace"))
