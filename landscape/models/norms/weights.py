"""Normalizations of the weights: parametrizations of the layer before the slot.

Each takes `then`, the normalization of the slot itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import register_parametrization

from landscape.models.norms.norm import Norm
from landscape.models.norms.table import build_norm

Then = str | Norm


def weight_norm(then: Then = "none") -> Norm:
    """Give each filter a learned length: w = g v / |v| (Salimans & Kingma 2016, 1602.07868).

    Args:
        then: The normalization of the slot.

    Returns:
        The normalization.
    """
    return _wrapping(then, parametrizations.weight_norm)


def spectral_norm(then: Then = "none", n_power_iterations: int = 1) -> Norm:
    """Divide each weight, as a matrix, by its largest singular value (Miyato et al. 2018, 1802.05957).

    The matrix is (filters, elements). The singular vectors are estimated by power iteration while training, and constants in evaluation.

    Args:
        then: The normalization of the slot.
        n_power_iterations: Iterations of each training step.

    Returns:
        The normalization.
    """

    def wrap(module: nn.Module) -> nn.Module:
        return parametrizations.spectral_norm(module, n_power_iterations=n_power_iterations)

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
        return register_parametrization(module, "weight", StandardizedWeight(eps))

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
        weight = module.weight
        assert isinstance(weight, Tensor)
        return register_parametrization(module, "weight", ScaledStandardizedWeight(len(weight), gamma, eps))

    return _wrapping(then, wrap)


def _wrapping(then: Then, wrap: Callable[[nn.Module], nn.Module]) -> Norm:
    slot = build_norm(then)
    return replace(slot, wrap=lambda module: wrap(slot.wrap(module)))


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
        scale = self.gamma * v[0].numel() ** -0.5 * self.gain
        return functional.layer_norm(v, v.shape[1:], eps=self.eps) * scale.reshape(-1, *(1,) * (v.ndim - 1))
