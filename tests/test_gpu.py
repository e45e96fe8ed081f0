"""On a CUDA device: the numbers of the CPU, and the caller's model where it was."""

from __future__ import annotations

import copy

import pytest
import torch

import landscape

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
OPTIONS = {"x": (-1, 1, 5), "y": (-1, 1, 3), "progress": False}


def test_the_surface_is_that_of_the_cpu(small_net, small_data):
    there = landscape.compute(small_net, small_data, device="cuda", **OPTIONS)
    here = landscape.compute(small_net, small_data, device="cpu", **OPTIONS)
    # Strict float32 on both: sums of a few hundred products in another order.
    torch.testing.assert_close(torch.tensor(there["test/loss"]), torch.tensor(here["test/loss"]), rtol=1e-5, atol=1e-6)
    assert (there["test/count"] == here["test/count"]).all()
    assert [one.digest for one in there.directions] == [one.digest for one in here.directions]


@pytest.mark.parametrize("home", ["cpu", "cuda"])
def test_the_model_stays_where_and_as_it_was(small_net, small_data, home):
    small_net.to(home)
    before = copy.deepcopy(small_net.state_dict())
    landscape.compute(small_net, small_data, **OPTIONS)
    for name, tensor in small_net.state_dict().items():
        assert tensor.device.type == home
        assert torch.equal(tensor, before[name])


def test_products_are_true_float32(small_data):
    """TF32 keeps 10 bits of the mantissa: 1 + 2^-12 would become 1."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 3, bias=False)).cuda()
    torch.nn.init.constant_(net[1].weight, 1 + 2.0**-12)
    inputs, targets = torch.ones(64, 1, 6, 6), torch.zeros(64, 3)
    surface = landscape.compute(net, (inputs, targets), loss="mse", x=(-1, 1, 3), y=None, progress=False)
    assert surface.centre["test"]["loss"] == pytest.approx((36 * (1 + 2.0**-12)) ** 2, rel=1e-6)


def test_one_synchronisation_per_point_and_split(small_net, small_data):
    from landscape.directions import Gaussian
    from landscape.evaluation import Evaluator, Plain, Statistics, make_task
    from landscape.parameters import ParameterSpace, Subspace

    net = small_net.cuda().eval()
    space = ParameterSpace(net)
    task = make_task({"test": small_data}, "cross-entropy").to(torch.device("cuda"), torch.float32)
    network = Plain(net, Subspace(space, [Gaussian()(space)]))
    evaluator = Evaluator(network, task, 4, Statistics(net))
    evaluator.centre()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with pytest.warns(UserWarning, match="synchronizing") as seen:
            evaluator((0.5,))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(seen) == 1


@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
def test_statistics_are_those_of_the_cpu(small_net, small_data, policy):
    """Strict float32 on both, means and variances of a few hundred values included."""
    options = {"bn_stats": policy, "bn_batch_size": 8, **OPTIONS}
    options |= {"bn_data": small_data, "bn_samples": "all"} if policy == "recalibrate" else {}
    there, here = (landscape.compute(small_net, small_data, device=device, **options) for device in ("cuda", "cpu"))
    for name in ("test/loss", *(["statistics/drift"] if policy == "recalibrate" else [])):
        torch.testing.assert_close(torch.tensor(there[name]), torch.tensor(here[name]), rtol=1e-4, atol=1e-6)
