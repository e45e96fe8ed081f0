"""Multilayer perceptrons."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Sequence

from torch import nn

from landscape.errors import LandscapeError
from landscape.models.activations import build_activation
from landscape.models.norms import Norm, build_norm
from landscape.models.settings import require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.registry import Spec


def mlp(
    inputs: int = 784,
    hidden: int | Sequence[int] = (256, 256),
    classes: int = 10,
    norm: str | Norm = "none",
    activation: str = "relu",
) -> nn.Sequential:
    """Build linear layers with a normalization and an activation between them.

    Args:
        inputs: Features of one example, all its axes flattened.
        hidden: Widths of the hidden layers.
        classes: Number of outputs.
        norm: Normalization before each activation.
        activation: Activation function.

    Returns:
        A network from (N, ...) with `inputs` values per example to logits (N, classes); its layers are
        `fc1, norm1, act1, fc2, ...`.

    Raises:
        LandscapeError: If a width is not a positive number, or the normalization needs positions.
    """
    widths = (inputs, *(hidden if isinstance(hidden, Sequence) else [hidden]), classes)
    for width in widths:
        require_positive("mlp", width=width)
    normalization = build_norm(norm)
    if normalization.needs_positions:
        raise LandscapeError(f"the norm {norm!r} needs positions, and features have none; type norm='layer'")
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for i, (before, after) in enumerate(itertools.pairwise(widths[:-1]), start=1):
        layers[f"fc{i}"] = normalization.wrap(nn.Linear(before, after))
        layers[f"norm{i}"] = normalization.layer(after, 0)
        layers[f"act{i}"] = build_activation(activation)
    layers[f"fc{len(widths) - 1}"] = nn.Linear(widths[-2], classes)
    return nn.Sequential(layers)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the perceptrons that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first; nothing in the tensors tells the activation.
    """
    layers = [shapes.get(f"fc{i}.weight", ()) for i in range(1, len(shapes) + 1)]
    layers = list(itertools.takewhile(bool, layers))
    if not layers or any(len(shape) != 2 for shape in layers):
        return []
    hidden = tuple(shape[0] for shape in layers[:-1])
    size = {"inputs": layers[0][1], "hidden": hidden, "classes": layers[-1][0]}
    return [
        minimal_spec("mlp", mlp, **size, norm=norm, activation=activation)
        for activation in ("relu", "tanh", "sigmoid")
        for norm in possible_norms(shapes, "norm1")
    ]
