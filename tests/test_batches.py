import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from landscape.data import Batches, materialise
from landscape.data.samples import chosen, digest_of
from landscape.errors import LandscapeError

INPUTS = torch.arange(7 * 3, dtype=torch.float32).reshape(7, 3)
TARGETS = torch.tensor([0, 1, 2, 0, 1, 2, 1])
PAIRS = TensorDataset(INPUTS, TARGETS)


def numbered(number):
    return Batches(torch.arange(number)[:, None].float(), torch.arange(number), "numbers", "", "")


@given(number=st.integers(1, 400), batch_size=st.integers(1, 450))
def test_parts_are_of_equal_size_never_one_and_in_order(number, batch_size):
    parts = numbered(number).split(batch_size)
    sizes = [len(targets) for _, targets in parts]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) > 1 or number == 1
    assert max(sizes) <= max(batch_size, 3)
    assert len(parts) == math.ceil(number / batch_size) or min(sizes) <= 3
    assert torch.equal(torch.cat([targets for _, targets in parts]), torch.arange(number))
    assert all(torch.equal(inputs[:, 0].long(), targets) for inputs, targets in parts)


@pytest.mark.parametrize(
    ("number", "batch_size", "sizes"),
    [(10, 4, [4, 3, 3]), (8, 4, [4, 4]), (3, 2, [3]), (5, 2, [3, 2]), (1, 8, [1]), (9, 8, [5, 4]), (4, 1, [2, 2])],
)
def test_sizes_of_parts(number, batch_size, sizes):
    assert [len(targets) for _, targets in numbered(number).split(batch_size)] == sizes


def test_parts_are_views_without_a_copy():
    batches = numbered(10)
    first = batches.split(4)[0][0]
    assert first.data_ptr() == batches.inputs.data_ptr()


def test_a_batch_size_of_zero_is_refused():
    with pytest.raises(LandscapeError, match="the batch size must be at least 1, not 0"):
        numbered(3).split(0)


@given(number=st.integers(1, 300), data=st.data())
def test_smaller_choices_begin_larger_ones(number, data):
    smaller = data.draw(st.integers(1, number))
    whole = chosen("all", number)
    assert sorted(whole) == list(range(number))
    assert list(chosen(str(smaller), number)) == list(whole[:smaller])
    assert list(chosen(f"first:{smaller}", number)) == list(range(smaller))


def test_the_permutation_never_changes():
    # These indices are part of every stored result: a change would silently change which images are used.
    assert chosen("8", 10000).tolist() == [9798, 9443, 1090, 2809, 8713, 1157, 5326, 8603]
    assert digest_of(chosen("all", 10000)) == "cc7a51820dc1ea29cad3afe3e510d83f8412d778f587466a12158ca6d7f50a1c"


@pytest.mark.parametrize("samples", ["0", "-5", "1.5", "", "some", "first:", "first:0", "last:3", "²"])
def test_unreadable_choices_are_refused(samples):
    with pytest.raises(LandscapeError, match=r"cannot read the choice of samples .* write 'all', a positive number"):
        chosen(samples, 10)


@pytest.mark.parametrize("samples", ["11", "first:11"])
def test_a_choice_beyond_the_set_names_its_size(samples):
    with pytest.raises(LandscapeError, match=r"asks for 11 examples, but the set has 10; ask for 10 or 'all'"):
        chosen(samples, 10)


def test_digest_ignores_layout_and_byte_order_but_not_type_or_shape():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    reference = digest_of(array)
    assert digest_of(np.asfortranarray(array)) == digest_of(array.astype(">f4")) == reference
    assert digest_of(array.reshape(4, 3)) != reference
    assert digest_of(array.astype(np.float64)) != reference


class Examples(Dataset):
    """A map-style data set with examples made of a NumPy array and a Python number."""

    def __len__(self):
        return len(INPUTS)

    def __getitem__(self, index):
        return INPUTS[index].numpy(), int(TARGETS[index])


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(INPUTS, TARGETS, strict=True))


@pytest.mark.parametrize(
    "source",
    [
        PAIRS,
        Examples(),
        Stream(),
        DataLoader(PAIRS, batch_size=2),
        DataLoader(Stream(), batch_size=3),
        [(INPUTS[:4], TARGETS[:4]), [INPUTS[4:], TARGETS[4:]]],
        ((x[None].numpy(), y[None].numpy()) for x, y in zip(INPUTS, TARGETS, strict=True)),
    ],
    ids=["TensorDataset", "Dataset", "IterableDataset", "DataLoader", "DataLoader of a stream", "list", "generator"],
)
def test_every_kind_of_source_is_walked_once_in_order(source):
    batches = materialise(source, "test")
    assert torch.equal(batches.inputs, INPUTS)
    assert torch.equal(batches.targets, TARGETS)
    assert batches.digest == digest_of(INPUTS.numpy(), TARGETS.numpy())


