"""The plain data that the stages hand to one another: NumPy and text only, all of it frozen."""

from __future__ import annotations

from landscape.types.grid import AXIS_NAMES, MOST_POINTS, Axis, FloatArray, Grid, IntArray, axis_of
from landscape.types.job import POLICIES, PRECISIONS, Job
from landscape.types.surface import DirectionRecord, Finding, Surface
from landscape.types.trajectory import Trajectory

__all__ = [
    "Axis",
    "Grid",
    "Job",
    "DirectionRecord",
    "Surface",
    "Finding",
    "Trajectory",
    "FloatArray",
    "IntArray",
    "AXIS_NAMES",
    "MOST_POINTS",
    "POLICIES",
    "PRECISIONS",
    "axis_of",
]
