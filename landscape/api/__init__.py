"""The verbs, under the names of the commands."""

from landscape.api.computing import check_rescaling, compute
from landscape.api.drawing import compare, draw_comparison, natural_kind, plot
from landscape.api.reading import check, load, newest

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
