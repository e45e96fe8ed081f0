"""Training augmentation of raw images, drawn by the index of each image in its full set and by nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError
from landscape.keys import philox_key
from landscape.registry import Registry, Spec, call

PADDING = 4
OFFSETS = 2 * PADDING + 1

AUGMENTATIONS = Registry(
    "augmentation",
    {
        "none": "landscape.data.augment:unchanged",
        "crop4-flip": "landscape.data.augment:crop4_flip",
    },
)


def augmented(augment: str, images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """Augment raw images, before mean and std.

    Args:
        augment: A name of `AUGMENTATIONS`, or an import path of a function of (images, index) that gives images.
        images: Shape (N, C, H, W), uint8 or float32.
        index: Index of each image in its full set, shape (N,).

    Returns:
        As many images of the same shape and type.

    Raises:
        LandscapeError: If there is no such augmentation, or it fails or changes shape or type.
    """
    spec = Spec.parse(augment)
    function = AUGMENTATIONS.get(spec.target)
    result = np.asarray(call(f"augmentation {augment}", function, images, index, **spec.kwargs))
    if (result.shape, result.dtype) != (images.shape, images.dtype):
        raise LandscapeError(
            f"the augmentation {augment} must keep shape and type, {images.dtype} {images.shape}, "
            f"but gives {result.dtype} {result.shape}"
        )
    return np.ascontiguousarray(result)


def unchanged(images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """The images as they are.

    Args:
        images: Shape (N, C, H, W).
        index: Not used.

    Returns:
        The same images.
    """
    return images


def crop4_flip(images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """Pad by 4 pixels of value 0 on each side, crop back to the size, and flip every second image, at random.

    This is how networks for CIFAR are trained (He et al. 2016, arXiv:1512.03385, section 4.2). The padding is
    black where 0 is, as in uint8 images: it comes before mean and std.

    Args:
        images: Shape (N, C, H, W).
        index: Index of each image in its full set, shape (N,): an image is drawn alike in every subset.

    Returns:
        The images, each with its own crop and flip.
    """
    row, column, flip = crop4_flip_draws(index)
    padded = np.pad(images, ((0, 0), (0, 0), (PADDING, PADDING), (PADDING, PADDING)))
    crops = np.lib.stride_tricks.sliding_window_view(padded, images.shape[2:], axis=(2, 3))
    # Image n is crops[n, :, row[n], column[n]]; two separate index arrays put n first.
    result: NDArray[Any] = crops[np.arange(len(images)), :, row, column]
    result[flip] = result[flip, ..., ::-1]
    return result


def crop4_flip_draws(index: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Draw the crops and flips of `crop4_flip`.

    Image i gets the i-th 64-bit word of one fixed stream (Philox), modulo the 9 * 9 * 2 outcomes, all equally
    likely up to 1e-17. Raw words of a bit generator are the same in every version of NumPy.

    Args:
        index: Index of each image in its full set, shape (N,).

    Returns:
        Offset of the crop from the top, and from the left, of the padded image, 0 to 8, and whether it is
        flipped left to right, each of shape (N,).
    """
    key = philox_key("landscape augment crop4-flip")
    words = np.random.Philox(key=key).random_raw(int(index.max()) + 1)[index]
    outcome = (words % np.uint64(OFFSETS * OFFSETS * 2)).astype(np.intp)
    row, column, flip = np.unravel_index(outcome, (OFFSETS, OFFSETS, 2))
    return row, column, flip.astype(bool)
