"""Meshes and tables for other programs, read back by readers of their own; the command; exporters of the user's own."""

from __future__ import annotations

import csv
import json
import struct
import xml.etree.ElementTree as ElementTree

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surfaces import broken, stacked, surface, valley

import landscape
from landscape import LandscapeError
from landscape.commands.main import main
from landscape.storage import save
from landscape.storage.export import EXPORTERS, exporter_name
from landscape.storage.meshes import mesh_of

MESHES = ("vtp", "obj", "stl", "ply")


def read_vtp(path):
    root = ElementTree.parse(path).getroot()
    assert root.attrib["type"] == "PolyData"
    piece = root.find("PolyData/Piece")
    arrays = {}
    for array in piece.iter("DataArray"):
        kind = {"Float32": np.float32, "Int64": np.int64}[array.attrib["type"]]
        assert array.attrib["format"] == "ascii"
        arrays[array.attrib["Name"]] = np.array((array.text or "").split(), dtype=kind)
    number = int(piece.attrib["NumberOfPolys"])
    ends = arrays["offsets"]
    np.testing.assert_array_equal(ends, 4 * np.arange(1, number + 1))
    assert int(piece.attrib["NumberOfPoints"]) == len(arrays["zvalue"])
    points, cells = arrays["Points"].reshape(-1, 3), arrays["connectivity"].reshape(-1, 4)
    return points, cells, arrays


def read_obj(path):
    words = [line.split() for line in path.read_text().splitlines()]
    points = np.array([line[1:] for line in words if line[0] == "v"], dtype=np.float32)
    return points, np.array([line[1:] for line in words if line[0] == "f"], dtype=int) - 1


def read_stl(path):
    content = path.read_bytes()
    (number,) = struct.unpack("<I", content[80:84])
    assert len(content) == 84 + 50 * number
    assert not content.startswith(b"solid")
    numbers = [struct.unpack("<12f", content[84 + 50 * k : 84 + 50 * k + 48]) for k in range(number)]
    return np.array(numbers).reshape(number, 4, 3)


def read_ply(path):
    head, _, content = path.read_bytes().partition(b"end_header\n")
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    points, faces = (int(line.split()[2]) for line in lines if line.startswith("element"))
    assert [line.split()[-1] for line in lines if line.startswith("property float")] == ["x", "y", "z", "quality"]
    vertices = np.frombuffer(content, "<f4", 4 * points).reshape(points, 4)
    found, at = [], 16 * points
    for _ in range(faces):
        (number,) = struct.unpack_from("<B", content, at)
        found.append(struct.unpack_from(f"<{number}i", content, at + 1))
        at += 1 + 4 * number
    assert at == len(content)
    np.testing.assert_array_equal(vertices[:, 2], vertices[:, 3])
    return vertices[:, :3], np.array(found)


def expected(source, metric="loss", height=lambda z: z):
    """Points as the 2018 tool has them: x fastest."""
    x, y = (axis.values for axis in source.grid.axes)
    return np.array([(x[i], y[j], height(source[metric][i, j])) for j in range(len(y)) for i in range(len(x))])


@pytest.mark.parametrize(("nx", "ny"), [(4, 3), (2, 6)])
def test_vtp_is_that_of_the_tool(tmp_path, nx, ny):
    source = valley(nx, ny)
    landscape.convert(source, tmp_path / "s.vtp", log=True, clip=2.0)
    points, cells, arrays = read_vtp(tmp_path / "s.vtp")
    wanted = expected(source, height=lambda z: np.log(min(z, 2.0) + 0.1)).astype(np.float32)
    np.testing.assert_array_equal(points, wanted)
    np.testing.assert_array_equal(arrays["zvalue"], wanted[:, 2])
    quads = [(i, i + 1, i + nx + 1, i + nx) for row in range(ny - 1) for i in range(row * nx, row * nx + nx - 1)]
    np.testing.assert_array_equal(cells, quads)
    means = [wanted[list(quad), 2].mean() for quad in quads]
    np.testing.assert_allclose(arrays["averaged zvalue"], means, rtol=1e-6)
    assert (wanted[:, 2] == np.float32(np.log(2.1))).any()


def test_linear_and_unclipped_unless_asked(tmp_path):
    source = valley(4, 3)
    landscape.convert(source, tmp_path / "s.vtp")
    np.testing.assert_array_equal(read_vtp(tmp_path / "s.vtp")[0], expected(source).astype(np.float32))


