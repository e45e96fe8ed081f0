"""VGG networks for CIFAR (after Simonyan & Zisserman 2015, 1409.1556), with a single linear layer at the end.

Names of parameters are those of the common CIFAR code (`features.0, features.1, ..., classifier`).
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from landscape.errors import LandscapeError
from landscape.models.norms import Norm, build_norm
from landscape.models.settings import require_positive
from landscape.models.shapes import Shapes, minimal_spec, possible_norms
from landscape.registry import Spec

# Convolutions in each stage. VGG-9 is that of Li et al. 2018 (1712.09913), the first seven convolutions of VGG-16.
STAGES = {9: (2, 2, 3), 11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each halving the image, a mean over what is left of it, a head."""

    def __init__(self, stages: tuple[int, ...], norm: Norm, width: int, classes: int, in_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = in_channels
        for stage, convolutions in enumerate(stages):
            after = width * min(2**stage, 8)
            for _ in range(convolutions):
                layers += [norm.wrap(nn.Conv2d(before, after, 3, padding=1)), norm.layer(after, 2), nn.ReLU()]
                before = after
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, in_channels, H, W) to logits (N, classes); each stage halves H and W, with five from 32 on."""
        logits: Tensor = self.classifier(self.features(x).mean(dim=(2, 3)))
        return logits


def vgg(
    depth: int,
    norm: str | Norm = "batch",
    width: int = 64,
    classes: int = 10,
    in_channels: int = 3,
) -> VGG:
    """Build a VGG for CIFAR: stages of 3x3 convolutions (Simonyan & Zisserman 2015, 1409.1556).

    Args:
        depth: 9, 11, 13, 16 or 19: layers with weights in the network of the paper, which ends in three linear
            layers (in two for 9, the first with a normalization) and not, as here, in one of the pixels' mean.
        norm: Normalization behind each convolution; `none` keeps the slots as identities.
        width: Channels of the first stage; the others have 2, 4, 8 and 8 times as many.
        classes: Number of outputs.
        in_channels: Channels of the images.

    Returns:
        A network from (N, in_channels, H, W) to logits (N, classes).

    Raises:
        LandscapeError: If there is no VGG of this depth, or no such normalization.
    """
    require_positive("vgg", depth=depth, width=width, classes=classes, in_channels=in_channels)
    if depth not in STAGES:
        raise LandscapeError(f"there is no VGG of depth {depth}; type depth=9, 11, 13, 16 or 19")
    return VGG(STAGES[depth], build_norm(norm), width, classes, in_channels)


vgg9, vgg11, vgg13, vgg16, vgg19 = (partial(vgg, depth) for depth in STAGES)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of the VGGs that these tensors may belong to.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        The likeliest first.
    """
    stem, head = shapes.get("features.0.weight"), shapes.get("classifier.weight")
    convolutions = sum(name.endswith(".weight") and len(shape) == 4 for name, shape in shapes.items())
    depth = {sum(stages): depth for depth, stages in STAGES.items()}.get(convolutions)
    if stem is None or head is None or len(stem) != 4 or depth is None:
        return []
    size = {"width": stem[0], "classes": head[0], "in_channels": stem[1]}
    norms = possible_norms(shapes, "features.1")
    found = [minimal_spec("vgg", vgg, depth=depth, norm=norm, **size) for norm in norms]
    return [Spec(f"vgg{depth}") if set(spec.kwargs) == {"depth"} else spec for spec in found]
