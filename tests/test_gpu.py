"""On a CUDA device: the numbers of the CPU, and the caller's model where it was.

None of this runs without a GPU; what can be tested without one is in test_captured.py and test_overflow.py.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from networks import network
from test_captured import POINTS, assert_same, data, interrupted
from test_fused import REAL, outputs, subspace_of, trained
from torch import Tensor, nn

import landscape
from landscape.data import Batches
from landscape.evaluation import Captured, Evaluator, Fused, Graphs, Plain, Statistics, make_task, strict_arithmetic
from landscape.models import build_model
from landscape.models.convolution import FusedConvolution

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here"),
]
OPTIONS = {"x": (-1, 1, 5), "y": (-1, 1, 3), "progress": False}
CORNER = (-1.0, 1.0)


@contextmanager
def synchronisations() -> Iterator[list[warnings.WarningMessage]]:
    """Every time that the host waits for the GPU."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        seen.clear()  # that not all are found so
        try:
            yield seen
        finally:
            torch.cuda.set_sync_debug_mode("default")


def pair(
    kind: str = "fused", batch_size: int = 16, spec: str = "resnet(depth=8, width=4)"
) -> tuple[Captured, Evaluator]:
    """An evaluator that records, and one that does not, of the same network on two splits."""
    device = torch.device("cuda", torch.cuda.current_device())
    net, images = network(spec, torch.float32)
    net, images = net.to(device), images.to(device)
    space, subspace = subspace_of(net)
    batches = {"test": data(37, images.shape[1:]), "train": data(21, images.shape[1:], 4)}
    task = make_task(batches, "cross-entropy").to(device, torch.float32)

    def moving() -> Fused | Plain:
        return Fused(net, space, subspace, images[:2]) if kind == "fused" else Plain(net, subspace)

    quick = Captured(moving(), task, batch_size, Statistics(net), Graphs(device), CORNER)
    return quick, Evaluator(moving(), task, batch_size, Statistics(net))


def test_the_surface_is_that_of_the_cpu(small_net, small_data):
    there = landscape.compute(small_net, small_data, device="cuda", **OPTIONS)
    here = landscape.compute(small_net, small_data, device="cpu", **OPTIONS)
    # Strict float32 on both: sums of a few hundred products in another order.
    torch.testing.assert_close(torch.tensor(there["test/loss"]), torch.tensor(here["test/loss"]), rtol=1e-5, atol=1e-6)
    assert (there["test/count"] == here["test/count"]).all()
    assert [one.digest for one in there.directions] == [one.digest for one in here.directions]
    assert there.provenance["evaluator"] == "fused, captured"
    assert "capture_reason" not in there.provenance


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


@pytest.mark.parametrize("summed", [False, True])
def test_fused_convolutions_are_true_float32(summed):
    torch.manual_seed(0)
    layer = nn.Conv2d(16, 16, 3, padding=1).cuda()
    fused = FusedConvolution(layer, relu=True)
    inputs = torch.randn(64, 16, 32, 32, device="cuda")
    other = torch.randn(64, 16, 32, 32, device="cuda") if summed else None
    with strict_arithmetic(), torch.inference_mode():
        found = [fused(inputs, other) for _ in range(2)]
        exact = nn.functional.conv2d(inputs.double(), layer.weight.double(), layer.bias.double(), padding=1)
    exact = (exact if other is None else exact + other.double()).relu()
    for one in found:  # the second is cuDNN's own fusion, if the first found it to give the same
        assert float((one.double() - exact).abs().max() / exact.abs().max()) < 2e-6
    assert set(fused._in_one_call) == {torch.float32}


@pytest.mark.parametrize("spec", ["resnet20", "resnet(depth=8, norm='group')", "vgg11", "lenet(norm='batch')", "mlp"])
def test_the_fused_network_computes_what_the_network_does(spec):
    torch.manual_seed(1)
    net = trained(build_model(spec)).cuda()
    inputs = torch.randn(64, *REAL.get(spec, (1, 28, 28) if "lenet" in spec else (3, 32, 32)), device="cuda")
    space, subspace = subspace_of(net)
    network = Fused(net, space, subspace, inputs[:2])
    for point in ((0.0, 0.0), (0.6, -0.9)):
        expected = outputs(Plain(net, subspace), inputs, point)
        found = outputs(network, inputs, point)
        assert float((found - expected).abs().max() / expected.abs().max()) < 2e-5


