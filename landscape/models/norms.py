"""Normalizations, each a pair of hooks, so that one network definition serves them all.

Batch, layer and group normalization *are layers*; others (weight normalization, weight standardization,
spectral normalization) *wrap the layer before them*. A network calls both hooks at every slot; the hook
that a normalization does not need gives back an identity, so that names and indices never shift between
networks that differ only in their normalization.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from landscape.errors import LandscapeError
from landscape.registry import Registry, Spec

NORMS = Registry(
    "norm",
    {name: f"landscape.models.norms:{name}" for name in ("batch", "none", "layer", "group")},
)


def unwrapped(module: nn.Module) -> nn.Module:
    """Give the module back as it is."""
    return module


@dataclass(frozen=True)
class Norm:
    """The two hooks of a normalization.

    Attributes:
        layer: `layer(channels, dimensions)` makes the module for a slot behind a layer with so many output
            channels; dimensions counts the spatial axes of its input: 0 for (N, C), 2 for (N, C, H, W).
        wrap: `wrap(module)` reparametrises the convolution or linear layer before the slot.
    """

    layer: Callable[[int, int], nn.Module]
    wrap: Callable[[nn.Module], nn.Module] = unwrapped


def batch(eps: float = 1e-5, momentum: float = 0.1) -> Norm:
    """Normalise each channel by its mean and variance over the batch (Ioffe & Szegedy 2015, 1502.03167).

    Args:
        eps: Added to the variance.
        momentum: Weight of the newest batch in the running statistics.

    Returns:
        The normalization.
    """

    def layer(channels: int, dimensions: int) -> nn.Module:
        kinds = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
        return kinds[dimensions](channels, eps=eps, momentum=momentum)

    return Norm(layer)


def none() -> Norm:
    """Leave every slot an identity.

    Returns:
        The normalization.
    """

    def layer(channels: int, dimensions: int) -> nn.Module:
        return nn.Identity()

    return Norm(layer)


def layer(eps: float = 1e-5) -> Norm:
    """Normalise each example by its mean and variance over all channels and positions (Ba et al. 2016, 1607.06450).

    In convolutional networks the statistics are over (C, H, W) and the affine map is per channel, so that
    the parameters are those of the other normalizations and do not depend on the size of the image.

    Args:
        eps: Added to the variance.

    Returns:
        The normalization.
    """

    def layer(channels: int, dimensions: int) -> nn.Module:
        return nn.GroupNorm(1, channels, eps=eps) if dimensions else nn.LayerNorm(channels, eps=eps)

    return Norm(layer)


def group(groups: int = 8, eps: float = 1e-5) -> Norm:
    """Normalise each example over groups of channels (Wu & He 2018, 1803.08494).

    Args:
        groups: How many groups; where the channels do not divide into so many, the greatest common divisor.
        eps: Added to the variance.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If there is not at least one group, or a group of features has a single member,
            which normalising would turn into the constant 0.
    """
    if groups < 1:
        raise LandscapeError(f"group normalization needs at least one group, not {groups}; type for example groups=8")

    def layer(channels: int, dimensions: int) -> nn.Module:
        number = math.gcd(groups, channels)
        if number == channels and dimensions == 0:
            raise LandscapeError(
                f"group normalization of {channels} features in {number} groups leaves only zeros; "
                f"type norm='group(groups={max(1, number // 2)})' or norm='layer'"
            )
        return nn.GroupNorm(number, channels, eps=eps)

    return Norm(layer)


def build_norm(spec: str | Spec | Norm) -> Norm:
    """Make the normalization that a spec names.

    Args:
        spec: For example `batch`, `group(groups=4)`, `norms.py:mine`, or a Norm, which is given back.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If there is none of this name, or it does not give a Norm.
    """
    if isinstance(spec, Norm):
        return spec
    norm = NORMS.build(spec)
    if not isinstance(norm, Norm):
        raise LandscapeError(f"the norm {str(spec)!r} must give a landscape.models.Norm, not a {type(norm).__name__}")
    return norm