@pytest.mark.parametrize(("suffix", "read"), [("obj", read_obj), ("ply", read_ply)])
def test_other_meshes_are_the_same(tmp_path, suffix, read):
    source = valley(5, 3)
    landscape.convert(source, tmp_path / "s.vtp", clip=2)
    landscape.convert(source, tmp_path / f"s.{suffix}", clip=2)
    points, cells, _ = read_vtp(tmp_path / "s.vtp")
    found, faces = read(tmp_path / f"s.{suffix}")
    np.testing.assert_array_equal(found, points)
    np.testing.assert_array_equal(faces, cells)


def test_stl_has_two_triangles_for_each_quad(tmp_path):
    source = valley(4, 3)
    landscape.convert(source, tmp_path / "s.stl")
    found = read_stl(tmp_path / "s.stl")
    assert len(found) == 2 * 3 * 2
    normals, corners = found[:, 0], found[:, 1:]
    own = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    np.testing.assert_allclose(normals, own / np.linalg.norm(own, axis=1, keepdims=True), atol=1e-5)
    assert (normals[:, 2] > 0).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, rtol=1e-6)
    assert own[:, 2].sum() / 2 == pytest.approx(4.0, rel=1e-5)  # the area of the plane
    wanted = {tuple(point) for point in expected(source).astype(np.float32).tolist()}
    assert {tuple(point) for point in corners.reshape(-1, 3).tolist()} == wanted


@pytest.mark.parametrize("suffix", MESHES)
def test_holes_where_nothing_finite_was_measured(tmp_path, suffix):
    source = broken(valley(5, 4), nan=[(0, 0)], inf=[(4, 3)], undone=[(2, 1)])
    told = []
    landscape.convert(source, tmp_path / f"s.{suffix}", clip=3.0, log=True, tell=told.append)
    assert told == ["6 of 12 cells are holes: a corner is not finite or not measured"]
    read = {"vtp": read_vtp, "obj": read_obj, "ply": read_ply}.get(suffix)
    points = read(tmp_path / f"s.{suffix}")[0] if read else read_stl(tmp_path / f"s.{suffix}")[:, 1:].reshape(-1, 3)
    assert np.isfinite(points).all()
    seen = {tuple(np.round(point[:2], 5)) for point in points.tolist()}
    axes = [np.round(axis.array(), 5) for axis in source.grid.axes]
    for i, j in [(0, 0), (4, 3), (2, 1)]:
        assert (axes[0][i], axes[1][j]) not in seen


@given(st.data())
def test_a_mesh_covers_what_has_four_finite_corners(data):
    nx, ny = data.draw(st.integers(2, 6)), data.draw(st.integers(2, 6))
    flags = data.draw(st.lists(st.booleans(), min_size=nx * ny, max_size=nx * ny))
    finite = np.reshape(flags, (nx, ny))
    heights = np.where(finite, np.arange(nx * ny).reshape(nx, ny) + 1.0, np.nan)
    cells = [(i, j) for i in range(nx - 1) for j in range(ny - 1) if finite[i : i + 2, j : j + 2].all()]
    source = surface(heights)
    if not cells:
        with pytest.raises(LandscapeError, match="no mesh to make"):
            mesh_of(source)
        return
    mesh = mesh_of(source)
    x, y = (axis.array() for axis in source.grid.axes)
    lower = {tuple(mesh.points[quad[0]]) for quad in mesh.quads}
    assert lower == {(x[i], y[j], heights[i, j]) for i, j in cells}
    assert len(mesh.quads) == len(cells) == (nx - 1) * (ny - 1) - mesh.missing
    corners = mesh.points[mesh.quads]
    assert (corners[:, 2, 0] > corners[:, 0, 0]).all()
    assert (corners[:, 2, 1] > corners[:, 0, 1]).all()
    assert set(mesh.quads.ravel()) == set(range(len(mesh.points)))


def test_meshes_of_other_quantities(tmp_path):
    source = valley(4, 3)
    landscape.convert(source, tmp_path / "s.ply", metric="accuracy")
    np.testing.assert_array_equal(read_ply(tmp_path / "s.ply")[0], expected(source, "accuracy").astype(np.float32))
    drifting = stacked(valley(4, 3), policies=True, drift=True)
    landscape.convert(drifting, tmp_path / "d.ply", metric="drift", bn="recalibrate")
    wanted = expected(drifting.sel(bn="recalibrate"), "statistics/drift").astype(np.float32)
    np.testing.assert_array_equal(read_ply(tmp_path / "d.ply")[0], wanted)


