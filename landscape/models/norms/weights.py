"""Normalizations of the weights: parametrizations of the layer before the slot.

Each takes `then`, the normalization of the slot itself. What is learned is `parametrizations.weight.original`; the
layer's `weight` is computed from it at each forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import register_parametrization

from landscape.errors import LandscapeError
from landscape.models.norms.norm import Norm
from landscape.models.norms.table import build_norm
from landscape.models.settings import require_positive

_TRANSPOSED = nn.modules.conv._ConvTransposeNd
Then = str | Norm


def weight_norm(then: Then = "none") -> Norm:
    """Give each filter a learned length: w = g v / |v| (Salimans & Kingma 2016, 1602.07868).

    The lengths begin as those of the first weights; the paper's initialisation from a batch is left out.

    Args:
        then: The normalization of the slot.

    Returns:
        The normalization.
    """
    return _wrapping(then, parametrizations.weight_norm)


def spectral_norm(then: Then = "none", n_power_iterations: int = 1) -> Norm:
    """Divide each weight, as a matrix, by its largest singular value (Miyato et al. 2018, 1802.05957).

    The matrix is (filters, elements). Its singular vectors u and v are estimated by power iteration in training, and
    constants in evaluation.

    Args:
        then: The normalization of the slot.
        n_power_iterations: Iterations of each training step.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If there is not at least one iteration.
    """
    require_positive("spectral-norm", n_power_iterations=n_power_iterations)

    def wrap(module: nn.Module) -> nn.Module:
        spectral = SpectralWeight(_filters(module), n_power_iterations)
        return register_parametrization(module, "weight", spectral, unsafe=True)

    return _wrapping(then, wrap)


def weight_standardization(then: Then = "group", eps: float = 1e-5) -> Norm:
    """Standardise each filter: w = (v - mean(v)) / sqrt(var(v) + eps) (Qiao et al. 2019, 1903.10520).

    Args:
        then: The normalization of the slot; such weights multiply a signal by the root of their number, so that there
            has to be one. The paper's is `group`.
        eps: Added to the variance.

    Returns:
        The normalization.
    """

    def wrap(module: nn.Module) -> nn.Module:
        _filters(module, least=2)
        return register_parametrization(module, "weight", StandardizedWeight(eps), unsafe=True)

    return _wrapping(then, wrap)


def scaled_ws(then: Then = "none", gamma: float = 1.0, eps: float = 1e-6) -> Norm:
    """Standardise and scale each filter: w = gamma g (v - mean(v)) / (sqrt(N) std(v)) (Brock et al. 2021, 2101.08692).

    N is the number of a filter's elements, g is learned. The weights of the normalizer-free nets.

    Args:
        then: The normalization of the slot.
        gamma: The constant that keeps the variance over the activation: sqrt(2 / (1 - 1/pi)) for ReLU, or 1 where
            the network scales behind its activations itself.
        eps: Added to the variance.

    Returns:
        The normalization.
    """

    def wrap(module: nn.Module) -> nn.Module:
        standardized = ScaledStandardizedWeight(len(_filters(module, least=2)), gamma, eps)
        return register_parametrization(module, "weight", standardized, unsafe=True)

    return _wrapping(then, wrap)


def _wrapping(then: Then, wrap: Callable[[nn.Module], nn.Module]) -> Norm:
    slot = build_norm(then, conditional=True)  # whether the network has a condition is asked of the whole
    if slot.output is not None:
        raise LandscapeError(
            f"then={str(then)!r} normalises the weights in a way of its own; type norm={str(then)!r} without another"
        )

    def wrapped(module: nn.Module) -> nn.Module:
        _filters(module)
        return wrap(slot.wrap(module))

    return replace(slot, wrap=wrapped)


def _filters(module: nn.Module, least: int = 1) -> Tensor:
    """The weight of a layer, a filter of at least so many elements for each index of its first axis."""
    if not isinstance(module, nn.modules.conv._ConvNd | nn.Linear) or isinstance(module, _TRANSPOSED):
        raise LandscapeError(
            f"the weights of a {type(module).__name__} cannot be normalised, those of convolutions and linear layers "
            "can; build it without norm.wrap"
        )
    if module.weight[0].numel() < least:
        raise LandscapeError(f"of filters with a single weight, those of {module}, standardising leaves only zeros")
    return module.weight


class SpectralWeight(_SpectralNorm):
    """torch's own, but that it does not iterate on tensors without memory, which would take seconds."""

    def _power_method(self, weight_mat: Tensor, n_power_iterations: int) -> None:
        if not weight_mat.is_meta:
            super()._power_method(weight_mat, n_power_iterations)


class StandardizedWeight(nn.Module):
    """Maps v to (v - mean) / sqrt(var + eps), over each filter.

    Args:
        eps: Added to the variance.
    """

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, v: Tensor) -> Tensor:
        """Map (filters, ...) to the same shape."""
        return functional.layer_norm(v, v.shape[1:], eps=self.eps)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Take a weight that is set for v."""
        return weight


class ScaledStandardizedWeight(nn.Module):
    """Maps v to gamma g (v - mean) / sqrt(N (var + eps)), over each filter of N elements.

    Args:
        filters: Number of filters, each with a gain g that begins with 1.
        gamma: The constant of the activation.
        eps: Added to the variance.
    """

    parameter_roles: ClassVar = {"gain": "magnitude:0"}

    def __init__(self, filters: int, gamma: float, eps: float) -> None:
        super().__init__()
        self.gamma, self.eps = gamma, eps
        self.gain = nn.Parameter(torch.ones(filters))

    def forward(self, v: Tensor) -> Tensor:
        """Map (filters, ...) to the same shape."""
        scale = self.gain * (self.gamma / math.sqrt(v[0].numel()))
        return functional.layer_norm(v, v.shape[1:], eps=self.eps) * scale.reshape(-1, *(1,) * (v.ndim - 1))

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Take a weight that is set for v."""
        return weight
