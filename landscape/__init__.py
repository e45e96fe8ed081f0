"""See, compare and measure the loss landscape of a trained network.

The public names below are loaded on first use, so that `import landscape` is quick and pulls in no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landscape.analysis.comparison import Comparison
    from landscape.api import animate, check, compare, compute, convert, explain, load, plot, report
    from landscape.errors import LandscapeError
    from landscape.types import Axis, Finding, Grid, Job, Surface, Trajectory

__version__ = "0.1.0"
__all__ = [
    # verbs
    "animate",
    "check",
    "compare",
    "compute",
    "convert",
    "explain",
    "load",
    "plot",
    "report",
    # data
    "Axis",
    "Comparison",
    "Finding",
    "Grid",
    "Job",
    "Surface",
    "Trajectory",
    # errors
    "LandscapeError",
    "__version__",
]

_HOMES = {
    **dict.fromkeys(
        ("animate", "check", "compare", "compute", "convert", "explain", "load", "plot", "report"), "landscape.api"
    ),
    "Comparison": "landscape.analysis.comparison",
    **dict.fromkeys(("Axis", "Finding", "Grid", "Job", "Surface", "Trajectory"), "landscape.types"),
    "LandscapeError": "landscape.errors",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'landscape' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
