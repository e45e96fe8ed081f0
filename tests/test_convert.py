"""Files of the 2018 tool in and out, against its rules as loops."""

from __future__ import annotations

import csv
import dataclasses
import tempfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from surfaces import broken, stacked, surface, valley

import landscape
from landscape import LandscapeError, Trajectory
from landscape.api.scenes import scene_of
from landscape.rendering.captions import caption
from landscape.reports.methods import explain
from landscape.storage import read_named_directions
from landscape.storage.reference_export import write_reference_surface
from landscape.storage.reference_surface import read_reference_surface
from landscape.storage.text import described, described_json
from landscape.storage.trajectories import read_trajectory
from landscape.types import Axis


def by_its_loop(path, xs, ys, point, todo=None):
    """Fill a file as the tool does: flat index k of meshgrid(x, y), into arrays declared with (nx, ny)."""
    shape = (len(xs), len(ys)) if ys is not None else (len(xs),)
    mesh = np.meshgrid(xs, ys) if ys is not None else [np.asarray(xs)]
    coordinates = np.c_[tuple(one.ravel() for one in mesh)]
    losses, accuracies = -np.ones(shape), -np.ones(shape)
    for k, where in enumerate(coordinates):
        if todo is None or k in todo:
            losses.ravel()[k], accuracies.ravel()[k] = point(*where)
    with h5py.File(path, "w") as file:
        file["dir_file"] = "/home/li/model_300.t7_weights_xignore=biasbn_xnorm=filter.h5"
        file["xcoordinates"] = np.asarray(xs, dtype=float)
        if ys is not None:
            file["ycoordinates"] = np.asarray(ys, dtype=float)
        file["train_loss"], file["train_acc"] = losses, accuracies


def left_to_do(path):
    """What the tool would compute when it goes on: flat index and coordinates, by its rule `value <= 0`."""
    with h5py.File(path) as file:
        assert file["train_loss"].dtype == np.float64
        assert file["train_loss"].compression is None
        axes = [file[name][:] for name in ("xcoordinates", "ycoordinates") if name in file]
        losses = file["train_loss"][:]
        assert losses.shape == tuple(map(len, axes))
        flat = np.array(range(losses.size))[losses.ravel() <= 0]
    mesh = np.meshgrid(*axes) if len(axes) == 2 else axes
    return {int(k): tuple(float(one.ravel()[k]) for one in mesh) for k in flat}


def plane(x, y):
    return 30 + x + 10 * y, 50 + 10 * x + y


@pytest.mark.parametrize(("nx", "ny"), [(3, 2), (2, 5), (4, 4)])
def test_the_fill_order_of_the_tool(tmp_path, nx, ny):
    xs, ys = np.linspace(-0.5, 1, nx), np.linspace(-0.1, 0.1, ny)
    by_its_loop(tmp_path / "li.h5", xs, ys, plane)
    found = read_reference_surface(tmp_path / "li.h5")
    assert found.grid.shape == (nx, ny)
    for i, x in enumerate(xs):
        for j, y in enumerate(ys):
            loss, percent = plane(x, y)
            assert found["train/loss"][i, j] == loss
            assert found["train/accuracy"][i, j] == pytest.approx(percent / 100, rel=1e-15)
    assert found.complete


def test_a_line_that_runs_backwards(tmp_path):
    by_its_loop(tmp_path / "li.h5", [1.0, 0.0, -1.0], None, lambda x: (5 + x, 30.0))
    found = read_reference_surface(tmp_path / "li.h5")
    assert found.grid.axes[0].values == (-1, 0, 1)
    np.testing.assert_array_equal(found["loss"], [4, 5, 6])
    assert found.centre == {"train": {"loss": 5.0, "accuracy": 0.3}}


