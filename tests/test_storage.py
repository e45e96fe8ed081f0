"""The file format: round trips, what strangers see, damage, and replacing a file under a reader."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from landscape import storage
from landscape.api import newest
from landscape.errors import LandscapeError, SurroundingsError
from landscape.storage import (
    is_surface,
    load,
    load_origin,
    may_be_ours,
    read_named_directions,
    save,
    write_named_directions,
)
from landscape.types import Axis, DirectionRecord, Grid, Job, Surface

values = st.floats() | st.just(0.0)


@st.composite
def surfaces(draw) -> Surface:
    """Surfaces of one and two axes and one or two splits, with any numbers in them."""
    x = draw(st.lists(st.floats(-10, 10), min_size=1, max_size=4, unique=True).map(sorted))
    y = draw(st.none() | st.lists(st.floats(-10, 10), min_size=1, max_size=3, unique=True).map(sorted))
    axes = tuple(Axis(tuple(part)) for part in (x, y) if part is not None)
    splits = draw(st.sampled_from([("test",), ("train", "test")]))
    grid = Grid(axes)
    quantities = {
        f"{split}/{name}": draw(arrays(np.float64, grid.shape, elements=values))
        for split in splits
        for name in ("loss", "loss_stderr", "accuracy")
    }
    quantities |= {f"{split}/count": draw(arrays(np.int64, grid.shape)) for split in splits}
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
    job = Job("a.pt", "0", draw(text), "d", dict.fromkeys(splits, "e"), "cross-entropy", *map(str, axes))
    record = st.builds(DirectionRecord, text, text, st.dictionaries(text, st.floats(0, 9)))
    centre = st.dictionaries(text, st.floats(allow_nan=False))
    return Surface(
        grid,
        quantities,
        job,
        {split: draw(centre) for split in splits},
        tuple(draw(st.lists(record, max_size=len(axes)))),
        {"created": "2020", **draw(st.dictionaries(text, st.none() | st.integers() | text | st.lists(text)))},
    )


@settings(max_examples=30)
@given(surface=surfaces())
def test_every_field_goes_round(surface):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.h5"
        save(surface, path)
        found = load(path)
    assert found.quantities.keys() == surface.quantities.keys()
    for name, array in surface.quantities.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    fields = ("grid", "job", "centre", "directions", "provenance")
    assert [getattr(found, name) for name in fields] == [getattr(surface, name) for name in fields]
    assert found.splits == surface.splits
    assert found.path == str(path)


def made(number_x: int = 5, number_y: int | None = 3) -> Surface:
    """A surface of which every value tells its place."""
    y = "none" if number_y is None else f"0:1:{number_y}"
    job = Job("a.pt", "0", "resnet20", "cifar10", {"test": "e"}, "cross-entropy", f"-1:1:{number_x}", y)
    loss = np.arange(job.grid.size, dtype=float).reshape(job.grid.shape)
    count = np.full(job.grid.shape, 10)
    records = tuple(DirectionRecord(f"random(axis={axis})", "abc", {"weight": 1.5}) for axis in range(loss.ndim))
    quantities = {
        "test/loss": loss,
        "test/accuracy": loss / 100,
        "test/accuracy_stderr": loss / 50,
        "test/count": count,
    }
    return Surface(job.grid, quantities, job, {"test": {"loss": 2.0, "count": 10}}, records, {"created": "2020"})


@pytest.mark.parametrize("number_y", [3, None])
def test_a_stranger_finds_everything(tmp_path, number_y):
    surface = made(5, number_y)
    save(surface, tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        np.testing.assert_array_equal(file["test/loss"][...], surface["test/loss"])
        assert {name: item.dtype for name, item in file["test"].items()} == {
            "loss": np.float64,
            "accuracy": np.float64,
            "accuracy_stderr": np.float64,
            "count": np.int64,
        }
        assert (file.attrs["format"], file.attrs["format_version"]) == ("landscape", 1)
        assert file.attrs["generated_by"].startswith("landscape ")
        assert file.attrs["created"] == "2020"
        assert file.attrs["fingerprint"] == surface.job.fingerprint()
        assert Job.from_json(file.attrs["job"]) == surface.job
        assert json.loads(file["test"].attrs["centre"]) == {"loss": 2.0, "count": 10}
        assert file["test/accuracy_stderr"].attrs["units"] == "fraction"
        assert file["directions/first"].attrs["spec"] == "random(axis=0)"
        assert ("second" in file["directions"]) == (number_y is not None)


@pytest.mark.parametrize("number_y", [3, None])
def test_axes_are_dimension_scales(tmp_path, number_y):
    surface = made(5, number_y)
    save(surface, tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        assert ("y" in file) == (number_y is not None)
        for axis, name in enumerate(surface.grid.names):
            assert file[name].is_scale
            assert file[name].dtype == np.float64
            assert file["test/loss"].dims[axis].keys() == [name]
            np.testing.assert_array_equal(file["test/count"].dims[axis][0], surface.grid.axes[axis].array())


@pytest.mark.parametrize("number_y", [3, None])
def test_xarray_labels_the_axes(tmp_path, number_y):
    surface = made(5, number_y)
    save(surface, tmp_path / "s.h5")
    with xarray.open_datatree(tmp_path / "s.h5", engine="h5netcdf") as tree:
        loss = tree["test"]["loss"]
        assert loss.dims == surface.grid.names
        np.testing.assert_array_equal(loss.coords["x"], [-1, -0.5, 0, 0.5, 1])
        last = loss.sel(x=0.5) if number_y is None else loss.sel(x=0.5, y=1.0)
        assert float(last) == surface["loss"][3].ravel()[-1]
        assert loss.coords["x"].attrs["units"] == "multiples of the direction"


def test_provenance_may_be_large(tmp_path):
    surface = dataclasses.replace(made(), provenance={"created": "2020", "notes": ["x" * 100] * 5000})
    save(surface, tmp_path / "s.h5")
    assert load(tmp_path / "s.h5").provenance == surface.provenance


def remove(name):
    def damage(file):
        del file[name]

    return damage


def reshape(file):
    del file["test/accuracy"]
    file["test/accuracy"] = np.ones((3, 5))


def replace_by_array(file):
    del file["test"]
    file["test"] = np.ones(3)


def set_attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


DAMAGE = {
    "loss": (remove("test/loss"), "is damaged (.*loss.*): compute it again with --overwrite"),
    "count": (remove("test/count"), "is damaged (.*count.*)"),
    "split": (remove("test"), "is damaged"),
    "x": (remove("x"), "is damaged"),
    "shape": (reshape, r"is damaged \(/test/accuracy has shape \(3, 5\), not \(5, 3\)\)"),
    "group": (replace_by_array, "is damaged"),
    "job": (lambda file: file.attrs.__delitem__("job"), "is damaged"),
    "json": (set_attribute("job", "{"), "is damaged"),
    "empty job": (set_attribute("job", "{}"), "is damaged"),
    "axis": (lambda file: file["x"].__setitem__(0, 9.0), r"is damaged \(an axis needs finite, strictly increasing"),
    "format": (lambda file: file.attrs.__delitem__("format"), "is an HDF5 file, but not one of landscape's"),
    "other": (set_attribute("format", "keras"), "is an HDF5 file, but not one of landscape's"),
    "newer": (
        set_attribute("format_version", 2),
        "has format version 2, this landscape reads up to 1: install a newer one",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_said(tmp_path, name):
    damage, message = DAMAGE[name]
    save(made(), tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5", "r+") as file:
        damage(file)
    with pytest.raises(LandscapeError, match=rf"s\.h5' {message}"):
        load(tmp_path / "s.h5")
    assert is_surface(tmp_path / "s.h5") == message.startswith("is damaged")
    assert may_be_ours(tmp_path / "s.h5") == ("not one of" not in message)


FOREIGN = [np.ones(3), np.array(["landscape"] * 2, dtype=object), np.bytes_(b"landscape"), 3, h5py.Empty("f4")]


@pytest.mark.parametrize("value", FOREIGN, ids=["array", "texts", "bytes", "number", "empty"])
def test_a_format_that_is_no_text_is_foreign(tmp_path, value):
    path = tmp_path / "s.h5"
    save(made(), path)
    with h5py.File(path, "r+") as file:
        set_attribute("format", value)(file)
    with pytest.raises(LandscapeError, match="is an HDF5 file, but not one of landscape's"):
        load(path)
    with pytest.raises(LandscapeError, match="holds no directions"):
        read_named_directions(path)
    with pytest.raises(LandscapeError, match="but it is another file"):
        write_named_directions(path, {})
    assert not is_surface(path)
    assert not may_be_ours(path)


def test_a_format_of_a_type_that_numpy_lacks_is_foreign(tmp_path):
    with h5py.File(tmp_path / "s.h5", "w") as file:
        h5py.h5a.create(file.id, b"format", h5py.h5t.UNIX_D32LE, h5py.h5s.create(h5py.h5s.SCALAR))
    assert not is_surface(tmp_path / "s.h5")
    assert not may_be_ours(tmp_path / "s.h5")


@pytest.mark.parametrize("version", ["two", np.array([1, 1]), 1.5])
def test_a_version_that_is_no_number_is_damage(tmp_path, version):
    save(made(), tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5", "r+") as file:
        set_attribute("format_version", version)(file)
    with pytest.raises(LandscapeError, match=r"is damaged \(its format_version is no whole number\): compute it"):
        load(tmp_path / "s.h5")
    assert not is_surface(tmp_path / "s.h5")
    assert may_be_ours(tmp_path / "s.h5")


def test_the_newest_surface_is_found_among_foreign_files(tmp_path):
    save(made(), tmp_path / "ours.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file.attrs["format"] = np.ones(3)
    assert newest(tmp_path) == tmp_path / "ours.h5"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_said(tmp_path, share):
    save(made(), tmp_path / "s.h5")
    content = (tmp_path / "s.h5").read_bytes()
    (tmp_path / "s.h5").write_bytes(content[: int(share * len(content))])
    with pytest.raises(LandscapeError, match=r"cannot read '.*s\.h5': it is truncated: copy it again"):
        load(tmp_path / "s.h5")
    assert may_be_ours(tmp_path / "s.h5")


def test_files_that_are_no_surface_are_said(tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "empty.h5").touch()
    with pytest.raises(LandscapeError, match=r"there is no file '.*absent\.h5'"):
        load(tmp_path / "absent.h5")
    with pytest.raises(LandscapeError, match="is a folder, not a file"):
        load(tmp_path)
    for name in ("text.h5", "empty.h5"):
        with pytest.raises(LandscapeError, match=rf"cannot read '.*{name}': it is not an HDF5 file"):
            load(tmp_path / name)
        assert not may_be_ours(tmp_path / name)


def test_a_file_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "[Errno 13] Unable to open file")

    save(made(), tmp_path / "s.h5")
    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(LandscapeError, match=r"cannot read '.*s\.h5': Permission denied"):
        load(tmp_path / "s.h5")


def test_saving_leaves_nothing_but_the_file(tmp_path):
    for _ in range(2):
        save(made(), tmp_path / "s.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "s.h5").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("name", ["fsync", "chmod", "replace"])
def test_a_failing_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, name):
    save(made(), tmp_path / "s.h5")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"os.{name}", fail)
    message = r"cannot write '.*s\.h5': No space left on device; nothing that was there is lost: free some space"
    with pytest.raises(SurroundingsError, match=message):
        save(made(9), tmp_path / "s.h5")
    assert load(tmp_path / "s.h5").grid.shape == (5, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path):
    save(made(), tmp_path / "s.h5")
    with pytest.raises(TypeError, match="not JSON serializable"):
        save(dataclasses.replace(made(9), provenance={"created": "2020", "bad": object()}), tmp_path / "s.h5")
    assert load(tmp_path / "s.h5").grid.shape == (5, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]


FULL = """
import resource, sys
from test_storage import made
from landscape.errors import SurroundingsError
from landscape.storage import save
save(made(), sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    save(made(301, 201), sys.argv[1])
except SurroundingsError as error:
    sys.stderr.write(str(error))
    sys.exit(error.exit_code)
"""


def test_a_disk_that_really_fills_up(tmp_path):
    """The limit on a file's size stands for a full disk: the kernel refuses the writes in the same way."""
    out = tmp_path / "s.h5"
    command = [sys.executable, "-c", FULL, str(out)]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot write {str(out)!r}: ")
    assert "Traceback" not in done.stderr
    assert load(out).grid.shape == (5, 3)
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]


