"""Normalizations, each a `Norm`: what it puts into a network's slots, and how it wraps the layers before them."""

from landscape.models.norms.norm import Norm
from landscape.models.norms.table import NORMS, build_norm

__all__ = ["NORMS", "Norm", "build_norm"]
