"""A small convolutional denoiser: it predicts the noise in an image, given the noise level and the class of the image.

An evaluator gives a network one tensor, so all three are packed into one, as `packed` makes it: (N, C + 2, H, W) holds
the C channels of the noised image, one filled with its noise level and one filled with the number of its class.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn

from landscape.errors import LandscapeError
from landscape.models.norms import Norm, build_norm
from landscape.models.settings import require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.registry import Spec

FREQUENCIES = 16


def packed(noised: Tensor, levels: Tensor, classes: Tensor) -> Tensor:
    """Pack the inputs of a denoiser into one tensor.

    Args:
        noised: Images, shape (N, C, H, W).
        levels: Noise level of each, in [0, 1], shape (N,).
        classes: Class of each, counted from 0, shape (N,).

    Returns:
        Shape (N, C + 2, H, W), in the dtype of the images.
    """
    filled = torch.stack([levels.to(noised), classes.to(noised)], dim=1)[:, :, None, None]
    return torch.cat([noised, filled.expand(-1, -1, *noised.shape[2:])], dim=1)


def unpacked(inputs: Tensor, in_channels: int, classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Undo `packed`.

    Args:
        inputs: Shape (N, in_channels + 2, H, W).
        in_channels: Channels of the images.
        classes: How many classes there are.

    Returns:
        Images (N, in_channels, H, W), levels (N,), and classes (N,) as int64.

    Raises:
        LandscapeError: If they have another shape, an odd number of rows or columns, or (seen on a CPU alone, where it
            costs no time) there is no such class.
    """
    shape = tuple(inputs.shape)
    if len(shape) != 4 or shape[1] != in_channels + 2 or shape[2] % 2 or shape[3] % 2:
        raise LandscapeError(
            f"the denoiser takes (N, {in_channels + 2}, H, W), H and W even, not {shape}: pack noised images of "
            f"{in_channels} channels with their noise levels and classes by landscape.models.denoiser.packed"
        )
    labels = inputs[:, -1, 0, 0].round().long()
    if labels.device.type == "cpu" and bool(((labels < 0) | (labels >= classes)).any()):
        raise LandscapeError(
            f"the last channel of the denoiser's input holds classes from 0 to {classes - 1}, but one is "
            f"{int(labels.max() if labels.max() >= classes else labels.min())}; set classes= of the denoiser"
        )
    return inputs[:, :in_channels], inputs[:, -2, 0, 0], labels


fx.wrap("unpacked")  # its checks ask for values, which a symbolic trace has not: it is one operation there


class Condition(nn.Module):
    """z = SiLU(MLP(features(t)) + embedding(class)), features(t) the sines and cosines of t at 16 frequencies.

    Args:
        classes: How many classes there are.
        size: Features of z.
    """

    frequencies: Tensor

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(0, 6, FREQUENCIES, base=2), persistent=False)
        self.level = nn.Sequential(nn.Linear(2 * FREQUENCIES, size), nn.SiLU(), nn.Linear(size, size))
        self.label = nn.Embedding(classes, size)

    def forward(self, levels: Tensor, labels: Tensor) -> Tensor:
        """Map noise levels (N,) and classes (N,) to z, shape (N, size)."""
        angles = levels[:, None] * self.frequencies
        features = torch.cat([angles.sin(), angles.cos()], dim=1)
        return nn.functional.silu(self.level(features) + self.label(labels))


