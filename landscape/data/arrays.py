"""Image sets from arrays, and from .npz files that hold `images` and `labels`."""

from __future__ import annotations

import dataclasses
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.data.constants import CONSTANTS, Given, normalisation
from landscape.data.imageset import ImageSet
from landscape.data.rows import Rows, stored_in_npz
from landscape.data.samples import NoSplitsError
from landscape.errors import LandscapeError, listed

_USUAL_BY_NAME = (
    (r"cifar[-_ ]?100(?!\d)", "cifar100"),
    (r"cifar[-_ ]?10(?!\d)", "cifar10"),
    (r"fashion", "fashion-mnist"),
    (r"mnist", "mnist"),
)


def image_set(
    images: NDArray[Any] | Rows,
    labels: NDArray[Any],
    *,
    name: str,
    split: str,
    mean: Given = None,
    std: Given = None,
    usual: str = "none",
    notes: tuple[str, ...] = (),
) -> ImageSet:
    """Make an image set of arrays in any of the usual layouts.

    Args:
        images: Shape (N, C, H, W), (N, H, W), or (N, H, W, C) where the last axis is 1 or 3 and the second
            is not; uint8 or floating point. Rows that are not in memory are not read.
        labels: Integers, shape (N,) or (N, 1).
        name: What the set is called.
        split: Which part of it this is.
        mean: As for `normalisation`.
        std: As for `normalisation`.
        usual: The set whose constants are meant where mean and std are not given.
        notes: What was assumed so far.

    Returns:
        The set; what was assumed is in its notes.

    Raises:
        LandscapeError: If the arrays have no such layout or type.
    """
    images, layout_notes = _layout(images if isinstance(images, Rows) else np.asarray(images), name)
    labels = np.asarray(labels)
    if labels.dtype.kind not in "iu":
        raise LandscapeError(f"the labels of {name} must be integers, not {labels.dtype}")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    mean_values, std_values, constant_notes = normalisation(mean, std, images.shape[1], usual)
    if mean is None and std is None and usual == "none":
        action = "only scaled to [0, 1]" if images.dtype == np.uint8 else "taken as stored"
        constant_notes = (f"images are {action}: pass mean= and std= if the network was trained with them",)
    assumed = constant_notes if mean is None and std is None else ()
    return ImageSet(
        images,
        labels.astype(np.int64),
        mean_values,
        std_values,
        name,
        split,
        (*notes, *layout_notes, *constant_notes),
        assumed,
    )


def _layout(images: NDArray[Any] | Rows, name: str) -> tuple[NDArray[Any] | Rows, tuple[str, ...]]:
    """Images as uint8 or float32 (N, C, H, W), with notes on what was changed."""
    notes: list[str] = []
    if images.dtype.kind != "f" and images.dtype != np.uint8:
        raise LandscapeError(
            f"the images of {name} must be uint8 (0 to 255) or floating point, not {images.dtype}; "
            "save them with images.astype('uint8')"
        )
    if images.ndim not in (3, 4):
        raise LandscapeError(
            f"the images of {name} must have shape (N, C, H, W), (N, H, W) or (N, H, W, C), not {images.shape}"
        )
    if _channels_last(images.shape):
        notes.append(f"images of shape {images.shape} are read as (N, H, W, C)")
    if images.dtype.kind == "f" and images.dtype != np.float32:
        notes.append(f"{images.dtype} images are converted to float32")
    return images.arranged(_arranged) if isinstance(images, Rows) else _arranged(images), tuple(notes)


def _channels_last(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[3] in (1, 3) and shape[1] not in (1, 3)


def _arranged(images: NDArray[Any]) -> NDArray[Any]:
    """Images, each by itself, as uint8 or float32 (n, C, H, W)."""
    if images.ndim == 3:
        images = images[:, None]
    elif _channels_last(images.shape):
        images = images.transpose(0, 3, 1, 2)
    if images.dtype != np.uint8:
        with np.errstate(over="ignore"):
            images = images.astype(np.float32, copy=False)
    return np.ascontiguousarray(images)


def npz(path: Path | str, split: str = "test", mean: Given = None, std: Given = None, **others: str) -> ImageSet:
    """Read a .npz file with `images` and `labels` (or `test_images`, `test_labels`, `train_images`, ...).

    Args:
        path: The file; it stands for the split `test` (for `train` where `test=` names another file).
        split: Which split to read.
        mean: As for `normalisation`; a file name that contains cifar10, cifar100, fashion or mnist implies
            the usual constants of that set for uint8 images.
        std: Likewise.
        others: For other splits, their file, as it is or beside `path`: `train="train.npz"`.

    Returns:
        The set.

    Raises:
        LandscapeError: If the file or the split is missing, or the file does not hold such arrays.
    """
    path = Path(path)
    for name, other in others.items():
        if not isinstance(other, str) or not other.lower().endswith(".npz"):
            raise LandscapeError(
                f"{path.name} takes mean=, std= and, for another split, a file such as train='train.npz', "
                f"not {name}={other!r}"
            )
    if split in others:
        path = next((p for p in (Path(others[split]), path.parent / others[split]) if p.exists()), Path(others[split]))
        images, labels = _read(path, split, True)
    else:
        images, labels = _read(path, split, split == ("train" if "test" in others else "test"))
    usual = _usual(path.name, images)
    notes = () if usual == "none" else (f"the file name {path.name!r} is taken to mean {usual} images",)
    loaded = image_set(images, labels, name=path.name, split=split, mean=mean, std=std, usual=usual, notes=notes)
    return dataclasses.replace(loaded, assumed=(*notes, *loaded.assumed)) if loaded.assumed else loaded


def _read(path: Path, split: str, whole: bool) -> tuple[NDArray[Any] | Rows, NDArray[Any]]:
    """Images and labels of a split; `whole` if `images` and `labels` without prefix are that split."""
    if not path.is_file():
        raise LandscapeError(f"there is no file {str(path)!r}; name a .npz file with arrays 'images' and 'labels'")
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise LandscapeError(f"{path.name} holds a single array; save it with np.savez(images=..., labels=...)")
            keys = set(file.files)
            for prefix in (f"{split}_", *([""] if whole else [])):
                if {f"{prefix}images", f"{prefix}labels"} <= keys:
                    images = stored_in_npz(path, f"{prefix}images")
                    return file[f"{prefix}images"] if images is None else images, file[f"{prefix}labels"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = (
            "its arrays hold Python objects" if "Object arrays" in str(error) else "it is damaged or of another kind"
        )
        raise LandscapeError(
            f"cannot read {path.name} as a .npz file: {reason}; save it with np.savez(images=..., labels=...)"
        ) from error
    if {"images", "labels"} <= keys:
        raise NoSplitsError(
            f"{path.name} holds one split, taken as 'test'; for {split!r} type \"{path.name}({split}='other.npz')\""
        )
    raise LandscapeError(
        f"{path.name} needs the arrays 'images' and 'labels', but holds {listed(sorted(keys)) or 'none'}"
    )


def _usual(file_name: str, images: NDArray[Any] | Rows) -> str:
    """The known set that a file name speaks of, if the images can be its; floats may be normalised already."""
    found = next((usual for pattern, usual in _USUAL_BY_NAME if re.search(pattern, file_name.lower())), "none")
    constants = CONSTANTS[found][0]
    channels = _layout(images, file_name)[0].shape[1]
    return found if constants and len(constants) == channels and images.dtype == np.uint8 else "none"