def test_done_is_what_the_tool_takes_for_done(tmp_path):
    values = {-2.0: 0.0, -1.0: -1.0, 0.0: np.nan, 1.0: np.inf, 2.0: 1e-300}
    by_its_loop(tmp_path / "li.h5", list(values), None, lambda x: (values[x], 10.0))
    found = read_reference_surface(tmp_path / "li.h5")
    np.testing.assert_array_equal(found["count"], [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(found["loss"], [np.nan, np.nan, np.nan, np.inf, 1e-300])
    np.testing.assert_array_equal(found["accuracy"], [np.nan, np.nan, 0.1, 0.1, 0.1])
    assert not found.complete


def test_the_real_file(shared, tmp_path):
    """Against the file itself, which is stored [y, x]."""
    path = shared / "reference" / "resnet20_cifar10_test2000_7x5_surface.h5"
    out = landscape.convert(path, tmp_path / "run.h5")
    found = landscape.load(out)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(found["test/loss"].T, file["test_loss"][:])
        np.testing.assert_allclose(found["test/accuracy"].T, file["test_acc"][:] / 100, rtol=1e-15)
        np.testing.assert_array_equal(found.grid.axes[0].array(), file["xcoordinates"][:])
    assert found["test/loss"][3, 2] == found.centre["test"]["loss"] == found["test/loss"].min()
    assert found.splits == ("test",)
    assert found.job.directions == "resnet20_cifar10_test2000_7x5_directions.h5"

    back = landscape.convert(out, tmp_path / "li.h5")
    assert left_to_do(back) == {}
    with h5py.File(path) as theirs, h5py.File(back) as ours:
        for name in ("xcoordinates", "ycoordinates"):
            np.testing.assert_array_equal(ours[name][:], theirs[name][:])
        np.testing.assert_array_equal(ours["train_loss"][:].ravel(), theirs["test_loss"][:].ravel())
        np.testing.assert_allclose(ours["train_acc"][:].ravel(), theirs["test_acc"][:].ravel(), rtol=1e-15)


def test_what_is_unknown_stays_unknown(tmp_path):
    by_its_loop(tmp_path / "li.h5", [-1.0, 0.0, 1.0], [-1.0, 1.0], plane)
    found = landscape.load(landscape.convert(tmp_path / "li.h5", tmp_path / "run.h5"))
    job = found.job
    assert (job.model, job.data, job.loss, job.samples, job.precision) == ("unknown",) * 5
    assert job.checkpoint_sha256.startswith("unknown:")
    assert job.data_digest["train"].startswith("unknown:")
    assert job.checkpoint == "model_300.t7"
    assert job.directions != "random"
    assert not job.counted
    assert found.centre == {"train": {}}
    assert not any("stderr" in name for name in found)
    assert found.provenance["imported"]["dir_file"].startswith("/home/li/")
    assert "number of examples unknown" in caption(found)
    assert "seed" not in caption(found)
    assert "not measured" in described(found)
    assert "sha256 unknown" in described(found)
    assert described_json(found)["done"] == 6


def test_who_knows_the_number_of_examples_may_say_it(tmp_path):
    by_its_loop(tmp_path / "li.h5", [-1.0, 0.0, 1.0], None, lambda x: (1 + x * x, 30.0), todo={0, 1})
    landscape.convert(tmp_path / "li.h5", tmp_path / "run.h5", samples=50_000)
    found = landscape.load(tmp_path / "run.h5")
    np.testing.assert_array_equal(found["count"], [50_000, 50_000, 0])
    assert "n = 50,000" in caption(found)
    assert "(50,000 examples)" in described(found)
    assert found.job.samples == "unknown:50000"  # which of them stays unknown
    assert "on 50,000 train examples" in " ".join(explain(found).split())
    assert "random" not in explain(found)
    assert found.provenance["command"] == "landscape convert li.h5 run.h5 --samples 50000"


@pytest.mark.parametrize("kind", ["1d", "2d", "3d"])
def test_figures_of_imported_files(tmp_path, kind):
    xs = np.linspace(-1, 1, 5)
    by_its_loop(tmp_path / "li.h5", xs, xs[1:], lambda x, y: (1 + x * x + y * y, 90.0), todo=range(18))
    scene = scene_of(read_reference_surface(tmp_path / "li.h5"), kind)
    assert "number of examples unknown" in scene.caption
    assert "seed" not in scene.caption


def test_imported_files_are_judged_as_far_as_they_tell(tmp_path):
    xs = np.linspace(-1, 1, 9)
    by_its_loop(tmp_path / "li.h5", xs, xs[1:], lambda x, y: (1 + x * x + y * y, 90.0), todo=range(60))
    found = read_reference_surface(tmp_path / "li.h5")
    codes = {finding.code: finding for finding in landscape.check(found)}
    assert set(codes) == {"IMPORTED", "INCOMPLETE"}
    assert codes["INCOMPLETE"].values == {"missing": 12}
    assert "compute" not in codes["INCOMPLETE"].text
    by_its_loop(tmp_path / "off.h5", xs + 0.1, xs, lambda x, y: (1 + x * x + y * y, 90.0))
    codes = {finding.code for finding in landscape.check(read_reference_surface(tmp_path / "off.h5"))}
    assert codes == {"IMPORTED", "CENTRE-OFF-GRID"}


def test_imported_files_compare_with_a_warning(tmp_path):
    xs = np.linspace(-1, 1, 5)
    for name, steep in (("a", 1), ("b", 4)):
        by_its_loop(tmp_path / f"{name}.h5", xs, xs[1:], lambda x, y, s=steep: (1 + s * (x * x + y * y), 90.0))
    imported = [read_reference_surface(tmp_path / f"{name}.h5") for name in "ab"]
    found = landscape.compare(*imported)
    warnings = {finding.code: finding.text for finding in found.findings}
    assert "a.h5, b.h5" in warnings["COMPARE-UNKNOWN"]
    largest = next(measure.name for measure in found.measures if measure.label == "largest rise")
    assert found.contenders[1].values[largest][0, 0] == pytest.approx(8.0)
    text = str(found)
    assert "unknown number of train examples" in text
    assert "nan" not in text
    ours = valley(5, 4)
    with pytest.raises(LandscapeError, match="no split in common"):
        landscape.compare(imported[0], ours)


def test_two_imports_are_not_one_experiment(tmp_path):
    for name, shift in (("a", 0.0), ("b", 1.0)):
        by_its_loop(tmp_path / f"{name}.h5", [-1.0, 1.0], None, lambda x, s=shift: (2 + x + s, 10.0))
    a, b, again = (read_reference_surface(tmp_path / f"{name}.h5") for name in "aba")
    assert a.job.fingerprint() == again.job.fingerprint() != b.job.fingerprint()
    with pytest.raises(LandscapeError, match="same checkpoint"):
        landscape.compare([a, again])


def test_eigenvalues_come_along(tmp_path):
    xs, ys = [-1.0, 0.0, 1.0], [-1.0, 1.0]
    by_its_loop(tmp_path / "li.h5", xs, ys, plane)
    largest = np.arange(1.0, 7.0)
    with h5py.File(tmp_path / "li.h5", "a") as file:
        file["max_eig"], file["min_eig"] = largest.reshape(3, 2), -largest.reshape(3, 2)
    found = read_reference_surface(tmp_path / "li.h5")
    np.testing.assert_array_equal(found["max_eig"].T.ravel(), largest)
    write_reference_surface(found, tmp_path / "back.h5")
    with h5py.File(tmp_path / "back.h5") as file:
        np.testing.assert_array_equal(file["min_eig"][:], -largest.reshape(3, 2))
    with h5py.File(tmp_path / "li.h5", "a") as file:
        file["max_eig"][0, 0], file["min_eig"][0, 0] = -1, 1
    found = read_reference_surface(tmp_path / "li.h5")
    assert "train/max_eig" not in found
    assert any("left out" in note for note in found.provenance["notes"])


@pytest.mark.parametrize(
    "fault", ["short", "no loss", "text", "twice"], ids=["short", "no-loss", "text", "coordinate-twice"]
)
def test_broken_surfaces_are_one_sentence(tmp_path, fault):
    by_its_loop(tmp_path / "li.h5", [-1.0, 1.0], [0.0, 1.0], plane)
    with h5py.File(tmp_path / "li.h5", "a") as file:
        del file["train_loss"]
        if fault == "short":
            file["train_loss"] = np.ones(3)
        if fault == "text":
            file["train_loss"] = "loss"
        if fault == "twice":
            file["train_loss"] = np.ones((2, 2))
            file["xcoordinates"][:] = 0
    with pytest.raises(LandscapeError, match=r"li\.h5"):
        landscape.convert(tmp_path / "li.h5", tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


# Out.


def test_what_we_write_is_complete_by_its_rules(tmp_path):
    landscape.convert(valley(4, 3), tmp_path / "li.h5")
    assert left_to_do(tmp_path / "li.h5") == {}
    with h5py.File(tmp_path / "li.h5") as file:
        assert set(file) == {"dir_file", "xcoordinates", "ycoordinates", "train_loss", "train_acc"}
        assert 1 < file["train_acc"][:].max() <= 100


def test_what_we_write_is_resumable_by_its_rules(tmp_path):
    """What is left is what we have not done, at the right coordinates; filled in, the file is complete."""
    source = valley(4, 3)
    holes = [(1, 0), (3, 2), (0, 1)]
    landscape.convert(broken(source, undone=holes, nan=[(2, 2)], inf=[(0, 0)]), tmp_path / "li.h5")
    todo = left_to_do(tmp_path / "li.h5")
    x, y = (axis.values for axis in source.grid.axes)
    assert sorted(todo.values()) == sorted((x[i], y[j]) for i, j in holes)
    with h5py.File(tmp_path / "li.h5", "a") as file:
        accuracy, losses = file["train_acc"][:], file["train_loss"][:]
        assert {k for k, value in enumerate(accuracy.ravel()) if value == -1} == set(todo)
        for k, (one, other) in todo.items():
            losses.ravel()[k] = 0.5 + one**2 + 2 * other**2 + 0.3 * one
            accuracy.ravel()[k] = 100 * np.exp(-(one**2) - other**2)
        file["train_loss"][:], file["train_acc"][:] = losses, accuracy
    back = read_reference_surface(tmp_path / "li.h5")
    assert back.complete
    expected = broken(source, nan=[(2, 2)], inf=[(0, 0)])
    np.testing.assert_allclose(back["test/loss"], expected["test/loss"], rtol=1e-15)
    np.testing.assert_allclose(back["test/accuracy"], expected["test/accuracy"], rtol=1e-14)


def test_the_choice_of_the_split(tmp_path):
    one = valley(3, 2)
    both = dataclasses.replace(
        one,
        quantities={**one.quantities, "train/loss": one["loss"] + 7, "train/count": one["count"]},
        job=dataclasses.replace(one.job, data_digest={"test": "1" * 64, "train": "2" * 64}),
    )
    landscape.convert(both, tmp_path / "a.h5")
    landscape.convert(both, tmp_path / "b.h5", split="test")
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        assert set(a) >= {"train_loss", "test_loss", "test_acc"}
        assert "train_acc" not in a
        np.testing.assert_array_equal(a["train_loss"][:], a["test_loss"][:] + 7)
        np.testing.assert_array_equal(b["train_loss"][:], a["test_loss"][:])
        assert "test_loss" not in b
    assert read_reference_surface(tmp_path / "a.h5").splits == ("train", "test")
    assert read_reference_surface(tmp_path / "b.h5").splits == ("test",)


@pytest.mark.parametrize("name", ["a/b", "statistics", "", "x"])
def test_names_of_splits_that_no_file_can_have(tmp_path, name):
    by_its_loop(tmp_path / "li.h5", [-1.0, 1.0], None, lambda x: (2 + x, 10.0))
    with h5py.File(tmp_path / "li.h5", "a") as file:
        file["train_loss"].attrs["split"] = name
    found = landscape.load(landscape.convert(tmp_path / "li.h5", tmp_path / "run.h5"))
    assert found.splits == ("train",)
    np.testing.assert_array_equal(found["loss"], [1, 3])


def test_losses_that_the_tool_would_take_for_not_done_are_told(tmp_path):
    told = []
    landscape.convert(surface([1.0, 0.0, -2.0, 3.0]), tmp_path / "li.h5", tell=told.append)
    assert any(note.startswith("2 of its test losses are 0 or less") for note in told)
    assert len(left_to_do(tmp_path / "li.h5")) == 2
    assert any("no accuracy" in note for note in told)


losses = st.one_of(st.floats(1e-300, 1e300), st.just(np.nan), st.just(np.inf))
axes = st.lists(st.floats(-5, 5).map(lambda value: round(value, 3)), min_size=1, max_size=5, unique=True).map(sorted)


@given(st.data())
def test_round_trip(data):
    """Losses bit for bit, accuracies to the last place, on any grid, with anything undone."""
    x, y = data.draw(axes), data.draw(st.one_of(st.none(), axes))
    shape = (len(x),) if y is None else (len(x), len(y))
    size = int(np.prod(shape))
    values = np.reshape(data.draw(st.lists(losses, min_size=size, max_size=size)), shape)
    counts = np.reshape(data.draw(st.lists(st.sampled_from([0, 1]), min_size=size, max_size=size)), shape)
    fractions = np.reshape(data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)), shape)
    fractions = np.where(counts > 0, fractions, np.nan)
    given_axes = [Axis(tuple(one)) for one in (x, y) if one is not None]
    source = surface(values, *given_axes, accuracy=fractions, count=counts, samples="unknown")
    with tempfile.TemporaryDirectory() as folder:
        landscape.convert(source, Path(folder) / "li.h5")
        found = landscape.load(landscape.convert(Path(folder) / "li.h5", Path(folder) / "run.h5"))
    assert found.grid == source.grid
    for name in ("test/loss", "test/count"):
        np.testing.assert_array_equal(found[name], source[name])
    np.testing.assert_allclose(found["test/accuracy"], source["test/accuracy"], rtol=1e-15, atol=1e-300)


# Directions.


def test_directions_are_drawn_again_for_the_tool(tmp_path, small_net, small_data):
    """A surface along the written file is the surface along the recipes."""
    grid = {"x": (-1, 1, 3), "y": (-1, 1, 2), "progress": False}
    first = landscape.compute(small_net, small_data, seed=3, out=tmp_path / "run.h5", **grid)
    landscape.convert(tmp_path / "run.h5", tmp_path / "dirs.h5", directions=True, model=small_net)
    with h5py.File(tmp_path / "dirs.h5") as file:
        assert set(file) == {"xdirection", "ydirection"}
        stored = [file["xdirection"][str(k)] for k in range(len(file["xdirection"]))]
        for tensor, parameter in zip(stored, small_net.parameters(), strict=True):
            assert tensor.shape == tuple(parameter.shape)
            assert tensor.dtype == np.float32
        norms = np.linalg.norm(stored[0][:].reshape(4, -1), axis=1)
        weights = small_net[0].weight.detach().numpy().reshape(4, -1)
        np.testing.assert_allclose(norms, np.linalg.norm(weights, axis=1), rtol=1e-5)
        assert not stored[1][:].any()  # a bias
    second = landscape.compute(small_net, small_data, directions=tmp_path / "dirs.h5", **grid)
    np.testing.assert_allclose(second["loss"], first["loss"], rtol=1e-6)


def test_directions_of_another_network_are_refused(tmp_path, small_net, small_data):
    landscape.compute(small_net, small_data, x=(-1, 1, 3), y=None, progress=False, out=tmp_path / "run.h5")
    with pytest.raises(LandscapeError, match=r"with --ckpt FILE"):
        landscape.convert(tmp_path / "run.h5", tmp_path / "dirs.h5", directions=True)
    small_net[0].weight.data *= 2
    with pytest.raises(LandscapeError, match="are not those of"):
        landscape.convert(tmp_path / "run.h5", tmp_path / "dirs.h5", directions=True, model=small_net)
    assert not (tmp_path / "dirs.h5").exists()


def test_direction_files_change_their_layout(tmp_path, small_net):
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "li.h5", "w") as file:
        for group in ("xdirection", "ydirection"):
            for k, parameter in enumerate(small_net.parameters()):
                file[f"{group}/{k}"] = rng.normal(size=tuple(parameter.shape)).astype(np.float32)
    landscape.convert(tmp_path / "li.h5", tmp_path / "named.h5", model=small_net)
    named = read_named_directions(tmp_path / "named.h5")
    assert list(named) == ["first", "second"]
    assert set(named["first"]) == {name for name, _ in small_net.named_parameters()}
    landscape.convert(tmp_path / "named.h5", tmp_path / "back.h5", model=small_net)
    with h5py.File(tmp_path / "li.h5") as one, h5py.File(tmp_path / "back.h5") as other:
        for group in one:
            assert len(one[group]) == len(other[group])
            for k in one[group]:
                np.testing.assert_array_equal(one[group][k][()], other[group][k][()])


