"""Files for other tools, by the suffix of their name."""

from __future__ import annotations

from pathlib import Path

from landscape.errors import LandscapeError, listed
from landscape.registry import Registry

# f(surface, path, **settings) -> sentences that are told, or None
EXPORTERS = Registry(
    "exporter",
    {
        "h5": "landscape.storage.reference_export:write_reference_surface",
        "vtp": "landscape.storage.export_meshes:vtp",
        "obj": "landscape.storage.export_meshes:obj",
        "stl": "landscape.storage.export_meshes:stl",
        "ply": "landscape.storage.export_meshes:ply",
        "csv": "landscape.storage.export_tables:csv",
        "npz": "landscape.storage.export_tables:npz",
        "nc": "landscape.storage.export_tables:netcdf",
    },
)


def exporter_name(path: str | Path) -> str:
    """The exporter that the suffix of a file's name chooses.

    Args:
        path: Where the file is to go.

    Returns:
        A name of `EXPORTERS`.

    Raises:
        LandscapeError: If there is none for that suffix.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix not in EXPORTERS.names():
        raise LandscapeError(
            f"{Path(path).name!r} must end in one of {listed('.' + name for name in EXPORTERS.names())}, which says "
            "what is written; or name a function of your own with --to 'file.py:function'"
        )
    return suffix
