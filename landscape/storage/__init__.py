"""Files: surfaces and directions of ours, and those of the 2018 tool."""

from landscape.storage.directions import read_named_directions, write_named_directions
from landscape.storage.file import is_surface, load, load_origin, may_be_ours, save
from landscape.storage.opening import check_writable, sole_writer
from landscape.storage.schema import direction_names

__all__ = [
    "check_writable",
    "direction_names",
    "is_surface",
    "load",
    "load_origin",
    "may_be_ours",
    "read_named_directions",
    "save",
    "sole_writer",
    "write_named_directions",
]