# Paths of a training.


def test_projections_in_and_out(tmp_path):
    with h5py.File(tmp_path / "directions.h5", "w") as file:
        file["xdirection/0"] = np.ones(3, dtype=np.float32)
        file["explained_variance_ratio_"] = np.array([0.7, 0.2])
    name = tmp_path / "directions.h5_proj_cos.h5"
    with h5py.File(name, "w") as file:
        file["proj_xcoord"], file["proj_ycoord"] = np.array([3.0, 1.0, 0.0]), np.array([0.5, -0.25, 0.0])
    found = read_trajectory(name)
    np.testing.assert_array_equal(found.x, [3, 1, 0])
    assert found.explained == (0.7, 0.2)
    assert found.labels == ()
    landscape.convert(name, tmp_path / "path.csv")
    landscape.convert(tmp_path / "path.csv", tmp_path / "back.h5")
    back = read_trajectory(tmp_path / "back.h5")
    np.testing.assert_array_equal(back.y, found.y)
    assert back.explained is None
    with h5py.File(tmp_path / "back.h5") as file:
        assert set(file) == {"proj_xcoord", "proj_ycoord"}
        assert file["proj_xcoord"].dtype == np.float64
    landscape.convert(name, tmp_path / "path.npz")
    with np.load(tmp_path / "path.npz") as arrays:
        np.testing.assert_array_equal(arrays["explained"], [0.7, 0.2])


