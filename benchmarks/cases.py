"""What is evaluated: a network with its weights, raw images, and the two directions that all who can will use."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import landscape
from benchmarks.environment import ROOT, SHARED
from landscape.data import load_data
from landscape.models import build_model
from landscape.models.checkpoint import read_checkpoint
from landscape.storage import read_named_directions

CIFAR10 = (125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
FASHION = (0.2860,), (0.3530,)


@dataclass(frozen=True)
class Case:
    """A network and its data, as plain tensors, so that a file carries it to another process.

    Attributes:
        name: Short name.
        about: What it is, in words.
        spec: Of the model.
        state: Its weights.
        images: Raw images, uint8, shape (N, C, H, W).
        labels: Shape (N,).
        mean: Of each channel, after scaling to [0, 1].
        std: Of each channel.
        first: The direction along x, by parameter name; what is not named stays.
        second: The direction along y.
    """

    name: str
    about: str
    spec: str
    state: Mapping[str, Tensor]
    images: Tensor
    labels: Tensor
    mean: tuple[float, ...]
    std: tuple[float, ...]
    first: Mapping[str, Tensor]
    second: Mapping[str, Tensor]

    def model(self) -> nn.Module:
        """The network with its weights, in eval mode."""
        model = build_model(self.spec)
        model.load_state_dict(dict(self.state))
        return model.eval()

    def tensors(self) -> tuple[Tensor, Tensor]:
        """The images as a model takes them, normalised once, and their labels."""
        mean, std = (torch.tensor(values).reshape(-1, 1, 1) for values in (self.mean, self.std))
        return self.images.float().div(255).sub(mean).div(std), self.labels

    def first_images(self, number: int) -> Case:
        """The same with fewer images."""
        return replace(self, images=self.images[:number], labels=self.labels[:number])

    def save(self, path: Path) -> None:
        """Write it, to be read by `load_case`."""
        torch.save(asdict(self), path)


def load_case(path: Path) -> Case:
    """Read what `Case.save` wrote."""
    return Case(**torch.load(path, weights_only=True))


def build_case(name: str, images: int) -> Case:
    """Put a case together.

    Args:
        name: One of `CASES`.
        images: How many of the first test images.

    Returns:
        The case, with its directions.
    """
    return with_directions(CASES[name](images))


def with_directions(case: Case) -> Case:
    """Add our own filter-normalised Gaussian directions, read from the file that `save_directions` writes."""
    inputs, labels = case.tensors()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "surface.h5"
        few = {"x": (-1, 1, 2), "y": (-1, 1, 2), "out": out, "save_directions": True, "progress": False}
        landscape.compute(case.model(), (inputs[:8], labels[:8]), device="cpu", **few)
        found = read_named_directions(out.with_name("surface.directions.h5"))
    first, second = ({name: torch.from_numpy(tensor) for name, tensor in one.items()} for one in found.values())
    return replace(case, first=first, second=second)


def lenet(images: int) -> Case:
    """The embedded LeNet without normalization, as it was trained."""
    checkpoint = read_checkpoint(ROOT / "landscape" / "assets" / "lenet_none.pt")
    spec = str(checkpoint.metadata["model"])
    about = "LeNet-5 without normalization, 44,000 parameters, 28x28 (trained, Fashion-MNIST)"
    return Case("lenet", about, spec, checkpoint.state, *_fashion("test", images), *FASHION, {}, {})


def mlp(images: int) -> Case:
    """A perceptron, trained for a moment."""
    spec = "mlp(hidden=(512, 512))"
    about = "MLP 784-512-512-10, 670,000 parameters (trained for a moment, Fashion-MNIST)"
    state = _trained(spec, *_fashion("train", 6000), FASHION, epochs=3)
    return Case("mlp", about, spec, state, *_fashion("test", images), *FASHION, {}, {})


def resnet20(images: int) -> Case:
    """The public CIFAR-10 ResNet-20, or one with random weights where it is absent."""
    file = SHARED / "checkpoints" / "resnet20-12fca82f.th"
    return _resnet("resnet20", "ResNet-20, 270,000 parameters, 32x32", "resnet20", file, IMAGENET, images)


def resnet56(images: int) -> Case:
    """The 2018 paper's own ResNet-56, or one with random weights where it is absent."""
    file = SHARED / "checkpoints" / "li2018_resnet56.t7"
    spec = "resnet(depth=56, shortcut='conv')"
    return _resnet("resnet56", "ResNet-56, 860,000 parameters, 32x32", spec, file, CIFAR10, images)


