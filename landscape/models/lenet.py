"""LeNet-5 in its usual modern form (after LeCun et al. 1998), with a slot for a normalization behind each layer."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

from landscape.errors import LandscapeError, nearest
from landscape.models.activations import build_activation
from landscape.models.norms import Norm, build_norm
from landscape.models.settings import require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.registry import Spec

POOLS: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


def lenet(
    norm: str | Norm = "none",
    activation: str = "sigmoid",
    classes: int = 10,
    in_channels: int = 1,
    size: int = 28,
    pool: str = "max",
) -> nn.Sequential:
    """Build LeNet-5: two 5x5 convolutions, each pooled by 2, and three linear layers.

    Args:
        norm: Normalization before each of the four activations.
        activation: Activation function.
        classes: Number of outputs.
        in_channels: Channels of the images.
        size: Height and width of the images in pixels, at least 16.
        pool: `max` or `avg`.

    Returns:
        A network from (N, in_channels, size, size) to logits (N, classes).

    Raises:
        LandscapeError: If a name is unknown or the images are too small.
    """
    require_positive("lenet", classes=classes, in_channels=in_channels, size=size)
    if pool not in POOLS:
        raise LandscapeError(f"lenet has no pool {pool!r}; {nearest(pool, POOLS)}")
    side = ((size - 4) // 2 - 4) // 2
    if side < 1:
        raise LandscapeError(
            f"lenet needs images of at least 16x16 pixels, not {size}x{size}; type for example size=28"
        )
    normalization = build_norm(norm)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, (before, after) in enumerate([(in_channels, 6), (6, 16)], start=1):
        layers[f"conv{i}"] = normalization.wrap(nn.Conv2d(before, after, 5))
        layers[f"norm{i}"] = normalization.layer(after, 2)
        layers[f"act{i}"] = build_activation(activation)
        layers[f"pool{i}"] = POOLS[pool](2, 2)
    layers["flatten"] = nn.Flatten()
    for i, (before, after) in enumerate([(16 * side * side, 120), (120, 84)], start=1):
        layers[f"fc{i}"] = normalization.wrap(nn.Linear(before, after))
        layers[f"norm{i + 2}"] = normalization.layer(after, 0)
        layers[f"act{i + 2}"] = build_activation(activation)
    layers["fc3"] = nn.Linear(84, classes)
    return nn.Sequential(layers)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the LeNets that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first; nothing in the tensors tells the activation, and pooling is taken for `max`.
    """
    stem, first, head = (shapes.get(f"{name}.weight") for name in ("conv1", "fc1", "fc3"))
    if stem is None or first is None or head is None or len(stem) != 4 or len(first) != 2:
        return []
    side = math.isqrt(first[1] // 16)
    return [
        minimal_spec("lenet", lenet, norm=n, activation=a, classes=head[0], in_channels=stem[1], size=4 * side + 12)
        for a in ("sigmoid", "relu", "tanh")
        for n in possible_norms(shapes, "norm1")
    ]