def test_one_synchronisation_per_point_and_split(small_net, small_data):
    from landscape.directions import Gaussian
    from landscape.parameters import ParameterSpace, Subspace

    net = small_net.cuda().eval()
    space = ParameterSpace(net)
    task = make_task({"test": small_data}, "cross-entropy").to(torch.device("cuda"), torch.float32)
    network = Plain(net, Subspace(space, [Gaussian()(space)]))
    evaluator = Evaluator(network, task, 4, Statistics(net))
    evaluator.centre()
    with synchronisations() as seen:
        evaluator((0.5,))
    assert len(seen) == 1


@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
def test_statistics_are_those_of_the_cpu(small_net, small_data, policy):
    """Strict float32 on both, means and variances of a few hundred values included."""
    options = {"bn_stats": policy, "bn_batch_size": 8, **OPTIONS}
    options |= {"bn_data": small_data, "bn_samples": "all"} if policy == "recalibrate" else {}
    there, here = (landscape.compute(small_net, small_data, device=device, **options) for device in ("cuda", "cpu"))
    for name in ("test/loss", *(["statistics/drift"] if policy == "recalibrate" else [])):
        torch.testing.assert_close(torch.tensor(there[name]), torch.tensor(here[name]), rtol=1e-4, atol=1e-6)
    assert "other statistics" in there.provenance["capture_reason"]


@pytest.mark.parametrize("kind", ["fused", "plain"])
@pytest.mark.parametrize("spec", ["resnet(depth=8, width=4)", "mlp(inputs=36, hidden=(16, 12), norm='batch')"])
def test_a_graph_gives_the_numbers_of_the_ordinary_pass(kind, spec):
    quick, plain = pair(kind, spec=spec)
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.centre()
        for point in (*POINTS, *POINTS):
            assert_same(quick(point), plain(point), 1e-6)
    assert (quick.reason, quick.name) == ("", f"{plain.name}, captured")


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_graphs_of_lower_precisions_give_their_numbers(precision):
    if precision == "tf32" and torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("this GPU has no TF32")
    quick, plain = pair()
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.network.precision = precision
            evaluator.corrects = precision == "bf16"
            evaluator.centre()
        for point in POINTS:
            assert_same(quick(point), plain(point), 5e-3)
        exact = plain.losses(POINTS[1], "fp32")["test"]
        low = quick.losses(POINTS[1], precision)["test"]
    assert quick.reason == ""
    assert 1e-7 < float((low - exact).abs().max() / exact.abs().max()) < 0.05


@pytest.mark.parametrize("kind", ["fused", "plain"])
def test_a_captured_point_waits_once(kind):
    quick, _ = pair(kind)
    quick.centre()
    quick(POINTS[1])
    with synchronisations() as seen:
        quick((0.5, 0.5))
    assert quick.reason == ""
    assert len(seen) == 1


def test_other_directions_and_batches_make_other_graphs():
    from landscape.directions import Gaussian
    from landscape.parameters import ParameterSpace, Subspace

    quick, plain = pair("plain")
    space = ParameterSpace(quick.network.module)
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.centre()
        quick(POINTS[1])
        other = Subspace(space, [Gaussian(9, axis)(space) for axis in range(2)])
        for evaluator in (quick, plain):
            evaluator.follow(other)
        assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
        quick.batch_size = 10
        assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
    assert quick.reason == ""


def looks(output: Tensor, target: Tensor) -> Tensor:
    """A metric that no graph can hold."""
    return (output.argmax(1) == target).float() * (2.0 if output.sum().item() > 0 else 1.0)


def test_what_waits_for_the_gpu_is_found_before_it_does_harm(small_net, small_data):
    there = landscape.compute(small_net, small_data, device="cuda", metrics=[looks], **OPTIONS)
    here = landscape.compute(small_net, small_data, device="cpu", metrics=[looks], **OPTIONS)
    np.testing.assert_allclose(there["test/looks"], here["test/looks"])
    assert there.provenance["evaluator"] == "fused"
    assert "synchronizing" in there.provenance["capture_reason"]
    torch.cuda.empty_cache()


