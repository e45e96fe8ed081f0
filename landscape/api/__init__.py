"""The verbs, under the names of the commands."""

from landscape.api.computing import compute
from landscape.api.drawing import compare, draw_comparison, natural_kind, plot
from landscape.api.reading import check, load, newest
from landscape.api.rescaling import check_rescaling

__all__ = [
    "check",
    "check_rescaling",
    "compare",
    "compute",
    "draw_comparison",
    "load",
    "natural_kind",
    "newest",
    "plot",
]
