"""Networks from checkpoints are evaluated with channels last on a CPU: the same directions, the same losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import landscape
from landscape.data import canonical


class Viewing(nn.Module):
    """Takes its activations for contiguous, as many networks do."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 4, 3), nn.Linear(64, 3)

    def forward(self, inputs):
        return self.last(self.conv(inputs).view(len(inputs), 64))


class Voluminous(nn.Module):
    """A convolution over volumes, of which there is no such layout."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv3d(1, 2, 1), nn.Linear(72, 3)

    def forward(self, inputs):
        return self.last(self.conv(inputs[:, None]).flatten(1))


def plain():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(16, 3))


class Wavering(Viewing):
    """Branches on its values, so that no other network computes for it."""

    def forward(self, inputs):
        return super().forward(inputs) if inputs.isfinite().all() else inputs.flatten(1)[:, :3]


@pytest.mark.parametrize("make", [plain, Viewing, Voluminous])
def test_the_surface_of_a_checkpoint_is_that_of_the_object(make, small_data, tmp_path):
    """Convolutions add up in another order: last bits of losses of order one."""
    torch.manual_seed(0)
    net = make()
    torch.save(net.state_dict(), tmp_path / "net.pt")
    options = {"x": "-1:1:3", "y": "-1:1:3", "repeats": 2, "progress": False}
    loaded = landscape.compute(make(), small_data, ckpt=tmp_path / "net.pt", **options)
    held = landscape.compute(net, small_data, **options)
    assert [one.digest for one in loaded.directions] == [one.digest for one in held.directions]
    np.testing.assert_allclose(loaded["loss"], held["loss"], rtol=1e-6)


def test_the_callers_own_network_keeps_its_layout(small_data):
    net = plain()
    strides = [parameter.stride() for parameter in net.parameters()]
    landscape.compute(net, small_data, x="-1:1:3", y=None, progress=False)
    assert [parameter.stride() for parameter in net.parameters()] == strides


@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("of_checkpoint", [False, True])
def test_single_channels_are_not_taken_for_channels_last(of_checkpoint, low_memory, small_data, tmp_path):
    """Whatever the stride of the channel is, and after channels last were tried."""
    torch.manual_seed(0)
    net, inputs, targets = Wavering(), small_data.inputs[:], small_data.targets
    torch.save(net.state_dict(), tmp_path / "net.pt")
    last = inputs.as_strided(inputs.shape, (36, 1, 6, 1))
    assert torch.equal(last, inputs)
    options = {"x": "-1:1:3", "y": None, "progress": False, "low_memory": low_memory}
    options |= {"ckpt": tmp_path / "net.pt"} if of_checkpoint else {}
    found = [landscape.compute(net, [(each, targets)], **options) for each in (last, inputs)]
    assert found[0].provenance["evaluator"] == "eager"
    np.testing.assert_array_equal(found[0]["loss"], found[1]["loss"])
    with torch.inference_mode():
        expected = nn.functional.cross_entropy(net.eval()(inputs), targets).item()
    assert found[0]["loss"][1] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(5, 1, 6, 4), (1, 3, 6, 4), (5, 3, 1, 1), (0, 1, 2, 2), (7,), ()])
def test_canonical_strides_are_those_of_a_new_tensor(shape):
    numbers = torch.arange(np.prod(shape, dtype=int)).view(shape)
    layouts = [numbers, numbers.clone(memory_format=torch.channels_last) if numbers.ndim == 4 else numbers]
    for layout in layouts:
        assert torch.equal(canonical(layout), numbers)
        assert canonical(layout).stride() == torch.empty(shape).stride()
