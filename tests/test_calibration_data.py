"""Which images BatchNorm's statistics are recalibrated on, how they are prepared, and what is said of it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from landscape.data import Batches, ImageSet, load_data, load_examples
from landscape.data.constants import CONSTANTS
from landscape.data.samples import chosen, digest_of
from landscape.errors import LandscapeError
from landscape.inputs import from_checkpoint, from_objects
from landscape.models import build_model

RANDOM = np.random.default_rng(0)
TEST = RANDOM.integers(0, 256, (12, 3, 8, 8), dtype=np.uint8)
TRAIN = RANDOM.integers(0, 256, (30, 3, 8, 8), dtype=np.uint8)
LABELS = np.arange(30) % 3
LOADERS = """
import numpy as np, torch
from landscape.data import ImageSet
images, labels = np.load("train.npz")["images"], np.load("train.npz")["labels"]
def both(split):
    return (images, labels) if split == "train" else (images[:5], labels[:5])
def single():
    return images, labels
def sets(split):
    return ImageSet(images, labels, (0.5,) * 3, (0.25,) * 3, name="mine", split=split)
def loader(split="train"):
    yield torch.from_numpy(images).float(), torch.from_numpy(labels)
def own(split, augment="weak"):
    return (images if augment == "strong" else 255 - images), labels
def no_train(split):
    if split == "train":
        raise OSError("no such split here")
    return images, labels
"""


def refused(message):
    return pytest.raises(LandscapeError, match=message)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a test file, a training file, a file of functions and a folder of class folders."""
    monkeypatch.chdir(tmp_path)
    np.savez("test.npz", images=TEST, labels=LABELS[:12])
    np.savez("train.npz", images=TRAIN, labels=LABELS)
    np.savez("cifar10_train.npz", images=TRAIN, labels=LABELS)
    np.savez("floats.npz", images=TRAIN.astype(np.float32) / 255 - 0.5, labels=LABELS)
    np.savez("grey.npz", images=TRAIN[:, 0], labels=LABELS)
    np.savez("parts.npz", test_images=TEST, test_labels=LABELS[:12], train_images=TRAIN, train_labels=LABELS)
    np.savez("only_test.npz", test_images=TEST, test_labels=LABELS[:12])
    (tmp_path / "data.py").write_text(LOADERS)
    return tmp_path


def write_classes(root, images):
    for number, image in enumerate(images):
        folder = root / "abc"[LABELS[number]]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / f"{number:02d}.png")


def loaded(data, splits, samples, bn_data, bn_samples):
    return load_examples(data, splits, samples, keep_training=bn_data is None).calibrated(bn_data, bn_samples)


def calibration(bn_data, data="test.npz", samples="all", splits=("test",)):
    return loaded(data, splits, "all", bn_data, samples).calibration


def raw(batches, images=TRAIN, labels=LABELS):
    """Whether these are all the images, whatever their preparation and order."""
    order = chosen("all", len(images))
    return batches.digest == digest_of(images[order], labels[order])


SINGLE = {
    "train.npz": "train.npz (whole file)",
    "parts.npz": "parts.npz (train split)",
    "test.npz(train='train.npz')": "train.npz (train split)",
    "train.npz(test='test.npz')": "train.npz (train split)",
    "data.py:both": "data.py:both (train split)",
    "data.py:single": "data.py:single (all that the function gives)",
}


@pytest.mark.parametrize("augment", ["none", "crop4-flip"])
@pytest.mark.parametrize(("spec", "place"), SINGLE.items())
def test_the_training_split_is_taken_or_the_whole_of_a_single_set(spec, place, augment):
    with_augment = f"{spec[:-1]}, augment={augment!r})" if spec.endswith(")") else f"{spec}(augment={augment!r})"
    found = calibration(with_augment)
    assert raw(found)
    assert found.notes[0] == f"statistics are recalibrated on 30 of the 30 images of {place}, augment {augment}"
    assert found.preprocessing.startswith("augment crop4-flip, ") == (augment == "crop4-flip")


@pytest.mark.parametrize(("inside", "place"), [("train", "train split"), ("", "whole folder")])
def test_class_folders(here, inside, place):
    write_classes(here / "pets" / inside, TRAIN)
    found = calibration("pets/(augment='crop4-flip')")
    order = np.argsort(LABELS, kind="stable")
    assert raw(found, TRAIN[order], LABELS[order])
    assert found.notes[0].endswith(f"30 of the 30 images of pets ({place}), augment crop4-flip")


