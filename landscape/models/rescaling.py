"""Networks with other weights that compute the same function, and one variant that does not.

Weights can be rescaled without any change in what a network computes (Dinh et al. 2017, arXiv:1703.04933). A picture
that is to show the function must not change either; filter normalization is there to see to that.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.models.graph import Layer, Norm, copied, normalized_layers, relu_pairs


def rescaled(model: nn.Module, factor: float, exact: bool = True) -> tuple[nn.Module, list[str]]:
    """Rescale the weights of a network by a factor C.

    Before a BatchNorm: weight and bias times C, running mean times C, running variance and eps times C^2. The
    BatchNorm's output stays as it is under the running statistics as well as under those of a batch.

    Between two layers with ReLUs and pooling alone between them: the first one's weight and bias times C, the
    second one's weight divided by C, because ReLU(C x) = C ReLU(x). In a chain of such layers the outputs are
    multiplied by C and 1/C in turn, so that no two factors cancel in a weight: each is multiplied by C, 1/C, C^2
    or 1/C^2.

    Args:
        model: The network; it is not changed.
        factor: C, positive and not 1.
        exact: False to multiply nothing but weights and biases before BatchNorms, and to leave the statistics and
            eps alone. This is another function under running statistics, and the same up to eps under those of a
            batch.

    Returns:
        The copy, and what was multiplied in it, a sentence each.

    Raises:
        LandscapeError: If the factor is not positive, finite and different from 1, or so extreme that numbers leave
            the range of their dtype; if the network cannot be traced, or there is nothing to rescale.
    """
    if not (math.isfinite(factor) and factor > 0 and factor != 1):
        raise LandscapeError(f"the factor of a rescaling must be positive, finite and not 1, not {factor}; type 2")
    norms = dict(normalized_layers(model))
    pairs = relu_pairs(model) if exact else []
    if not norms and not pairs:
        raise LandscapeError(_nothing(model, exact))
    working = copied(model)
    try:
        for name, (weight_power, bias_power) in _powers(norms, pairs).items():
            _multiply_layer(working.get_submodule(name), factor**weight_power, factor**bias_power)
        for name in norms.values() if exact else ():
            _multiply_statistics(working.get_submodule(name), factor)
    except OverflowError as error:
        raise LandscapeError(
            f"with the factor {factor:g} some numbers leave the range of their dtype; type one nearer to 1"
        ) from error
    return working, _words(factor, len(norms), len(pairs), exact)


def _powers(norms: dict[str, str], pairs: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """The powers of C by which each layer's weight and bias are multiplied.

    If a layer's output is multiplied by C^q and its input by C^p, then its bias by C^q and its weight by C^(q - p).
    """
    outputs = dict.fromkeys(norms, 1)
    # Pairs come in the order of the graph: backwards, the output of the second layer is known.
    for first, second in reversed(pairs):
        outputs[first] = -1 if outputs.get(second) == 1 else 1
    inputs = {second: outputs[first] for first, second in pairs}
    return {name: (outputs.get(name, 0) - inputs.get(name, 0), outputs.get(name, 0)) for name in outputs | inputs}


@torch.no_grad()
def _multiply_layer(layer: nn.Module, weight_factor: float, bias_factor: float) -> None:
    assert isinstance(layer, Layer)
    _multiply(layer.weight, weight_factor)
    if layer.bias is not None:
        _multiply(layer.bias, bias_factor)


@torch.no_grad()
def _multiply_statistics(norm: nn.Module, factor: float) -> None:
    assert isinstance(norm, Norm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    _multiply(norm.running_mean, factor)
    _multiply(norm.running_var, factor**2)
    eps = norm.eps * factor**2
    _refuse_extreme(norm.eps, eps, norm.running_var.dtype)
    norm.eps = eps


def _multiply(tensor: Tensor, factor: float) -> None:
    before = float(tensor.abs().max())
    tensor.mul_(factor)
    _refuse_extreme(before, float(tensor.abs().max()), tensor.dtype)


def _refuse_extreme(before: float, after: float, dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype)
    if not after <= limits.max or after < limits.tiny <= before:
        raise OverflowError(f"{before} became {after}")


def _nothing(model: nn.Module, exact: bool) -> str:
    name = type(model).__name__
    if not exact:
        return f"{name} has no layer whose output goes into a BatchNorm alone, so there are no such weights to rescale"
    return (
        f"there is nothing to rescale in {name}: none of its layers feeds a BatchNorm with running statistics, or "
        "another layer through ReLUs and pooling, and nothing else"
    )


def _words(factor: float, norms: int, pairs: int, exact: bool) -> list[str]:
    what = []
    if norms and exact:
        what.append(
            f"layers before a BatchNorm ({norms}): weight and bias times {factor:g}, running mean times {factor:g}, "
            f"running variance and eps times {factor**2:g}"
        )
    elif norms:
        what.append(
            f"layers before a BatchNorm ({norms}): weight and bias times {factor:g}, its statistics and eps "
            "as they were"
        )
    if pairs:
        what.append(
            f"pairs of layers around ReLUs and pooling ({pairs}): outputs of the first times {factor:g} or its "
            "inverse, weights of the second divided by as much"
        )
    return what
