"""The caller's global random states are the same after a computation as before it."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from networks import unsettled
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import landscape
from landscape.data import load_examples, materialise
from landscape.errors import LandscapeError

INPUTS = torch.linspace(-1, 1, 12 * 36).view(12, 1, 6, 6)
TARGETS = torch.arange(12) % 3
OPTIONS = {"x": (-1, 1, 3), "y": None, "progress": False}


class Drawing(Dataset):
    """Draws from every global state for each example, and gives the same all the same."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        torch.rand(1), np.random.rand(), random.random()
        return INPUTS[index], TARGETS[index]


class DrawingInOrder(IterableDataset):
    def __iter__(self):
        return (Drawing()[index] for index in range(12))


def states():
    return torch.get_rng_state().tolist(), np.random.get_state()[1:], random.getstate()


def same(one, other):
    return one[0] == other[0] and one[2] == other[2] and repr(one[1]) == repr(other[1])


SOURCES = {
    "tensors": lambda: (INPUTS, TARGETS),
    "arrays": lambda: (INPUTS.numpy(), TARGETS.numpy()),
    "data set": lambda: TensorDataset(INPUTS, TARGETS),
    "drawing data set": Drawing,
    "loader": lambda: DataLoader(Drawing(), batch_size=5),
    "shuffling loader": lambda: DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=5, shuffle=True),
    "loader in order": lambda: DataLoader(DrawingInOrder(), batch_size=5),
    "batches": lambda: [(INPUTS, TARGETS)],
}


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("name", SOURCES)
def test_a_surface_draws_nothing_from_the_caller(small_net, name, low_memory):
    before = states()
    landscape.compute(small_net, SOURCES[name](), low_memory=low_memory, **OPTIONS)
    assert same(states(), before)


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("name", ["tensors", "arrays", "data set"])
def test_a_loader_that_we_build_draws_nothing_whoever_reads(name, low_memory):
    before = torch.get_rng_state()
    opened = load_examples(SOURCES[name](), ["test"], "all", low_memory=low_memory).batches["test"]
    assert sum(len(targets) for _, targets in opened.split(5)) == 12
    materialise(TensorDataset(INPUTS, TARGETS), "test")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_refusal_draws_nothing(small_net):
    before = states()
    with pytest.raises(LandscapeError, match="labels"):
        landscape.compute(small_net, (INPUTS, TARGETS + 7), **OPTIONS)
    assert same(states(), before)


def test_a_rescaled_network_draws_nothing():
    net = unsettled(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 3, 4), nn.Flatten()), INPUTS).eval()
    before = states()
    landscape.api.check_rescaling(2.0, net, Drawing(), samples="all", bn_stats="frozen", progress=False)
    assert same(states(), before)
