"""Activation functions by name."""

from __future__ import annotations

from torch import nn

from landscape.errors import LandscapeError
from landscape.registry import Registry, Spec

ACTIVATIONS = Registry(
    "activation",
    {
        "relu": "torch.nn:ReLU",
        "sigmoid": "torch.nn:Sigmoid",
        "tanh": "torch.nn:Tanh",
        "gelu": "torch.nn:GELU",
        "silu": "torch.nn:SiLU",
        "elu": "torch.nn:ELU",
        "selu": "torch.nn:SELU",
        "leaky_relu": "torch.nn:LeakyReLU",
        "softplus": "torch.nn:Softplus",
        "mish": "torch.nn:Mish",
        "identity": "torch.nn:Identity",
    },
)


def build_activation(spec: str | Spec) -> nn.Module:
    """Make the activation that a spec names.

    Args:
        spec: For example `relu`, `leaky_relu(negative_slope=0.1)` or `torch.nn:Hardswish`.

    Returns:
        A module that acts on each element.

    Raises:
        LandscapeError: If there is none of this name, or it is not a module.
    """
    module = ACTIVATIONS.build(spec)
    if not isinstance(module, nn.Module):
        raise LandscapeError(f"the activation {str(spec)!r} must be a torch module, not a {type(module).__name__}")
    return module
