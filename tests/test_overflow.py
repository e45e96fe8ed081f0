"""Numbers that run out of range: fused convolutions make 0 of NaN, and no evaluation may."""

from __future__ import annotations

import pytest
import torch
from test_fused import REAL, outputs, subspace_of, trained
from torch import Tensor, nn
from torch.nn import functional

from landscape.evaluation import Fused, Plain
from landscape.models import build_model
from landscape.models.convolution import FusedConvolution

SPECS = ("resnet(depth=8, norm='none')", "resnet(depth=8, norm='none', shortcut='conv')")


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(("precision", "far"), [("fp32", 1e6), ("fp32", 1e12), ("bf16", 1e12), ("fp16", 30.0)])
def test_what_runs_out_of_range_is_not_a_number_in_both_networks(spec, precision, far):
    torch.manual_seed(1)
    net = trained(build_model(spec))
    inputs = torch.randn(8, *REAL["resnet20"])
    space, subspace = subspace_of(net)
    fused, plain = Fused(net, space, subspace, inputs[:2]), Plain(net, subspace)
    for network in (fused, plain):
        network.precision = precision
    found, expected = (outputs(network, inputs, (far, -far)) for network in (fused, plain))
    assert not expected.isfinite().any()
    assert not found.isfinite().any()
    near, exact = (outputs(network, inputs, (0.3, 0.3)) for network in (fused, plain))
    assert near.isfinite().all()
    torch.testing.assert_close(near.float(), exact.float(), rtol=0.1, atol=0.1 * float(exact.abs().max()))


def test_weights_that_are_not_numbers_are_not_silenced():
    net = trained(build_model("resnet(depth=8)"))
    inputs = torch.randn(4, *REAL["resnet20"])
    space, subspace = subspace_of(net)
    network = Fused(net, space, subspace, inputs[:2])
    network._folding.model.get_parameter("layer1.0.conv1.weight").data[3] = torch.nan
    network._moved_to((0.0, 0.0))
    with torch.inference_mode():
        assert network(inputs).isnan().all()


def test_the_square_root_of_the_largest_number_is_the_limit():
    net = trained(build_model("resnet(depth=8)"))
    space, subspace = subspace_of(net)
    network = Fused(net, space, subspace, torch.randn(2, 3, 32, 32))
    assert network.in_range(1e19)
    assert not network.in_range(2e19)
    assert not network.in_range(float("nan"))
    network.precision = "fp16"
    assert [network.in_range(value) for value in (255.0, 256.0)] == [True, False]
    with torch.inference_mode():
        assert 0.0 < float(network.largest()) < 1e3
    assert Plain(net, subspace).largest() is None


def reference(layer: nn.Conv2d, inputs: Tensor, other: Tensor | None) -> Tensor:
    outputs = functional.conv2d(inputs, layer.weight, layer.bias, layer.stride, layer.padding, layer.dilation)
    return (outputs if other is None else outputs + other).relu()


class Cudnn:
    """What torch offers of cuDNN's, on a CPU: right, off by the rounding of TF32, or without a kernel."""

    def __init__(self, kind: str) -> None:
        self.kind, self.calls = kind, 0

    def relu(self, inputs, weight, bias, stride, padding, dilation, groups):
        return self.add_relu(inputs, weight, 0.0, 1.0, bias, stride, padding, dilation, groups)

    def add_relu(self, inputs, weight, other, alpha, bias, stride, padding, dilation, groups):
        self.calls += 1
        if self.kind == "absent":
            raise RuntimeError("GET was unable to find an engine to execute this computation")
        if self.kind == "hungry":
            raise torch.OutOfMemoryError("CUDA out of memory")
        outputs = functional.conv2d(inputs, weight, bias, stride, padding, dilation, groups) + alpha * other
        return outputs.relu() * (1 + 3e-4 * (self.kind == "tf32"))


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize(("kind", "calls"), [("right", 3), ("tf32", 1), ("absent", 1)])
def test_cudnn_s_own_fusion_is_used_where_it_gives_the_same(monkeypatch, kind, calls, summed):
    cudnn = Cudnn(kind)
    monkeypatch.setattr(torch, "cudnn_convolution_relu", cudnn.relu)
    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", cudnn.add_relu)
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 6, 3, padding=1, stride=2)
    fused = FusedConvolution(layer, relu=True)
    fused._packed[torch.float32] = layer.weight, layer.bias  # not in the layout that oneDNN asks for
    with torch.inference_mode():
        for _ in range(3):
            inputs, other = torch.randn(5, 4, 8, 8), torch.randn(5, 6, 4, 4) if summed else None
            found = fused._on_gpu(inputs, other, True)
            torch.testing.assert_close(found, reference(layer, inputs, other), rtol=1e-6, atol=1e-6)
    assert cudnn.calls == calls


@pytest.mark.parametrize(
    "layer", [nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 7), nn.Conv2d(4, 4, 3, bias=False)], ids=str
)
def test_unusual_convolutions_are_computed_operation_by_operation(monkeypatch, layer):
    cudnn = Cudnn("right")
    monkeypatch.setattr(torch, "cudnn_convolution_relu", cudnn.relu)
    fused = FusedConvolution(layer, relu=True)
    fused._packed[torch.float32] = layer.weight, layer.bias
    inputs = torch.randn(2, 4, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(fused._on_gpu(inputs, None, True), layer(inputs).relu())
    assert cudnn.calls == 0


def test_a_sum_with_the_inputs_themselves_is_left_to_torch(monkeypatch):
    cudnn = Cudnn("right")
    monkeypatch.setattr(torch, "cudnn_convolution_add_relu", cudnn.add_relu)
    layer = nn.Conv2d(4, 4, 3, padding=1)
    fused = FusedConvolution(layer, relu=True)
    fused._packed[torch.float32] = layer.weight, layer.bias
    inputs = torch.randn(2, 4, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(fused._on_gpu(inputs, inputs, True), (layer(inputs) + inputs).relu())
    assert cudnn.calls == 0


def test_a_lack_of_memory_is_not_taken_for_a_missing_kernel(monkeypatch):
    monkeypatch.setattr(torch, "cudnn_convolution_relu", Cudnn("hungry").relu)
    layer = nn.Conv2d(4, 4, 3)
    fused = FusedConvolution(layer, relu=True)
    fused._packed[torch.float32] = layer.weight, layer.bias
    with torch.inference_mode(), pytest.raises(torch.OutOfMemoryError):
        fused._on_gpu(torch.randn(2, 4, 8, 8), None, True)
