"""Scales for a direction, relative to the weights that it moves.

A normalizer is a pure function of a direction and its weight, both viewed as (filters, elements) in float64.
Zero filters, of either, give a zero filter and never a division by zero.
"""

from __future__ import annotations

from torch import Tensor
from torch.linalg import vector_norm

from landscape.registry import Registry

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
    scaled = NORMALIZERS.get(name)(direction.double(), weight.detach().double())
    assert isinstance(scaled, Tensor)
    return scaled


def by_filter(direction: Tensor, weight: Tensor) -> Tensor:
    """d_ij <- d_ij / ||d_i|| * ||w_i||, filter by filter (Li et al. 2018, arXiv:1712.09913, section 4)."""
    norm: Tensor = vector_norm(weight, dim=1, keepdim=True)
    return unit_filter(direction, weight) * norm


def by_layer(direction: Tensor, weight: Tensor) -> Tensor:
    """D <- d / ||d|| * ||w||, over the whole tensor."""
    norm: Tensor = vector_norm(weight)
    return unit_layer(direction, weight) * norm


def by_weight(direction: Tensor, weight: Tensor) -> Tensor:
    """D <- d * w, element by element, sign included."""
    return direction * weight


def unit_filter(direction: Tensor, weight: Tensor) -> Tensor:
    """d_i <- d_i / ||d_i||: every filter has norm 1, whatever the weight."""
    return _over(direction, vector_norm(direction, dim=1, keepdim=True))


def unit_layer(direction: Tensor, weight: Tensor) -> Tensor:
    """D <- d / ||d||: every tensor has norm 1, whatever the weight."""
    return _over(direction, vector_norm(direction))


def unscaled(direction: Tensor, weight: Tensor) -> Tensor:
    """The direction as it was drawn."""
    return direction


def _over(direction: Tensor, norm: Tensor) -> Tensor:
    return direction / norm.where(norm > 0, 1.0)