WRITER = """
import sys, time
from test_storage import made
from landscape.storage import save
stop = time.monotonic() + float(sys.argv[2])
while time.monotonic() < stop:
    for number in (3, 31, 101):
        save(made(number), sys.argv[1])
"""


def test_a_reader_always_sees_a_whole_file(tmp_path):
    out = tmp_path / "s.h5"
    save(made(3), out)
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(out), "1.5"], cwd=Path(__file__).parent)
    seen = set()
    while writer.poll() is None:
        found = load(out)
        expected = made(found.grid.shape[0])
        assert found.job == expected.job
        np.testing.assert_array_equal(found["test/loss"], expected["test/loss"])
        seen.add(found.grid.shape[0])
    assert writer.returncode == 0
    assert seen == {3, 31, 101}


def test_directions_go_round_in_their_own_dtypes(tmp_path):
    directions = {
        name: {"a.weight": np.ones((2, 3), "f4"), "a": np.float64(2), "half": np.ones(3, "f2")}
        for name in ("first", "second")
    }
    write_named_directions(tmp_path / "d.h5", directions)
    found = read_named_directions(tmp_path / "d.h5")
    assert list(found) == ["first", "second"]
    for name, tensor in found["second"].items():
        assert tensor.dtype == directions["second"][name].dtype
        np.testing.assert_array_equal(tensor, directions["second"][name])
    with pytest.raises(LandscapeError, match="is an HDF5 file, but not one of landscape's"):
        load(tmp_path / "d.h5")
    save(made(), tmp_path / "s.h5")
    with pytest.raises(LandscapeError, match=r"holds no directions: give a file made with --save-directions"):
        read_named_directions(tmp_path / "s.h5")


