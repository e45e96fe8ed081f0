"""A learned mixture of the statistics that instance, layer and batch normalization use."""

from __future__ import annotations

from functools import reduce
from operator import add, mul

import torch
from torch import Tensor, nn

from landscape.models.norms.batch import AnyBatchNorm
from landscape.models.norms.norm import Norm, over_channels, over_positions, widened


def switchable(eps: float = 1e-5, momentum: float = 0.1) -> Norm:
    """Normalise by a learned mixture of instance, layer and batch statistics (Luo et al. 2018, 1806.10779).

    Args:
        eps: Added to the variance.
        momentum: Weight of the newest batch in the running statistics.

    Returns:
        The normalization, see `SwitchableNorm`.
    """
    return Norm(lambda channels, dimensions: SwitchableNorm(channels, dimensions, eps, momentum))


class SwitchableNorm(AnyBatchNorm):
    """y = gamma_c (x - mean) / sqrt(var + eps) + beta_c with mean = sum_k p_k mean_k and var = sum_k q_k var_k.

    k runs over instance (statistics of each example and channel over its positions), layer (of each example) and batch
    (of each channel; the running ones in evaluation). p and q are the softmax of `mean_weight` and of `var_weight`,
    which begin equal. Variances are biased, and the running one is not, as in torch's BatchNorm. Vectors (N, C) have
    one position and so no statistics of an instance: there k is layer or batch.

    Args:
        channels: C.
        dimensions: Number of axes of positions.
        eps: Added to the variance.
        momentum: Weight of the newest batch in the running statistics.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def __init__(self, channels: int, dimensions: int, eps: float, momentum: float) -> None:
        super().__init__(channels, eps=eps, momentum=momentum)
        self.first = 0 if dimensions else 1
        self.mean_weight = nn.Parameter(torch.ones(3 - self.first))
        self.var_weight = nn.Parameter(torch.ones(3 - self.first))

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """Map (N, C, ...) to the same shape."""
        values = over_positions(widened(input))
        variances, means = torch.var_mean(values, 2, correction=0)
        layer = (means.mean(1, keepdim=True), _pooled(means, variances, 1))
        instance_layer_batch = [(means, variances), layer, self._of_batch(means, variances, values.shape[2])]
        mean = _mixture(self.mean_weight, [one[0] for one in instance_layer_batch[self.first :]])
        variance = _mixture(self.var_weight, [one[1] for one in instance_layer_batch[self.first :]])
        normalized = (values - mean.unsqueeze(2)) * (variance + self.eps).rsqrt().unsqueeze(2)
        y = normalized.reshape(input.shape) * over_channels(self.weight, input) + over_channels(self.bias, input)
        return y.to(input.dtype)

    def _of_batch(self, means: Tensor, variances: Tensor, positions: int) -> tuple[Tensor, Tensor]:
        """Mean and variance per channel, shape (1, C), from those per example; the running ones in evaluation."""
        if not self.training:
            return self.running_mean.unsqueeze(0), self.running_var.unsqueeze(0)
        mean, variance = means.mean(0, keepdim=True), _pooled(means, variances, 0)
        count = len(means) * positions
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean[0], self.momentum)
            self.running_var.lerp_(variance[0] * count / max(count - 1, 1), self.momentum)
        return mean, variance


def _pooled(means: Tensor, variances: Tensor, axis: int) -> Tensor:
    """The variance over parts of equal size from their means and variances."""
    return variances.mean(axis, keepdim=True) + means.var(axis, correction=0, keepdim=True)


def _mixture(logits: Tensor, statistics: list[Tensor]) -> Tensor:
    """Weigh statistics that broadcast to (N, C)."""
    mixture: Tensor = reduce(add, map(mul, logits.softmax(0), statistics))
    return mixture
