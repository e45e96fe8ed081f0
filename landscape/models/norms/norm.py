"""What a normalization is to a network: two hooks at every slot, so that one definition serves them all.

Batch, layer and group normalization *are layers*; others (weight normalization, weight standardization,
spectral normalization) *wrap the layer before them*. A network calls both hooks at every slot; the hook
that a normalization does not need gives back an identity, so that names and indices never shift between
networks that differ only in their normalization.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def unwrapped(module: nn.Module) -> nn.Module:
    """Give the module back as it is."""
    return module


def identity(channels: int) -> nn.Module:
    """Make a module that gives its input back."""
    return nn.Identity()


@dataclass(frozen=True)
class Norm:
    """The hooks of a normalization.

    Attributes:
        layer: `layer(channels, dimensions)` makes the module for a slot behind a layer with so many output
            channels; dimensions counts the spatial axes of its input: 0 for (N, C), 1 for (N, C, L), 2 for images.
            Where `conditional`, the hook is `layer(channels, dimensions, condition)` with the number of features of the
            condition, and the module is called with (input, condition), the condition of shape (N, features).
        wrap: `wrap(module)` reparametrises the convolution or linear layer before the slot.
        tokens: `tokens(channels)` makes the module for a slot of a transformer, whose input is (N, tokens, C);
            without it, tokens are taken for positions of `layer(channels, 1)`.
        needs_positions: Whether `layer(channels, 0)` can be no more than an identity.
        conditional: Whether the modules take a condition besides their input.
        embedding: `embedding(channels)` makes the module behind a transformer's embeddings, before positions are added.
        output: As `wrap`, for the layers that write into a transformer's stream of features; without it, `wrap`.
        head: As `wrap`, for a transformer's last layer.
        placements: Where a transformer may put its slots.
    """

    layer: Callable[..., nn.Module]
    wrap: Callable[[nn.Module], nn.Module] = unwrapped
    tokens: Callable[[int], nn.Module] | None = None
    needs_positions: bool = False
    conditional: bool = False
    embedding: Callable[[int], nn.Module] = identity
    output: Callable[[nn.Module], nn.Module] | None = None
    head: Callable[[nn.Module], nn.Module] = unwrapped
    placements: Sequence[str] = ("pre", "post")

    def of_tokens(self, channels: int) -> nn.Module:
        """Make the module for a slot of a transformer.

        Args:
            channels: Features of a token.

        Returns:
            A module from (N, tokens, channels) to the same shape.
        """
        return Tokens(self.layer(channels, 1)) if self.tokens is None else self.tokens(channels)

    def wrap_output(self, module: nn.Module) -> nn.Module:
        """Reparametrise a layer that writes into a transformer's stream of features.

        Args:
            module: The convolution or linear layer.

        Returns:
            The layer.
        """
        return self.wrap(module) if self.output is None else self.output(module)


class Tokens(nn.Module):
    """A normalization of (N, C, L) on tokens (N, L, C): they are the positions."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, tokens, C) to the same shape."""
        y: Tensor = self.norm(x.transpose(1, 2))
        return y.transpose(1, 2)


def over_channels(values: Tensor, x: Tensor) -> Tensor:
    """Arrange a value per channel, shape (C,), so that it broadcasts against x of shape (N, C, ...)."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))


def widened(x: Tensor) -> Tensor:
    """Give half precision as float32, in which squares do not overflow, and anything else as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def over_positions(x: Tensor) -> Tensor:
    """Arrange (N, C, ...) as (N, C, positions); vectors (N, C) have one position."""
    return x.flatten(2) if x.ndim > 2 else x.unsqueeze(2)
