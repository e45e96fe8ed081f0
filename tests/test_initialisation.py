"""First weights: by seed and name alone, the same in nets that differ in their normalization."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from landscape.errors import LandscapeError
from landscape.models import build_model
from landscape.models.initialisation import generator, initialise
from landscape.parameters.parametrizations import effective

LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
WRAPS = ("weight-norm", "spectral-norm", "weight-standardization", "scaled-ws")
NORMS = (
    *("batch", "batch(eval_weight=0.1)", "frozen-batch", "ghost-batch", "batch-group", "layer", "group", "instance"),
    *("rms", "switchable", "local-response", "divisive", "global-response"),
)


def first(norm: str, seed: int = 0, scheme: str = "torch", noise: int = 0) -> nn.Module:
    torch.manual_seed(noise)
    model = build_model(f"lenet(norm={norm!r}, size=16)")
    initialise(model, seed, scheme)
    return model


def drawn(seed: int, name: str) -> np.random.Generator:
    """Random numbers of a tensor, written out."""
    key = hashlib.sha256(f"({seed}, '{name}')".encode()).digest()[:16]
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "big")))


@pytest.mark.parametrize("norm", NORMS)
def test_nets_that_differ_in_their_norm_begin_alike(norm):
    plain, other = first("none").state_dict(), first(norm, noise=1).state_dict()
    assert plain.keys() <= other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in plain.items())


@pytest.mark.parametrize("wrap", WRAPS)
def test_wrapped_weights_begin_as_near_to_the_plain_ones_as_they_can(wrap):
    plain, other = first("none"), first(wrap, noise=1)
    for name in LAYERS:
        weight, found = plain.get_submodule(name).weight, other.get_submodule(name)
        assert torch.equal(found.bias, plain.get_submodule(name).bias)
        if name == "fc3" or wrap == "weight-norm":
            torch.testing.assert_close(found.weight, weight)
            continue
        assert torch.equal(found.parametrizations.weight.original, weight)
        if wrap == "spectral-norm":
            largest = torch.linalg.matrix_norm(weight.flatten(1), 2)
            torch.testing.assert_close(found.weight, weight / largest)


@pytest.mark.parametrize("norm", ["batch", *WRAPS])
def test_first_weights_depend_on_the_seed_alone(norm):
    one, same, other = first(norm), first(norm, noise=7), first(norm, seed=1)
    assert all(torch.equal(tensor, same.state_dict()[name]) for name, tensor in one.state_dict().items())
    assert not any(torch.equal(w, other.state_dict()[n]) for n, w in one.state_dict().items() if n.endswith("original"))
    assert not torch.equal(one.fc3.weight, other.fc3.weight)


def test_vectors_of_spectral_norm_have_converged():
    model = first("spectral-norm")
    for name in LAYERS[:4]:
        layer = model.get_submodule(name)
        step = layer.parametrizations.weight[0]
        before = layer.eval().weight.clone()
        layer.train()
        torch.testing.assert_close(layer.weight, before)  # after one more power iteration
        largest = torch.linalg.matrix_norm(effective(model).get_submodule(name).weight.flatten(1), 2)
        assert float(largest.detach()) == pytest.approx(1, abs=1e-5)
        assert float(step._u.norm()) == pytest.approx(1, abs=1e-6)


def test_spectral_norm_of_another_parametrization_takes_its_outcome():
    model = first("spectral-norm(then='weight-norm')").eval()
    largest = torch.linalg.matrix_norm(model.fc1.weight, 2)
    assert float(largest.detach()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_modes_stay_as_they_are(training):
    model = build_model("lenet(norm='spectral-norm', size=16)").train(training)
    initialise(model, 0)
    assert all(module.training is training for module in model.modules())


def test_the_draws_are_those_of_the_key():
    """The networks of landscape/assets were trained from these numbers."""
    model = first("batch", seed=3)
    for name in LAYERS:
        layer = model.get_submodule(name)
        bound = 1 / layer.weight[0].numel() ** 0.5
        for local in ("weight", "bias"):
            tensor = getattr(layer, local)
            expected = drawn(3, f"{name}.{local}").uniform(-bound, bound, tuple(tensor.shape)).astype(np.float32)
            np.testing.assert_array_equal(tensor.detach().numpy(), expected)


def test_known_first_numbers():
    assert generator(0, "conv1.weight").random(3).tolist() == [
        0.10388306238174805,
        0.39612023264160856,
        0.8552124449684205,
    ]
    assert generator(0, "order", 1).permutation(6).tolist() == [5, 3, 1, 2, 4, 0]


def test_he_and_small_schemes():
    he, small = first("batch", scheme="he"), first("batch", scheme="small")
    weight = he.fc1.weight.detach().numpy()
    expected = drawn(0, "fc1.weight").standard_normal(weight.shape) * (2 / weight.shape[1]) ** 0.5
    np.testing.assert_array_equal(weight, expected.astype(np.float32))
    assert float(small.fc1.weight.detach().abs().max()) == pytest.approx(0.04)
    assert float(small.fc1.weight.detach().std()) == pytest.approx(0.02 * 0.9595, rel=0.05)  # of a normal, cut
    for model in (he, small):
        assert all(
            torch.equal(model.get_submodule(n).bias, torch.zeros_like(model.get_submodule(n).bias)) for n in LAYERS
        )
        assert torch.equal(model.norm1.weight, torch.ones(6))


class Bare(nn.Module):
    """A table, a scale, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.ones(5, 4))
        self.scale = nn.Parameter(torch.ones(4))
        self.layer = nn.Linear(4, 3)
        self.embedding = nn.Embedding(5, 4)


def test_bare_tables_are_drawn_small_and_bare_vectors_stay():
    model = Bare()
    initialise(model, 0, "he")
    expected = np.clip(drawn(0, "table").standard_normal((5, 4)), -2, 2) * 0.02
    np.testing.assert_array_equal(model.table.detach().numpy(), expected.astype(np.float32))
    assert float(model.embedding.weight.detach().abs().max()) <= 0.04
    assert torch.equal(model.scale, torch.ones(4))


def test_a_layer_that_is_the_whole_network():
    layer = nn.Linear(4, 3)
    initialise(layer, 0)
    expected = drawn(0, "weight").uniform(-0.5, 0.5, (3, 4)).astype(np.float32)
    np.testing.assert_array_equal(layer.weight.detach().numpy(), expected)


def test_integers_of_numpy_are_the_same_seeds():
    one, same = nn.Linear(4, 3), nn.Linear(4, 3)
    initialise(one, 3)
    initialise(same, np.int64(3))
    assert torch.equal(one.weight, same.weight)


def test_float64_networks_begin_with_the_same_numbers():
    single, double = nn.Linear(4, 3), nn.Linear(4, 3).double()
    initialise(single, 0)
    initialise(double, 0)
    assert torch.equal(double.weight, single.weight.double())


def test_unknown_schemes_are_told():
    with pytest.raises(LandscapeError, match=r"there is no initialisation 'hee'.*he"):
        initialise(nn.Linear(2, 2), 0, "hee")
