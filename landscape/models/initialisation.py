"""First weights that depend on a seed and each tensor's name alone, not on what else a network has.

Two networks that differ in their normalization alone begin with the same common weights, as the directions of their
surfaces share their common draws.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

from landscape.errors import LandscapeError, nearest
from landscape.keys import philox_key


def _uniform(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    bound = 1 / math.sqrt(fan_in)
    return generator.uniform(-bound, bound, shape)


def _he(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    return generator.standard_normal(shape) * math.sqrt(2 / fan_in) if len(shape) > 1 else np.zeros(shape)


def _small(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    return np.clip(generator.standard_normal(shape), -2, 2) * 0.02 if len(shape) > 1 else np.zeros(shape)


SCHEMES: dict[str, Callable[[np.random.Generator, tuple[int, ...], int], np.ndarray]] = {
    "torch": _uniform,
    "he": _he,
    "small": _small,
}


def generator(*key: object) -> np.random.Generator:
    """Random numbers that depend on the key alone.

    Args:
        key: Whatever `repr` tells apart.

    Returns:
        The generator.
    """
    return np.random.Generator(np.random.Philox(key=philox_key(repr(key))))


@torch.no_grad()
def initialise(model: nn.Module, seed: int, scheme: str = "torch") -> None:
    """Draw the weights and biases of the convolutions and linear layers of a network anew.

    Other parameters (of normalizations, say) keep the constants or draws that they were built with, but for those of
    two or more axes (embeddings, tokens, positions), which are always drawn by the scheme `small`. Layers whose weight
    was built as 0 (maps of a condition, say) keep it, and their bias.

    Args:
        model: The network; a computed weight (weight norm, say) becomes as near to the draw as its parametrization can.
        seed: The seed.
        scheme: `torch`, U(-1/sqrt(fan in), 1/sqrt(fan in)) for weights and biases, is the default of torch's layers;
            `he`, N(0, 2/fan in) and biases of 0 (He et al. 2015, 1502.01852); `small`, N(0, 0.02^2) clipped at two
            standard deviations and biases of 0, much as usual in transformers.

    Raises:
        LandscapeError: If there is no such scheme.
    """
    if scheme not in SCHEMES:
        raise LandscapeError(f"there is no initialisation {scheme!r}; {nearest(scheme, SCHEMES)}")
    seed = operator.index(seed)  # the key is a text, and that of NumPy's integers is another
    for path, module in model.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue
        layer = isinstance(module, nn.modules.conv._ConvNd | nn.Linear)
        if layer and not parametrize.is_parametrized(module) and not module.weight.any():
            continue
        for local, tensor in list(_tensors(module)):
            if layer or tensor.ndim > 1:
                drawn = SCHEMES[scheme if layer else "small"]
                name = f"{path}.{local}" if path else local
                fan_in = module.weight[0].numel() if layer else 1
                values = drawn(generator(seed, name), tuple(tensor.shape), fan_in)
                _put(module, local, torch.from_numpy(values.astype(np.float32)).to(tensor))


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The parameters of a module itself, computed ones as what they are computed to be."""
    yield from module.named_parameters(recurse=False)
    for name in _computed(module):
        yield name, getattr(module, name)


def _computed(module: nn.Module) -> dict[str, parametrize.ParametrizationList]:
    """The parametrizations of a module by the names of the tensors that they compute."""
    lists: Any = module._modules["parametrizations"] if parametrize.is_parametrized(module) else {}
    return dict(lists.items())


def _put(module: nn.Module, local: str, values: Tensor) -> None:
    steps = _computed(module).get(local)
    if steps is None:
        getattr(module, local).copy_(values)
        return
    if all(hasattr(step, "right_inverse") for step in steps):
        setattr(module, local, values)
    else:
        steps.original.copy_(values)
    names = ["original"] if steps.is_tensor else [f"original{index}" for index in range(steps.ntensors)]
    computed = [getattr(steps, name) for name in names]
    for step in steps:
        if isinstance(step, _SpectralNorm):
            _settle(step, *computed)
        computed = [step(*computed)]


def _settle(step: _SpectralNorm, weight: Tensor) -> None:
    """Give spectral norm the singular vectors of a weight: torch's begin with random ones, of any generator state."""
    left, _, right = torch.linalg.svd(step._reshape_weight_to_matrix(weight).double(), full_matrices=False)
    step._u.copy_(left[:, 0])
    step._v.copy_(right[0])