def test_floats_become_float32_and_integers_int64():
    batches = materialise([(INPUTS.double(), TARGETS.int())], "test")
    assert batches.inputs.dtype == torch.float32
    assert batches.targets.dtype == torch.int64


def test_read_only_and_reversed_arrays_are_copied():
    inputs = INPUTS.numpy()[::-1]
    inputs.flags.writeable = False
    assert torch.equal(materialise([(inputs, TARGETS)], "test").inputs, INPUTS.flip(0))


def test_token_indices_and_masks_keep_their_meaning():
    tokens, mask = torch.randint(0, 9, (4, 5)), torch.rand(4, 5, dtype=torch.float64)
    batches = materialise([(tokens, mask)], "test")
    assert torch.equal(batches.inputs, tokens)
    assert torch.equal(batches.targets, mask)


def test_uint8_images_of_a_loader_are_scaled_and_noted():
    images = torch.full((2, 1, 2, 2), 51, dtype=torch.uint8)
    batches = materialise([(images, torch.zeros(2))], "test")
    assert torch.equal(batches.inputs, torch.full((2, 1, 2, 2), 0.2))
    assert batches.notes == ("the loader gives uint8 images, which are scaled to [0, 1]",)
    assert batches.preprocessing == "scaled to [0, 1]"


def test_channels_last_images_become_contiguous():
    images = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert materialise([(images, torch.zeros(2))], "test").inputs.is_contiguous()


def test_a_shuffling_or_dropping_loader_is_noted():
    batches = materialise(DataLoader(PAIRS, batch_size=2, shuffle=True, drop_last=True), "test")
    assert len(batches) == 6
    assert "the loader shuffles" in batches.notes[0]
    assert batches.notes[1] == "the loader drops its last, incomplete batch"


WRONG = {
    "dict": ([{"image": INPUTS}], r"a batch for 'test' must be \(input, target\), not a dict"),
    "triple": ([(INPUTS, TARGETS, TARGETS)], "not a tuple of 3"),
    "tensor": ([INPUTS], "not a Tensor; wrap the loader"),
    "nested": ([((INPUTS, INPUTS), TARGETS)], "the input of a batch for 'test' must be one tensor .* not a tuple"),
    "number": ([(INPUTS, 3)], "the target of a batch for 'test' must be one tensor .* not a int"),
    "objects": ([(np.array([{}] * 7), TARGETS)], "the input of a batch for 'test' must be one tensor .* not a ndarray"),
    "single": ([(torch.tensor(1.0), TARGETS)], "not a single number"),
    "lengths": ([(INPUTS, TARGETS[:3])], "has 7 inputs and 3 targets"),
    "shapes": ([(INPUTS, TARGETS), (INPUTS[:, :2], TARGETS)], r"one shape and type in all batches, not \(2,\).*\(3,\)"),
    "empty": ([], "the data for 'test' yield no batch"),
    "nothing": ([(INPUTS[:0], TARGETS[:0])], "have no examples"),
    "nan": ([(INPUTS * math.nan, TARGETS)], "contain NaN or infinite values"),
    "text": ("loader", "must be a Dataset, a DataLoader or an iterable .* not str"),
    "none": (None, "not NoneType"),
}


@pytest.mark.parametrize(("source", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_used_is_refused_in_a_sentence(source, message):
    with pytest.raises(LandscapeError, match=message):
        materialise(source, "test")


def test_examples_that_do_not_stack_are_refused():
    ragged = [(torch.rand(2 + i), i) for i in range(3)]

    class Ragged(Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return ragged[index]

    with pytest.raises(LandscapeError, match=r"cannot be stacked into batches .* with tensors of one shape"):
        materialise(Ragged(), "test")


def test_an_error_inside_the_loader_is_left_alone():
    def loader():
        yield INPUTS, TARGETS
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        materialise(loader(), "test")


def test_a_subset_chooses_pairs_and_has_its_own_digest():
    batches = materialise(PAIRS, "test").subset("4")
    index = chosen("4", 7)
    assert torch.equal(batches.inputs, INPUTS[index])
    assert torch.equal(batches.targets, TARGETS[index])
    assert batches.digest == digest_of(INPUTS[index].numpy(), TARGETS[index].numpy())


def test_to_moves_both_tensors_and_keeps_the_rest():
    batches = materialise(PAIRS, "test")
    moved = batches.to("meta")
    assert moved.inputs.device.type == moved.targets.device.type == "meta"
    assert (moved.digest, moved.name, len(moved)) == (batches.digest, "test", 7)
