"""The 2018 reference tool's numbers: a small net by an independent loop, and the real ResNet-20."""

from __future__ import annotations

import copy

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import landscape
from landscape.data import Batches


class Block(nn.Module):
    """A residual block with BatchNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, inputs):
        hidden = self.bn1(self.conv1(inputs)).relu()
        return (inputs + self.bn2(self.conv2(hidden))).relu()


class SmallResNet(nn.Module):
    """A residual net of the reference's kind, in small."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.layer1 = nn.Sequential(Block(6), Block(6))
        self.linear = nn.Linear(6, 4)

    def forward(self, inputs):
        hidden = self.layer1(self.bn1(self.conv1(inputs)).relu())
        return self.linear(hidden.mean((2, 3)))


@pytest.fixture
def net() -> nn.Module:
    """With statistics and affine parameters that are not trivial, and more than ten tensors."""
    torch.manual_seed(0)
    net = SmallResNet()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
        for _ in range(20):
            net(torch.randn(64, 3, 8, 8))
        net.conv1.weight[2] = 0
    return net


@pytest.fixture
def data() -> Batches:
    """61 images of (3, 8, 8) in 4 classes: the last batch is a smaller one."""
    generator = torch.Generator().manual_seed(1)
    images, labels = torch.randn(61, 3, 8, 8, generator=generator), torch.randint(0, 4, (61,), generator=generator)
    return Batches(images, labels, "small", "digest", "as it is")


def reference_direction(weights, generator):
    """Entry by entry: Gaussian, each slice along axis 0 scaled to its weight's norm; one dimension or none, zero."""
    direction = []
    for weight in weights:
        drawn = generator.standard_normal(weight.shape).astype(np.float32)
        if weight.ndim <= 1:
            drawn[...] = 0
        for d, w in zip(drawn, weight, strict=True):
            d *= np.linalg.norm(w) / (np.linalg.norm(d) + 1e-10)
        direction.append(drawn)
    return direction


def reference_point(net, weights, directions, point, data, batch_size):
    """Loss and percentage of correct answers, as the reference evaluates a point."""
    moved = copy.deepcopy(net).eval()
    steps = [sum(d * np.float32(t) for d, t in zip(part, point, strict=True)) for part in zip(*directions, strict=True)]
    for parameter, weight, step in zip(moved.parameters(), weights, steps, strict=True):
        parameter.data = torch.from_numpy(weight + step)
    loss, correct = 0.0, 0
    with torch.no_grad():
        for images, labels in zip(data.inputs.split(batch_size), data.targets.split(batch_size), strict=True):
            outputs = moved(images)
            loss += nn.functional.cross_entropy(outputs, labels).item() * len(labels)
            correct += outputs.max(1)[1].eq(labels).sum().item()
    return loss / len(data), 100.0 * correct / len(data)


def test_a_surface_of_the_reference_is_reproduced(tmp_path, net, data):
    """Values filled in the reference's order, x fastest, on a grid that is not square."""
    weights = [parameter.detach().numpy().copy() for parameter in net.parameters()]
    generator = np.random.default_rng(123)
    directions = [reference_direction(weights, generator) for _ in range(2)]
    with h5py.File(tmp_path / "d.h5", "w") as file:
        for group, direction in zip(("xdirection", "ydirection"), directions, strict=True):
            for index, entry in enumerate(direction):
                file.create_dataset(f"{group}/{index}", data=entry)
    xs, ys = np.linspace(-1, 1, 3), np.linspace(-0.5, 1, 2)
    mesh_x, mesh_y = (mesh.ravel() for mesh in np.meshgrid(xs, ys))
    found = [reference_point(net, weights, directions, point, data, 16) for point in zip(mesh_x, mesh_y, strict=True)]
    loss, accuracy = np.array(found).T.reshape(2, len(ys), len(xs))

    options = {"directions": tmp_path / "d.h5", "x": (-1, 1, 3), "y": (-0.5, 1, 2), "progress": False}
    surface = landscape.compute(net, data, **options)
    np.testing.assert_allclose(surface["test/loss"].T, loss, rtol=1e-5)
    np.testing.assert_array_equal(np.rint(surface["test/accuracy"].T * 61), np.rint(accuracy * 61 / 100))
    assert np.unique(np.rint(accuracy)).size > 1
    assert surface.job.directions == "d.h5"
    assert set(surface.provenance["parameters"][0]) >= {"role", "share"}


def against_the_real_one(shared, x: slice, y: slice):
    """Losses and accuracies at some of the points of the reference's own surface, ours first."""
    name = str(shared / "reference" / "resnet20_cifar10_test2000_7x5_")
    with h5py.File(name + "surface.h5") as file:
        xs, ys = file["xcoordinates"][x], file["ycoordinates"][y]
        loss, accuracy = file["test_loss"][y, x].T, file["test_acc"][y, x].T
    surface = landscape.compute(
        ckpt=shared / "checkpoints" / "resnet20-12fca82f.th",
        data=f"{shared / 'data' / 'cifar10_test.npz'}(mean='imagenet')",
        samples="first:2000",
        directions=name + "directions.h5",
        x=landscape.Axis(tuple(xs)),
        y=landscape.Axis(tuple(ys)),
        progress=False,
    )
    assert surface.provenance["stated"]
    return surface["test/loss"], loss, surface["test/accuracy"] * 2000, accuracy * 20


def test_three_points_of_the_real_reference(shared):
    """One row, off the centre: a swapped axis or a wrong sign shows."""
    ours, loss, hits, accuracy = against_the_real_one(shared, slice(1, 6, 2), slice(1, 2))
    np.testing.assert_allclose(ours, loss, rtol=1e-5)
    np.testing.assert_allclose(hits, accuracy, rtol=0, atol=1 + 1e-6)


@pytest.mark.slow
def test_the_whole_real_reference(shared):
    ours, loss, hits, accuracy = against_the_real_one(shared, slice(None), slice(None))
    np.testing.assert_allclose(ours, loss, rtol=1e-5)
    np.testing.assert_allclose(hits, accuracy, rtol=0, atol=1 + 1e-6)
