import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.data import ImageSet
from landscape.data.constants import CONSTANTS, normalisation
from landscape.errors import LandscapeError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
GREY = RANDOM.integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def refused(message):
    return pytest.raises(LandscapeError, match=message)


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


@settings(max_examples=30)
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