def vit(images: int) -> Case:
    """A small vision transformer, trained for a moment where there are real images."""
    spec = "benchmarks.models:vit"
    train = SHARED / "data" / "cifar10_train_20k.npz"
    state = _trained(spec, *_cifar(train, 1000), CIFAR10, epochs=2) if train.exists() else _fresh(spec).state_dict()
    how = "trained for a moment, CIFAR-10" if train.exists() else "random weights, random images"
    about = f"ViT, patch 4, width 128, 6 blocks, 1,200,000 parameters, 32x32 ({how})"
    return Case("vit", about, spec, state, *_cifar(SHARED / "data" / "cifar10_test.npz", images), *CIFAR10, {}, {})


def normalized(norm: str, images: int) -> Case:
    """A ResNet-20 with a normalization of choice, trained for a moment where there are real images."""
    spec, train = f"resnet20(norm={norm!r})", SHARED / "data" / "cifar10_train_20k.npz"
    state = _trained(spec, *_cifar(train, 1000), CIFAR10, epochs=2) if train.exists() else _fresh(spec).state_dict()
    how = "trained for a moment, CIFAR-10" if train.exists() else "random weights, random images"
    data = _cifar(SHARED / "data" / "cifar10_test.npz", images)
    return Case(norm, f"ResNet-20 with {norm}, 32x32 ({how})", spec, state, *data, *CIFAR10, {}, {})


CASES = {"lenet": lenet, "mlp": mlp, "resnet20": resnet20, "resnet56": resnet56, "vit": vit}


def _resnet(
    name: str, about: str, spec: str, file: Path, norm: tuple[tuple[float, ...], tuple[float, ...]], images: int
) -> Case:
    there = file.exists()
    state = read_checkpoint(file).state if there else _fresh(spec).state_dict()
    own = build_model(spec).state_dict()
    state = {key: state.get(key, tensor) for key, tensor in own.items()}  # older files have no num_batches_tracked
    how = "trained, CIFAR-10" if there else "random weights, random images"
    data = _cifar(SHARED / "data" / "cifar10_test.npz", images)
    return Case(name, f"{about} ({how})", spec, state, *data, *norm, {}, {})


def _fresh(spec: str) -> nn.Module:
    torch.manual_seed(0)
    return build_model(spec)


def _fashion(split: str, number: int) -> tuple[Tensor, Tensor]:
    found = load_data("fashion-mnist-mini", split)
    return torch.from_numpy(found.images[:number]), torch.from_numpy(found.labels[:number])


def _cifar(file: Path, number: int) -> tuple[Tensor, Tensor]:
    if file.exists():
        content = np.load(file)
        return torch.from_numpy(content["images"][:number]), torch.from_numpy(content["labels"][:number])
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (number, 3, 32, 32), generator=generator, dtype=torch.uint8)
    return images, torch.randint(10, (number,), generator=generator)


def _trained(
    spec: str,
    images: Tensor,
    labels: Tensor,
    norm: tuple[tuple[float, ...], tuple[float, ...]],
    epochs: int,
) -> dict[str, Tensor]:
    """Weights after a few epochs of Adam, so that losses vary in the plane as those of real networks do."""
    model = _fresh(spec)
    inputs, labels = Case("", "", spec, {}, images, labels, *norm, {}, {}).tensors()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs)).split(128):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()
    return {name: tensor.detach() for name, tensor in model.state_dict().items()}
