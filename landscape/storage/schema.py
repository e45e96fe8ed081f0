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


def direction_names(axes: int, repeats: int = 1) -> list[str]:
    """Groups of the directions in a file: those of later repeats have a folder of their own.

    Args:
        axes: How many directions a repeat has.
        repeats: How many repeats.

    Returns:
        Repeat by repeat: `first`, `second`, `repeat_1/first`, ...
    """
    folders = ["", *(f"repeat_{number}/" for number in range(1, repeats))]
    return [f"{folder}{name}" for folder in folders for name in DIRECTION_NAMES[:axes]]
