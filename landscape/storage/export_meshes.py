"""Meshes in the files of other programs: VTK's .vtp, and .obj, .stl and .ply."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landscape.storage.meshes import Mesh, mesh_of
from landscape.storage.opening import replaced
from landscape.types import Surface

STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
PLY_POINT = np.dtype([("point", "<f4", 3), ("quality", "<f4")])
PLY_QUAD = np.dtype([("number", "u1"), ("corners", "<i4", 4)])


def vtp(
    surface: Surface, path: Path, *, metric: str = "loss", clip: float | None = None, log: bool = False
) -> Sequence[str]:
    """Write VTK PolyData as text, for ParaView, as the 2018 tool does.

    Args:
        surface: A plain surface over two directions.
        path: Where the file will be.
        metric: The quantity that is the height.
        clip: Heights above this become this.
        log: Whether the height is ln(z + 0.1).

    Returns:
        What is said of the file, a sentence each.
    """
    return _written(surface, path, metric, clip, log, _vtp)


def obj(
    surface: Surface, path: Path, *, metric: str = "loss", clip: float | None = None, log: bool = False
) -> Sequence[str]:
    """Write Wavefront OBJ, with quads; see `vtp` for arguments and result."""
    return _written(surface, path, metric, clip, log, _obj)


def stl(
    surface: Surface, path: Path, *, metric: str = "loss", clip: float | None = None, log: bool = False
) -> Sequence[str]:
    """Write binary STL, with two triangles for each quad; see `vtp` for arguments and result."""
    return _written(surface, path, metric, clip, log, _stl)


def ply(
    surface: Surface, path: Path, *, metric: str = "loss", clip: float | None = None, log: bool = False
) -> Sequence[str]:
    """Write binary PLY, the height repeated as `quality`, which MeshLab colours by; see `vtp` for the rest."""
    return _written(surface, path, metric, clip, log, _ply)


def _written(
    surface: Surface, path: Path, metric: str, clip: float | None, log: bool, content: Callable[[Mesh], bytes]
) -> Sequence[str]:
    mesh = mesh_of(surface, metric, clip, log)
    with replaced(path) as temporary:
        temporary.write_bytes(content(mesh))
    total = mesh.missing + len(mesh.quads)
    return [f"{mesh.missing:,} of {total:,} cells are holes: a corner is not finite or not measured"] * bool(
        mesh.missing
    )


def _vtp(mesh: Mesh) -> bytes:
    heights = mesh.points[:, 2].astype(np.float32)
    # The tool takes the mean of what it writes: of the heights after clip and logarithm.
    averaged = mesh.points[mesh.quads, 2].mean(axis=1).astype(np.float32)
    number = len(mesh.quads)
    about = re.sub("-(?=-)", "- ", mesh.about)  # two hyphens in a row may not stand in an XML comment
    lines = [
        '<?xml version="1.0"?>',
        f"<!-- {about} -->",
        '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64">',
        "<PolyData>",
        f'<Piece NumberOfPoints="{len(heights)}" NumberOfVerts="0" NumberOfLines="0" NumberOfStrips="0" '
        f'NumberOfPolys="{number}">',
        '<PointData Scalars="zvalue">',
        *_array("zvalue", heights),
        "</PointData>",
        '<CellData Scalars="averaged zvalue">',
        *_array("averaged zvalue", averaged),
        "</CellData>",
        "<Points>",
        *_array("Points", mesh.points.astype(np.float32)),
        "</Points>",
        "<Polys>",
        *_array("connectivity", mesh.quads),
        *_array("offsets", np.arange(4, 4 * number + 1, 4, dtype=np.int64)),
        "</Polys>",
        "</Piece>",
        "</PolyData>",
        "</VTKFile>",
    ]
    return "\n".join([*lines, ""]).encode("ascii")


def _array(name: str, values: NDArray[np.generic]) -> list[str]:
    """An array of a .vtp file; single precision in as few digits as read back to the same number."""
    kind = "Float32" if values.dtype == np.float32 else "Int64"
    parts = values.shape[1] if name == "Points" else 1
    head = f'<DataArray type="{kind}" Name="{name}" NumberOfComponents="{parts}" format="ascii">'
    rows = values.reshape(len(values), -1)
    words = rows.astype(str).tolist() if kind == "Float32" else (map(str, row) for row in rows.tolist())
    return [head, *(" ".join(row) for row in words), "</DataArray>"]


def _obj(mesh: Mesh) -> bytes:
    lines = [f"# {mesh.about}", "o surface"]
    lines += [f"v {x} {y} {z}" for x, y, z in mesh.points.astype(np.float32).astype(str).tolist()]
    lines += [f"f {a} {b} {c} {d}" for a, b, c, d in (mesh.quads + 1).tolist()]
    return "\n".join([*lines, ""]).encode("ascii")


def _stl(mesh: Mesh) -> bytes:
    corners = mesh.points[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    written = np.zeros(len(corners), dtype=STL_TRIANGLE)
    written["normal"] = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    written["corners"] = corners
    # The head must not begin with "solid", which is how a text file begins.
    head = mesh.about.encode("ascii")[:80].ljust(80)
    return head + np.array(len(written), dtype="<u4").tobytes() + written.tobytes()


def _ply(mesh: Mesh) -> bytes:
    points, quads = np.zeros(len(mesh.points), dtype=PLY_POINT), np.zeros(len(mesh.quads), dtype=PLY_QUAD)
    points["point"], points["quality"] = mesh.points, mesh.points[:, 2]
    quads["number"], quads["corners"] = 4, mesh.quads
    head = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {mesh.about}",
        f"element vertex {len(points)}",
        *(f"property float {name}" for name in ("x", "y", "z", "quality")),
        f"element face {len(quads)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    return "\n".join([*head, ""]).encode("ascii") + points.tobytes() + quads.tobytes()
