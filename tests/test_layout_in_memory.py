"""Networks from checkpoints are evaluated with channels last on a CPU: the same directions, the same losses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import landscape


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
