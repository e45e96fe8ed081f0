"""LeNet-5 in its usual modern form (after LeCun et al. 1998), with a slot for a normalization behind each layer."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from landscape.errors import LandscapeError, nearest
from landscape.models.activations import build_activation
from landscape.models.norms import build_norm

POOLS: dict[str, type[nn.Module]] = {"max": nn.MaxPool2d, "avg": nn.AvgPool2d}


def lenet(
    norm: str = "none",
    activation: str = "sigmoid",
    classes: int = 10,
    in_channels: int = 1,
    size: int = 28,
    pool: str = "max",
) -> nn.Sequential:
    """Build the network: two 5x5 convolutions, each pooled by 2, and three linear layers.

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
