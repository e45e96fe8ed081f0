"""The verbs, under the names of the commands."""

from landscape.api.computing import compute
from landscape.api.drawing import compare, draw_comparison, plot
from landscape.api.reading import check, load, newest
from landscape.api.rescaling import check_rescaling
from landscape.api.scenes import natural_kind

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