def test_what_an_adaptive_run_left_out(tmp_path):
    """Interpolated in a mesh, which says so; not done in the 2018 tool's layout."""
    count = np.zeros((17, 9), dtype=int)
    count[::2, ::2] = 200
    source, told = valley(17, 9, count=count, adaptive=0.02), []
    landscape.convert(source, tmp_path / "s.ply", tell=told.append)
    assert told == ["what the adaptive run left out is interpolated, as in the figures"]
    points, cells = read_ply(tmp_path / "s.ply")
    assert (len(points), len(cells)) == (153, 128)
    np.testing.assert_allclose(points, expected(source.filled()), rtol=1e-6)
    landscape.convert(source, tmp_path / "li.h5")
    with h5py.File(tmp_path / "li.h5") as file:
        assert (file["train_loss"][:] == -1).sum() == (count == 0).sum()


def test_a_name_that_would_break_the_comment(tmp_path):
    landscape.convert(valley(3, 3, name="a--b-->\n<c>é.pt"), tmp_path / "s.vtp")
    assert len(read_vtp(tmp_path / "s.vtp")[0]) == 9
    landscape.convert(valley(3, 3, name="a\nv 1 2 3"), tmp_path / "s.obj")
    assert len(read_obj(tmp_path / "s.obj")[0]) == 9


# Tables.


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_is_tidy_and_plain(tmp_path):
    source = broken(valley(4, 3), nan=[(0, 1)], inf=[(1, 1)], undone=[(3, 2)])
    landscape.convert(source, tmp_path / "s.csv")
    rows = rows_of(tmp_path / "s.csv")
    assert list(rows[0]) == ["x", "y", "test/loss", "test/count", "test/accuracy"]
    assert len(rows) == 12
    x, y = (axis.values for axis in source.grid.axes)
    for index, row in enumerate(rows):
        i, j = divmod(index, 3)
        assert (float(row["x"]), float(row["y"])) == (x[i], y[j])
        assert int(row["test/count"]) == source["count"][i, j]
        if (i, j) == (3, 2):
            assert row["test/loss"] == row["test/accuracy"] == ""
        else:
            np.testing.assert_array_equal(float(row["test/loss"]), source["loss"][i, j])
    assert [rows[1]["test/loss"], rows[4]["test/loss"]] == ["NaN", "Inf"]
    beside = json.loads((tmp_path / "s.csv.json").read_text())
    assert beside["fingerprint"] == source.job.fingerprint()


def test_the_table_of_several_surfaces(tmp_path):
    source = stacked(valley(3, 2), repeats=2, policies=True, drift=True)
    landscape.convert(source, tmp_path / "s.csv")
    rows = rows_of(tmp_path / "s.csv")
    assert len(rows) == 2 * 3 * 6
    for row in rows:
        plain = source.sel(repeat=int(row["repeat"]), bn=row["bn"])
        index = tuple(axis.values.index(float(row[name])) for name, axis in zip("xy", plain.grid.axes, strict=True))
        assert float(row["test/loss"]) == plain["loss"][index]
        assert float(row["statistics/drift"]) == source["statistics/drift"][int(row["repeat"])][index]
    landscape.convert(source, tmp_path / "one.csv", bn="batch", repeat=1)
    assert list(rows_of(tmp_path / "one.csv")[0])[:3] == ["x", "y", "test/loss"]


def test_pandas_reads_the_table_without_options(tmp_path):
    pandas = pytest.importorskip("pandas")
    source = broken(valley(4, 3), inf=[(1, 1)], undone=[(3, 2)])
    landscape.convert(source, tmp_path / "s.csv")
    table = pandas.read_csv(tmp_path / "s.csv")
    np.testing.assert_array_equal(table["test/loss"].to_numpy().reshape(4, 3), source["loss"])
    assert table["test/count"].dtype == np.int64


