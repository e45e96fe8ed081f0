import gzip
import pickle
import struct
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from landscape.data import load_data
from landscape.data.constants import CONSTANTS
from landscape.errors import LandscapeError, SurroundingsError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def refused(message):
    return pytest.raises(LandscapeError, match=message)


def write_idx(path, array):
    """The format as LeCun describes it: two zero bytes, type 8, rank, big-endian sizes, bytes."""
    content = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("style", ["-idx", ".idx"])
@pytest.mark.parametrize(
    ("name", "inside"), [("mnist", ""), ("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw")]
)
def test_idx_files_where_they_usually_are(tmp_path, suffix, style, name, inside):
    for prefix, images in (("t10k", GREY), ("train", 255 - GREY)):
        write_idx(tmp_path / inside / f"{prefix}-images{style}3-ubyte{suffix}", images)
        write_idx(tmp_path / inside / f"{prefix}-labels{style}1-ubyte{suffix}", LABELS)
    for split, images in (("test", GREY), ("train", 255 - GREY)):
        loaded = load_data(f"{name}(root={str(tmp_path)!r})", split)
        assert np.array_equal(loaded.images, images[:, None])
        assert loaded.labels.tolist() == LABELS.tolist()
        assert (loaded.mean, loaded.std) == CONSTANTS[name]
        assert (loaded.name, loaded.split) == (name, split)


def test_torchvision_reads_the_same_idx_files(tmp_path):
    datasets = pytest.importorskip("torchvision.datasets")
    raw = tmp_path / "MNIST" / "raw"
    for prefix in ("t10k", "train"):
        write_idx(raw / f"{prefix}-images-idx3-ubyte", GREY)
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", LABELS)
    theirs = datasets.MNIST(str(tmp_path), train=False)
    ours = load_data(f"mnist(root={str(tmp_path)!r})")
    assert np.array_equal(theirs.data.numpy(), ours.images[:, 0])
    assert theirs.targets.tolist() == ours.labels.tolist()


BAD_IDX = {
    "short": (lambda c: c[:-5], "is damaged: it states the shape \\(6, 28, 28\\) and holds 4699 values"),
    "long": (lambda c: c + b"x", "and holds 4705 values"),
    "other": (lambda c: b"PK" + c, "is not an IDX file of unsigned bytes"),
    "floats": (lambda c: c[:2] + b"\x0d" + c[3:], "is not an IDX file of unsigned bytes"),
    "empty": (lambda c: b"", "is not an IDX file"),
    "header": (lambda c: c[:10], "is damaged: .* holds 0 values"),
}


@pytest.mark.parametrize(("damage", "message"), BAD_IDX.values(), ids=BAD_IDX)
def test_damaged_idx_files(tmp_path, damage, message):
    path = tmp_path / "t10k-images-idx3-ubyte"
    write_idx(path, GREY)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", LABELS)
    path.write_bytes(damage(path.read_bytes()))
    with refused(message):
        load_data(f"mnist(root={str(tmp_path)!r})")


def test_damaged_gzip(tmp_path):
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", GREY)
    write_idx(tmp_path / "t10k-labels-idx1-ubyte", LABELS)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with refused(r"cannot unpack .*t10k-images-idx3-ubyte.gz': it is damaged; fetch it again"):
        load_data(f"mnist(root={str(tmp_path)!r})")


