"""Rescaled networks compute the same function, and have the same filter-normalised surfaces."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import CHAINS, IMAGES, apart, network, surface, unsettled, with_batch_statistics
from torch import nn

from landscape.directions import Gaussian
from landscape.errors import LandscapeError
from landscape.models import build_model
from landscape.models.graph import normalized_layers, relu_pairs
from landscape.models.rescaling import rescaled
from landscape.parameters import Direction, ParameterSpace

ALL = [*IMAGES, *CHAINS]
# Multiplying by a power of two rounds nothing; otherwise float64 has 1e-16 and float32 6e-8, added up over the layers.
EXACT = [(2.0, torch.float32, 0.0), (0.25, torch.float64, 0.0)]
FACTORS = [*EXACT, (3.7, torch.float32, 3e-5), (3.7, torch.float64, 1e-12)]


def drawn(net: nn.Module, normalize: str = "filter", perturb: str = "weights") -> list[Direction]:
    space = ParameterSpace(net, perturb)
    return [Gaussian(seed=5, axis=axis, normalize=normalize)(space) for axis in (0, 1)]


def own_surface(net: nn.Module, images: torch.Tensor, *settings: str) -> torch.Tensor:
    """The surface of a network along the directions drawn for it."""
    return surface(net, images, drawn(net, *settings))


@pytest.mark.parametrize(("factor", "dtype", "tolerance"), FACTORS)
@pytest.mark.parametrize("spec", ALL)
def test_outputs_are_the_same_under_frozen_and_batch_statistics(spec, factor, dtype, tolerance):
    net, images = network(spec, dtype)
    other, _ = rescaled(net, factor)
    assert apart(other(images), net(images)) <= tolerance
    assert apart(with_batch_statistics(other)(images), with_batch_statistics(net)(images)) <= tolerance


@pytest.mark.parametrize(("factor", "dtype", "tolerance"), FACTORS)
@pytest.mark.parametrize("spec", ALL)
def test_filter_normalised_surfaces_are_the_same(spec, factor, dtype, tolerance):
    net, images = network(spec, dtype)
    other, _ = rescaled(net, factor)
    before = own_surface(net, images)
    assert apart(own_surface(other, images), before) <= tolerance
    assert before.max() > 1.002 * before.min()
    with_batch_statistics(net), with_batch_statistics(other)
    assert apart(own_surface(other, images), own_surface(net, images)) <= tolerance


@pytest.mark.parametrize("name", ["torchvision:mobilenet_v3_small", "torchvision:squeezenet1_0", "timm:regnetx_002"])
def test_networks_of_other_libraries(name):
    """With squeeze-and-excitation, without any BatchNorm, and with BatchNorms that hold an activation."""
    pytest.importorskip(name.partition(":")[0])
    torch.manual_seed(0)
    images = torch.randn(4, 3, 32, 32)
    net = unsettled(build_model(f"{name}(num_classes=10)"), images)
    other, _ = rescaled(net, 2)
    assert torch.equal(other(images), net(images))
    assert torch.equal(with_batch_statistics(other)(images), with_batch_statistics(net)(images))


@pytest.mark.parametrize("spec", ALL)
def test_statistics_estimated_anew_follow_the_factor(spec):
    """At a point that is not the centre, over three batches of unequal statistics."""
    net, images = network(spec)
    pair = net, rescaled(net, 4.0)[0]
    for one in pair:
        for module in one.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = None
                module.reset_running_stats()
        space = ParameterSpace(one)
        step = drawn(one)[0]
        with torch.no_grad():
            for name, tensor in step.tensors.items():
                space[name].parameter.add_(0.3 * tensor)
            for batch in images.split(8):
                with_batch_statistics(one)(batch)
        one.eval()
    assert torch.equal(pair[0](images), pair[1](images))


@pytest.mark.parametrize(("normalize", "perturb"), [("none", "weights"), ("dfilter", "weights"), ("none", "all")])
@pytest.mark.parametrize(
    "spec", ["lenet(norm='batch')", "resnet(depth=8, width=4)", "mlp(inputs=36, hidden=(16, 12, 8))"]
)
def test_surfaces_in_the_units_of_the_weights_are_not(spec, normalize, perturb):
    net, images = network(spec)
    other, _ = rescaled(net, 4.0)
    settings = (normalize, perturb)
    assert apart(own_surface(other, images, *settings), own_surface(net, images, *settings)) > 1e-3


@pytest.mark.parametrize("spec", IMAGES)
def test_weights_alone_are_no_reparametrisation_under_frozen_statistics(spec):
    net, images = network(spec)
    other, _ = rescaled(net, 4.0, exact=False)
    assert apart(other(images), net(images)) > 1e-2
    assert apart(own_surface(other, images), own_surface(net, images)) > 1e-3
    # The batch's own statistics follow; eps = 1e-5 beside variances of order 0.1 to 1 does not.
    with_batch_statistics(net), with_batch_statistics(other)
    assert 0 < apart(own_surface(other, images), own_surface(net, images)) < 1e-3
    for one in (net, other):
        for module in one.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eps = 1e-20
    assert apart(own_surface(other, images), own_surface(net, images)) < 1e-12


@settings(max_examples=30)
@given(
    widths=st.lists(st.integers(1, 5), min_size=2, max_size=6),
    norm=st.sampled_from(["none", "last", "all"]),
    bias=st.booleans(),
    factor=st.sampled_from([0.5, 8.0]),
)
def test_chains_of_any_length(widths, norm, bias, factor):
    """Every weight of a pair changes by a power of the factor, and the function by nothing."""
    torch.manual_seed(len(widths))
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(zip([3, *widths], [*widths, 2], strict=True), start=1):
        layers.append(nn.Linear(before, after, bias=bias))
        if norm == "all" or (norm == "last" and i == len(widths)):
            layers.append(nn.BatchNorm1d(after))
        layers.append(nn.ReLU() if i <= len(widths) else nn.Identity())
    images = torch.randn(6, 3, dtype=torch.float64)
    net = unsettled(nn.Sequential(*layers).double(), images)
    other, _ = rescaled(net, factor)
    assert torch.equal(other(images), net(images))
    inside = {name for pair in relu_pairs(net) for name in pair} | {name for name, _ in normalized_layers(net)}
    for name in inside:
        ratio = (other.get_submodule(name).weight / net.get_submodule(name).weight).detach()
        assert len(ratio.unique()) == 1
        assert float(ratio.flatten()[0]) in {factor**power for power in (-2, -1, 1, 2)}


def test_what_is_multiplied_before_a_norm():
    net, _ = network("mlp(inputs=36, hidden=(16, 12), norm='batch')")
    other, what = rescaled(net, 2)
    for layer, norm in (("fc1", "norm1"), ("fc2", "norm2")):
        before, after = net.get_submodule(layer), other.get_submodule(layer)
        assert torch.equal(after.weight, 2 * before.weight)
        assert torch.equal(after.bias, 2 * before.bias)
        before, after = net.get_submodule(norm), other.get_submodule(norm)
        assert torch.equal(after.running_mean, 2 * before.running_mean)
        assert torch.equal(after.running_var, 4 * before.running_var)
        assert torch.equal(after.weight, before.weight)
        assert after.eps == 4 * before.eps
    assert torch.equal(other.fc3.weight, net.fc3.weight)
    assert what == [
        "layers before a BatchNorm (2): weight and bias times 2, running mean times 2, running variance and eps times 4"
    ]


def test_what_is_multiplied_in_a_chain():
    net, _ = network("mlp(inputs=36, hidden=(16, 12, 8))")
    other, what = rescaled(net, 2)
    ratios = {name: (tensor / net.state_dict()[name]).mean() for name, tensor in other.state_dict().items()}
    weights, biases = ([float(ratios[f"fc{i}.{part}"]) for i in range(1, 5)] for part in ("weight", "bias"))
    assert weights == [2, 1 / 4, 4, 1 / 2]
    assert biases == [2, 1 / 2, 2, 1]
    assert what == [
        "pairs of layers around ReLUs and pooling (3): outputs of the first times 2 or its inverse, weights of the "
        "second divided by as much"
    ]


def test_weights_alone_leave_everything_else():
    net, _ = network("lenet(norm='batch')")
    other, what = rescaled(net, 2, exact=False)
    changed = {name for name, tensor in other.state_dict().items() if not torch.equal(tensor, net.state_dict()[name])}
    assert changed == {f"{layer}.{part}" for layer, _ in normalized_layers(net) for part in ("weight", "bias")}
    assert [module.eps for module in other.modules() if hasattr(module, "eps")] == [1e-5] * 4
    assert what == ["layers before a BatchNorm (4): weight and bias times 2, its statistics and eps as they were"]


def test_norms_without_weights_or_momentum():
    images = torch.randn(8, 3, 6, 6)
    norm = nn.BatchNorm2d(4, affine=False, momentum=None)
    net = unsettled(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), norm, nn.Sigmoid()), images)
    other, _ = rescaled(net, 2)
    assert torch.equal(other(images), net(images))


def test_the_network_stays_as_it_is():
    net, _ = network("resnet(depth=8, width=4)")
    net.train()
    before = copy.deepcopy(net.state_dict())
    other, _ = rescaled(net, 3.7)
    assert net.training
    assert other.training
    assert net.bn1.eps == 1e-5
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert list(other.state_dict()) == list(before)


@pytest.mark.parametrize("factor", [0, 1, -2, float("nan"), float("inf")])
def test_factors_that_are_none(factor):
    with pytest.raises(LandscapeError, match=rf"must be positive, finite and not 1, not {factor}; type 2"):
        rescaled(nn.Linear(2, 2), factor)


@pytest.mark.parametrize("factor", [1e-20, 1e25, 1e-300, 1e300])
def test_factors_that_are_too_extreme(factor):
    net, _ = network("lenet(norm='batch')", torch.float32)
    with pytest.raises(LandscapeError, match=r"some numbers leave the range of their dtype; type one nearer to 1"):
        rescaled(net, factor)


def test_nothing_to_rescale_is_said():
    message = (
        "there is nothing to rescale in Sequential: none of its layers feeds a BatchNorm with running statistics, or "
        "another layer through ReLUs and pooling, and nothing else"
    )
    with pytest.raises(LandscapeError, match=message):
        rescaled(network("lenet(activation='relu')")[0][:3], 2)
    with pytest.raises(LandscapeError, match="Sequential has no layer whose output goes into a BatchNorm alone, so"):
        rescaled(network("lenet(activation='relu')")[0], 2, exact=False)