def test_numpy_arrays(tmp_path):
    source = stacked(valley(3, 2), repeats=2, policies=True)
    landscape.convert(source, tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as arrays:
        for name in source:
            np.testing.assert_array_equal(arrays[name], source[name])
            assert arrays[name].dtype == source[name].dtype
        np.testing.assert_array_equal(arrays["y"], source.grid.axes[1].array())
        assert arrays["bn"].tolist() == list(source.policies)
        assert json.loads(str(arrays["job"])) == json.loads(source.job.to_json())


@pytest.mark.parametrize("several", [False, True])
def test_netcdf_by_a_reader_of_netcdf(tmp_path, several):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    source = stacked(valley(4, 3), repeats=2, policies=True, drift=True) if several else valley(4, 3)
    landscape.convert(source, tmp_path / "s.nc")
    with xarray.open_dataset(tmp_path / "s.nc", engine="h5netcdf") as found:
        assert found["test_loss"].dims == source.dimensions
        np.testing.assert_array_equal(found["test_loss"].values, source["loss"])
        at = {"x": source.grid.axes[0].values[1], "y": source.grid.axes[1].values[2]}
        more = {"repeat": 1, "bn": "batch"} if several else {}
        plain = source.sel(**more)
        assert float(found["test_loss"].sel(**at, **more)) == plain["loss"][1, 2]
        assert found["test_loss"].attrs["long_name"] == "test/loss"
        assert json.loads(found.attrs["job"]) == json.loads(source.job.to_json())
        if several:
            assert found["statistics_drift"].dims == ("repeat", "x", "y")


def test_a_line_has_tables(tmp_path):
    source = surface([3.0, 1.0, 2.0])
    landscape.convert(source, tmp_path / "s.csv")
    assert [row["test/loss"] for row in rows_of(tmp_path / "s.csv")] == ["3.0", "1.0", "2.0"]
    landscape.convert(source, tmp_path / "s.nc")
    with h5py.File(tmp_path / "s.nc") as file:
        assert file["test_loss"].dims[0][0].name == "/x"


# The command.


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Call the command in a folder with files; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    save(valley(4, 3), "run.h5")
    save(surface([1.0, 2.0, 3.0]), "line.h5")
    save(stacked(valley(4, 3), policies=True), "many.h5")
    landscape.convert("run.h5", "theirs.h5")
    with h5py.File("other.h5", "w") as file:
        file["something"] = 1

    def call(*words):
        with pytest.raises(SystemExit) as stop:
            main(["convert", *words])
        printed = capsys.readouterr()
        return stop.value.code, printed.out, printed.err

    return call


def test_the_command(run, tmp_path):
    assert run("run.h5", "deep/run.vtp", "--log", "--clip", "2") == (0, "deep/run.vtp\n", "")
    assert read_vtp(tmp_path / "deep" / "run.vtp")[2]["zvalue"].max() == np.float32(np.log(2.1))
    code, out, err = run("run.h5", "theirs.h5", "--split", "test", "--overwrite")
    assert (code, out, err) == (0, "theirs.h5\n", "the split test stands under train_loss\n")
    code, out, err = run("theirs.h5", "ours.h5")
    assert (code, out) == (0, "ours.h5\n")
    assert "says nothing of" in err
    np.testing.assert_array_equal(landscape.load("ours.h5")["loss"], landscape.load("run.h5")["loss"])
    assert run("theirs.h5", "theirs.ply")[0] == 0
    np.testing.assert_array_equal(
        read_ply(tmp_path / "theirs.ply")[0], expected(landscape.load("run.h5")).astype(np.float32)
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone.h5", "a.csv"), "there is no file 'gone.h5'"),
        (("gone.csv", "a.h5"), "there is no file 'gone.csv'"),
        (("other.h5", "a.csv"), "neither a surface, nor directions"),
        ((".", "a.csv"), "is a folder"),
        (("run.h5", "a.xyz"), "must end in one of .h5, .vtp, .obj, .stl, .ply, .csv, .npz, .nc"),
        (("run.h5", "a"), "must end in one of"),
        (("line.h5", "a.stl"), "at least two along each of two directions"),
        (("run.h5", "a.vtp", "--metric", "perplexity"), "no quantity 'perplexity'"),
        (("run.h5", "run.h5", "--overwrite"), "is the input itself"),
        (("run.h5", "./x/../run.h5", "--overwrite"), "is the input itself"),
        (("run.h5", "line.h5"), "exists: give another name, or replace it with --overwrite"),
        (("run.h5", "."), "is a folder"),
        (("run.h5", "a.csv", "--clip", "3"), "--clip has no effect on what csv writes"),
        (("run.h5", "a.vtp", "--split", "test"), "--split has no effect on what vtp writes"),
        (("run.h5", "a.vtp", "--samples", "3"), "--samples has no effect on exporting a surface"),
        (
            ("run.h5", "a.vtp", "--ckpt", "net.pt", "--trust"),
            "--ckpt and --trust have no effect on exporting a surface: leave them out",
        ),
        (("run.h5", "a.h5", "--directions", "--metric", "loss"), "--metric has no effect on drawing directions again"),
        (("theirs.h5", "a.h5", "--bn", "frozen"), "--bn has no effect on importing a surface"),
        (("theirs.h5", "a.h5", "--directions"), "and the input is none"),
        (("run.h5", "a.vtp", "--clip", "nan"), "clip is a height, not nan"),
        (("run.h5", "a.h5", "--split", "val"), "no split 'val'"),
        (("many.h5", "a.vtp"), "choose one with --bn"),
        (("many.h5", "a.vtp", "--repeat", "4"), "has the repeats 0 to 0"),
        (("run.h5", "a.csv", "--directions"), "directions are written as .h5"),
        (("run.h5", "a.h5", "--directions"), "give its checkpoint with --ckpt"),
        (("run.h5", "a.txt", "--to", "nope"), "unknown exporter 'nope'"),
        (("run.h5", "a.txt", "--to", "mine.py"), "name the function in mine.py"),
    ],
)
def test_wrong_input_is_one_sentence_and_code_2(run, tmp_path, words, said):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_nothing_is_replaced_unless_asked(run, tmp_path):
    (tmp_path / "a.csv.json").write_text("mine")
    code, _, err = run("run.h5", "a.csv")
    assert code == 2
    assert "'a.csv.json' exists" in err
    assert not (tmp_path / "a.csv").exists()
    assert run("run.h5", "a.csv", "--overwrite")[0] == 0
    assert (tmp_path / "a.csv.json").read_text() != "mine"
    assert not list(tmp_path.glob(".*.part"))


