"""Networks that the package does not bring, and their data: a small vision transformer, a language model, a formula."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

VOCABULARY = 50257


class Attention(nn.Module):
    """Plain multi-head attention with fused projections.

    Args:
        dim: Width.
        heads: Number of heads.
        causal: Whether a position sees those before it alone.
    """

    def __init__(self, dim: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(dim, 3 * dim)
        self.projection = nn.Linear(dim, dim)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, positions, dim) to the same shape."""
        n, positions, dim = inputs.shape
        qkv = self.qkv(inputs).reshape(n, positions, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.projection(mixed.transpose(1, 2).reshape(n, positions, dim))


class Block(nn.Module):
    """Attention and a perceptron, each with LayerNorm before and a residual around it."""

    def __init__(self, dim: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, causal)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, positions, dim) to the same shape."""
        hidden = inputs + self.attention(self.norm1(inputs))
        return hidden + self.mlp(self.norm2(hidden))


class ViT(nn.Module):
    """A vision transformer (Dosovitskiy et al. 2020, arXiv:2010.11929) for small images, with mean pooling."""

    def __init__(self, size: int, patch: int, dim: int, depth: int, heads: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, dim, patch, patch)
        self.positions = nn.Parameter(0.02 * torch.randn(1, (size // patch) ** 2, dim))
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (n, 3, size, size) to logits (n, classes)."""
        tokens = self.embed(images).flatten(2).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(tokens)).mean(1))


def vit(size: int = 32, patch: int = 4, dim: int = 128, depth: int = 6, heads: int = 4, classes: int = 10) -> ViT:
    """Build the small vision transformer: 1.2 million parameters."""
    return ViT(size, patch, dim, depth, heads, classes)


class LanguageModel(nn.Module):
    """A decoder in the shape of GPT-2 (Radford et al. 2019), its output tied to its embedding."""

    def __init__(self, vocabulary: int, context: int, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, dim)
        self.positions = nn.Embedding(context, dim)
        self.blocks = nn.Sequential(*(Block(dim, heads, causal=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (n, positions) to logits (n, vocabulary, positions)."""
        hidden = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        return functional.linear(self.norm(self.blocks(hidden)), self.tokens.weight).transpose(1, 2)


def gpt2_small(
    vocabulary: int = VOCABULARY, context: int = 1024, dim: int = 768, depth: int = 12, heads: int = 12
) -> LanguageModel:
    """Build a language model of GPT-2's smallest size: 124 million parameters."""
    return LanguageModel(vocabulary, context, dim, depth, heads)


def token_batches(sequences: int = 2, positions: int = 16, vocabulary: int = VOCABULARY) -> list[tuple[Tensor, Tensor]]:
    """Random tokens and what follows each of them, in one batch.

    Args:
        sequences: How many examples.
        positions: Tokens in each.
        vocabulary: How many tokens there are.

    Returns:
        One pair of int64 tensors of shape (sequences, positions).
    """
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(vocabulary, (sequences, positions + 1), generator=generator)
    return [(tokens[:, :-1], tokens[:, 1:])]


class Formula(nn.Module):
    """A loss that is a function of two weights, which are the coordinates of the plane.

    At the point (a, b) of the directions "first weight" and "second weight" the output of every example is `height`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(1, 1, bias=False)
        self.b = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.a.weight)
        nn.init.zeros_(self.b.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, 1) ones to the loss of each example, (n, 1)."""
        return self.height(self.a(inputs), self.b(inputs))

    def height(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss at (a, b)."""
        raise NotImplementedError


class Chaos(Formula):
    """Chaotic in both coordinates: 40 steps of the logistic map from a start that depends on both; over two decades."""

    def height(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss at (a, b), from 0.1 to 10."""
        state = 0.5 + 0.45 * torch.sin(3.0 * a.double() + math.sqrt(2.0)) * torch.cos(2.0 * b.double() + 1.0)
        for _ in range(40):
            state = 3.99 * state * (1.0 - state)
        return (0.1 * 100.0**state).to(a.dtype)


class Table(Formula):
    """The losses of a measured surface, looked up at the nearest of its points.

    Args:
        x: Its coordinates along the first direction.
        y: Its coordinates along the second.
        losses: Its losses, shape (x, y).
    """

    def __init__(self, x: Tensor, y: Tensor, losses: Tensor) -> None:
        super().__init__()
        for name, values in (("x", x), ("y", y), ("losses", losses)):
            self.register_buffer(name, values)

    def height(self, a: Tensor, b: Tensor) -> Tensor:
        """The loss at the point of the grid that is nearest to (a, b)."""
        i = (self.x - a.reshape(-1, 1)).abs().argmin(1)
        j = (self.y - b.reshape(-1, 1)).abs().argmin(1)
        return self.losses[i, j].reshape(a.shape).to(a.dtype)


def height_loss(output: Tensor, target: Tensor) -> Tensor:
    """The output itself, (n, 1), as the loss of each example."""
    return output[:, 0] + 0 * target
