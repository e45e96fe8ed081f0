"""Weights that a module computes from others: weight norm, spectral norm, and user parametrizations."""

from __future__ import annotations

import copy

from torch import Tensor, nn
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
    if not parametrized(model):
        return model
    working = copied(model).eval()
    for module in list(working.modules()):
        if parametrize.is_parametrized(module):
            values = {name: getattr(module, name).detach().clone() for name in _names(module)}
            # remove_parametrizations would take the property from the class, which the caller's module shares.
            module.__class__ = parametrize.type_before_parametrizations(module)
            del module._modules["parametrizations"]
            for name, value in values.items():
                _plant(module, name, value)
        for key, hook in _hooks(module):
            value = hook.compute_weight(module, *_mode(hook)).detach().clone()
            hook.remove(module)
            del module._forward_pre_hooks[key]
            _plant(module, hook.name, value)
    return working


def parametrized(model: nn.Module) -> bool:
    """Whether a model computes some of its weights from others."""
    return any(parametrize.is_parametrized(module) or _hooks(module) for module in model.modules())


def copied(model: nn.Module) -> nn.Module:
    """A deep copy, also of modules in which torch's older hooks have left computed tensors, which deepcopy refuses."""
    return copy.deepcopy(model, {id(tensor): tensor.detach().clone() for _, _, tensor in computed(model)})


def computed(model: nn.Module) -> list[tuple[nn.Module, str, Tensor]]:
    """The tensors that torch's older hooks compute before each forward pass and leave in their module."""
    found = ((module, hook.name) for module in model.modules() for _, hook in _hooks(module))
    return [(module, name, getattr(module, name)) for module, name in found]


def _names(module: nn.Module) -> list[str]:
    parametrizations = module.parametrizations
    assert isinstance(parametrizations, nn.ModuleDict)
    return list(parametrizations)


def _plant(module: nn.Module, name: str, value: Tensor) -> None:
    """Make a value a plain parameter, whether or not it was trainable."""
    module._buffers.pop(name, None)
    module._parameters.pop(name, None)
    module.register_parameter(name, nn.Parameter(value))


def _mode(hook: WeightNorm | SpectralNorm) -> tuple[bool, ...]:
    """Spectral norm's arguments: no power iteration, as in eval mode."""
    return (False,) if isinstance(hook, SpectralNorm) else ()


def _hooks(module: nn.Module) -> list[tuple[int, WeightNorm | SpectralNorm]]:
    """The pre-forward hooks of torch's older weight_norm and spectral_norm."""
    return [(k, hook) for k, hook in module._forward_pre_hooks.items() if isinstance(hook, WeightNorm | SpectralNorm)]
