"""Where directions come from: recipes by name, and files."""

from landscape.directions.gaussian import Gaussian
from landscape.directions.imported import read_directions
from landscape.directions.normalize import NORMALIZERS, normalized

__all__ = ["NORMALIZERS", "Gaussian", "normalized", "read_directions"]
