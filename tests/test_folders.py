import numpy as np
import pytest
from PIL import Image

from landscape.data import load_data
from landscape.errors import LandscapeError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def refused(message):
    return pytest.raises(LandscapeError, match=message)


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
