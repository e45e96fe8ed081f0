"""Normalizations by the length of a token's features, for transformers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import register_parametrization

from landscape.errors import LandscapeError
from landscape.models.norms.norm import Norm


def scale(eps: float = 1e-5) -> Norm:
    """Give the features x of each token one learned length: g x / |x| (ScaleNorm, Nguyen & Salazar 2019, 1910.05895).

    Args:
        eps: The least length that is divided by.

    Returns:
        The normalization.
    """
    return Norm(_tokens_alone("scale"), tokens=lambda channels: ScaleNorm(channels, eps))


def fix(eps: float = 1e-5) -> Norm:
    """Give embeddings a fixed length (FixNorm, Nguyen & Chiang 2018, 1710.01329), with `scale` in the slots.

    As Nguyen & Salazar 2019 (1910.05895) use it: input embeddings are sqrt(d) e / |e| before positions are added, and
    the output layer multiplies by e / |e|. Here the embeddings of the patches and the class token are the words of the
    input, and the rows of the head's weight are those of the output. Behind `scale`, a logit is then
    g cos(w_class, x) + bias.

    Args:
        eps: The least length that is divided by.

    Returns:
        The normalization.
    """
    return Norm(
        _tokens_alone("fix"),
        tokens=lambda channels: ScaleNorm(channels, eps),
        embedding=lambda channels: FixNorm(math.sqrt(channels), eps),
        head=unit_rows,
    )


def unit() -> Norm:
    """Keep features and the vectors of weights at length 1, as in nGPT (Loshchilov et al. 2024, 2410.01131).

    With d features, d_k = d / heads, Norm(x) = x / |x|, and all of what is learned per channel:

    - every weight is normalised along the axis of the features: the rows of the layers that read them (queries, keys,
      values, first layer of the MLP, head), the columns of those that write them (attention's output, second layer of
      the MLP, patch embedding); no layer has a bias;
    - h <- Norm(h + alpha (Norm(f(h)) - h)) for f the attention and then the MLP; alpha begins with 1 / depth;
    - attention is softmax(sqrt(d_k) s_qk Norm(q) . s_qk Norm(k)), Norm per head; s_qk begins with 1;
    - the MLP is W_2 activation(sqrt(d) s_u W_1 h), and the logits are s_z W h; s_u and s_z begin with 1;
    - the stored numbers of alpha, s_qk and s_z begin with 1 / sqrt(d) and are multiplied by a constant.

    What the paper has and this has not: weights that are projected back after each step (here they are computed from
    stored ones, which are as free as in weight normalization), rotary positions (here learned positions are added to
    the normalised embeddings, and the sum is normalised) and a gated MLP with its s_v. The paper's alpha begins with
    0.05, said to be of the order of 1 / depth, for 24 and 36 layers. It trains without weight decay and warm-up, which
    is the user's choice here.

    Returns:
        The normalization.
    """
    return Norm(
        _tokens_alone("unit"),
        wrap=unit_rows,
        tokens=lambda channels: UnitNorm(),
        embedding=lambda channels: UnitNorm(),
        output=_unit_columns,
        head=unit_rows,
        placements=("sphere",),
    )


def _tokens_alone(name: str) -> Callable[[int, int], NoReturn]:
    def layer(channels: int, dimensions: int) -> NoReturn:
        raise LandscapeError(
            f"the norm {name!r} is for the tokens of a transformer: use it with the model vit, or type norm='rms', "
            "which divides by a length, too"
        )

    return layer


def unit_rows(module: nn.Module) -> nn.Module:
    """Compute the weight of a layer as v / |v| over each output's elements."""
    return register_parametrization(module, "weight", UnitWeight(of_outputs=False))


def _unit_columns(module: nn.Module) -> nn.Module:
    return register_parametrization(module, "weight", UnitWeight(of_outputs=True))


class UnitWeight(nn.Module):
    """Maps v to v / |v|, each vector by itself.

    Args:
        of_outputs: Whether the vectors lie along the axis of the outputs, the first; else each output has one.
    """

    def __init__(self, of_outputs: bool) -> None:
        super().__init__()
        self.of_outputs = of_outputs

    def forward(self, v: Tensor) -> Tensor:
        """Map (outputs, ...) to the same shape."""
        if self.of_outputs:
            return functional.normalize(v, dim=0)
        return functional.normalize(v.flatten(1), dim=1).reshape(v.shape)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """Store a weight that is set as it is."""
        return weight


class UnitNorm(nn.Module):
    """x / |x| over the last axis."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C) to the same shape."""
        return functional.normalize(x, dim=-1)


class FixNorm(nn.Module):
    """length x / |x| over the last axis.

    Args:
        length: A constant.
        eps: The least |x| that is divided by.
    """

    def __init__(self, length: float, eps: float) -> None:
        super().__init__()
        self.length, self.eps = length, eps

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C) to the same shape."""
        return self.length * functional.normalize(x, dim=-1, eps=self.eps)


class ScaleNorm(nn.Module):
    """g x / |x| over the last axis, with a learned number g that begins with sqrt(C).

    Args:
        channels: C.
        eps: The least |x| that is divided by.
    """

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.tensor(math.sqrt(channels)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C) to the same shape."""
        return self.gain * functional.normalize(x, dim=-1, eps=self.eps)


class Gain(nn.Module):
    """A factor s per channel, kept as numbers of another size, which sets how fast Adam changes it (nGPT, section 2.5).

    Args:
        channels: Number of channels.
        initial: What s begins with.
        stored: What the stored number begins with; it is multiplied by initial / stored.
    """

    parameter_roles: ClassVar = {"gain": "norm"}

    def __init__(self, channels: int, initial: float, stored: float) -> None:
        super().__init__()
        self.factor = initial / stored
        self.gain = nn.Parameter(torch.full((channels,), stored))

    def values(self) -> Tensor:
        """The factors, shape (channels,)."""
        return self.gain * self.factor

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., channels) to the same shape."""
        return x * self.values()


class SphereNorm(nn.Module):
    """h + f becomes Norm(h + |alpha| (Norm(f) - h)), Norm(x) = x / |x|: a step along the sphere.

    Args:
        channels: C.
        alpha: What the step of each channel begins with.
    """

    def __init__(self, channels: int, alpha: float) -> None:
        super().__init__()
        self.rate = Gain(channels, alpha, channels**-0.5)

    def forward(self, h: Tensor, f: Tensor) -> Tensor:
        """Map two tensors (..., C) to one of the same shape; h has length 1."""
        step = functional.normalize(f, dim=-1) - h
        return functional.normalize(h + self.rate.values().abs() * step, dim=-1)