def test_a_file_or_folder_without_training_images_is_never_taken_for_them(here):
    with refused("only_test.npz needs the arrays 'images' and 'labels', but holds test_images, test_labels"):
        calibration("only_test.npz")
    write_classes(here / "pets" / "test", TEST)
    with refused("'pets' has no folder 'train' with class folders inside: it has test"):
        calibration("pets")


def test_a_named_set_gives_its_training_split():
    found = calibration("fashion-mnist-mini", "fashion-mnist-mini", "100")
    assert found.digest == load_data("fashion-mnist-mini", "train").subset("100").digest()
    with refused("mnist is not in 'empty'"):
        calibration("mnist(root='empty')", "fashion-mnist-mini")


def test_a_named_set_without_splits_is_refused(monkeypatch):
    from landscape.data import DATASETS

    table = {**DATASETS.table, "plug": "data.py:single"}
    monkeypatch.setattr("landscape.data.loading.DATASETS", dataclasses.replace(DATASETS, table=table))
    monkeypatch.setattr("landscape.data.calibration.DATASETS", dataclasses.replace(DATASETS, table=table))
    with refused("'plug' takes no split=, so it cannot give the 'train' split"):
        calibration("plug")


OWN_SPLIT = ["parts.npz", "test.npz(train='train.npz')", "data.py:both"]


@pytest.mark.parametrize("data", OWN_SPLIT)
def test_without_bn_data_the_training_split_of_the_data_serves(data):
    examples = loaded(data, ["test"], "all", None, "all")
    assert raw(examples.calibration)
    assert examples.calibration_spec == examples.spec
    assert "(train split)" in examples.calibration.notes[0]


@pytest.mark.parametrize("splits", [("test",), ("test", "train"), ("train",)])
@pytest.mark.parametrize("samples", ["all", "4"])
def test_objects_serve_by_their_training_split(splits, samples):
    pairs = {
        "test": [(torch.from_numpy(TEST).float(), torch.arange(12))],
        "train": iter([(torch.from_numpy(TRAIN).float(), torch.from_numpy(LABELS))]),  # can be walked once
    }
    examples = loaded(pairs, splits, samples, None, "20")
    order = chosen("20", 30)
    assert np.array_equal(examples.calibration.inputs, TRAIN[order])
    assert np.array_equal(examples.calibration.targets, LABELS[order])
    assert (examples.spec, examples.calibration_spec) == ("object", "object")


NO_TRAINING = {
    "file": ("test.npz", r"test.npz holds one split, taken as 'test'; for 'train' type"),
    "function": ("data.py:single", "takes no split="),
    "failing": ("data.py:no_train", r"failed, inside that code:\n(?s:.*)OSError: no such split here"),
    "mapping": ({"test": [(torch.zeros(2, 3, 8, 8), torch.arange(2))]}, "have no 'train' split; there are test"),
    "loader": ([(torch.zeros(2, 3, 8, 8), torch.arange(2))], "one loader is one split"),
}


@pytest.mark.parametrize(("data", "reason"), NO_TRAINING.values(), ids=NO_TRAINING)
def test_without_training_images_it_says_what_to_pass(data, reason):
    said = (
        "^recalibrating BatchNorm's statistics needs training images, and the data that are evaluated have none: pass "
        r"--bn-data SPEC, for example --bn-data \"train.npz\(augment='crop4-flip'\)\", or keep the checkpoint's own "
        r"statistics with --bn-stats frozen \("
    )
    with refused(f"{said}(?s:.*){reason}"):
        loaded(data, ["test"], "all", None, "10")
    assert load_examples(data, ["test"], "all").calibration is None


GIVEN = {
    "loader": DataLoader(TensorDataset(torch.from_numpy(TRAIN).float(), torch.from_numpy(LABELS)), batch_size=7),
    "arrays": (TRAIN.astype(np.float32), LABELS),
    "batches": Batches(torch.from_numpy(TRAIN).float(), torch.from_numpy(LABELS), "own", "digest", "as it is"),
    "mapping": {"train": (TRAIN.astype(np.float32), LABELS), "test": None},
}


@pytest.mark.parametrize("bn_data", GIVEN.values(), ids=GIVEN)
def test_calibration_data_may_be_objects(bn_data):
    examples = loaded("test.npz", ["test"], "all", bn_data, "all")
    order = chosen("all", 30)
    assert np.array_equal(examples.calibration.inputs, TRAIN[order])
    assert examples.calibration.digest == digest_of(TRAIN[order].astype(np.float32), LABELS[order])
    assert examples.calibration_spec == "object"
    assert "30 of the 30 examples of" in examples.calibration.notes[0]
    assert "are biased unless the loader augments" in examples.calibration.notes[1]


