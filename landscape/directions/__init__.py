"""Where directions come from: recipes by name, and files."""

from landscape.directions.gaussian import Gaussian, Redrawn
from landscape.directions.imported import read_directions
from landscape.directions.interpolation import Interpolation, default_policy, difference, network_of, staying_buffers
from landscape.directions.normalize import NORMALIZERS, normalized

__all__ = [
    "NORMALIZERS",
    "Gaussian",
    "Interpolation",
    "Redrawn",
    "default_policy",
    "difference",
    "network_of",
    "normalized",
    "read_directions",
    "staying_buffers",
]
