"""Normalizations by statistics that batches share: BatchNorm and what was made of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from landscape.errors import LandscapeError
from landscape.models.norms.norm import Norm, over_channels, over_positions, widened
from landscape.models.settings import is_number, require_positive


class AnyBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm of (n, channels, ...) with any number of axes of positions."""

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 - torch's name
        """Take any number of positions."""


KINDS = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def batch(eps: float = 1e-5, momentum: float = 0.1, eval_weight: float = 0.0) -> Norm:
    """Normalise each channel by its mean and variance over the batch (Ioffe & Szegedy 2015, 1502.03167).

    Args:
        eps: Added to the variance.
        momentum: Weight of the newest batch in the running statistics.
        eval_weight: Weight of the example's own moments when it is evaluated, see `ExampleWeighingNorm`.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If the weight is not between 0 and 1.
    """
    if not is_number(eval_weight) or not 0 <= eval_weight <= 1:
        raise LandscapeError(f"eval_weight of batch must be between 0 and 1, not {eval_weight!r}; type eval_weight=0.1")

    def layer(channels: int, dimensions: int) -> nn.Module:
        if eval_weight:
            return ExampleWeighingNorm(channels, eps, momentum, eval_weight)
        return KINDS[dimensions](channels, eps=eps, momentum=momentum)

    return Norm(layer)


def frozen_batch(eps: float = 1e-5) -> Norm:
    """Normalise each channel by constants, those of a BatchNorm whose checkpoint was loaded; the affine map learns.

    Without such a checkpoint the constants are 0 and 1, and an affine map per channel is all there is.

    Args:
        eps: Added to the variance.

    Returns:
        The normalization.
    """
    return Norm(lambda channels, dimensions: FrozenBatchNorm(channels, eps))


def ghost_batch(size: int = 32, eps: float = 1e-5, momentum: float = 0.1) -> Norm:
    """BatchNorm over virtual batches, parts of the batch (Hoffer et al. 2017, 1705.08741).

    Summers & Dinneen 2019 (1906.03548) recommend it for its regularization. Parts are taken in order: batches are
    shuffled as it is.

    Args:
        size: Examples in a part; where the batch does not divide, parts as equal as can be, of at least two.
        eps: Added to the variance.
        momentum: Weight of the newest part in the running statistics, which move once with each part.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If the size is below 2.
    """
    if not isinstance(size, int) or size < 2:
        raise LandscapeError(f"size of ghost-batch must be at least 2 examples, not {size!r}; type size=32")
    return Norm(lambda channels, dimensions: GhostBatchNorm(channels, size, eps, momentum))


def batch_group(groups: int = 8, eps: float = 1e-5, momentum: float = 0.1) -> Norm:
    """Normalise groups of channels over the batch (Summers & Dinneen 2019, 1906.03548, for very small batches).

    Between BatchNorm, whose groups have one channel, and group normalization, whose batch has one example. The paper's
    layer can divide the batch, too; here its groups are of channels, contiguous as in group normalization.

    Args:
        groups: How many groups; where the channels do not divide into so many, the greatest common divisor.
        eps: Added to the variance.
        momentum: Weight of the newest batch in the running statistics.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If there is not at least one group.
    """
    require_positive("batch-group", groups=groups)
    return Norm(lambda channels, dimensions: BatchGroupNorm(channels, math.gcd(groups, channels), eps, momentum))


class FrozenBatchNorm(nn.Module):
    """y = gamma_c (x - mean_c) / sqrt(var_c + eps) + beta_c with constants mean_c and var_c.

    Names are those of BatchNorm, so that its checkpoints load. torchvision's layer of this name has a constant
    affine map and takes images alone.

    Args:
        channels: C.
        eps: Added to the variance.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class ExampleWeighingNorm(AnyBatchNorm):
    """BatchNorm that weighs the example in when it is evaluated (Summers & Dinneen 2019, 1906.03548).

    With the example's own moments E[x] and E[x^2] over its positions and the running ones m and m_2, the mean is
    mu = a E[x] + (1 - a) m and the variance a E[x^2] + (1 - a) m_2 - mu^2. In training it is BatchNorm. The paper keeps
    a moving average m_2 of x^2; here m_2 = v + m^2 with BatchNorm's running variance v, so that any BatchNorm's
    checkpoint can be evaluated like this. The variance is then a var[x] + (1 - a) v + a (1 - a) (E[x] - m)^2.

    Args:
        channels: C.
        eps: Added to the variance.
        momentum: Weight of the newest batch in the running statistics.
        eval_weight: a, between 0 and 1.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, eps: float, momentum: float, eval_weight: float) -> None:
        super().__init__(channels, eps=eps, momentum=momentum)
        self.eval_weight = eval_weight

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map (N, C, ...) to the same shape."""
        if self.training:
            return super().forward(input)
        values, a = over_positions(widened(input)), self.eval_weight
        own_variance, own_mean = torch.var_mean(values, 2, correction=0)
        mean = self.running_mean.lerp(own_mean, a)
        between = a * (1 - a) * (own_mean - self.running_mean).square()
        variance = self.running_var.lerp(own_variance, a) + between
        scale = (variance + self.eps).rsqrt() * self.weight
        normalized = (values - mean.unsqueeze(2)) * scale.unsqueeze(2)
        return (normalized.reshape(input.shape) + over_channels(self.bias, input)).to(input.dtype)


class GhostBatchNorm(AnyBatchNorm):
    """BatchNorm whose batch statistics are those of parts of the batch; running statistics are as in BatchNorm.

    Args:
        channels: C.
        size: Examples in a part.
        eps: Added to the variance.
        momentum: Weight of the newest part in the running statistics.
    """

    def __init__(self, channels: int, size: int, eps: float, momentum: float) -> None:
        super().__init__(channels, eps=eps, momentum=momentum)
        self.size = size

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map (N, C, ...) to the same shape."""
        number = min(round(len(input) / self.size), len(input) // 2) if self.training else 1
        parts = input.tensor_split(max(1, number))
        return torch.cat([super(GhostBatchNorm, self).forward(part) for part in parts])


class BatchGroupNorm(nn.Module):
    """Mean and variance over (batch, channels of a group, positions), then gamma_c and beta_c per channel.

    Args:
        channels: C.
        groups: A divisor of C.
        eps: Added to the variance.
        momentum: Weight of the newest batch in the running statistics, which are per group.
    """

    def __init__(self, channels: int, groups: int, eps: float, momentum: float) -> None:
        super().__init__()
        self.statistics = nn.BatchNorm1d(groups, eps=eps, momentum=momentum, affine=False)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        grouped: Tensor = self.statistics(x.reshape(len(x), self.statistics.num_features, -1))
        y = grouped.reshape(x.shape) * over_channels(self.weight, x) + over_channels(self.bias, x)
        return y.to(x.dtype)