def test_an_image_set_may_be_given_with_its_augmentation():
    images = ImageSet(TRAIN, LABELS, augment="crop4-flip")
    assert torch.equal(calibration(images).inputs, images.subset("all").tensors()[0])


IMAGENET, CIFAR = (CONSTANTS[name] for name in ("imagenet", "cifar10"))
NORMALISED = {
    # what is evaluated, what calibrates, mean and std of the calibration images, and what is said
    "both plain": ("test.npz", "train.npz", (None, None), None),
    "as evaluated": ("test.npz(mean='imagenet')", "train.npz", IMAGENET, "take mean and std of those"),
    "not the usual": ("test.npz(mean='imagenet')", "cifar10_train.npz", IMAGENET, "take mean and std of those"),
    "not the usual, but none": ("test.npz", "cifar10_train.npz", (None, None), "take mean and std of those"),
    "the same by itself": ("test.npz(mean='cifar10')", "cifar10_train.npz", CIFAR, None),
    "given": ("test.npz(mean='imagenet')", "train.npz(mean=0.5, std=0.5)", ((0.5,) * 3,) * 2, "as given; those that"),
    "given alike": ("test.npz(mean='imagenet')", "train.npz(mean='imagenet')", IMAGENET, None),
    "given none": ("test.npz(mean='imagenet')", "train.npz(mean='none')", (None, None), "as given; those that"),
    "given by a function": ("test.npz", "data.py:sets", ((0.5,) * 3, (0.25,) * 3), "as given; those that"),
    "arrays of a function": ("test.npz(mean='imagenet')", "data.py:single", IMAGENET, "take mean and std of those"),
    "own split": ("test.npz(mean='imagenet', train='cifar10_train.npz')", None, IMAGENET, None),
}


@pytest.mark.parametrize(("data", "bn_data", "constants", "said"), NORMALISED.values(), ids=NORMALISED)
def test_mean_and_std_are_those_of_the_evaluated_images_unless_given(data, bn_data, constants, said):
    found = calibration(bn_data, data)
    order = chosen("all", 30)
    expected = ImageSet(TRAIN[order], LABELS[order], *constants)
    assert torch.equal(found.inputs, expected.tensors()[0])
    assert found.preprocessing == expected.preprocessing()
    about = [note for note in found.notes if "those that are evaluated" in note]
    assert len(about) == (said is not None)
    assert all(said in note for note in about)


def test_notes_on_constants_that_are_not_used_are_dropped():
    notes = calibration("cifar10_train.npz", "test.npz(mean='imagenet', std='imagenet')").notes
    assert not any("cifar10 constants" in note or "taken to mean cifar10" in note for note in notes)
    assert sum("those that are evaluated" in note for note in notes) == 1


def test_stored_floats_do_not_take_the_constants_of_bytes():
    with refused("of floats.npz are float32 and those that are evaluated uint8, .* give mean= and std= in --bn-data"):
        calibration("floats.npz", "test.npz(mean='imagenet')")
    found = calibration("floats.npz(mean='none')", "test.npz(mean='imagenet')")
    assert found.preprocessing == "as stored"


def test_padding_that_is_not_black_is_said():
    notes = calibration("floats.npz(mean='none', augment='crop4-flip')").notes
    assert "the padding of crop4-flip is 0, which is not black in images with values down to -0.5" in notes
    notes = calibration("train.npz(augment='crop4-flip')").notes
    assert not any("black" in note for note in notes)


def test_beside_a_loader_the_images_keep_their_own_constants():
    loader = [(torch.zeros(2, 3, 8, 8), torch.arange(2))]
    found = calibration("cifar10_train.npz", loader)
    assert torch.equal(found.inputs, load_data("cifar10_train.npz").subset("all").tensors()[0])
    assert any(note.endswith("those that are evaluated: as the loader gives them") for note in found.notes)


def test_images_of_another_shape_are_refused():
    said = r"the calibration images of grey.npz have shape \(1, 8, 8\), but those that are evaluated \(3, 8, 8\): name"
    with refused(said):
        calibration("grey.npz", "test.npz(mean='imagenet')")
    with refused(said):
        calibration("grey.npz", [(torch.zeros(2, 3, 8, 8), torch.arange(2))])


