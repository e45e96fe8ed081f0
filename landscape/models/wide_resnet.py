"""Wide residual networks for CIFAR (Zagoruyko & Komodakis 2016, 1605.07146), with pre-activation blocks.

Names of parameters are those of the common PyTorch code (`conv1, block1.layer.0.bn1, block1.layer.0.conv1, ...,
block2.layer.0.convShortcut, ..., bn1, fc`), so that public checkpoints load as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landscape.models.norms import Norm, build_norm
from landscape.models.settings import blocks_of_depth, require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.registry import Spec

STEM = 16


class Block(nn.Module):
    """Two 3x3 convolutions, each behind a normalization and a ReLU, and a shortcut around all of it.

    Where the channels change, the shortcut is a 1x1 convolution of the first activation, else the identity.
    """

    def __init__(self, before: int, after: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.bn1 = norm.layer(before, 2)
        self.conv1 = norm.wrap(nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False))
        self.bn2 = norm.layer(after, 2)
        self.conv2 = norm.wrap(nn.Conv2d(after, after, 3, padding=1, bias=False))
        self.convShortcut: nn.Module | None = None
        if before != after:
            self.convShortcut = norm.wrap(nn.Conv2d(before, after, 1, stride=stride, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H/stride, W/stride)."""
        active = torch.relu(self.bn1(x))
        out: Tensor = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        return out + (x if self.convShortcut is None else self.convShortcut(active))


class Stage(nn.Module):
    """Blocks, the first of which changes the size.

    Args:
        before: Channels of the input.
        after: Channels of the output.
        stride: Of the first block.
        blocks: How many.
        norm: Its hooks.
    """

    def __init__(self, before: int, after: int, stride: int, blocks: int, norm: Norm) -> None:
        super().__init__()
        first = Block(before, after, stride, norm)
        self.layer = nn.Sequential(first, *(Block(after, after, 1, norm) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H/stride, W/stride)."""
        out: Tensor = self.layer(x)
        return out


class WideResNet(nn.Module):
    """A convolution, three stages of which the second and third halve the image, a normalization, a mean, a head."""

    def __init__(self, blocks: int, widen: int, norm: Norm, classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = norm.wrap(nn.Conv2d(in_channels, STEM, 3, padding=1, bias=False))
        self.block1 = Stage(STEM, STEM * widen, 1, blocks, norm)
        self.block2 = Stage(STEM * widen, 2 * STEM * widen, 2, blocks, norm)
        self.block3 = Stage(2 * STEM * widen, 4 * STEM * widen, 2, blocks, norm)
        self.bn1 = norm.layer(4 * STEM * widen, 2)
        self.fc = nn.Linear(4 * STEM * widen, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, classes)."""
        out = self.block3(self.block2(self.block1(self.conv1(x))))
        logits: Tensor = self.fc(torch.relu(self.bn1(out)).mean(dim=(2, 3)))
        return logits


def wide_resnet(
    depth: int,
    widen: int = 1,
    norm: str | Norm = "batch",
    classes: int = 10,
    in_channels: int = 3,
) -> WideResNet:
    """Build a wide ResNet for CIFAR, WRN-depth-widen (Zagoruyko & Komodakis 2016, 1605.07146).

    Args:
        depth: Number of layers with weights, 6n + 4 for n blocks a stage; shortcuts of stages count.
        widen: The three stages have 16, 32 and 64 times as many channels.
        norm: Normalization before each ReLU, as is usual with pre-activation, or of the weights of each convolution.
        classes: Number of outputs.
        in_channels: Channels of the images.

    Returns:
        A network from (N, in_channels, H, W) to logits (N, classes).

    Raises:
        LandscapeError: If the depth is not 6n + 4, or a name is unknown.
    """
    require_positive("wide-resnet", depth=depth, widen=widen, classes=classes, in_channels=in_channels)
    blocks = blocks_of_depth("wide ResNet", depth, 6, 4)
    return WideResNet(blocks, widen, build_norm(norm), classes, in_channels)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the wide ResNets that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first.
    """
    stem, second, head = (shapes.get(f"{name}.weight") for name in ("conv1", "block1.layer.0.conv2", "fc"))
    blocks = sum(name.startswith("block1.") and name.endswith(".conv2.weight") for name in shapes)
    if stem is None or second is None or head is None or len(stem) != 4:
        return []
    size = {"depth": 6 * blocks + 4, "widen": second[0] // STEM, "classes": head[0], "in_channels": stem[1]}
    return [minimal_spec("wide-resnet", wide_resnet, norm=norm, **size) for norm in possible_norms(shapes, "bn1")]
