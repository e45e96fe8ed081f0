"""The verbs, under the names of the commands."""

from landscape.api.animating import animate
from landscape.api.computing import compute
from landscape.api.converting import convert
from landscape.api.drawing import compare, draw_comparison, plot
from landscape.api.embedding import bundle, figure
from landscape.api.explaining import explain
from landscape.api.reading import check, load, newest
from landscape.api.reporting import report
from landscape.api.rescaling import check_rescaling
from landscape.api.scenes import natural_kind

__all__ = [
    "animate",
    "bundle",
    "check",
    "check_rescaling",
    "compare",
    "compute",
    "convert",
    "draw_comparison",
    "explain",
    "figure",
    "load",
    "natural_kind",
    "newest",
    "plot",
    "report",
]
