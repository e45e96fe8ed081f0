"""Normalizations of weights: their formulas, and surfaces of the computed and of the stored weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import landscape
from landscape.directions import Gaussian
from landscape.errors import LandscapeError
from landscape.models import build_model, build_norm
from landscape.models.initialisation import initialise
from landscape.parameters import ParameterSpace, Subspace
from landscape.parameters.parametrizations import effective

WRAPS = ("weight-norm", "spectral-norm", "weight-standardization", "scaled-ws")
# What stands in the slots behind the wrapped layers, by default.
BEHIND = {"weight-standardization": "group"}
LAYERS = {
    "conv2d": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "conv1d": lambda: nn.Conv1d(3, 5, 3, bias=False),
    "linear": lambda: nn.Linear(7, 5),
}


def wrapped(spec: str, layer: str = "conv2d") -> nn.Module:
    torch.manual_seed(0)
    module = build_norm(spec).wrap(LAYERS[layer]()).double().eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("gain", "original0")):
                parameter.uniform_(0.5, 2)
    return module


def stored(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy() for name, tensor in module.parametrizations.weight.state_dict().items()}


def filters(tensors, formula):
    """Apply a formula to each filter, a list of numbers."""
    v = tensors.get("original", tensors.get("original1"))
    found = [formula(i, list(v[i].flat)) for i in range(len(v))]
    return np.array(found).reshape(v.shape)


def weight_norm(tensors):
    def formula(i, v):
        length = sum(one**2 for one in v) ** 0.5
        return [tensors["original0"].flat[i] * one / length for one in v]

    return filters(tensors, formula)


def spectral_norm(tensors):
    v = tensors["original"]
    return v / np.linalg.svd(v.reshape(len(v), -1), compute_uv=False)[0]


def standardised(tensors, eps=1e-5):
    def formula(i, v):
        mean = sum(v) / len(v)
        variance = sum((one - mean) ** 2 for one in v) / len(v)
        return [(one - mean) / (variance + eps) ** 0.5 for one in v]

    return filters(tensors, formula)


def scaled(tensors):
    gains, v = tensors["0.gain"], standardised(tensors, 1e-6)
    return np.array([1.7 * gain * one / one.size**0.5 for gain, one in zip(gains, v, strict=True)])


FORMULAS = {
    "weight-norm": weight_norm,
    "spectral-norm": spectral_norm,
    "weight-standardization": standardised,
    "scaled-ws(gamma=1.7)": scaled,
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("spec", FORMULAS)
def test_weights_are_computed_by_the_formula(spec, layer):
    module = wrapped(spec, layer)
    initialise(module, 3)
    np.testing.assert_allclose(module.weight.detach().numpy(), FORMULAS[spec](stored(module)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("spec", FORMULAS)
def test_gradients_are_those_of_finite_differences(spec):
    module = wrapped(spec)
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    names, parameters = zip(*module.named_parameters(), strict=True)

    def call(*tensors):
        return torch.func.functional_call(module, dict(zip(names, tensors, strict=True)), (x,))

    assert torch.autograd.gradcheck(call, parameters)


@pytest.mark.parametrize(
    ("spec", "theirs"), [("weight-standardization", "StdConv2d"), ("scaled-ws", "ScaledStdConv2d")]
)
def test_timm_has_the_same_convolutions(spec, theirs):
    layers = pytest.importorskip("timm.layers")
    settings = "gamma=1.7, eps=0.01" if spec == "scaled-ws" else "eps=0.01"
    ours = wrapped(f"{spec}({settings})")
    extra = {"gamma": 1.7} if spec == "scaled-ws" else {}
    other = getattr(layers, theirs)(4, 6, 3, padding=0, groups=2, bias=True, eps=0.01, **extra).double()
    tensors = ours.parametrizations.weight
    state = {"weight": tensors.original, "bias": ours.bias}
    other.load_state_dict(state | ({"gain": tensors[0].gain.reshape(-1, 1, 1, 1)} if extra else {}))
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(x), other(x))


@pytest.mark.parametrize("spec", ["weight-standardization(eps=1e-14)", "scaled-ws(eps=1e-14)"])
@given(factor=st.floats(0.1, 10), shift=st.floats(-2, 2))
@settings(max_examples=20)
def test_scale_and_shift_of_a_filter_do_not_matter(spec, factor, shift):
    (step,) = wrapped(spec).parametrizations.weight
    v = torch.randn(6, 2, 3, 3, dtype=torch.float64)
    torch.testing.assert_close(step(factor * v + shift), step(v))


@given(factor=st.floats(0.1, 10))
@settings(max_examples=20)
def test_scale_of_the_stored_filters_does_not_matter(factor):
    for spec in ("weight-norm", "spectral-norm"):
        module = wrapped(spec)
        before = module.weight.clone()
        tensors = module.parametrizations.weight
        (tensors.original1 if spec == "weight-norm" else tensors.original).data.mul_(factor)
        torch.testing.assert_close(module.weight, before)


@pytest.mark.parametrize("spec", WRAPS)
def test_other_layers_are_refused(spec):
    with pytest.raises(LandscapeError, match="ConvTranspose2d"):
        build_norm(spec).wrap(nn.ConvTranspose2d(2, 2, 3))


@pytest.mark.parametrize("spec", ["weight-standardization", "scaled-ws"])
def test_filters_of_one_weight_are_not_standardised(spec):
    with pytest.raises(LandscapeError, match="only zeros"):
        build_norm(spec).wrap(nn.Conv2d(1, 4, 1))


def test_then_is_the_normalization_of_the_slot():
    norm = build_norm("scaled-ws(then='batch(eval_weight=0.2)')")
    assert type(norm.layer(4, 2)).__name__ == "ExampleWeighingNorm"
    assert isinstance(build_norm("scaled-ws").layer(4, 2), nn.Identity)
    assert isinstance(build_norm("weight-standardization").layer(8, 2), nn.GroupNorm)
    both = build_norm("spectral-norm(then='weight-norm')").wrap(nn.Linear(3, 2))
    assert [type(step).__name__ for step in both.parametrizations.weight] == ["_WeightNorm", "SpectralWeight"]


def test_another_way_with_all_weights_is_refused():
    with pytest.raises(
        LandscapeError, match="then='unit' normalises the weights in a way of its own; type norm='unit'"
    ):
        build_norm("weight-norm(then='unit')")


def net(wrap: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    model = build_model(f"lenet(norm={wrap!r}, activation='relu', size=16)")
    initialise(model, 0)
    return model.to(dtype).eval()


def plain_names(wrap: str) -> list[str]:
    spec = f"lenet(norm={BEHIND.get(wrap, 'none')!r}, size=16)"
    return [name for name, _ in build_model(spec).named_parameters()]


def images(number: int = 12) -> torch.Tensor:
    return torch.randn(number, 1, 16, 16, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


@pytest.mark.parametrize("wrap", WRAPS)
def test_effective_weights_are_those_of_the_plain_net(wrap):
    model = net(wrap)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plain = effective(model)
    assert torch.equal(plain(images()), model(images()))
    assert sorted(name for name, _ in plain.named_parameters()) == sorted(plain_names(wrap))
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    roles = {entry.name: (entry.role, entry.filters, entry.by_shape) for entry in ParameterSpace(plain).entries}
    expected = build_model(f"lenet(norm={BEHIND.get(wrap, 'none')!r}, size=16)")
    assert roles == {e.name: (e.role, e.filters, e.by_shape) for e in ParameterSpace(expected).entries}


@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        ("weight-norm", {"original0": ("magnitude", 0), "original1": ("weight", 0)}),
        ("spectral-norm", {"original": ("weight", 0)}),
        ("weight-standardization", {"original": ("weight", 0)}),
        ("scaled-ws", {"original": ("weight", 0), "0.gain": ("magnitude", 0)}),
    ],
)
def test_roles_of_the_stored_tensors(wrap, expected):
    entries = {entry.name: entry for entry in ParameterSpace(net(wrap)).entries}
    for layer in ("conv1", "fc2"):
        found = {name: entry for name, entry in entries.items() if name.startswith(f"{layer}.parametrizations.weight.")}
        short = {name.partition(".weight.")[2]: entry for name, entry in found.items()}
        assert {name: (entry.role, entry.filters.axis) for name, entry in short.items()} == expected
        assert not any(entry.by_shape for entry in short.values())


@pytest.mark.parametrize("wrap", WRAPS)
def test_each_filter_of_a_direction_has_the_length_of_its_effective_weight(wrap):
    model = net(wrap)
    direction = Gaussian(0, 0)(ParameterSpace(effective(model))).tensors
    for name in ("conv1", "conv2", "fc1", "fc2", "fc3"):
        lengths = direction[f"{name}.weight"].flatten(1).norm(dim=1)
        weight = model.get_submodule(name).weight
        torch.testing.assert_close(lengths, weight.detach().flatten(1).norm(dim=1).to(lengths))


def loss_of(model: nn.Module, x: torch.Tensor, targets: torch.Tensor) -> float:
    with torch.no_grad():
        return float(functional.cross_entropy(model(x).double(), targets))


@pytest.mark.parametrize("parametrization", ["effective", "raw"])
@pytest.mark.parametrize("wrap", WRAPS)
def test_the_centre_of_a_surface_is_the_loss_of_the_net(wrap, parametrization):
    model, x, targets = net(wrap, torch.float32), images().float(), torch.arange(12) % 10
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    surface = landscape.compute(
        model, [(x, targets)], x=(-0.5, 0.5, 3), y=None, parametrization=parametrization, device="cpu"
    )
    values = np.asarray(surface["test/loss"]).ravel()
    assert values[1] == pytest.approx(loss_of(model, x, targets), rel=1e-5)
    assert len(set(values)) == 3
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_the_vectors_of_spectral_norm_stay_in_raw():
    """A stored weight that moves along the surface is divided by u' W v with the u and v of the centre."""
    model = net("spectral-norm")
    space = ParameterSpace(model)
    subspace = Subspace(space, [Gaussian(0, 0)(space)])
    step = model.conv2.parametrizations.weight
    u, v = step[0]._u.clone(), step[0]._v.clone()
    with subspace.at((0.7,)):
        w = step.original.detach().clone().flatten(1)
        torch.testing.assert_close(model.conv2.weight.flatten(1), w / (u @ w @ v))
        model(images())
    assert torch.equal(step[0]._u, u)
    assert torch.equal(step[0]._v, v)


def test_the_signal_keeps_its_variance_behind_scaled_weights():
    """gamma = sqrt(2 / (1 - 1/pi)) is for ReLU: Brock et al. 2021, 2101.08692."""
    gamma = math.sqrt(2 / (1 - 1 / math.pi))
    torch.manual_seed(0)
    wrap = build_norm(f"scaled-ws(gamma={gamma})").wrap
    x = torch.randn(2000, 256)
    for _ in range(6):
        x = wrap(nn.Linear(256, 256, bias=False))(x.relu()).detach()
    assert float(x.var(0).mean()) == pytest.approx(1, abs=0.1)
