"""Weights that a module computes from others: weight norm, spectral norm, and user parametrizations."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm


def effective(model: nn.Module) -> nn.Module:
    """Replace computed weights by their values, in a copy; a model without any is returned as it is.

    A perturbation of the effective weights leaves the set that the parametrization can express.

    Args:
        model: The network; it is not changed.

    Returns:
        The model itself, or a copy in eval mode in which each parametrized tensor is a plain parameter.
    """
    if not any(parametrize.is_parametrized(module) or _hooks(module) for module in model.modules()):
        return model
    working = copy.deepcopy(model).eval()
    with torch.no_grad():
        for module in list(working.modules()):
            if parametrize.is_parametrized(module):
                for name in list(module.parametrizations):  # type: ignore[arg-type]
                    parametrize.remove_parametrizations(module, name, leave_parametrized=True)
            for key, hook in _hooks(module):
                hook.remove(module)
                del module._forward_pre_hooks[key]
    return working


def _hooks(module: nn.Module) -> list[tuple[int, WeightNorm | SpectralNorm]]:
    """The pre-forward hooks of torch's older weight_norm and spectral_norm."""
    return [(k, hook) for k, hook in module._forward_pre_hooks.items() if isinstance(hook, WeightNorm | SpectralNorm)]
