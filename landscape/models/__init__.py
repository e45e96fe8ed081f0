"""Networks by name, and the weights to put into them."""

from landscape.models.build import MODELS, build_model
from landscape.models.norms import NORMS, Norm, build_norm

__all__ = ["MODELS", "NORMS", "Norm", "build_model", "build_norm"]
