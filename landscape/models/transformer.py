"""Blocks of a transformer: attention and an MLP, with normalizations before, behind or within their sums."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from landscape.models.activations import build_activation
from landscape.models.attention import Attention, QueryKeyNorm, SphereQueryKeyNorm
from landscape.models.norms import Norm
from landscape.models.norms.tokens import Gain, SphereNorm


@dataclass(frozen=True)
class Plan:
    """What the parts of a transformer have in common.

    Attributes:
        depth: Number of blocks.
        width: Features of a token.
        heads: Heads of an attention.
        hidden: Features within an MLP.
        tokens: Number of tokens, the class token among them.
        norm: Normalization of the slots, and of the weights.
        sphere: Whether features stay at length 1 and layers have no biases.
        qk: Whether queries and keys are normalised.
        values: Normalization of the values.
        value_activation: Activation behind it.
        activation: Activation of an MLP.
    """

    depth: int
    width: int
    heads: int
    hidden: int
    tokens: int
    norm: Norm
    sphere: bool
    qk: bool
    values: Norm
    value_activation: str
    activation: str

    def linear(self, inputs: int, outputs: int) -> nn.Linear:
        """A layer with small weights, and biases of 0 where it has any."""
        layer = nn.Linear(inputs, outputs, bias=not self.sphere)
        nn.init.trunc_normal_(layer.weight, std=0.02, a=-0.04, b=0.04)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
        return layer

    def attention(self) -> Attention:
        """The attention of a block."""
        query_key: QueryKeyNorm | SphereQueryKeyNorm | None = QueryKeyNorm(self.tokens) if self.qk else None
        if self.sphere:
            query_key = SphereQueryKeyNorm(self.width, self.heads)
        return Attention(
            self.heads,
            self.norm.wrap(self.linear(self.width, 3 * self.width)),
            self.norm.wrap_output(self.linear(self.width, self.width)),
            query_key,
            self.values.of_tokens(self.width),
            build_activation(self.value_activation),
        )


class Mlp(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.fc1 = plan.norm.wrap(plan.linear(plan.width, plan.hidden))
        # sqrt(width) makes dot products of vectors of length 1 as large as the activation is made for.
        self.scale = Gain(plan.hidden, math.sqrt(plan.width), 1.0) if plan.sphere else nn.Identity()
        self.act = build_activation(plan.activation)
        self.fc2 = plan.norm.wrap_output(plan.linear(plan.hidden, plan.width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, tokens, width) to the same shape."""
        out: Tensor = self.fc2(self.act(self.scale(self.fc1(x))))
        return out


class PreBlock(nn.Module):
    """x + f(norm(x)) for f the attention and then the MLP (Xiong et al. 2020, 2002.04745, table 1)."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.norm1 = self._slot(plan)
        self.attn = plan.attention()
        self.norm2 = self._slot(plan)
        self.mlp = Mlp(plan)

    def _slot(self, plan: Plan) -> nn.Module:
        return plan.norm.of_tokens(plan.width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, tokens, width) to the same shape."""
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PostBlock(PreBlock):
    """norm(x + f(x)) for f the attention and then the MLP, as in the first transformer (table 1 of Xiong et al.)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, tokens, width) to the same shape."""
        x = self.norm1(x + self.attn(x))
        out: Tensor = self.norm2(x + self.mlp(x))
        return out


class SphereBlock(PreBlock):
    """Steps along the sphere towards f(x) for f the attention and then the MLP (Loshchilov et al. 2024, 2410.01131)."""

    def _slot(self, plan: Plan) -> nn.Module:
        return SphereNorm(plan.width, 1 / plan.depth)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, tokens, width), each token of length 1, to the same shape."""
        x = self.norm1(x, self.attn(x))
        out: Tensor = self.norm2(x, self.mlp(x))
        return out


PLACEMENTS = {"pre": PreBlock, "post": PostBlock, "sphere": SphereBlock}
