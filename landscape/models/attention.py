"""Multi-head self-attention, with normalizations of queries, keys and values."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from landscape.models.norms.tokens import Gain


class QueryKeyNorm(nn.Module):
    """q <- g q / |q| and k <- k / |k| for each head, so that softmax gets g cos(q, k) (Henry et al. 2020, 2010.04245).

    Args:
        tokens: Number of tokens L; the learned number g begins with log2(L^2 - L).
    """

    scale = 1.0

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(math.log2(tokens * (tokens - 1))))

    def forward(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Map queries and keys, (N, heads, tokens, features of a head) each, to the same shapes."""
        return self.gain * functional.normalize(q, dim=-1), functional.normalize(k, dim=-1)


class SphereQueryKeyNorm(nn.Module):
    """q <- s q / |q| and k <- s k / |k| for each head (Loshchilov et al. 2024, 2410.01131).

    Args:
        width: Features of a token.
        heads: Number of heads; s is learned per head and feature.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, math.sqrt(width / heads)
        self.gain = Gain(width, 1.0, width**-0.5)

    def forward(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Map queries and keys, (N, heads, tokens, features of a head) each, to the same shapes."""
        s = self.gain.values().reshape(self.heads, 1, -1)
        return s * functional.normalize(q, dim=-1), s * functional.normalize(k, dim=-1)


class Attention(nn.Module):
    """softmax(scale q k^T) v for each head, between two linear layers.

    Args:
        heads: Number of heads.
        qkv: Layer from a token's features to its query, key and value, one after the other.
        proj: Layer behind the heads.
        query_key: Normalization of queries and keys, which has the `scale`; without it, that is 1 / sqrt(features).
        value_norm: Normalization of the values, (N, tokens, width), before they are divided into heads.
        value_act: Activation behind it.
    """

    def __init__(
        self,
        heads: int,
        qkv: nn.Module,
        proj: nn.Module,
        query_key: QueryKeyNorm | SphereQueryKeyNorm | None,
        value_norm: nn.Module,
        value_act: nn.Module,
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = None if query_key is None else query_key.scale
        self.qkv, self.query_key, self.value_norm, self.value_act = qkv, query_key, value_norm, value_act
        self.proj = proj

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, tokens, width) to the same shape."""
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (self._divided(one) for one in (q, k, self.value_act(self.value_norm(v))))
        if self.query_key is not None:
            q, k = self.query_key(q, k)
        mixed = functional.scaled_dot_product_attention(q, k, v, scale=self.scale)
        out: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return out

    def _divided(self, x: Tensor) -> Tensor:
        """Map (N, tokens, width) to (N, heads, tokens, width / heads)."""
        divided: Tensor = x.unflatten(2, (self.heads, -1))  # type: ignore[no-untyped-call]
        return divided.transpose(1, 2)
