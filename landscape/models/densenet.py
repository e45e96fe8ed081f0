"""DenseNets for CIFAR (Huang et al. 2017, 1608.06993), without dropout.

Names of parameters are those of the common PyTorch code (`conv1, block1.layer.0.bn1, block1.layer.0.conv1, ...,
trans1.bn1, trans1.conv1, ..., bn1, fc`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from landscape.errors import require_switches
from landscape.models.norms import Norm, build_norm
from landscape.models.settings import blocks_of_depth, require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.registry import Spec

BOTTLENECK = 4


class Plain(nn.Module):
    """Normalization, ReLU and a 3x3 convolution, whose output joins the input."""

    def __init__(self, before: int, growth: int, norm: Norm) -> None:
        super().__init__()
        self.bn1 = norm.layer(before, 2)
        self.conv1 = norm.wrap(nn.Conv2d(before, growth, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, before + growth, H, W)."""
        return torch.cat([x, self.conv1(torch.relu(self.bn1(x)))], dim=1)


class Bottleneck(nn.Module):
    """As `Plain`, but a 1x1 convolution first reduces what comes in to four times the growth."""

    def __init__(self, before: int, growth: int, norm: Norm) -> None:
        super().__init__()
        between = BOTTLENECK * growth
        self.bn1 = norm.layer(before, 2)
        self.conv1 = norm.wrap(nn.Conv2d(before, between, 1, bias=False))
        self.bn2 = norm.layer(between, 2)
        self.conv2 = norm.wrap(nn.Conv2d(between, growth, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, before + growth, H, W)."""
        reduced = self.conv1(torch.relu(self.bn1(x)))
        return torch.cat([x, self.conv2(torch.relu(self.bn2(reduced)))], dim=1)


class DenseBlock(nn.Module):
    """Layers of which each sees what all before it have made.

    Attributes:
        channels: Of the output, before + layers growth.
    """

    def __init__(self, before: int, layers: int, growth: int, bc: bool, norm: Norm) -> None:
        super().__init__()
        kind = Bottleneck if bc else Plain
        self.layer = nn.Sequential(*(kind(before + i * growth, growth, norm) for i in range(layers)))
        self.channels = before + layers * growth

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, channels, H, W)."""
        out: Tensor = self.layer(x)
        return out


class Transition(nn.Module):
    """Normalization, ReLU, a 1x1 convolution, and means of 2x2 pixels.

    Attributes:
        channels: Of the output.
    """

    def __init__(self, before: int, channels: int, norm: Norm) -> None:
        super().__init__()
        self.bn1 = norm.layer(before, 2)
        self.conv1 = norm.wrap(nn.Conv2d(before, channels, 1, bias=False))
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, channels, H/2, W/2)."""
        return functional.avg_pool2d(self.conv1(torch.relu(self.bn1(x))), 2)


class DenseNet(nn.Module):
    """A convolution, three dense blocks with transitions between them, a normalization, a mean, a head."""

    def __init__(self, layers: int, growth: int, bc: bool, norm: Norm, classes: int, in_channels: int) -> None:
        super().__init__()
        first, share = (2 * growth, 2) if bc else (16, 1)
        self.conv1 = norm.wrap(nn.Conv2d(in_channels, first, 3, padding=1, bias=False))
        self.block1 = DenseBlock(first, layers, growth, bc, norm)
        self.trans1 = Transition(self.block1.channels, self.block1.channels // share, norm)
        self.block2 = DenseBlock(self.trans1.channels, layers, growth, bc, norm)
        self.trans2 = Transition(self.block2.channels, self.block2.channels // share, norm)
        self.block3 = DenseBlock(self.trans2.channels, layers, growth, bc, norm)
        self.bn1 = norm.layer(self.block3.channels, 2)
        self.fc = nn.Linear(self.block3.channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W), H and W at least 4, to logits (N, classes)."""
        out = self.trans1(self.block1(self.conv1(x)))
        out = self.block3(self.trans2(self.block2(out)))
        logits: Tensor = self.fc(torch.relu(self.bn1(out)).mean(dim=(2, 3)))
        return logits


def densenet(
    depth: int,
    growth: int = 12,
    bc: bool = False,
    norm: str | Norm = "batch",
    classes: int = 10,
    in_channels: int = 3,
) -> DenseNet:
    """Build a DenseNet for CIFAR, whose layers see all before them (Huang et al. 2017, 1608.06993).

    Args:
        depth: Number of layers with weights: 3n + 4 for n layers a block, 6n + 4 with bottlenecks.
        growth: Channels that each layer adds.
        bc: Make it a DenseNet-BC: each layer has a 1x1 convolution to 4 growth channels before its own, transitions
            halve the channels, and the first convolution has 2 growth channels in place of 16.
        norm: Normalization before each ReLU, as is usual with pre-activation, or of the weights of each convolution.
        classes: Number of outputs.
        in_channels: Channels of the images.

    Returns:
        A network from (N, in_channels, H, W) to logits (N, classes).

    Raises:
        LandscapeError: If no number of layers has this depth, or a name is unknown.
    """
    require_positive("densenet", depth=depth, growth=growth, classes=classes, in_channels=in_channels)
    require_switches("densenet", bc=bc)
    layers = blocks_of_depth("DenseNet-BC" if bc else "DenseNet", depth, 6 if bc else 3, 4)
    return DenseNet(layers, growth, bc, build_norm(norm), classes, in_channels)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the DenseNets that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first.
    """
    stem, head, trans = (shapes.get(f"{name}.weight") for name in ("conv1", "fc", "trans1.conv1"))
    bc = "block1.layer.0.conv2.weight" in shapes
    last = shapes.get(f"block1.layer.0.conv{2 if bc else 1}.weight")
    layers = sum(name.startswith("block1.") and name.endswith(".conv1.weight") for name in shapes)
    if stem is None or head is None or trans is None or last is None or len(stem) != 4:
        return []
    size = {"depth": (6 if bc else 3) * layers + 4, "growth": last[0], "bc": bc}
    ends = {"classes": head[0], "in_channels": stem[1]}
    return [minimal_spec("densenet", densenet, norm=norm, **size, **ends) for norm in possible_norms(shapes, "bn1")]
