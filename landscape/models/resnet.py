"""Residual networks for CIFAR (He et al. 2016, 1512.03385, section 4.2).

Names of parameters are those of the common CIFAR code (`conv1, bn1, layer1.0.conv1, ...,
layer2.0.shortcut.0, linear`), so that public checkpoints load as they are.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from landscape.errors import LandscapeError, nearest
from landscape.models.norms import Norm, build_norm
from landscape.models.settings import blocks_of_depth, require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.registry import Spec

NAMED_DEPTHS = (20, 32, 44, 56, 110)


class PadShortcut(nn.Module):
    """Every second pixel, with channels of zeros around: option A of the paper, without parameters."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        front = (after - before) // 2
        self.padding = (0, 0, 0, 0, front, after - before - front)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H/2, W/2)."""
        return functional.pad(x[:, :, ::2, ::2], self.padding)


def _pad(before: int, after: int, norm: Norm) -> nn.Module:
    return PadShortcut(before, after)


def _conv(before: int, after: int, norm: Norm) -> nn.Module:
    convolution = nn.Conv2d(before, after, 1, stride=2, bias=False)
    return nn.Sequential(norm.wrap(convolution), norm.layer(after, 2))


SHORTCUTS = {"pad": _pad, "conv": _conv, "none": None}


class Block(nn.Module):
    """Two 3x3 convolutions, and a shortcut around them unless it is left out."""

    def __init__(self, before: int, after: int, stride: int, norm: Norm, shortcut: str) -> None:
        super().__init__()
        self.conv1 = norm.wrap(nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False))
        self.bn1 = norm.layer(after, 2)
        self.conv2 = norm.wrap(nn.Conv2d(after, after, 3, padding=1, bias=False))
        self.bn2 = norm.layer(after, 2)
        self.shortcut: nn.Module | None = None
        if (build := SHORTCUTS[shortcut]) is not None:
            self.shortcut = build(before, after, norm) if stride != 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H/stride, W/stride)."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out if self.shortcut is None else out + self.shortcut(x))


class ResNet(nn.Module):
    """A convolution, three stages of blocks of which each halves the image and doubles the channels, a mean, a head."""

    def __init__(self, blocks: int, norm: Norm, shortcut: str, width: int, classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = norm.wrap(nn.Conv2d(in_channels, width, 3, padding=1, bias=False))
        self.bn1 = norm.layer(width, 2)
        self.layer1 = _stage(width, width, 1, blocks, norm, shortcut)
        self.layer2 = _stage(width, 2 * width, 2, blocks, norm, shortcut)
        self.layer3 = _stage(2 * width, 4 * width, 2, blocks, norm, shortcut)
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, classes)."""
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        logits: Tensor = self.linear(out.mean(dim=(2, 3)))
        return logits


def _stage(before: int, after: int, stride: int, blocks: int, norm: Norm, shortcut: str) -> nn.Sequential:
    first = Block(before, after, stride, norm, shortcut)
    return nn.Sequential(first, *(Block(after, after, 1, norm, shortcut) for _ in range(blocks - 1)))


def resnet(
    depth: int,
    norm: str | Norm = "batch",
    shortcut: str = "pad",
    width: int = 16,
    classes: int = 10,
    in_channels: int = 3,
) -> ResNet:
    """Build a ResNet for CIFAR (He et al. 2016, 1512.03385).

    Args:
        depth: Number of layers with weights, 6n + 2 for n blocks a stage.
        norm: Normalization behind each convolution; `none` keeps the slots as identities.
        shortcut: Where a stage halves the image, `pad` takes every second pixel and adds channels of zeros,
            `conv` is a 1x1 convolution with a normalization; `none` leaves out every addition, also those
            of identities.
        width: Channels of the first stage; the others have twice and four times as many.
        classes: Number of outputs.
        in_channels: Channels of the images.

    Returns:
        A network from (N, in_channels, H, W) to logits (N, classes).

    Raises:
        LandscapeError: If the depth is not 6n + 2, or a name is unknown.
    """
    require_positive("resnet", depth=depth, width=width, classes=classes, in_channels=in_channels)
    return ResNet(blocks_of("resnet", depth, shortcut), build_norm(norm), shortcut, width, classes, in_channels)


def blocks_of(model: str, depth: int, shortcut: str) -> int:
    """Blocks of a stage, if there is such a network.

    Args:
        model: Its name.
        depth: Number of layers with weights.
        shortcut: Name of the shortcut.

    Returns:
        The number n with depth = 6n + 2.

    Raises:
        LandscapeError: If there is none, or no such shortcut.
    """
    if shortcut not in SHORTCUTS:
        raise LandscapeError(f"{model} has no shortcut {shortcut!r}; {nearest(shortcut, SHORTCUTS)}")
    return blocks_of_depth("CIFAR ResNet", depth, 6, 2)


resnet20, resnet32, resnet44, resnet56, resnet110 = (partial(resnet, depth) for depth in NAMED_DEPTHS)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the ResNets that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first; a shortcut without parameters and none at all look the same.
    """
    found = [
        minimal_spec("resnet", resnet, norm=norm, shortcut=shortcut, **size)
        for size in sizes(shapes)
        for shortcut in possible_shortcuts(shapes)
        for norm in possible_norms(shapes, "bn1")
    ]
    return [
        Spec(f"resnet{spec.kwargs['depth']}")
        if set(spec.kwargs) == {"depth"} and spec.kwargs["depth"] in NAMED_DEPTHS
        else spec
        for spec in found
    ]


def sizes(shapes: Shapes) -> list[dict[str, int]]:
    """Depth, width, classes and channels of the images, told by names and shapes.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        One set of settings, or none if it is no such network.
    """
    stem, head = shapes.get("conv1.weight"), shapes.get("linear.weight")
    blocks = sum(name.startswith("layer1.") and name.endswith(".conv1.weight") for name in shapes)
    if stem is None or head is None or len(stem) != 4 or blocks == 0:
        return []
    return [{"depth": 6 * blocks + 2, "width": stem[0], "classes": head[0], "in_channels": stem[1]}]


def possible_shortcuts(shapes: Shapes) -> list[str]:
    """Names of the shortcuts that would leave these tensors, the likeliest first.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        A shortcut without parameters and none at all look the same.
    """
    return ["conv"] if "layer2.0.shortcut.0.weight" in shapes else ["pad", "none"]