class Failing(nn.Module):
    """Fails while it is captured, with batches above some size."""

    def __init__(self, net: nn.Module, most: int, error: Exception) -> None:
        super().__init__()
        self.net, self.most, self.error = net, most, error

    def forward(self, inputs: Tensor) -> Tensor:
        if torch.cuda.is_current_stream_capturing() and len(inputs) > self.most:
            raise self.error
        return self.net(inputs)


@pytest.mark.parametrize(
    ("error", "most", "size", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), 5, 4, ""),
        (torch.OutOfMemoryError("CUDA out of memory"), 0, 16, "recording the pass fails: CUDA out of memory"),
        (RuntimeError("not while capturing"), 0, 16, "recording the pass fails: not while capturing"),
    ],
)
def test_captures_that_fail_midway_leave_everything_in_order(error, most, size, reason):
    quick, plain = pair("plain")
    quick.network._model = Failing(quick.network._model, most, error)
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.centre()
        for point in POINTS:
            assert_same(quick(point), plain(point), 1e-6)
    assert (quick.batch_size, quick.reason) == (size, reason)
    torch.cuda.empty_cache()  # refuses where the allocator thinks that a capture is underway
    assert float(torch.ones(1 << 20, device="cuda").sum()) == 1 << 20


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_what_runs_out_of_range_is_not_a_number(precision):
    quick, plain = pair(spec="resnet(depth=8, width=4, norm='none')")
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.network.precision = precision
            evaluator.centre()
        for evaluator in (quick, plain):
            assert not np.isfinite(evaluator((1e12, -1e12)).sums["test"]["frozen"].mean("loss"))
    assert quick.reason == ""


def test_images_that_are_prepared_on_the_gpu_are_captured_too(tmp_path, monkeypatch):
    monkeypatch.setattr("landscape.data.capacity.ROOMY", 0)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "set.npz", images=images, labels=generator.integers(0, 10, 50))
    net, _ = network("resnet(depth=8, width=4)", torch.float32)
    there, here = (
        landscape.compute(net, str(tmp_path / "set.npz"), device=device, **OPTIONS) for device in ("cuda", "cpu")
    )
    np.testing.assert_allclose(there["test/loss"], here["test/loss"], rtol=1e-5)
    assert there.provenance["evaluator"] == "fused, captured"


def test_a_run_goes_on_bit_for_bit(small_net, small_data, tmp_path, monkeypatch):
    whole = landscape.compute(small_net, small_data, device="cuda", **OPTIONS)
    with interrupted(monkeypatch):
        landscape.compute(small_net, small_data, device="cuda", out=tmp_path / "net.h5", **OPTIONS)
    found = landscape.compute(small_net, small_data, device="cuda", out=tmp_path / "net.h5", **OPTIONS)
    np.testing.assert_array_equal(found["test/loss"], whole["test/loss"])
    assert found.provenance["evaluator"] == "fused, captured"


@pytest.mark.parametrize("precision", ["tf32", "bf16", "auto"])
def test_lower_precisions_store_their_error(small_net, small_data, precision):
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("this GPU has neither TF32 nor bfloat16")
    options = {"precision": precision, **({"tolerance": 0.05} if precision == "auto" else {}), **OPTIONS}
    found = landscape.compute(small_net, small_data, device="cuda", **options)
    exact = landscape.compute(small_net, small_data, device="cuda", **OPTIONS)
    assert found.provenance["evaluator"] == "fused, captured"
    assert found.provenance["precision"].get("error", 0.0) < 0.05
    np.testing.assert_allclose(found["test/loss"], exact["test/loss"], rtol=0.05)


def test_batches_stay_in_the_cache(small_data):
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    batches = Batches(torch.randn(5000, *images.shape[1:]), torch.randint(0, 10, (5000,)), "random", "", "")
    size = landscape.compute(net, batches, device="cuda", **OPTIONS).provenance["batch_size"]
    cache = torch.cuda.get_device_properties(0).L2_cache_size
    assert size == min(max(cache // 2 // (4 * 3 * 4 * 8 * 8), 64), 4096)
