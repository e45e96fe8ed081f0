"""Crops and flips: compared with a loop over np.pad, counted against their distribution, the same in every subset."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.data import AUGMENTATIONS, ImageSet, load_data
from landscape.data.augment import augmented, crop4_flip, crop4_flip_draws
from landscape.errors import LandscapeError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (40, 3, 12, 10), dtype=np.uint8)
LABELS = np.arange(40) % 3
EVERY = np.arange(40)
OWN = """
import numpy as np
def brighter(images, index, by=1):
    return (images + by).astype(images.dtype)
def half(images, index):
    return images[:, :, ::2]
def broken(images, index):
    raise ValueError("mine")
"""


def refused(message):
    return pytest.raises(LandscapeError, match=message)


def one_by_one(images, index):
    """The definition: pad one image, cut it out, turn it around."""
    result = []
    for image, *draw in zip(images, *crop4_flip_draws(index), strict=True):
        row, column, flip = draw
        padded = np.pad(image, ((0, 0), (4, 4), (4, 4)), constant_values=0)
        cut = padded[:, row : row + image.shape[1], column : column + image.shape[2]]
        result.append(cut[:, :, ::-1] if flip else cut)
    return np.stack(result)


KINDS = {
    "uint8": COLOUR,
    "float32": COLOUR.astype(np.float32) / 255,
    "grey": COLOUR[:, :1],
    "smaller than the padding": COLOUR[..., :3, :2],
    "view": COLOUR[:, :, ::-1, ::2],
}


@pytest.mark.parametrize("images", KINDS.values(), ids=KINDS)
def test_each_image_is_padded_cut_and_flipped(images):
    result = crop4_flip(images, EVERY)
    assert result.dtype == images.dtype
    assert np.array_equal(result, one_by_one(images, EVERY))


def philox(key, block):
    """Four words of Philox4x64-10 (Salmon et al. 2011, doi:10.1145/2063384.2063405) in plain integers."""
    word = 2**64 - 1
    counter, keys = [block, 0, 0, 0], [key & word, key >> 64]
    for _ in range(10):
        first, second = counter[0] * 0xD2E7470EE14C6C93, counter[2] * 0xCA5A826395121157
        counter = [
            (second >> 64) ^ counter[1] ^ keys[0],
            second & word,
            (first >> 64) ^ counter[3] ^ keys[1],
            first & word,
        ]
        keys = [(keys[0] + 0x9E3779B97F4A7C15) & word, (keys[1] + 0xBB67AE8584CAA73B) & word]
    return counter


def test_the_draws_are_words_of_a_counter():
    """NumPy counts blocks of four words from 1; a word is row, column and flip in mixed radix."""
    index = np.array([0, 1, 2, 3, 4, 7, 8, 4_095, 1_000_000])
    key = int.from_bytes(hashlib.sha256(b"landscape augment crop4-flip").digest()[:16], "big")
    outcomes = [philox(key, i // 4 + 1)[i % 4] % 162 for i in index.tolist()]
    expected = [(outcome // 18, outcome // 2 % 9, outcome % 2 == 1) for outcome in outcomes]
    assert list(zip(*crop4_flip_draws(index), strict=True)) == expected


def test_the_draws_never_change():
    """Pinned: other draws would be other calibration images under the same name."""
    row, column, flip = crop4_flip_draws(np.arange(100_000))
    assert row[:8].tolist() == [4, 7, 6, 6, 3, 1, 5, 7]
    assert column[:8].tolist() == [8, 3, 6, 0, 1, 4, 3, 2]
    assert flip[:8].tolist() == [True, False, True, False, True, False, True, False]
    digest = hashlib.sha256(np.stack([row, column, flip]).astype(np.uint8).tobytes()).hexdigest()
    assert digest == "75ca2860167ce3e617499891c80d40cd91619bb04c870533313a27be05bbb5f7"


def chi_square(counts):
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


def test_offsets_and_flips_are_uniform_and_independent():
    """The draws are fixed, and so are these numbers; the bounds are the 99.9 % quantiles."""
    row, column, flip = crop4_flip_draws(np.arange(50_000))
    assert (row.min(), row.max(), column.min(), column.max()) == (0, 8, 0, 8)
    assert chi_square(np.bincount(row, minlength=9)) < 26.1
    assert chi_square(np.bincount(column, minlength=9)) < 26.1
    assert abs(flip.mean() - 0.5) < 3.29 * 0.5 / np.sqrt(50_000)
    assert chi_square(np.bincount((row * 9 + column) * 2 + flip, minlength=162)) < 221.0


def test_neighbours_in_the_set_are_drawn_independently():
    row, _, flip = crop4_flip_draws(np.arange(50_001))
    assert chi_square(np.bincount(row[:-1] * 9 + row[1:], minlength=81)) < 124.8
    assert chi_square(np.bincount(flip[:-1] * 2 + flip[1:], minlength=4)) < 16.3


@settings(max_examples=50)
@given(index=st.lists(st.integers(0, 39), min_size=1, max_size=60))
def test_an_image_is_drawn_alike_in_every_subset_and_order(index):
    index = np.array(index)
    assert np.array_equal(crop4_flip(COLOUR[index], index), crop4_flip(COLOUR, EVERY)[index])


@settings(max_examples=50)
@given(first=st.integers(1, 40), second=st.integers(1, 40), kinds=st.tuples(*[st.sampled_from(["", "first:"])] * 2))
def test_subsets_of_subsets_keep_the_draws(first, second, kinds):
    """Each image that is left looks as it does in the full set."""
    first, second = max(first, second), min(first, second)
    images = ImageSet(COLOUR, LABELS, augment="crop4-flip")
    whole = images.tensors()[0]
    part = images.subset(f"{kinds[0]}{first}").subset(f"{kinds[1]}{second}")
    assert np.array_equal(part.images, COLOUR[part.index])
    assert np.array_equal(part.tensors()[0], whole[part.index])


def test_the_padding_is_black_before_mean_and_std():
    """Where the padding is seen, a normalised image has -mean / std."""
    mean, std = (0.5, 0.25, 0.125), (0.5, 0.5, 0.25)
    white = np.full_like(COLOUR, 255)
    inputs = ImageSet(white, LABELS, mean, std, augment="crop4-flip").tensors()[0].numpy()
    seen = one_by_one(white, EVERY) / 255.0
    np.testing.assert_allclose(inputs, (seen - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1)), atol=1e-6)
    assert (inputs.min(axis=(0, 2, 3)) == [-1.0, -0.5, -0.5]).all()


def test_digest_and_stored_images_are_those_before_augmentation():
    plain, drawn = ImageSet(COLOUR, LABELS), ImageSet(COLOUR, LABELS, augment="crop4-flip")
    before = COLOUR.copy()
    drawn.batches()
    assert np.array_equal(COLOUR, before)
    assert drawn.digest() == plain.digest() == drawn.batches().digest
    assert drawn.preprocessing() == f"augment crop4-flip, {plain.preprocessing()}"
    assert drawn.batches().preprocessing == drawn.preprocessing()


def test_none_changes_nothing():
    assert augmented("none", COLOUR, EVERY) is COLOUR
    assert ImageSet(COLOUR, LABELS, augment="none").preprocessing() == "scaled to [0, 1]"


@pytest.mark.parametrize("name", AUGMENTATIONS.names())
def test_every_name_keeps_shape_and_type(name):
    result = augmented(name, COLOUR, EVERY)
    assert (result.shape, result.dtype, result.flags.c_contiguous) == (COLOUR.shape, COLOUR.dtype, True)


def test_an_unknown_augmentation_is_refused_with_the_nearest(tmp_path):
    np.savez(tmp_path / "set.npz", images=COLOUR, labels=LABELS)
    for unknown in ("crop4flip", "crop4_flip"):
        with refused(f"unknown augmentation '{unknown}'; did you mean crop4-flip"):
            load_data(f"{tmp_path / 'set.npz'}(augment='{unknown}')")
    with refused("unknown augmentation 'True'; known: crop4-flip, none"):
        load_data(f"{tmp_path / 'set.npz'}(augment=True)")


def test_a_function_of_a_file_may_augment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    images = ImageSet(COLOUR, LABELS, augment="own.py:brighter(by=3)")
    assert np.array_equal(images.tensors()[0].numpy() * 255, (COLOUR + 3).astype(np.uint8).astype(np.float32))
    assert images.preprocessing().startswith("augment own.py:brighter(by=3)#")
    with refused(r"the augmentation own.py:half must keep shape and type, uint8 .*, but gives uint8 \(40, 3, 6, 10\)"):
        augmented("own.py:half", COLOUR, EVERY)
    with refused(r"augmentation own.py:broken failed, inside that code:\n(?s:.*)ValueError: mine"):
        augmented("own.py:broken", COLOUR, EVERY)