OWN = """
def points(surface, path, *, metric="loss", digits=3):
    lines = [f"{value:.{digits}f}" for value in surface[metric].ravel()]
    path.write_text("\\n".join(lines))
    return [f"{len(lines)} lines"]

def nothing(surface, path):
    pass

def broken(surface, path):
    return 1 / 0
"""


def test_an_exporter_of_the_users_own(run, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    code, out, err = run("run.h5", "a.txt", "--to", "mine.py:points(digits=5)", "--metric", "accuracy")
    assert (code, out, err) == (0, "a.txt\n", "12 lines\n")
    assert (tmp_path / "a.txt").read_text().split()[0] == f"{np.exp(-2):.5f}"
    assert "ended without writing" in run("run.h5", "b.txt", "--to", "mine.py:nothing")[2]
    code, _, err = run("run.h5", "b.txt", "--to", "mine.py:broken")
    assert code == 2
    assert "ZeroDivisionError" in err
    assert "--clip has no effect" in run("run.h5", "b.txt", "--to", "mine.py:points", "--clip", "1")[2]


def test_every_exporter_is_there_and_chosen_by_its_suffix(tmp_path):
    for name in EXPORTERS.table:
        assert callable(EXPORTERS.get(name))
        assert exporter_name(f"some.where/x.{name.upper()}") == name
        assert landscape.convert(valley(4, 3), tmp_path / f"x.{name}").stat().st_size > 0


def test_what_is_converted_has_to_be_something(tmp_path):
    with pytest.raises(LandscapeError, match="not a int"):
        landscape.convert(3, tmp_path / "x.csv")
    save(valley(), tmp_path / "run.h5")
    with pytest.raises(LandscapeError, match="is the input itself"):
        landscape.convert(landscape.load(tmp_path / "run.h5"), tmp_path / "run.h5", overwrite=True)
    with pytest.raises(LandscapeError, match="samples is how many"):
        landscape.convert(landscape.convert(valley(), tmp_path / "li.h5"), tmp_path / "ours.h5", samples="many")
    with pytest.raises(LandscapeError, match="overwrite is True or False"):
        landscape.convert(valley(), tmp_path / "x.csv", overwrite="no")
