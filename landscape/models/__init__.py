"""Networks by name, and the weights to put into them."""

from landscape.models.build import MODELS, build_model
from landscape.models.checkpoint import Checkpoint, read_checkpoint
from landscape.models.loading import load_weights
from landscape.models.norms import NORMS, Norm, build_norm
from landscape.models.recognition import nearest_model, recognise

__all__ = [
    # networks
    "MODELS",
    "NORMS",
    "Norm",
    "build_model",
    "build_norm",
    # weights
    "Checkpoint",
    "load_weights",
    "nearest_model",
    "read_checkpoint",
    "recognise",
]