@pytest.mark.parametrize("samples", ["10", "first:10", "all", "30"])
def test_the_choice_is_fixed_and_drawn_by_the_index_in_the_full_set(samples):
    found = calibration("train.npz(augment='crop4-flip')", samples=samples)
    whole = load_data("train.npz(augment='crop4-flip')").tensors()[0]
    assert torch.equal(found.inputs, whole[chosen(samples, 30)])
    assert found.digest == load_data("train.npz").subset(samples).digest()
    assert found.digest == calibration("train.npz(augment='none')", samples=samples).digest


@pytest.mark.parametrize(
    ("samples", "said"), [("31", "'31' asks for 31 examples, but the set has 30"), ("0", "cannot read the choice")]
)
def test_more_images_than_there_are(samples, said):
    with refused(f"^--bn-samples: {said}"):
        calibration("train.npz", samples=samples)


def test_plain_images_are_cautioned_about():
    said = "come out biased on plain images: for crops and flips add augment='crop4-flip' to --bn-data"
    assert any(said in note for note in calibration("train.npz").notes)
    assert not any("biased" in note for note in calibration("train.npz(augment='crop4-flip')").notes)


@pytest.mark.parametrize("data", ["test.npz(augment='crop4-flip')", ImageSet(TEST, LABELS[:12], augment="crop4-flip")])
def test_augmentation_belongs_to_the_calibration_images(data):
    with refused("^augment='crop4-flip' belongs to --bn-data, .*: leave it out of --data, whose images are evaluated"):
        load_examples(data, ["test"], "all")


def test_batches_cannot_be_augmented():
    with refused("augment='crop4-flip' needs raw images, but data.py:loader gives batches: augment in that function"):
        calibration("data.py:loader(augment='crop4-flip')")
    assert raw(calibration("data.py:loader(augment='none')"), TRAIN.astype(np.float32))


def test_a_function_with_an_augment_of_its_own_is_given_it():
    assert raw(calibration("data.py:own(augment='strong')"))
    assert raw(calibration("data.py:own"), 255 - TRAIN)
    assert load_examples("data.py:own(augment='strong')", ["test"], "all").batches["test"].inputs.max() <= 1


def test_a_spec_in_the_job_has_no_folders(here):
    spec = f"{here / 'train.npz'}(augment='crop4-flip')"
    assert loaded("test.npz", ["test"], "all", spec, "5").calibration_spec == "train.npz(augment='crop4-flip')"


def test_inputs_carry_the_calibration_and_its_notes(here):
    net = build_model("resnet(depth=8, width=4)")
    torch.save({"state_dict": net.state_dict()}, here / "net.pt")
    options = {"bn_data": "train.npz(augment='crop4-flip')", "bn_samples": "20"}
    for inputs in (
        from_checkpoint("net.pt", "resnet(depth=8, width=4)", "test.npz", ["test"], "all", **options),
        from_objects(net, "test.npz", ["test"], "all", **options),
    ):
        assert torch.equal(inputs.calibration.inputs, calibration(options["bn_data"], samples="20").inputs)
        assert inputs.calibration_spec == "train.npz(augment='crop4-flip')"
        assert sum("statistics are recalibrated on 20 of the 30 images" in note for note in inputs.notes) == 1


def test_calibration_is_not_loaded_where_it_is_not_wanted():
    inputs = from_objects(nn.Flatten(), "test.npz", ["test"], "all", bn_data="absent.npz")
    assert (inputs.calibration, inputs.calibration_spec) == (None, "")


def test_the_real_images(shared):
    """The network of this file was trained with ImageNet's constants: the calibration images have to take them."""
    test, train = (f"{shared / 'data' / name}.npz" for name in ("cifar10_test", "cifar10_train_20k"))
    examples = loaded(f"{test}(mean='imagenet')", ["test"], "10", f"{train}(augment='crop4-flip')", "4000")
    found = examples.calibration
    assert examples.calibration_spec == "cifar10_train_20k.npz(augment='crop4-flip')"
    assert found.preprocessing == f"augment crop4-flip, {examples.batches['test'].preprocessing}"
    assert found.notes == (
        "statistics are recalibrated on 4,000 of the 20,000 images of cifar10_train_20k.npz (whole file), "
        "augment crop4-flip",
        f"calibration images take mean and std of those that are evaluated: {examples.batches['test'].preprocessing}",
    )
    assert found.digest == load_data(train).subset("4000").digest()
