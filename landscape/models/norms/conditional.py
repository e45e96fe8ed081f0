"""Normalizations whose scale and shift come from a condition: a class, a noise level, a style.

Their hook is `layer(channels, dimensions, condition)` with the number of features of the condition, which the network
knows; its module is called with both, `module(x, condition)`.
"""

from __future__ import annotations

from torch import Tensor, nn

from landscape.errors import require_switches
from landscape.models.norms.example import over_each_channel
from landscape.models.norms.norm import Norm


def ada_instance(zero: bool = False, eps: float = 1e-5) -> Norm:
    """Normalise each channel over its positions, scaled and shifted by a condition (Huang & Belongie 2017, 1703.06868).

    y = (1 + s_c(z)) (x - mean_c) / sqrt(var_c + eps) + t_c(z). In the paper the scale and shift are the moments of a
    style image; as in StyleGAN (Karras et al. 2019, 1812.04948) they are a learned linear map of z, see
    `ConditionalNorm`. A vector of features has no positions: it is scaled and shifted as it is.

    Args:
        zero: Whether the map of the condition begins with zeros, so that y begins as the plain normalization.
        eps: Added to the variance.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If `zero` is neither True nor False.
    """
    require_switches("ada-instance", zero=zero)

    def layer(channels: int, dimensions: int, condition: int) -> nn.Module:
        plain = over_each_channel(channels, dimensions, eps, affine=False)
        return ConditionalNorm(plain, channels, dimensions, condition, zero)

    return Norm(layer, conditional=True)


def ada_layer(zero: bool = False, eps: float = 1e-5) -> Norm:
    """Normalise each example, scaled and shifted by a condition: adaLN of DiT (Peebles & Xie 2023, 2212.09748).

    y = (1 + s_c(z)) (x - mean) / sqrt(var + eps) + t_c(z) with mean and variance over all channels and positions, as
    `layer` has them. The gates that adaLN-Zero has besides belong to the network's branches, not to the normalization.

    Args:
        zero: Whether the map of the condition begins with zeros, as in adaLN-Zero, so that y begins as the plain
            normalization.
        eps: Added to the variance.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If `zero` is neither True nor False.
    """
    require_switches("ada-layer", zero=zero)

    def layer(channels: int, dimensions: int, condition: int) -> nn.Module:
        return ConditionalNorm(nn.GroupNorm(1, channels, eps=eps, affine=False), channels, dimensions, condition, zero)

    return Norm(layer, conditional=True)


class ConditionalNorm(nn.Module):
    """y = (1 + s) norm(x) + t with (s, t) = W z + b, of 2 C features, for the condition z.

    W is a weight like that of any linear layer, and moves with the weights.

    Args:
        plain: The normalization without an affine map, from (N, C, ...) to the same shape.
        channels: C.
        dimensions: Axes of x behind the channels.
        condition: D, features of the condition.
        zero: Whether W and b begin with zeros.
    """

    def __init__(self, plain: nn.Module, channels: int, dimensions: int, condition: int, zero: bool) -> None:
        super().__init__()
        self.plain = plain
        self.affine = nn.Linear(condition, 2 * channels)
        self.axes = (1,) * dimensions
        if zero:
            nn.init.zeros_(self.affine.weight)
            nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map x (N, C, ...) and condition (N, D) to (N, C, ...)."""
        scale, shift = self.affine(condition).unflatten(1, (-1, *self.axes)).chunk(2, dim=1)
        y: Tensor = (1 + scale) * self.plain(x) + shift
        return y
