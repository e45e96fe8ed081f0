"""Which layers of a network feed which, read from its graph.

torch.fx gives the graph: it runs a copy of the network once, in eval mode, on a symbol in place of a batch.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from landscape.errors import LandscapeError

Layer = nn.modules.conv._ConvNd | nn.Linear
Norm = nn.modules.batchnorm._BatchNorm

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)
NORM_FORWARDS = (Norm.forward, nn.SyncBatchNorm.forward)
OUR_NORMS = "landscape.models.norms."  # the modules of normalizations that torch does not have
# BatchNorms of timm that hold the activation behind them, too.
WITH_ACTIVATION = ("BatchNormAct2d", "SyncBatchNormAct")

# f(C x) = C f(x) for every C > 0: these may stand between the two layers of a pair.
HOMOGENEOUS_MODULES = {
    *(nn.Identity, nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.Flatten, nn.Unflatten),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
    *(nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d),
}
HOMOGENEOUS_FUNCTIONS = {
    *(torch.relu, torch.relu_, functional.relu, functional.relu_, functional.leaky_relu, functional.leaky_relu_),
    *(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d),
    *(functional.max_pool1d, functional.max_pool2d, functional.max_pool3d),
    *(functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
    *(functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d),
    *(functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d),
    *(torch.flatten, torch.reshape, torch.squeeze, torch.mean),
}
HOMOGENEOUS_METHODS = {"relu", "relu_", "flatten", "view", "reshape", "squeeze", "contiguous", "mean"}
# What asks for a tensor's shape does not use its values.
SHAPE_METHODS = {"size", "dim", "ndimension", "numel"}
SHAPE_ATTRIBUTES = {"shape", "ndim", "dtype", "device"}


def copied(model: nn.Module, instead: Mapping[Any, Any] | None = None) -> nn.Module:
    """Copy a network deeply.

    Args:
        model: The network; it is not changed.
        instead: Modules or parameters of it, and what takes the place of each in the copy, wherever it is referred to.

    Returns:
        The copy.

    Raises:
        LandscapeError: If it cannot be copied.
    """
    try:
        return copy.deepcopy(model, {id(module): other for module, other in (instead or {}).items()})
    except Exception as error:  # whatever the user's module holds may refuse
        raise LandscapeError(
            f"the network {type(model).__name__} must be one that can be copied: {_sentence(error)}"
        ) from error


def normalized_layers(model: nn.Module) -> list[tuple[str, str]]:
    """Find the layers whose output goes into a BatchNorm and nowhere else.

    A layer is a convolution, also a transposed one, or a linear layer, as torch defines them. Both modules are
    called once, own their tensors alone, and the BatchNorm keeps running statistics. A linear layer's output is
    taken to be (N, features), so that each channel of the BatchNorm is one of its features.

    Args:
        model: The network; it is not changed.

    Returns:
        Names of the layer and of its BatchNorm, in the order of the calls.

    Raises:
        LandscapeError: If the network cannot be traced.
    """
    graph = _Graph(model)
    return [
        (graph.name(node), graph.name(after))
        for node in graph.nodes
        if (after := graph.consumer(node)) is not None
        and (width := graph.width(node)) is not None
        and graph.is_norm(after, width)
    ]


def relu_pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Find the pairs of layers with nothing between them but positively homogeneous operations.

    These are ReLU (also leaky), max, average and adaptive pooling, means, reshaping, dropout in eval mode and
    identities: f(C x) = C f(x) for C > 0. Every output on the way has a single consumer, and both layers are
    called once and own their tensors alone.

    Args:
        model: The network; it is not changed.

    Returns:
        Names of the first layer and of the second, in the order of the calls of the first.

    Raises:
        LandscapeError: If the network cannot be traced.
    """
    graph = _Graph(model)
    pairs = []
    for node in graph.nodes:
        if graph.width(node) is not None:
            after = graph.consumer(node)
            while after is not None and graph.is_homogeneous(after):
                after = graph.consumer(after)
            if after is not None and graph.width(after) is not None:
                pairs.append((graph.name(node), graph.name(after)))
    return pairs


def program(model: nn.Module) -> fx.GraphModule:
    """Write a network down as the operations that it carries out in eval mode.

    Args:
        model: The network, in eval mode; its modules and parameters are shared, not copied.

    Returns:
        The program, a module that computes the same of a batch.

    Raises:
        LandscapeError: If the network cannot be traced.
    """
    root = _Root(model)
    root.training = False
    return fx.GraphModule(root, _trace(root))


def plain_layer(module: nn.Module | None) -> TypeGuard[Layer]:
    """Whether a module is a layer of torch that computes as torch does, on its own weight."""
    return (
        isinstance(module, LAYERS)
        and any(_computes_as(type(module), kind) for kind in LAYERS)
        and module._parameters.get("weight") is not None
        and "bias" in module._parameters
        and not altered(module)
    )


def altered(module: nn.Module) -> bool:
    """Whether hooks or a forward of its own may change what a module computes."""
    return bool(module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module))


