"""Normalizations by statistics of batches: BatchNorm's formulas, running statistics, and what may not be folded."""

from __future__ import annotations

import batchnorm_oracle as oracle
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import apart, unsettled
from norm_loops import PART, moments
from torch import nn

from landscape.errors import LandscapeError
from landscape.evaluation import statistics_layers
from landscape.models import build_norm
from landscape.models.folding import folded
from landscape.models.fusing import fused
from landscape.models.graph import normalized_layers, relu_pairs
from landscape.models.rescaling import rescaled

EPS, CHANNELS = 1e-5, 6
SPACES = {0: (), 1: (5,), 2: (4, 3)}
DERIVED = ("batch(eval_weight=0.3)", "ghost-batch(size=4)", "batch-group(groups=3)", "switchable", "frozen-batch")


def layer(spec: str, dimensions: int) -> nn.Module:
    torch.manual_seed(0)
    module = build_norm(spec).layer(CHANNELS, dimensions).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module


def batches(dimensions: int, number: int = 1, size: int = 8, seed: int = 1) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shape = (size, CHANNELS, *SPACES[dimensions])
    return [1.5 * torch.randn(shape, generator=generator, dtype=torch.float64) - 0.4 for _ in range(number)]


def rows(x: torch.Tensor) -> np.ndarray:
    """Arrange (N, C, ...) as (m, C)."""
    return x.movedim(1, -1).reshape(-1, x.shape[1]).detach().numpy()


@settings(max_examples=20)
@given(dimensions=st.sampled_from(list(SPACES)), size=st.integers(2, 9), seed=st.integers(0, 99))
def test_batch_has_the_gradients_of_the_formulas(dimensions, size, seed):
    module, (x,) = layer("batch", dimensions), batches(dimensions, 1, size, seed)
    dy = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    gamma, beta = module.weight.detach().numpy(), module.bias.detach().numpy()
    y = module(x.requires_grad_())
    np.testing.assert_allclose(rows(y), oracle.train(rows(x), gamma, beta, EPS), rtol=1e-10, atol=1e-12)
    y.backward(dy)
    expected = oracle.gradients(rows(x), gamma, EPS, rows(dy))
    np.testing.assert_allclose(rows(x.grad), expected.x, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(module.weight.grad.numpy(), expected.gamma, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(module.bias.grad.numpy(), expected.beta, rtol=1e-9, atol=1e-11)


def test_gradients_of_the_inner_quantities_are_those_of_autograd():
    x, dy = (tensor.clone() for tensor in batches(0, 2))
    gamma = torch.linspace(-1, 2, CHANNELS, dtype=torch.float64)
    mean = x.mean(0).requires_grad_()
    variance = (x - mean).square().mean(0)
    x_hat = (x - mean) / (variance + EPS).sqrt()
    x_hat.retain_grad()
    variance.retain_grad()
    (gamma * x_hat * dy).sum().backward()
    expected = oracle.gradients(x.numpy(), gamma.numpy(), EPS, dy.numpy())
    np.testing.assert_allclose(x_hat.grad.numpy(), expected.x_hat)
    np.testing.assert_allclose(variance.grad.numpy(), expected.variance)
    np.testing.assert_allclose(mean.grad.numpy(), expected.mean)


@pytest.mark.parametrize("dimensions", SPACES)
def test_inference_transforms_by_the_population(dimensions):
    """With momentum None the running statistics are plain averages over the batches, as in the paper."""
    module = layer("batch(momentum=None)", dimensions)
    seen, (x,) = batches(dimensions, 4), batches(dimensions, 1, 5, 2)
    for batch in seen:
        module(batch)
    mean, variance = oracle.population([rows(batch) for batch in seen])
    np.testing.assert_allclose(module.running_mean.numpy(), mean)
    np.testing.assert_allclose(module.running_var.numpy(), variance)
    gamma, beta = module.weight.detach().numpy(), module.bias.detach().numpy()
    expected = oracle.infer(rows(x), gamma, beta, EPS, mean, variance)
    np.testing.assert_allclose(rows(module.eval()(x)), expected, rtol=1e-10, atol=1e-12)


def moved(found: tuple, values: list, momentum: float = 0.1) -> tuple:
    """Running mean and variance after one more set of values; the variance is unbiased."""
    mean, variance = moments(values)
    unbiased = variance * len(values) / (len(values) - 1)
    return tuple((1 - momentum) * old + momentum * new for old, new in zip(found, (mean, unbiased), strict=True))


@pytest.mark.parametrize("dimensions", SPACES)
@pytest.mark.parametrize("spec", ["batch(eval_weight=0.3)", f"ghost-batch(size={PART})", "batch-group", "switchable"])
def test_running_statistics_move_as_in_batch_norm(spec, dimensions):
    module, x = layer(spec.replace("group", "group(groups=3)"), dimensions), batches(dimensions, 2)
    (kept,) = statistics_layers(module).values()
    expected = [(0.0, 1.0)] * len(kept.running_mean)
    for batch in x:
        module(batch)
        for part in np.array_split(batch.numpy(), round(8 / PART) if "ghost" in spec else 1):
            channels = part.reshape(len(part), len(expected), -1)
            expected = [moved(old, list(channels[:, c].flat)) for c, old in enumerate(expected)]
    np.testing.assert_allclose(kept.running_mean.numpy(), [mean for mean, _ in expected], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(kept.running_var.numpy(), [variance for _, variance in expected], rtol=1e-9)
    assert kept.num_batches_tracked == 2 * (round(8 / PART) if "ghost" in spec else 1)


def test_frozen_statistics_are_no_statistics_layer():
    assert statistics_layers(nn.Sequential(layer("frozen-batch", 2))) == {}
    module, (x,) = layer("frozen-batch", 2).train(), batches(2)
    module(x)
    assert torch.equal(module.running_mean, torch.zeros(CHANNELS, dtype=torch.float64))


def mixed(spec: str) -> tuple[nn.Module, torch.Tensor]:
    """A net with the normalization before one convolution, BatchNorm behind that, and a pair with nothing between."""
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, CHANNELS, 3), build_norm(spec).layer(CHANNELS, 2), nn.ReLU()),
        *(nn.Conv2d(CHANNELS, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 2), nn.ReLU(), nn.Conv2d(4, 4, 2)),
        *(nn.Flatten(), nn.Linear(16, 5), build_norm(spec).layer(5, 0) if "group" not in spec else nn.Identity()),
    ).double()
    images = torch.randn(12, 3, 8, 8, dtype=torch.float64)
    return unsettled(net, images), images


