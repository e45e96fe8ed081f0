from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from landscape.data import DATASETS, Batches, ImageSet, load_data, materialise
from landscape.data.constants import CONSTANTS
from landscape.data.embedded import FASHION_MNIST_MINI
from landscape.data.idx import DEBIAN_FASHION_MNIST
from landscape.errors import LandscapeError

SHARED = Path(__file__).parents[1].parent / "shared"


def refused(message):
    return pytest.raises(LandscapeError, match=message)


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
    "broken": r"broken failed, inside that code:\n(?s:.*)OSError: disk gone",
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
