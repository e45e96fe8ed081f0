"""A linear layer on tokens that applies GELU, or adds a shortcut, before its output leaves the caches."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FusedLinear(nn.Module):
    """A linear layer with what follows it: gelu(W x + b), or W x + b + other; either may be missing.

    torch's own layer copies the bias over the whole output before it multiplies, and packs the weights at every call.

    Attributes:
        layer: The layer, whose parameters are used.
        gelu: The approximation of the GELU that follows, `"none"` or `"tanh"`; None where none follows.
        dtype: Arithmetic of the products, float32 or lower; sums are in float32.
    """

    def __init__(self, layer: nn.Linear, gelu: str | None) -> None:
        super().__init__()
        self.layer, self.gelu = layer, gelu
        self.dtype = torch.float32
        self._packed: dict[torch.dtype, tuple[Tensor, Tensor | None]] = {}

    def forget(self) -> None:
        """Forget packed weights: the parameters have changed."""
        self._packed.clear()

    def forward(self, inputs: Tensor, other: Tensor | None = None) -> Tensor:
        """Map (..., features) to (..., outputs), the shape of `other`."""
        inputs = inputs.to(self.dtype)
        weight, bias = self._weights(inputs)
        if other is None or other.dtype != self.dtype:  # a sum in float32 of less precise products stays one
            after = ("none", "") if self.gelu is None else ("gelu", self.gelu)
            alone: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, after[0], [], after[1])
            return alone if other is None else alone + other
        summed: Tensor = torch.ops.mkldnn._linear_pointwise.binary(inputs, other, weight, bias, "add")
        return summed

    def _weights(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.dtype not in self._packed:
            weight = self.layer.weight.detach().to(self.dtype)
            bias = None if self.layer.bias is None else self.layer.bias.detach().to(self.dtype)
            rows = inputs.numel() // inputs.shape[-1]
            self._packed[self.dtype] = torch.ops.mkldnn._reorder_linear_weight(weight, rows), bias
        return self._packed[self.dtype]