class Slot(nn.Module):
    """Where a normalization and the condition z come in: norm(x, z) if the norm is conditional, else norm(x) + W z + b.

    Args:
        norm: The normalization.
        channels: Channels of x.
        condition: Features of z.
    """

    def __init__(self, norm: Norm, channels: int, condition: int) -> None:
        super().__init__()
        self.norm = norm.layer(channels, 2, condition) if norm.conditional else norm.layer(channels, 2)
        self.shift = None if norm.conditional else nn.Linear(condition, channels)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Map x (N, channels, H, W) and z (N, condition) to the shape of x."""
        y: Tensor = self.norm(x, z) if self.shift is None else self.norm(x) + self.shift(z)[:, :, None, None]
        return y


class Block(nn.Module):
    """x + conv(relu(slot(conv(relu(slot(x))))))."""

    def __init__(self, channels: int, norm: Norm, condition: int) -> None:
        super().__init__()
        self.slot1 = Slot(norm, channels, condition)
        self.conv1 = norm.wrap(nn.Conv2d(channels, channels, 3, padding=1))
        self.slot2 = Slot(norm, channels, condition)
        self.conv2 = norm.wrap(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Map x (N, channels, H, W) and z (N, condition) to the shape of x."""
        out = self.conv1(torch.relu(self.slot1(x, z)))
        y: Tensor = x + self.conv2(torch.relu(self.slot2(out, z)))
        return y


class Denoiser(nn.Module):
    """A block, more of them at half the size with twice the channels, and a block again, which also sees the first."""

    def __init__(self, norm: Norm, width: int, blocks: int, classes: int, in_channels: int, condition: int) -> None:
        super().__init__()
        self.in_channels, self.classes = in_channels, classes
        self.condition = Condition(classes, condition)
        self.stem = norm.wrap(nn.Conv2d(in_channels, width, 3, padding=1))
        self.first = Block(width, norm, condition)
        self.down = norm.wrap(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1))
        self.middle = nn.ModuleList(Block(2 * width, norm, condition) for _ in range(blocks))
        self.up = norm.wrap(nn.Conv2d(2 * width, width, 3, padding=1))
        self.larger = nn.Upsample(scale_factor=2)
        self.last = Block(width, norm, condition)
        self.slot = Slot(norm, width, condition)
        self.head = nn.Conv2d(width, in_channels, 3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map packed inputs (N, in_channels + 2, H, W) to the predicted noise (N, in_channels, H, W)."""
        images, levels, labels = unpacked(inputs, self.in_channels, self.classes)
        z = self.condition(levels, labels)
        fine = self.first(self.stem(images), z)
        coarse = self.down(fine)
        for block in self.middle:
            coarse = block(coarse, z)
        out = self.last(fine + self.larger(self.up(coarse)), z)
        noise: Tensor = self.head(torch.relu(self.slot(out, z)))
        return noise


def denoiser(
    norm: str | Norm = "ada-layer",
    width: int = 16,
    blocks: int = 2,
    classes: int = 10,
    in_channels: int = 1,
    condition: int = 64,
) -> Denoiser:
    """Build a denoiser whose condition, a class and a noise level, enters at every normalization.

    A conditional norm (`ada-layer`, `ada-instance`) takes its scale and shift from the condition; behind any other, a
    linear map of the condition is added to the features.

    Args:
        norm: Normalization before each ReLU.
        width: Channels at the size of the image; at half of it there are twice as many.
        blocks: Residual blocks at half the size.
        classes: How many classes there are.
        in_channels: Channels of the images, whose height and width are even.
        condition: Features of the condition.

    Returns:
        A network from inputs (N, in_channels + 2, H, W), as `packed` makes them, to noise (N, in_channels, H, W).

    Raises:
        LandscapeError: If a size is not a positive whole number, or there is no such normalization.
    """
    require_positive(
        "denoiser", width=width, blocks=blocks, classes=classes, in_channels=in_channels, condition=condition
    )
    return Denoiser(build_norm(norm, conditional=True), width, blocks, classes, in_channels, condition)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the denoisers that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first; nothing in the tensors tells the conditional norms apart.
    """
    stem, table = shapes.get("stem.weight"), shapes.get("condition.label.weight")
    if stem is None or table is None or len(stem) != 4 or len(table) != 2:
        return []
    size = {
        "width": stem[0],
        "blocks": len({name.split(".")[1] for name in shapes if name.startswith("middle.")}),
        "classes": table[0],
        "in_channels": stem[1],
        "condition": table[1],
    }
    conditional = "first.slot1.norm.affine.weight" in shapes
    norms = ["ada-layer", "ada-instance"] if conditional else possible_norms(shapes, "first.slot1.norm")
    return [minimal_spec("denoiser", denoiser, norm=norm, **size) for norm in norms]