def test_paths_with_labels(tmp_path):
    landscape.convert(Trajectory([0, 1], [2, 3], ("epoch 1, late", 'the "end"')), tmp_path / "path.csv")
    with (tmp_path / "path.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["epoch 1, late", 'the "end"']
    assert read_trajectory(tmp_path / "path.csv").labels == ("epoch 1, late", 'the "end"')


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "x,y\n1,two\n", "x,y\n1\n", "x,y\n", "x,y\n1,nan\n"])
def test_tables_that_are_no_paths(tmp_path, text):
    (tmp_path / "path.csv").write_text(text)
    with pytest.raises(LandscapeError, match=r"path\.csv|at least one point"):
        landscape.convert(tmp_path / "path.csv", tmp_path / "out.h5")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([1, 2], [1]), "as many"),
        (([], []), "at least one"),
        (([1], [2], ("a", "b")), "labels"),
        (([np.inf], [0]), "fin"),
    ],
)
def test_paths_that_cannot_be(arguments, said):
    with pytest.raises(LandscapeError, match=said):
        Trajectory(*arguments)


def test_several_surfaces_in_a_file_of_one(tmp_path):
    with pytest.raises(LandscapeError, match="--bn"):
        landscape.convert(stacked(valley(3, 2), policies=True), tmp_path / "li.h5")
    told = []
    many = stacked(valley(3, 2), repeats=3, policies=True)
    landscape.convert(many, tmp_path / "li.h5", bn="batch", tell=told.append)
    landscape.convert(many, tmp_path / "second.h5", bn="batch", repeat=1)
    assert any("first of 3 draws" in note for note in told)
    first, second = (read_reference_surface(tmp_path / name)["loss"] for name in ("li.h5", "second.h5"))
    np.testing.assert_allclose(first, 2 * valley(3, 2)["loss"], rtol=1e-15)
    np.testing.assert_allclose(second, 2.2 * valley(3, 2)["loss"], rtol=1e-15)
