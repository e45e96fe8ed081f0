"""Normalizations by statistics of each example: they are the same in training and evaluation."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.models.norms.norm import Norm, over_channels, widened
from landscape.models.settings import require_positive


def none() -> Norm:
    """Leave every slot an identity.

    Returns:
        The normalization.
    """
    return Norm(lambda channels, dimensions: nn.Identity(), tokens=lambda channels: nn.Identity())


def layer(eps: float = 1e-5) -> Norm:
    """Normalise each example by its mean and variance over all channels and positions (Ba et al. 2016, 1607.06450).

    In convolutional networks the statistics are over (C, H, W) and the affine map is per channel, so that
    the parameters are those of the other normalizations and do not depend on the size of the image. In a
    transformer each token has statistics of its own.

    Args:
        eps: Added to the variance.

    Returns:
        The normalization.
    """

    def layer(channels: int, dimensions: int) -> nn.Module:
        return nn.GroupNorm(1, channels, eps=eps) if dimensions else nn.LayerNorm(channels, eps=eps)

    return Norm(layer, tokens=lambda channels: nn.LayerNorm(channels, eps=eps))


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
    require_positive("group", groups=groups)

    def layer(channels: int, dimensions: int) -> nn.Module:
        number = math.gcd(groups, channels)
        if number == channels and dimensions == 0:
            raise LandscapeError(
                f"group normalization of {channels} features in {number} groups leaves only zeros; "
                f"type norm='group(groups={max(1, number // 2)})' or norm='layer'"
            )
        return nn.GroupNorm(number, channels, eps=eps)

    return Norm(layer)


def instance(eps: float = 1e-5) -> Norm:
    """Normalise each channel of each example over its positions (Ulyanov et al. 2016, 1607.08022).

    A vector of features has no positions: behind linear layers the slot is an identity.

    Args:
        eps: Added to the variance.

    Returns:
        The normalization.
    """
    return Norm(partial(over_each_channel, eps=eps, affine=True), needs_positions=True)


def over_each_channel(channels: int, dimensions: int, eps: float, affine: bool) -> nn.Module:
    """Make the module that normalises each channel over its positions, an identity where there are none."""
    kinds = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
    return kinds[dimensions - 1](channels, eps=eps, affine=affine) if dimensions else nn.Identity()


def rms(eps: float = 1e-5) -> Norm:
    """Divide each example by its root mean square over all channels and positions (Zhang & Sennrich 2019, 1910.07467).

    As for `layer`, tokens of a transformer each have their own, and the gain is per channel.

    Args:
        eps: Added to the mean square.

    Returns:
        The normalization.
    """

    def layer(channels: int, dimensions: int) -> nn.Module:
        return ChannelRMSNorm(channels, eps) if dimensions else nn.RMSNorm(channels, eps=eps)

    return Norm(layer, tokens=lambda channels: nn.RMSNorm(channels, eps=eps))


class ChannelRMSNorm(nn.Module):
    """y = gain_c x / sqrt(mean of x^2 over (C, ...) + eps), the gain per channel.

    Args:
        channels: C.
        eps: Added to the mean square.
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        square = widened(x).square().mean(dim=tuple(range(1, x.ndim)), keepdim=True)
        return (x * (square + self.eps).rsqrt() * over_channels(self.weight, x)).to(x.dtype)