def test_the_folder_is_tried_before_the_run(tmp_path):
    storage.check_writable(tmp_path / "new" / "s.h5")
    assert list((tmp_path / "new").iterdir()) == []
    with pytest.raises(LandscapeError, match=r"is a folder: give a file with --out, for example '.*run\.h5'"):
        storage.check_writable(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(SurroundingsError, match=r"cannot write '.*s\.h5': (Not a directory|File exists)"):
        storage.check_writable(tmp_path / "file" / "s.h5")


KILLED = """
import os, signal, sys
from test_storage import made
from landscape.storage import save
os.replace = lambda *paths: os.kill(os.getpid(), signal.SIGKILL)
save(made(), sys.argv[1])
"""


def test_what_a_killed_run_left_is_removed_after_a_day(tmp_path):
    out = tmp_path / "s[1].h5"
    command = [sys.executable, "-c", KILLED, str(out)]
    assert subprocess.run(command, cwd=Path(__file__).parent, timeout=60, check=False).returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    names = (
        ".s1.h5.abcdefgh.part",
        ".s[1].h5.abcdefgh",
        "s[1].h5.abcdefgh.part",
        ".t.h5.abcdefgh.part",
        ".s[1].h5.part",
    )
    others = [tmp_path / name for name in names]
    for other in others:
        other.touch()
        os.utime(other, (0, 0))
    storage.check_writable(out)
    assert left.exists()
    os.utime(left, (time.time() - 90_000,) * 2)
    storage.check_writable(out)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_the_origin_is_read_without_the_numbers(tmp_path, monkeypatch):
    path = tmp_path / "a.h5"
    surface = made()
    save(surface, path)
    monkeypatch.setattr("h5py.Dataset.__getitem__", lambda *_: pytest.fail("numbers were read"))
    job, provenance = load_origin(path)
    assert (job, provenance) == (surface.job, dict(surface.provenance))


def test_a_damaged_origin_is_refused_like_a_damaged_surface(tmp_path):
    path = tmp_path / "a.h5"
    save(made(), path)
    with h5py.File(path, "a") as file:
        del file.attrs["provenance"]
    with pytest.raises(LandscapeError, match="is damaged"):
        load_origin(path)
