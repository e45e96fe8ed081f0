"""The data set that comes with the package: a part of Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from landscape.data.arrays import npz
from landscape.data.constants import Given
from landscape.data.imageset import ImageSet
from landscape.errors import LandscapeError, nearest

FASHION_MNIST_MINI = Path(__file__).parents[1] / "assets" / "fashion_mnist_mini.npz"


def fashion_mnist_mini(split: str = "test", mean: Given = None, std: Given = None) -> ImageSet:
    """Fashion-MNIST in small: 2,000 images of its test and 6,000 of its train split, equally many of each class.

    `examples/make_fashion_mnist_mini.py` made it; its licence (MIT) is beside it in the package.

    Args:
        split: `"train"` or `"test"`.
        mean: As for `normalisation`.
        std: As for `normalisation`.

    Returns:
        The set, uint8 (N, 1, 28, 28).

    Raises:
        LandscapeError: If there is no such split.
    """
    if split not in ("train", "test"):
        raise LandscapeError(f"fashion-mnist-mini has no split {split!r}; {nearest(split, ('train', 'test'))}")
    images = npz(FASHION_MNIST_MINI, split, mean, std)
    notes = tuple(note for note in images.notes if FASHION_MNIST_MINI.name not in note)
    return dataclasses.replace(images, name="fashion-mnist-mini", notes=notes)
