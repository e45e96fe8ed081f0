import gzip
import pickle
import struct
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from landscape.data import DATASETS, Batches, ImageSet, load_data, materialise
from landscape.data.constants import CONSTANTS, normalisation
from landscape.data.embedded import FASHION_MNIST_MINI
from landscape.data.idx import DEBIAN_FASHION_MNIST
from landscape.errors import LandscapeError, SurroundingsError

SHARED = Path(__file__).parents[1].parent / "shared"
RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def refused(message):
    return pytest.raises(LandscapeError, match=message)


# ---- ImageSet ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
def test_normalisation_agrees_with_float64(name):
    mean, std = CONSTANTS[name]
    images, labels = ImageSet(COLOUR, LABELS, mean, std).tensors()
    expected = (COLOUR / 255.0 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    np.testing.assert_allclose(images.numpy(), expected, atol=1e-6)  # a few float32 units at values of up to 2.7
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    assert labels.tolist() == LABELS.tolist()


def test_float_images_are_taken_as_they_are_before_mean_and_std():
    stored = COLOUR.astype(np.float32)
    assert np.array_equal(ImageSet(stored, LABELS).tensors()[0].numpy(), stored)
    halved = ImageSet(stored, LABELS, (1.0,) * 3, (2.0,) * 3)
    np.testing.assert_allclose(halved.tensors()[0].numpy(), (stored - 1.0) / 2.0)
    assert halved.preprocessing() == "as stored, mean (1.0, 1.0, 1.0), std (2.0, 2.0, 2.0)"


def test_tensors_leave_the_stored_images_alone():
    stored = COLOUR.astype(np.float32)
    before = stored.copy()
    ImageSet(stored, LABELS, (1.0,) * 3, (2.0,) * 3).tensors()
    assert np.array_equal(stored, before)


def test_cifar10_constants_are_exact():
    assert CONSTANTS["cifar10"][0] == tuple(value / 255 for value in (125.3, 123.0, 113.9))
    assert CONSTANTS["cifar10"][1] == tuple(value / 255 for value in (63.0, 62.1, 66.7))


def test_preprocessing_text_is_exact():
    assert ImageSet(COLOUR, LABELS).preprocessing() == "scaled to [0, 1]"
    text = ImageSet(COLOUR, LABELS, *CONSTANTS["cifar10"]).preprocessing()
    assert text.startswith("scaled to [0, 1], mean (0.4913725490196078, 0.4823529411764706, 0.4466666666666667), std (")


def test_digest_tells_images_labels_types_and_order_apart():
    sets = [
        ImageSet(COLOUR, LABELS),
        ImageSet(255 - COLOUR, LABELS),
        ImageSet(COLOUR, LABELS[::-1].copy()),
        ImageSet(COLOUR.astype(np.float32), LABELS),
        ImageSet(COLOUR.reshape(6, 1, 96, 32), LABELS),
        ImageSet(COLOUR, LABELS).subset("all"),
    ]
    assert len({images.digest() for images in sets}) == len(sets)


def test_digest_ignores_mean_std_and_names():
    other = ImageSet(COLOUR.copy(), LABELS.copy(), (0.5,) * 3, (0.5,) * 3, "other", "train", ("a note",))
    assert other.digest() == ImageSet(COLOUR, LABELS).digest()


@settings(deadline=None, max_examples=30)
@given(smaller=st.integers(1, 6), larger=st.integers(1, 6))
def test_subsets_are_nested_and_repeat(smaller, larger):
    smaller, larger = sorted((smaller, larger))
    images = ImageSet(COLOUR, LABELS)
    part, whole = images.subset(str(smaller)), images.subset(str(larger))
    assert np.array_equal(part.images, whole.images[:smaller])
    assert np.array_equal(part.labels, whole.labels[:smaller])
    assert part.digest() == images.subset(str(smaller)).digest()


def test_first_keeps_the_original_order_and_pairs():
    part = ImageSet(COLOUR, LABELS, (0.5,) * 3, None, "name", "train", ("note",)).subset("first:4")
    assert np.array_equal(part.images, COLOUR[:4])
    assert part.labels.tolist() == [0, 1, 2, 0]
    assert (part.mean, part.name, part.split, part.notes) == ((0.5,) * 3, "name", "train", ("note",))


def test_batches_of_an_image_set_carry_its_raw_digest():
    images = ImageSet(COLOUR, LABELS, *CONSTANTS["cifar10"], name="six", notes=("note",))
    batches = images.batches("cpu")
    assert torch.equal(batches.inputs, images.tensors()[0])
    assert (batches.digest, batches.preprocessing) == (images.digest(), images.preprocessing())
    assert (batches.name, batches.notes, len(batches)) == ("six", ("note",), 6)


NAN = COLOUR.astype(np.float32)
NAN[[1, 4], 0, 0, 0] = np.nan
BAD_SETS = {
    "empty": ((COLOUR[:0], LABELS[:0]), {}, r"images has no images \(shape \(0, 3, 32, 32\)\)"),
    "lengths": ((COLOUR, LABELS[:5]), {}, r"one label for each of its 6 images, not labels of shape \(5,\)"),
    "nan": ((NAN, LABELS), {}, r"2 of 6 images of images contain NaN or infinite values \(images 1, 4\)"),
    "negative": ((COLOUR, LABELS - 1), {}, "must count from 0, but one is -1"),
    "rank": ((GREY, LABELS), {}, r"of shape \(N, C, H, W\), not uint8 of shape \(6, 28, 28\)"),
    "type": ((COLOUR.astype(np.int64), LABELS), {}, "must be uint8 or float32 .* not int64"),
    "label type": ((COLOUR, LABELS.astype(np.int32)), {}, "must be int64, not int32"),
    "channels": ((COLOUR, LABELS), {"mean": (0.5,)}, "mean= needs one number for each of the 3 channels .* not 1"),
    "zero std": ((COLOUR, LABELS), {"std": (0.5, 0.0, 0.5)}, r"std= needs positive numbers, not \(0.5, 0.0, 0.5\)"),
    "nan mean": ((COLOUR, LABELS), {"mean": (0.5, np.nan, 0.5)}, "mean= needs finite numbers"),
}


@pytest.mark.parametrize(("arrays", "settings_", "message"), BAD_SETS.values(), ids=BAD_SETS)
def test_image_sets_that_cannot_be_used(arrays, settings_, message):
    with refused(message):
        ImageSet(*arrays, **settings_)


# ---- mean= and std= ------------------------------------------------------------------------------------

GIVEN = {
    "nothing": ((None, None, 3), (None, None)),
    "usual": ((None, None, 3, "cifar10"), CONSTANTS["cifar10"]),
    "shorthand": (("imagenet", None, 3, "cifar10"), CONSTANTS["imagenet"]),
    "shorthand and std": (("imagenet", 0.5, 3), (CONSTANTS["imagenet"][0], (0.5,) * 3)),
    "number": ((0.5, 0.25, 1), ((0.5,), (0.25,))),
    "integer": ((0, 1, 3), ((0.0,) * 3, (1.0,) * 3)),
    "list": (([0.1, 0.2, 0.3], None, 3), ((0.1, 0.2, 0.3), None)),
    "off": (("none", None, 3, "cifar10"), (None, None)),
    "only std": ((None, "imagenet", 3, "cifar10"), (CONSTANTS["cifar10"][0], CONSTANTS["imagenet"][1])),
    "mean off": (("none", 0.5, 1, "mnist"), (None, (0.5,))),
}


@pytest.mark.parametrize(("given_values", "expected"), GIVEN.values(), ids=GIVEN)
def test_mean_and_std_are_settled(given_values, expected):
    assert normalisation(*given_values)[:2] == expected


def test_what_is_assumed_about_mean_and_std_is_noted():
    assert normalisation("imagenet", None, 3)[2] == ("mean='imagenet' also sets std",)
    assert normalisation(None, None, 3, "cifar10")[2] == (
        "mean and std not given: the usual cifar10 constants are taken",
    )
    assert normalisation(0.5, None, 1, "mnist")[2] == ("std not given: the usual mnist constants are taken",)
    assert normalisation(0.5, 0.5, 1, "mnist")[2] == ()


@pytest.mark.parametrize(
    ("mean", "message"),
    [("imagnet", "mean= knows no set 'imagnet'; did you mean imagenet"), ({}, None), ((0.1, "x"), "takes a number")],
)
def test_unreadable_means_are_refused(mean, message):
    with refused(message or "mean= needs one number|takes a number"):
        ImageSet(COLOUR, LABELS, normalisation(mean, None, 3)[0])


# ---- .npz ----------------------------------------------------------------------------------------------


@pytest.fixture
def save(tmp_path):
    def save_npz(name="set.npz", **arrays):
        path = tmp_path / name
        np.savez_compressed(path, **(arrays or {"images": COLOUR, "labels": LABELS}))
        return path

    return save_npz


LAYOUTS = {
    "NCHW": (COLOUR, COLOUR),
    "NHWC": (COLOUR.transpose(0, 2, 3, 1), COLOUR),
    "NHW": (GREY, GREY[:, None]),
    "NHW1": (GREY[..., None], GREY[:, None]),
    "N1HW": (GREY[:, None], GREY[:, None]),
    "float64": (COLOUR / 255, (COLOUR / 255).astype(np.float32)),
    "float16": (GREY.astype(np.float16), GREY[:, None].astype(np.float32)),
    "big-endian": (GREY.astype(">f4"), GREY[:, None].astype(np.float32)),
    "narrow": (COLOUR[..., :3], COLOUR[..., :3]),
}


@pytest.mark.parametrize(("stored", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_npz_layouts(save, stored, expected):
    images = load_data(str(save(images=stored, labels=LABELS)))
    assert images.images.dtype == expected.dtype
    assert np.array_equal(images.images, expected)
    assert images.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize("labels", [LABELS.astype(np.uint8), LABELS.astype(">i4"), LABELS[:, None]])
def test_npz_labels_become_int64(save, labels):
    loaded = load_data(str(save(images=COLOUR, labels=labels))).labels
    assert loaded.dtype == np.int64
    assert loaded.tolist() == LABELS.tolist()


NAMES = {
    "cifar10_test.npz": (COLOUR, "cifar10"),
    "my-CIFAR-10.npz": (COLOUR, "cifar10"),
    "cifar100.npz": (COLOUR, "cifar100"),
    "cifar-100-test.npz": (COLOUR, "cifar100"),
    "fashion.npz": (GREY, "fashion-mnist"),
    "fashion_mnist.npz": (GREY, "fashion-mnist"),
    "mnist-test.npz": (GREY, "mnist"),
}


@pytest.mark.parametrize(("name", "images", "usual"), [(name, *case) for name, case in NAMES.items()])
def test_file_names_imply_the_usual_constants_with_a_note(save, name, images, usual):
    loaded = load_data(str(save(name, images=images, labels=LABELS)))
    assert (loaded.mean, loaded.std) == CONSTANTS[usual]
    assert loaded.notes[0] == f"the file name {name!r} is taken to mean {usual} images"


@pytest.mark.parametrize(("name", "images"), [("set.npz", COLOUR), ("mnist.npz", COLOUR), ("cifar1000.npz", COLOUR)])
def test_other_uint8_images_are_only_scaled_with_a_note(save, name, images):
    loaded = load_data(str(save(name, images=images, labels=LABELS)))
    assert loaded.preprocessing() == "scaled to [0, 1]"
    assert loaded.notes == (
        "images are only scaled to [0, 1]: pass mean= and std= if the network was trained with them",
    )


def test_float_images_in_a_known_file_are_taken_as_stored_with_a_note(save):
    loaded = load_data(str(save("cifar10.npz", images=COLOUR / np.float32(255), labels=LABELS)))
    assert loaded.preprocessing() == "as stored"
    assert "images are taken as stored: pass mean= and std=" in loaded.notes[0]


def test_settings_override_the_usual_constants(save):
    path = save("cifar10.npz")
    loaded = load_data(f"{path}(mean=(0.1, 0.2, 0.3), std=0.5)")
    assert (loaded.mean, loaded.std) == ((0.1, 0.2, 0.3), (0.5,) * 3)
    assert load_data(f"{path}(mean='none')").preprocessing() == "scaled to [0, 1]"


def test_another_split_is_another_file_beside_it(save):
    path = save("set.npz")
    save("more.npz", images=255 - COLOUR, labels=LABELS)
    loaded = load_data(f"{path}(train='more.npz')", "train")
    assert np.array_equal(loaded.images, 255 - COLOUR)
    assert (loaded.split, loaded.name) == ("train", "more.npz")
    assert np.array_equal(load_data(f"{path}(train='more.npz')", "test").images, COLOUR)
    assert np.array_equal(load_data(f"{path}(test='more.npz')", "train").images, COLOUR)


def test_one_file_may_hold_several_splits(save):
    arrays = {"test_images": COLOUR, "test_labels": LABELS, "train_images": 255 - COLOUR, "train_labels": LABELS}
    path = save(**arrays)
    assert np.array_equal(load_data(str(path), "test").images, COLOUR)
    assert np.array_equal(load_data(str(path), "train").images, 255 - COLOUR)


@pytest.mark.parametrize("name", ["my set (1).npz", "a (x=1) b.npz", "with space.npz"])
def test_paths_with_spaces_and_parentheses(save, name):
    path = save(name)
    assert np.array_equal(load_data(str(path)).images, COLOUR)
    assert load_data(f"{path}(mean=0.5, std=0.5)").std == (0.5,) * 3


def test_home_is_understood(save, monkeypatch, tmp_path):
    save("set.npz")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load_data("~/set.npz")) == 6


BAD_NPZ = {
    "no labels": ({"images": COLOUR}, "set.npz needs the arrays 'images' and 'labels', but holds images"),
    "objects": ({"images": np.array([{}, None]), "labels": LABELS}, "its arrays hold Python objects; save it with"),
    "integers": (
        {"images": COLOUR.astype(int), "labels": LABELS},
        r"must be uint8 .* not int64; save .*astype\('uint8'\)",
    ),
    "rank": ({"images": COLOUR[0, 0], "labels": LABELS}, r"must have shape \(N, C, H, W\).* not \(32, 32\)"),
    "float labels": ({"images": COLOUR, "labels": LABELS / 1}, "labels of set.npz must be integers, not float64"),
    "empty": ({"images": COLOUR[:0], "labels": LABELS[:0]}, "set.npz has no images"),
    "lengths": ({"images": COLOUR, "labels": LABELS[:2]}, "set.npz needs one label for each of its 6 images"),
    "overflow": ({"images": COLOUR + 1e39, "labels": LABELS}, "6 of 6 images of set.npz contain NaN or infinite"),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_NPZ.values(), ids=BAD_NPZ)
def test_npz_files_that_cannot_be_used(save, arrays, message):
    path = save(**arrays)
    with refused(message):
        load_data(str(path))


@pytest.mark.parametrize("damage", ["text", "truncated", "empty", "folder"])
def test_damaged_npz_files(save, damage):
    path = save()
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"text": b"images", "truncated": content[: len(content) // 2], "empty": b""}[damage])
    with refused("cannot read set.npz as a .npz file: it is damaged or of another kind|there is no file"):
        load_data(str(path))


def test_a_flipped_byte_inside_a_npz_file_is_noticed(save):
    path = save()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    with refused("cannot read set.npz as a .npz file: it is damaged"):
        load_data(str(path))


def test_a_single_array_named_npz(tmp_path):
    with (tmp_path / "set.npz").open("wb") as file:
        np.save(file, COLOUR)
    with refused(r"set.npz holds a single array; save it with np.savez\(images=..., labels=...\)"):
        load_data(str(tmp_path / "set.npz"))


def test_npz_splits_and_settings_that_do_not_exist(save, tmp_path):
    path = save()
    with refused(r"holds one split, taken as 'test'; for 'train' type \"set.npz\(train='other.npz'\)\""):
        load_data(str(path), "train")
    with refused(r"set.npz takes mean=, std= and, for another split, a file such as train='train.npz', not maen=0.5"):
        load_data(f"{path}(maen=0.5)")
    with refused("there is no file 'absent.npz'"):
        load_data(f"{path}(train='absent.npz')", "train")
    with refused("there is no file .*nothing.npz'; name a .npz file with arrays"):
        load_data(str(tmp_path / "nothing.npz"))


# ---- IDX -----------------------------------------------------------------------------------------------


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


# ---- CIFAR ---------------------------------------------------------------------------------------------


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


# ---- downloads -----------------------------------------------------------------------------------------


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


# ---- class folders -------------------------------------------------------------------------------------


def write_folder(root, images=COLOUR, labels=LABELS, classes=("ant", "bee", "cat")):
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (root / classes[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0) if image.ndim == 3 else image).save(root / classes[label] / f"{i}.png")


@pytest.mark.parametrize("inside", ["", "test"])
def test_class_folders(tmp_path, inside):
    root = tmp_path / "my pets (2)"
    write_folder(root / inside)
    (root / inside / "ant" / "notes.txt").write_text("not an image")
    loaded = load_data(f"{root}/")
    order = np.argsort(LABELS, kind="stable")
    assert np.array_equal(loaded.images, COLOUR[order])
    assert loaded.labels.tolist() == LABELS[order].tolist()
    assert loaded.notes[0] == "3 classes, in this order: ant, bee, cat"
    assert loaded.name == "my pets (2)"


def test_class_folders_count_the_classes_of_all_splits(tmp_path):
    write_folder(tmp_path / "train")
    write_folder(tmp_path / "test", COLOUR[:2], [2, 2])
    assert load_data(str(tmp_path), "test").labels.tolist() == [2, 2]
    assert sorted(load_data(str(tmp_path), "train").labels.tolist()) == [0, 0, 1, 1, 2, 2]


def test_grey_images(tmp_path):
    write_folder(tmp_path, GREY)
    order = np.argsort(LABELS, kind="stable")
    assert np.array_equal(load_data(f"{tmp_path}(grey=True)").images, GREY[order, None])
    assert np.array_equal(load_data(str(tmp_path)).images, np.repeat(GREY[order, None], 3, axis=1))


@pytest.mark.parametrize(
    ("setting", "shape"),
    [("size=16", (16, 16)), ("size=(8, 20)", (8, 20)), ("size=20, crop=16", (16, 16)), ("crop=10", (10, 10))],
)
def test_images_of_mixed_sizes_are_resized(tmp_path, setting, shape):
    write_folder(tmp_path, [np.full((3, 20, 40), 9, np.uint8), np.full((3, 40, 24), 9, np.uint8)], [0, 1])
    loaded = load_data(f"{tmp_path}({setting})")
    assert loaded.images.shape == (2, 3, *shape)
    assert (loaded.images == 9).all()
    assert f"cut to {shape[0]}x{shape[1]}" in loaded.notes[1]


def test_size_and_crop_agree_with_torchvision(tmp_path):
    transforms = pytest.importorskip("torchvision.transforms")
    write_folder(tmp_path, RANDOM.integers(0, 256, (1, 3, 37, 50), dtype=np.uint8), [0])
    theirs = transforms.Compose([transforms.Resize(24), transforms.CenterCrop(19)])
    with Image.open(tmp_path / "ant" / "0.png") as image:
        expected = np.asarray(theirs(image)).transpose(2, 0, 1)
    assert np.array_equal(load_data(f"{tmp_path}(size=24, crop=19)").images[0], expected)


def test_folders_that_cannot_be_used(tmp_path):
    with refused("has no class folders: images are expected in .*/CLASS/ or .*/test/CLASS/"):
        load_data(str(tmp_path))
    (tmp_path / "ant").mkdir()
    with refused(r"the class folders in .* hold no images \(.png, .jpg"):
        load_data(str(tmp_path))
    with refused("has no folder 'train' with class folders inside: it is one split, taken as 'test'"):
        load_data(str(tmp_path), "train")
    (tmp_path / "ant" / "x.png").write_bytes(b"not an image")
    with refused("cannot read the image .*x.png': it is damaged"):
        load_data(str(tmp_path))
    write_folder(tmp_path / "pets" / "train")
    with refused("has no folder 'test' with class folders inside: it has train"):
        load_data(str(tmp_path / "pets"))


def test_mixed_sizes_and_wrong_settings_are_refused(tmp_path):
    write_folder(tmp_path, [COLOUR[0], COLOUR[1][:, :20]], [0, 1])
    with refused("must have one size, but 0.png is 32x32 and 1.png is 20x32: pass size=, for example size=32"):
        load_data(str(tmp_path))
    with refused(r"size= takes one positive number or \(height, width\), not 'big'"):
        load_data(f"{tmp_path}(size='big')")
    with refused("crop= takes a positive number of at most 16, the size of 0.png, not 20"):
        load_data(f"{tmp_path}(size=16, crop=20)")
    with refused("unexpected keyword argument 'siez'; it takes path, split, mean, std, size"):
        load_data(f"{tmp_path}(siez=16)")


# ---- the user's own loaders ----------------------------------------------------------------------------

LOADERS = """
import numpy as np, torch
from torch.utils.data import DataLoader, TensorDataset
from landscape.data import ImageSet
images = torch.arange(12.).reshape(4, 1, 1, 3)
labels = torch.tensor([0, 1, 0, 1])
number = 3
def dataset(split):
    return TensorDataset(images if split == "test" else -images, labels)
def loader():
    return DataLoader(TensorDataset(images, labels), batch_size=3)
def arrays(split, scale=1):
    return scale * images.numpy(), labels.numpy()
def pixels(**settings):
    return np.full((4, 8, 8), 51, np.uint8), [0, 1, 0, 1] and labels.numpy()
def image_set(split):
    return ImageSet(np.zeros((4, 1, 2, 2), np.uint8), labels.numpy(), name="mine", split=split)
def nothing(split):
    return None
def broken(split):
    raise OSError("disk gone")
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "data.py"
    path.write_text(LOADERS)
    return path


@pytest.mark.parametrize("name", ["dataset", "loader", "arrays"])
def test_functions_of_a_file_give_batches(file, name):
    batches = load_data(f"{file}:{name}", "test")
    assert isinstance(batches, Batches)
    assert batches.inputs.flatten().tolist() == list(range(12))
    assert batches.targets.tolist() == [0, 1, 0, 1]
    assert batches.name == f"data.py:{name}"


def test_functions_are_told_the_split_and_their_settings(file):
    assert load_data(f"{file}:dataset", "train").inputs.sum() == -66
    assert load_data(f"{file}:arrays(scale=2)", "test").inputs.sum() == 132
    assert load_data(f"{file}:image_set", "train").split == "train"


def test_uint8_arrays_of_a_function_are_an_image_set(file):
    loaded = load_data(f"{file}:pixels")
    assert isinstance(loaded, ImageSet)
    assert torch.allclose(loaded.tensors()[0], torch.tensor(0.2))


def test_functions_of_a_module(file, monkeypatch):
    file.rename(file.with_name("landscape_test_loaders.py"))
    monkeypatch.syspath_prepend(str(file.parent))
    assert len(load_data("landscape_test_loaders:dataset")) == 4


BAD_LOADERS = {
    "nothing": "the data for 'test' must be a Dataset, a DataLoader or an iterable .* not NoneType",
    "broken": "broken raised OSError: disk gone",
    "number": "is a int, not a function that returns data; write 'def loader",
    "absent": "has no 'absent'; did you mean dataset",
    "arrays(size=3)": "unexpected keyword argument 'size'; it takes split, scale",
}


@pytest.mark.parametrize(("name", "message"), BAD_LOADERS.items())
def test_functions_that_cannot_be_used(file, name, message):
    with refused(message):
        load_data(f"{file}:{name}")


UNKNOWN = {
    "fashion-mnist-min": "unknown dataset 'fashion-mnist-min'; did you mean fashion-mnist-mini",
    "cifar-10": r"unknown dataset 'cifar-10'; did you mean cifar10 .* a .npz file, a folder with class folders",
    "no/such/folder": "there is no file or folder 'no/such/folder'",
    "data.csv": "there is no file or folder 'data.csv'",
    "absent.py:loader": "there is no file 'absent.py' to import from",
    "fashion-mnist-mini(rot='x')": "unexpected keyword argument 'rot'; it takes split, mean, std",
}


@pytest.mark.parametrize(("spec", "message"), UNKNOWN.items())
def test_data_that_do_not_exist(spec, message):
    with refused(message):
        load_data(spec)


def test_a_file_of_another_kind(file):
    with refused("cannot read data from .*data.py': a data set is a known name, a .npz file, a folder"):
        load_data(str(file))


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_name_imports(name):
    assert callable(DATASETS.get(name))


# ---- the embedded set, and real ones -------------------------------------------------------------------


@pytest.mark.parametrize(("split", "number"), [("test", 2000), ("train", 6000)])
def test_the_embedded_set_is_stratified(split, number):
    loaded = load_data("fashion-mnist-mini", split)
    assert loaded.images.shape == (number, 1, 28, 28)
    assert loaded.images.dtype == np.uint8
    assert np.bincount(loaded.labels).tolist() == [number // 10] * 10
    assert (loaded.mean, loaded.std) == CONSTANTS["fashion-mnist"]
    assert loaded.notes == ("mean and std not given: the usual fashion-mnist constants are taken",)


def test_the_embedded_set_never_changes():
    assert (
        load_data("fashion-mnist-mini", "test").digest()
        == "0d742511c49233689254dffa0d3a0b981904253791b7cad9126a3140fdbe0e19"
    )
    assert (
        load_data("fashion-mnist-mini", "train").digest()
        == "aad2d5fa6cfe12e1b06f0eb5c0aa0449a444b06749123a2c436eba8989430665"
    )


def test_the_embedded_set_has_its_licence_and_is_small():
    assert FASHION_MNIST_MINI.stat().st_size < 4e6
    licence = (FASHION_MNIST_MINI.parent / "FASHION-MNIST-LICENSE").read_text()
    assert "Copyright (c) 2017 Zalando SE" in licence
    assert "The above copyright notice and this permission notice shall be included" in licence


def test_the_embedded_set_has_no_other_split():
    with refused("fashion-mnist-mini has no split 'validation'; known: test, train"):
        load_data("fashion-mnist-mini", "validation")


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
@pytest.mark.parametrize(("split", "number"), [("test", 10000), ("train", 60000)])
def test_the_embedded_set_is_a_part_of_the_full_one(split, number):
    full, mini = load_data("fashion-mnist", split), load_data("fashion-mnist-mini", split)
    assert full.images.shape == (number, 1, 28, 28)
    label_of = {image.tobytes(): label for image, label in zip(full.images, full.labels, strict=True)}
    assert all(label_of[image.tobytes()] == label for image, label in zip(mini.images, mini.labels, strict=True))


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="../shared/data is not here")
def test_the_real_cifar10_test_set():
    loaded = load_data(str(SHARED / "data" / "cifar10_test.npz"))
    assert np.bincount(loaded.labels).tolist() == [1000] * 10
    assert (loaded.mean, loaded.std) == CONSTANTS["cifar10"]
    inputs = loaded.subset("first:500").tensors()[0]
    expected = (loaded.images[:500] / 255.0 - np.reshape(loaded.mean, (3, 1, 1))) / np.reshape(loaded.std, (3, 1, 1))
    np.testing.assert_allclose(inputs.numpy(), expected, atol=1e-6)


def test_a_data_loader_of_the_embedded_set_gives_the_same_tensors():
    images, labels = load_data("fashion-mnist-mini").subset("64").tensors()
    batches = materialise(DataLoader(TensorDataset(images, labels), batch_size=10), "test")
    assert torch.equal(batches.inputs, images)
    assert torch.equal(batches.targets, labels)
