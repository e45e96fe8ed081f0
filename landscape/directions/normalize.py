"""Scales for a direction, relative to the weights that it moves.

A normalizer is a pure function of a direction and its weight, both viewed as (filters, elements) in float64.
Zero filters, of either, give a zero filter and never a division by zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.linalg import vector_norm

from landscape.registry import Registry

Numbers = TypeVar("Numbers", Tensor, NDArray[np.float64])

NORMALIZERS = Registry(
    "normalizer",
    {
        "filter": "landscape.directions.normalize:by_filter",
        "layer": "landscape.directions.normalize:by_layer",
        "weight": "landscape.directions.normalize:by_weight",
        "dfilter": "landscape.directions.normalize:unit_filter",
        "dlayer": "landscape.directions.normalize:unit_layer",
        "none": "landscape.directions.normalize:unscaled",
    },
)


def normalized(name: str, direction: Tensor, weight: Tensor) -> Tensor:
    """Apply the normalizer of this name.

    Args:
        name: A name of `NORMALIZERS`, or an import path.
        direction: Shape (filters, elements).
        weight: The weight that it moves, of the same shape.

    Returns:
        The scaled direction, float64, of the same shape.
    """
    return applied(NORMALIZERS.get(name), direction, weight)


def applied(normalizer: Callable[[Tensor, Tensor], Tensor], direction: Tensor, weight: Tensor) -> Tensor:
    """Apply a normalizer in float64."""
    scaled = normalizer(direction.double(), weight.detach().double())
    assert isinstance(scaled, Tensor)
    return scaled


@dataclass(frozen=True)
class ByNorm:
    """d <- d / ||d||, times ||w|| if relative: over each filter, or over the whole tensor.

    It needs no more of a tensor than its norms, so that a large one can be scaled piece by piece.

    Attributes:
        each: Whether each filter has a norm of its own.
        relative: Whether the direction gets the norm of the weight; else its norm is 1.
    """

    each: bool
    relative: bool

    def __call__(self, direction: Tensor, weight: Tensor) -> Tensor:
        """Scale a direction.

        Args:
            direction: Shape (filters, elements).
            weight: The weight that it moves, of the same shape.

        Returns:
            The scaled direction, of the same shape.
        """
        dim = 1 if self.each else (0, 1)
        of_direction: Tensor = vector_norm(direction, dim=dim, keepdim=True)
        of_weight: Tensor = vector_norm(weight, dim=dim, keepdim=True)
        return self.scaled(direction, of_direction.where(of_direction > 0, 1.0), of_weight)

    def scaled(self, direction: Numbers, of_direction: Numbers, of_weight: Numbers) -> Numbers:
        """Scale by norms that are known, in tensors or in arrays; those of the direction must not be zero."""
        unit = direction / of_direction
        if self.relative:
            unit *= of_weight
        return unit


# d_ij <- d_ij / ||d_i|| * ||w_i||, filter by filter (Li et al. 2018, arXiv:1712.09913, section 4).
by_filter = ByNorm(each=True, relative=True)

# D <- d / ||d|| * ||w||, over the whole tensor.
by_layer = ByNorm(each=False, relative=True)

# d_i <- d_i / ||d_i||: every filter has norm 1, whatever the weight.
unit_filter = ByNorm(each=True, relative=False)

# D <- d / ||d||: every tensor has norm 1, whatever the weight.
unit_layer = ByNorm(each=False, relative=False)


def by_weight(direction: Numbers, weight: Numbers) -> Numbers:
    """D <- d * w, element by element, sign included."""
    return direction * weight


def unscaled(direction: Numbers, weight: Numbers) -> Numbers:
    """The direction as it was drawn."""
    return direction


# These take any part of a tensor, as tensors or as arrays.
ELEMENTWISE = (by_weight, unscaled)
