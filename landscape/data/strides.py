"""Strides of tensors that have an axis of length one, which torch may take for channels last."""

from __future__ import annotations

from torch import Tensor


def canonical(tensor: Tensor) -> Tensor:
    """The same tensor as torch makes a new one of its shape: contiguous, the strides of single channels included.

    Images of one channel are contiguous whatever the stride of that channel is. Where it is 1, convolutions take them
    for channels last and answer so, which `view` in a network cannot read.

    Args:
        tensor: Any; it is copied only where it is not contiguous.

    Returns:
        Its numbers, each stride the product of the lengths after it.
    """
    return tensor.contiguous().view(-1).view(tensor.shape)
