"""Names and versions in our HDF5 files: the constants behind docs/format.md."""

from __future__ import annotations

import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"  # how every HDF5 file begins
FORMAT = "landscape"
FORMAT_VERSION = 1
DIRECTIONS_FORMAT = "landscape-directions"
DIRECTION_NAMES = ("first", "second")
AXIS_LABELS = {"x": "first direction", "y": "second direction"}
LEADING_LABELS = {"repeat": "independent draw of the directions", "bn": "policy for the statistics of BatchNorm"}
STATISTICS = "statistics"  # the group of what is measured of BatchNorm's statistics themselves
TEXT = h5py.string_dtype("utf-8")