def asks_for_shape(node: fx.Node) -> bool:
    """Whether an operation uses no more of a tensor than its shape and type."""
    attribute = node.target is getattr and node.args[1] in SHAPE_ATTRIBUTES
    return attribute or (node.op == "call_method" and node.target in SHAPE_METHODS)


def width_of(layer: Layer) -> int:
    """The number of output channels or features of a layer."""
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


class _Root(nn.Module):
    """Calls a network on a batch and nothing else, so that its optional arguments keep their defaults."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor) -> Any:
        return self.net(inputs)


class _Tracer(fx.Tracer):
    """Keeps layers and normalizations whole, also those of derived classes, and remembers where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[nn.Module] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, nn.DataParallel | nn.parallel.DistributedDataParallel):
            return False
        norm = isinstance(m, nn.modules.batchnorm._NormBase) or type(m).__module__.startswith(OUR_NORMS)
        return plain_layer(m) or norm or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self.inside.append(m)
        outputs = super().call_module(m, forward, args, kwargs)
        self.inside.pop()  # not reached after an error: the last one is where it happened
        return outputs


class _Graph:
    """The operations of a network in eval mode, in their order, and what each of them is."""

    def __init__(self, model: nn.Module) -> None:
        # Parameters are shared: tracing reads none of them, and a second copy of a large network is not free.
        root = _Root(copied(model, {parameter: parameter for parameter in model.parameters()}))
        for module in root.modules():
            module.training = False
        self.nodes = list(_trace(root).nodes)
        self._modules = dict(root.named_modules())
        self._calls = Counter(node.target for node in self.nodes if node.op == "call_module")
        owners = Counter(id(tensor) for module in root.modules() for tensor in _own_tensors(module))
        read = {id(_attribute(root, str(node.target))) for node in self.nodes if node.op == "get_attr"}
        self._shared = read | {tensor for tensor, number in owners.items() if number > 1}

    def name(self, node: fx.Node) -> str:
        """The name in the network of the module that an operation calls."""
        return str(node.target).removeprefix("net").removeprefix(".")

    def consumer(self, node: fx.Node) -> fx.Node | None:
        """The only operation that uses the values of a node, as its input, if there is one."""
        users = [user for user in node.users if not asks_for_shape(user)]
        return users[0] if len(users) == 1 and _input(users[0]) is node else None

    def width(self, node: fx.Node) -> int | None:
        """The number of outputs of the layer that a node calls, None if it is no layer that may be changed."""
        module = self._module(node)
        return width_of(module) if plain_layer(module) and self._alone(node) else None

    def is_norm(self, node: fx.Node, width: int) -> bool:
        """Whether a node is a BatchNorm over so many channels, with running statistics, that may be changed."""
        module = self._module(node)
        return _plain_norm(module) and self._alone(node) and module.num_features == width

    def is_homogeneous(self, node: fx.Node) -> bool:
        """Whether multiplying the input by a positive number multiplies the output by it."""
        if node.op == "call_module":
            module = self._modules[str(node.target)]
            return type(module) in HOMOGENEOUS_MODULES and not altered(module)
        known = HOMOGENEOUS_FUNCTIONS if node.op == "call_function" else HOMOGENEOUS_METHODS
        return node.target in known

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self._modules[str(node.target)] if node.op == "call_module" else None

    def _alone(self, node: fx.Node) -> bool:
        """Whether the module is called once, and nothing else uses its tensors."""
        tensors = _own_tensors(self._modules[str(node.target)])
        return self._calls[node.target] == 1 and not any(id(tensor) in self._shared for tensor in tensors)


def _plain_norm(module: nn.Module | None) -> TypeGuard[Norm]:
    """Whether a module is a BatchNorm of torch (or one of timm's), with running statistics of its own."""
    return (
        isinstance(module, Norm)
        and (type(module).forward in NORM_FORWARDS or type(module).__name__ in WITH_ACTIVATION)
        and module._buffers.get("running_mean") is not None
        and module._buffers.get("running_var") is not None
        and not altered(module)
    )


def _computes_as(kind: type[nn.Module], known: type[nn.Module]) -> bool:
    methods = ("forward", "_conv_forward")
    return all(getattr(kind, name, None) is getattr(known, name, None) for name in methods)


def _own_tensors(module: nn.Module) -> list[Tensor]:
    return [tensor for tensor in (*module._parameters.values(), *module._buffers.values()) if tensor is not None]


def _attribute(root: nn.Module, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), root)


def _input(node: fx.Node) -> Any:
    return node.args[0] if node.args else node.kwargs.get("input")


def _trace(root: _Root) -> fx.Graph:
    tracer = _Tracer()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return tracer.trace(root)
    except Exception as error:  # the user's own code runs here
        place = tracer.inside[-1] if tracer.inside else root.net
        name = next((name for name, module in root.named_modules() if module is place), "")
        raise LandscapeError(
            "to see which layers feed which, the network must be one that torch.fx can trace, without branches on "
            f"values; in {type(place).__name__} {name.removeprefix('net').removeprefix('.')!r}: {_sentence(error)}"
        ) from error


def _sentence(error: Exception) -> str:
    """The first line of an error's message, or its type where it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
