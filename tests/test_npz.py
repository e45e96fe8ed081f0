import numpy as np
import pytest

from landscape.data import load_data
from landscape.data.constants import CONSTANTS
from landscape.errors import LandscapeError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def refused(message):
    return pytest.raises(LandscapeError, match=message)


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
