"""Parameter space: named tensors, roles, filters, directions and points."""

from landscape.parameters.parametrizations import copied, effective, parametrized
from landscape.parameters.roles import ROLES, Filters
from landscape.parameters.space import PERTURB, Entry, ParameterSpace, canonical
from landscape.parameters.subspace import Direction, Subspace, preserved

__all__ = [
    "PERTURB",
    "ROLES",
    "Direction",
    "Entry",
    "Filters",
    "ParameterSpace",
    "Subspace",
    "canonical",
    "copied",
    "effective",
    "parametrized",
    "preserved",
]
