"""A convolution that adds a shortcut and applies ReLU before its output leaves the caches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Relative to the largest output; the rounding of TF32 is about 3e-4, that of float32 below 1e-6.
AGREEMENT = {torch.float32: 1.5e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}


class FusedConvolution(nn.Module):
    """A 2-D convolution with what follows it: relu(conv(x) + other), where `other` and ReLU may be missing.

    A ReLU within the convolution makes 0 of NaN, on CPUs and on GPUs alike. Where numbers may run out of range it has
    to be torch's own, which keeps NaN.

    Attributes:
        layer: The convolution, whose parameters are used.
        dtype: Arithmetic of the products, float32 or lower; sums are in float32.
        keeps_nan: Whether ReLU is torch's own.
        seen: Where the largest absolute value before each ReLU is noted while `keeps_nan`, if anywhere.
    """

    def __init__(self, layer: nn.Conv2d, relu: bool) -> None:
        super().__init__()
        self.layer, self.relu = layer, relu
        self.dtype = torch.float32
        self.keeps_nan = False
        self.seen: list[Tensor] | None = None
        self._packed: dict[torch.dtype, tuple[Tensor, Tensor | None]] = {}
        self._in_one_call: dict[torch.dtype, bool] = {}

    def forget(self) -> None:
        """Forget packed weights: the parameters have changed."""
        self._packed.clear()

    def forward(self, inputs: Tensor, other: Tensor | None = None) -> Tensor:
        """Map (n, channels, height, width) to the convolution's output shape, which is that of `other`."""
        inputs = inputs.to(self.dtype, memory_format=torch.channels_last)
        if other is not None:
            other = other.to(self.dtype, memory_format=torch.channels_last)
        compute = self._on_gpu if inputs.is_cuda else self._on_cpu
        if not (self.relu and self.keeps_nan):
            return compute(inputs, other, self.relu)
        outputs = compute(inputs, other, False)
        if self.seen is not None:
            self.seen.append(torch.linalg.vector_norm(outputs, math.inf).double())
        return outputs.relu_()

    def _weights(self) -> tuple[Tensor, Tensor | None]:
        if self.dtype not in self._packed:
            layer = self.layer
            weight = layer.weight.detach().to(self.dtype, memory_format=torch.channels_last)
            bias = None if layer.bias is None else layer.bias.detach().to(self.dtype)
            if not weight.is_cuda:
                weight = torch.ops.mkldnn._reorder_convolution_weight(
                    weight, layer.padding, layer.stride, layer.dilation, layer.groups, None
                )
            self._packed[self.dtype] = weight, bias
        return self._packed[self.dtype]

    def _on_cpu(self, inputs: Tensor, other: Tensor | None, relu: bool) -> Tensor:
        layer, kind = self.layer, "relu" if relu else "none"
        weight, bias = self._weights()
        where: Any = layer.padding, layer.stride, layer.dilation, layer.groups
        if other is None:
            alone: Tensor = torch.ops.mkldnn._convolution_pointwise(inputs, weight, bias, *where, kind, [], "")
            return alone
        after: Any = ("add", 1.0, kind if relu else None, [], "")
        summed: Tensor = torch.ops.mkldnn._convolution_pointwise.binary(inputs, other, weight, bias, *where, *after)
        return summed

    def _on_gpu(self, inputs: Tensor, other: Tensor | None, relu: bool) -> Tensor:
        """In one call of cuDNN where that was found to give the same, else operation by operation."""
        call = self._one_call(inputs, other) if relu else None
        if call is None or self._in_one_call.get(self.dtype) is False:
            return self._in_steps(inputs, other, relu)
        try:
            if self.dtype in self._in_one_call:
                return call()
            outputs = self._in_steps(inputs, other, relu)
            if not (inputs.is_cuda and torch.cuda.is_current_stream_capturing()):
                self._in_one_call[self.dtype] = _agree(call(), outputs)
            return outputs
        except torch.OutOfMemoryError:
            raise
        except RuntimeError:  # cuDNN has no kernel for it
            self._in_one_call[self.dtype] = False
            return self._in_steps(inputs, other, relu)

    def _in_steps(self, inputs: Tensor, other: Tensor | None, relu: bool) -> Tensor:
        layer = self.layer
        where: Any = layer.stride, layer.padding, layer.dilation, layer.groups
        outputs = functional.conv2d(inputs, *self._weights(), *where)
        outputs = outputs if other is None else outputs.add_(other)
        return outputs.relu_() if relu else outputs

    def _one_call(self, inputs: Tensor, other: Tensor | None) -> Callable[[], Tensor] | None:
        """A call of cuDNN's convolution with sum and ReLU, for the common shapes.

        It refuses a sum with the inputs themselves before version 8.3, was seen to be slow for wide kernels, is not
        made for single channels, and unlike torch's convolution it does not split what 32 bits cannot index.
        """
        layer, (weight, bias) = self.layer, self._weights()
        widest = max(inputs[0].numel(), layer.out_channels * inputs[0, 0].numel()) * len(inputs)
        usual = layer.groups == 1 and max(layer.kernel_size) <= 3 and widest < 2**31
        if bias is None or not usual or not hasattr(torch, "cudnn_convolution_add_relu"):
            return None
        where: Any = layer.stride, layer.padding, layer.dilation, layer.groups
        if other is None:
            return lambda: torch.cudnn_convolution_relu(inputs, weight, bias, *where)
        if other.data_ptr() == inputs.data_ptr():
            return None
        return lambda: torch.cudnn_convolution_add_relu(inputs, weight, other, 1.0, bias, *where)


def _agree(one: Tensor, other: Tensor) -> bool:
    """Whether two results are the same to the rounding of their type; that of TF32 is twenty times what float32 may."""
    apart = float((one.double() - other.double()).abs().max())
    return apart <= AGREEMENT[one.dtype] * float(other.double().abs().max())
