"""Residual networks without normalization of the signal (Brock et al. 2021, 2101.08692 and 2102.06171), CIFAR-sized.

A block maps h to h + alpha f(h / beta). The constant beta is the standard deviation that h begins with, which is known
beforehand where f keeps the variance: weights are standardised (`scaled-ws`) and activations scaled by their gain.
(The zeros around an image take a little in each convolution, which is left out of account.) Names of
parameters are those of `resnet`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError, require_switches
from landscape.models.norms import Norm, build_norm
from landscape.models.resnet import PadShortcut, blocks_of, possible_shortcuts, sizes
from landscape.models.settings import is_number, require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.registry import Spec

# If x is N(0, 1), then GAIN relu(x) has variance 1.
GAIN = math.sqrt(2 / (1 - 1 / math.pi))


@dataclass(frozen=True)
class Residual:
    """What the blocks of a network have in common.

    Attributes:
        norm: Hooks of the slots.
        shortcut: `pad`, `conv` or `none`.
        alpha: How much of f is added.
        skip_gain: Whether f has a learned factor that begins with 0.
    """

    norm: Norm
    shortcut: str
    alpha: float
    skip_gain: bool


class ScaledPad(PadShortcut):
    """h / beta at every second pixel, with channels of zeros around."""

    def __init__(self, before: int, after: int, beta: float) -> None:
        super().__init__(before, after)
        self.beta = beta

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H/2, W/2)."""
        return super().forward(x) / self.beta


class Block(nn.Module):
    """h + alpha f(h / beta): f has two 3x3 convolutions, each behind a ReLU times its gain.

    Args:
        before: Channels of h.
        after: Channels of the output.
        stride: 2 in a transition, which halves the image and begins the variance anew, else 1.
        variance: beta^2.
        residual: What all blocks share.

    Attributes:
        variance: Of the output, expected at first weights (without a skip gain); a mean over the channels.
    """

    parameter_roles: ClassVar = {"skip_gain": "other"}

    def __init__(self, before: int, after: int, stride: int, variance: float, residual: Residual) -> None:
        super().__init__()
        norm, beta = residual.norm, math.sqrt(variance)
        self.scale, self.alpha, self.activates, self.variance = GAIN / beta, residual.alpha, False, 1.0
        self.conv1 = norm.wrap(nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False))
        self.bn1 = norm.layer(after, 2)
        self.conv2 = norm.wrap(nn.Conv2d(after, after, 3, padding=1, bias=False))
        self.bn2 = norm.layer(after, 2)
        self.shortcut: nn.Module | None = None
        self.skip_gain: nn.Parameter | None = None
        if residual.shortcut == "none":
            return
        self.shortcut, kept = nn.Identity(), variance
        if stride != 1 and residual.shortcut == "pad":
            self.shortcut, kept = ScaledPad(before, after, beta), before / after
        elif stride != 1:
            convolution = norm.wrap(nn.Conv2d(before, after, 1, stride=stride, bias=False))
            self.shortcut, kept = nn.Sequential(convolution, norm.layer(after, 2)), 1.0
            self.activates = True
        self.variance = kept + residual.alpha**2
        if residual.skip_gain:
            self.skip_gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H/stride, W/stride)."""
        active = torch.relu(x) * self.scale
        out: Tensor = self.bn1(self.conv1(active))
        out = self.bn2(self.conv2(torch.relu(out) * GAIN))
        if self.shortcut is None:
            return out
        if self.skip_gain is not None:
            out = out * self.skip_gain
        skipped: Tensor = self.shortcut(active if self.activates else x)
        return skipped + self.alpha * out


class NFResNet(nn.Module):
    """A convolution, three stages of blocks of which each halves the image and doubles the channels, a mean, a head."""

    def __init__(self, blocks: int, residual: Residual, width: int, classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = residual.norm.wrap(nn.Conv2d(in_channels, width, 3, padding=1, bias=False))
        self.bn1 = residual.norm.layer(width, 2)
        self.layer1, variance = _stage(width, width, 1, blocks, 1.0, residual)
        self.layer2, variance = _stage(width, 2 * width, 2, blocks, variance, residual)
        self.layer3, _ = _stage(2 * width, 4 * width, 2, blocks, variance, residual)
        self.linear = nn.Linear(4 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, classes)."""
        out = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)))))
        logits: Tensor = self.linear((torch.relu(out) * GAIN).mean(dim=(2, 3)))
        return logits


def _stage(
    before: int, after: int, stride: int, blocks: int, variance: float, residual: Residual
) -> tuple[nn.Sequential, float]:
    """The blocks of a stage, and the variance behind it."""
    built = [Block(before, after, stride, variance, residual)]
    for _ in range(blocks - 1):
        built.append(Block(after, after, 1, built[-1].variance, residual))
    return nn.Sequential(*built), built[-1].variance


def nf_resnet(
    depth: int,
    norm: str | Norm = "scaled-ws",
    shortcut: str = "conv",
    width: int = 16,
    alpha: float = 0.2,
    skip_gain: bool = False,
    classes: int = 10,
    in_channels: int = 3,
) -> NFResNet:
    """Build a ResNet for CIFAR that keeps the variance without normalizing signals (Brock et al. 2021, 2101.08692).

    A block maps h to h + alpha f(h / beta) with beta^2 = Var h. Its f keeps the variance, so that the next block has
    Var h + alpha^2. A transition, at which a stage halves the image, begins anew with the shortcut's 1 + alpha^2.

    Args:
        depth: Number of layers with weights, 6n + 2 for n blocks a stage.
        norm: Normalization behind each convolution, or of its weights. Only `scaled-ws` keeps the variance as is
            assumed; `none` is the same network with plain convolutions.
        shortcut: At a transition, `conv` is a 1x1 convolution of the activated h / beta, as in the papers; `pad` takes
            every second pixel of h / beta and adds channels of zeros, for a mean variance of 1/2 + alpha^2; `none`
            leaves out every addition, also those of identities, and alpha with them.
        width: Channels of the first stage; the others have twice and four times as many.
        alpha: How much each block adds.
        skip_gain: Multiply each f by a learned number that begins with 0 (SkipInit, De & Smith 2020, 2002.10444).
        classes: Number of outputs.
        in_channels: Channels of the images.

    Returns:
        A network from (N, in_channels, H, W) to logits (N, classes).

    Raises:
        LandscapeError: If the depth is not 6n + 2, alpha is not positive, or a name is unknown.
    """
    require_positive("nf-resnet", depth=depth, width=width, classes=classes, in_channels=in_channels)
    require_switches("nf-resnet", skip_gain=skip_gain)
    blocks = blocks_of("nf-resnet", depth, shortcut)
    if not is_number(alpha) or alpha <= 0:
        raise LandscapeError(f"alpha of nf-resnet must be positive, not {alpha!r}; type alpha=0.2")
    residual = Residual(build_norm(norm), shortcut, alpha, skip_gain)
    return NFResNet(blocks, residual, width, classes, in_channels)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the normalizer-free ResNets that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first; none if nothing speaks for one, for without scaled weights or a learned gain the tensors
        are those of a ResNet. Nothing in them tells alpha.
    """
    skip_gain = "layer1.0.skip_gain" in shapes
    return [
        minimal_spec("nf-resnet", nf_resnet, norm=norm, shortcut=shortcut, skip_gain=skip_gain, **size)
        for size in sizes(shapes)
        for shortcut in possible_shortcuts(shapes)
        for norm in possible_norms(shapes, "bn1")
        if skip_gain or norm.startswith("scaled-ws")
    ]