@pytest.mark.parametrize("spec", DERIVED)
def test_only_plain_batch_norms_are_folded(spec):
    net, images = mixed(spec)
    assert normalized_layers(net) == [("3", "4")]
    plain, _ = folded(net)
    assert apart(plain(images), net(images)) < 1e-12
    assert type(plain[1]) is type(net[1])
    assert isinstance(plain[4], nn.Identity)


@pytest.mark.parametrize("spec", DERIVED)
def test_rescaling_leaves_the_function_under_every_statistic(spec):
    net, images = mixed(spec)
    assert relu_pairs(net) == [("6", "8"), ("8", "10")]
    other, _ = rescaled(net, 3.0)
    assert torch.equal(other[0].weight, net[0].weight)
    assert not torch.equal(other[3].weight, net[3].weight)
    assert apart(other(images), net(images)) < 1e-10
    assert apart(other.train()(images), net.train()(images)) < 1e-9


@pytest.mark.parametrize("spec", DERIVED)
def test_a_net_without_plain_batch_norms_is_not_folded(spec):
    net = nn.Sequential(nn.Conv2d(3, CHANNELS, 3), build_norm(spec).layer(CHANNELS, 2)).eval()
    with pytest.raises(LandscapeError, match="needs a BatchNorm"):
        folded(net)


@pytest.mark.parametrize(
    "spec", [*DERIVED, "layer", "group(groups=3)", "instance", "rms", "divisive", "local-response"]
)
def test_nets_are_traced_and_fused(spec):
    net, images = mixed(spec)
    net, images = net.float(), images.float()
    assert apart(fused(net, images[:2])(images), net(images)) < 1e-5