def test_missing_sets_say_what_to_pass(tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.data.idx.DEBIAN_FASHION_MNIST", tmp_path)
    with refused(
        r"fashion-mnist needs .* type \"fashion-mnist\(root='FOLDER'\)\" .* dataset-fashion-mnist would also do"
    ):
        load_data("fashion-mnist")
    with refused(r"mnist is not in .*: type \"mnist\(root='FOLDER'\)\" .* MNIST/raw with them, or add download=True"):
        load_data(f"mnist(root={str(tmp_path)!r})")
    with refused("mnist has no split 'val'; known: test, train"):
        load_data("mnist", "val")


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 did, which is how the real CIFAR files are written."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value):
        raw = value if isinstance(value, bytes) else value.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_string


def write_cifar(folder, name, rows, labels, key="labels", python2=True):
    folder.mkdir(parents=True, exist_ok=True)
    content = {"data": rows.reshape(len(rows), -1), key: [int(label) for label in labels], "batch_label": name}
    with (folder / name).open("wb") as file:
        if python2:
            Python2Pickler(file, protocol=2).dump(content)
        else:
            pickle.dump(content, file)


@pytest.mark.parametrize("python2", [True, False])
@pytest.mark.parametrize("above", [True, False])
def test_cifar10_from_its_pickles(tmp_path, python2, above):
    folder = tmp_path / "cifar-10-batches-py"
    write_cifar(folder, "test_batch", COLOUR, LABELS, python2=python2)
    for i in range(1, 6):
        write_cifar(folder, f"data_batch_{i}", np.roll(COLOUR, i, 0), np.full(6, i), python2=python2)
    root = str(tmp_path if above else folder)
    test, train = load_data(f"cifar10(root={root!r})"), load_data(f"cifar10(root={root!r})", "train")
    assert np.array_equal(test.images, COLOUR)
    assert (test.mean, test.std) == CONSTANTS["cifar10"]
    assert np.array_equal(train.images, np.concatenate([np.roll(COLOUR, i, 0) for i in range(1, 6)]))
    assert train.labels.tolist() == [i for i in range(1, 6) for _ in range(6)]


def test_cifar100_has_its_fine_labels(tmp_path):
    write_cifar(tmp_path / "cifar-100-python", "test", COLOUR, LABELS + 90, key="fine_labels")
    loaded = load_data(f"cifar100(root={str(tmp_path)!r})")
    assert loaded.labels.tolist() == (LABELS + 90).tolist()
    assert (loaded.mean, loaded.std) == CONSTANTS["cifar100"]


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_cifar_file_that_would_run_code_is_refused_and_not_run(tmp_path):
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": Payload(tmp_path / "ran"), "labels": []}))
    with refused(r"hold arrays and lists, but this one asks for .*: refused"):
        load_data(f"cifar10(root={str(tmp_path)!r})")
    assert not (tmp_path / "ran").exists()


def test_cifar_files_that_cannot_be_used(tmp_path):
    spec = f"cifar10(root={str(tmp_path)!r})"
    with refused(r"cifar10 is not in .* the folder cifar-10-batches-py \(which holds test_batch\) or the one above it"):
        load_data(spec)
    with refused(r"cifar10 needs the folder with its files: type \"cifar10\(root='FOLDER'\)\""):
        load_data("cifar10")
    (tmp_path / "test_batch").write_bytes(b"\x80\x02broken")
    with refused("cannot read .*test_batch': it is damaged, or not a file of CIFAR"):
        load_data(spec)
    (tmp_path / "test_batch").write_bytes(pickle.dumps([1, 2]))
    with refused("holds a list, not the dictionary of a CIFAR file"):
        load_data(spec)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({"data": GREY, "labels": [0]}))
    with refused("are not those of CIFAR's Python version: each must hold 'data' with rows of 3072 bytes and 'labels'"):
        load_data(spec)
    with refused("cifar10 has no split 'tets'; did you mean test"):
        load_data(spec, "tets")


def test_nothing_is_downloaded_unless_asked_for(tmp_path, monkeypatch):
    datasets = pytest.importorskip("torchvision.datasets")
    asked = []

    def pretend(root, train, download):
        asked.append((root, train, download))
        for kind, array in (("images-idx3", GREY), ("labels-idx1", LABELS)):
            write_idx(Path(root) / "MNIST" / "raw" / f"t10k-{kind}-ubyte", array)

    monkeypatch.setattr(datasets, "MNIST", pretend)
    spec = f"mnist(root={str(tmp_path)!r})"
    with refused("or add download=True"):
        load_data(spec)
    assert asked == []
    for _ in range(2):  # the second time the files are there
        assert len(load_data(spec[:-1] + ", download=True)")) == 6
    assert asked == [(str(tmp_path), False, True)]


def test_downloads_that_fail(tmp_path, monkeypatch):
    datasets = pytest.importorskip("torchvision.datasets")

    def fail(root, train, download):
        raise OSError("no route to host")

    monkeypatch.setattr(datasets, "CIFAR10", fail)
    with pytest.raises(SurroundingsError, match=r"torchvision could not download CIFAR10 into .*: no route to host"):
        load_data(f"cifar10(root={str(tmp_path)!r}, download=True)")
    with refused("download=True needs a folder to download into: add root='FOLDER'"):
        load_data("cifar10(download=True)")
