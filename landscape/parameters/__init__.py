"""Parameter space: named tensors, roles, filters, directions and points."""

from landscape.parameters.base import Base
from landscape.parameters.parametrizations import copied, effective, parametrized
from landscape.parameters.pieces import FloatArray, Piece, arrays_of, filter_squares, is_finite, pieces_of, put_together
from landscape.parameters.regenerated import RegeneratedSubspace
from landscape.parameters.roles import ROLES, Filters
from landscape.parameters.space import PERTURB, Entry, ParameterSpace, canonical
from landscape.parameters.subspace import Coordinates, Direction, Subspace, preserved

__all__ = [
    "PERTURB",
    "ROLES",
    "Base",
    "Coordinates",
    "Direction",
    "Entry",
    "Filters",
    "FloatArray",
    "ParameterSpace",
    "Piece",
    "RegeneratedSubspace",
    "Subspace",
    "arrays_of",
    "canonical",
    "copied",
    "effective",
    "filter_squares",
    "is_finite",
    "parametrized",
    "pieces_of",
    "preserved",
    "put_together",
]
