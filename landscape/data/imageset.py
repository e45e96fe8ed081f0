"""ImageSet: labelled images as they are stored, with the normalisation that their model expects."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landscape.data.augment import AUGMENTATIONS, augmented
from landscape.data.batches import Batches
from landscape.data.capacity import fits, in_words, kept_ready
from landscape.data.deferred import Deferred, Preparation, RawImages, Resident
from landscape.data.rows import Rows, chunks
from landscape.data.samples import chosen, digest_of
from landscape.errors import LandscapeError, listed
from landscape.registry import Spec


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images of one split.

    Attributes:
        images: Raw images, shape (N, C, H, W), uint8 or float32: an array, or rows that are read when they are needed.
        labels: Class of each image, shape (N,), int64, counted from 0.
        mean: Subtracted from each channel after uint8 is scaled to [0, 1]; None for nothing.
        std: Each channel is divided by it, after the mean; None for nothing.
        name: What the set is called.
        split: Which part of it this is.
        notes: Whatever was assumed, a sentence each.
        assumed: Those of the notes that are about a mean and std that nobody gave; empty where they were given.
        augment: Training augmentation of the raw images, a name of `AUGMENTATIONS`.
        index: Index of each image in the full set that this is a part of, shape (N,); None for 0 to N - 1.
    """

    images: NDArray[Any] | Rows
    labels: NDArray[np.int64]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    name: str = "images"
    split: str = "test"
    notes: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    augment: str = "none"
    index: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Check shapes, types and values.

        Raises:
            LandscapeError: If the set is empty, images and labels do not fit together, values are not finite,
                negative as labels, or of no use as mean or std, or the augmentation is unknown.
        """
        AUGMENTATIONS.get(Spec.parse(str(self.augment)).target)
        self._check_images()
        self._check_labels()
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != self.images.shape[1]:
                raise LandscapeError(
                    f"{name}= needs one number for each of the {self.images.shape[1]} channels of {self.name}, "
                    f"not {len(values)}: {values!r}"
                )
            if values is not None and not np.isfinite(values).all():
                raise LandscapeError(f"{name}= needs finite numbers, not {values!r}")
        if self.std is not None and min(self.std) <= 0:
            raise LandscapeError(f"std= needs positive numbers, not {self.std!r}")

    def _check_images(self) -> None:
        images = self.images
        if images.ndim != 4 or images.dtype not in (np.uint8, np.float32):
            raise LandscapeError(
                f"the images of {self.name} must be uint8 or float32 of shape (N, C, H, W), "
                f"not {images.dtype} of shape {images.shape}"
            )
        if images.size == 0:
            raise LandscapeError(f"{self.name} has no images (shape {images.shape}); at least one is needed")
        if images.dtype == np.float32 and not isinstance(images, Rows):
            self._check_finite()

    def _check_finite(self) -> None:
        images = self.images
        bad = np.flatnonzero(np.concatenate([~np.isfinite(part).all(axis=(1, 2, 3)) for part in chunks(images)]))
        if len(bad):
            raise LandscapeError(
                f"{len(bad)} of {len(images)} images of {self.name} contain NaN or infinite values "
                f"(images {listed(map(str, bad), 5)}); mend or remove them"
            )

    def _check_labels(self) -> None:
        labels = self.labels
        if labels.shape != (len(self.images),):
            raise LandscapeError(
                f"{self.name} needs one label for each of its {len(self.images)} images, "
                f"not labels of shape {labels.shape}"
            )
        if labels.dtype != np.int64:
            raise LandscapeError(f"the labels of {self.name} must be int64, not {labels.dtype}")
        if labels.min() < 0:
            raise LandscapeError(f"the labels of {self.name} must count from 0, but one is {labels.min()}")

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def subset(self, samples: str) -> ImageSet:
        """Choose images, in a fixed order that depends on the size of the set alone.

        Args:
            samples: `"all"` (a fixed permutation of the set), `"N"` (the first N of that permutation,
                so that a smaller choice is the beginning of a larger one), or `"first:N"` (the first N
                in the original order).

        Returns:
            The chosen images.
        """
        part = chosen(samples, len(self))
        index = part if self.index is None else self.index[part]
        images = self.images.taken(part) if isinstance(self.images, Rows) else self.images[part]
        return dataclasses.replace(self, images=images, labels=self.labels[part], index=index)

    def resident(self) -> ImageSet:
        """The same images, all of them in memory."""
        return dataclasses.replace(self, images=self.images[:]) if isinstance(self.images, Rows) else self

    def settled(self, low_memory: bool = False) -> ImageSet:
        """The same images, in memory if they belong there.

        Args:
            low_memory: Whether nothing belongs there that can be read again.

        Returns:
            The images themselves where they stay where they are, with a note that says so.
        """
        if not isinstance(self.images, Rows):
            return self
        if not low_memory and fits(self.images.nbytes):
            return self.resident()
        why = "--low-memory" if low_memory else f"{in_words(self.images.nbytes)} are too much for the free memory"
        note = f"the {self.split} images are read anew at every point ({why})"
        return dataclasses.replace(self, notes=(*self.notes, note))

    def normalised(self, mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> ImageSet:
        """The same images with another mean and std; notes on those that were assumed are dropped.

        Args:
            mean: Mean of each channel, or None for nothing.
            std: Standard deviation of each channel, or None for nothing.

        Returns:
            The set.
        """
        notes = tuple(note for note in self.notes if note not in self.assumed)
        return dataclasses.replace(self, mean=mean, std=std, notes=notes, assumed=())

    def digest(self) -> str:
        """sha256 over the raw images and labels, before augmentation, their types and shapes included."""
        return digest_of(self.images, self.labels)

    def preprocessing(self) -> str:
        """What `tensors` does to the raw images, exactly: equal text means equal preprocessing."""
        steps = [] if self.augment == "none" else [f"augment {Spec.parse(self.augment).identity()}"]
        steps += ["scaled to [0, 1]" if self.images.dtype == np.uint8 else "as stored"]
        steps += [f"{name} {values!r}" for name, values in (("mean", self.mean), ("std", self.std)) if values]
        return ", ".join(steps)

    def tensors(self, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
        """Augment, decode and normalise: (x / 255 - mean) / std for uint8, (x - mean) / std for floats.

        Args:
            device: Where the tensors go; the arithmetic is float32 there.

        Returns:
            Images, float32 (N, C, H, W), contiguous, and labels, int64 (N,).
        """
        raw = torch.tensor(augmented(self.augment, self.images[:], self._index()), device=device)
        return self._preparation().to(device)(raw), torch.tensor(self.labels, device=device)

    def batches(self, device: torch.device | str = "cpu", low_memory: bool = False) -> Batches:
        """The normalised images and labels on a device, with digest and preprocessing.

        Images in memory are normalised once, unless they would take too much as float32: then batch by batch, as those
        are that are not in memory. The numbers are the same to the bit.

        Args:
            device: Where they go.
            low_memory: Whether to normalise batch by batch in any case.

        Returns:
            The batches, in the order of this set.
        """
        inputs: Tensor | Deferred
        if not isinstance(self.images, Rows) and not low_memory and kept_ready(4 * self.images.size):
            inputs, labels = self.tensors(device)
        else:
            inputs, labels = self._deferred().to(device), torch.tensor(self.labels, device=device)
        return Batches(inputs, labels, self.name, self.digest(), self.preprocessing(), self.notes)

    def _deferred(self) -> Deferred:
        if not isinstance(self.images, Rows):
            images = np.require(augmented(self.augment, self.images, self._index()), requirements="W")
            return Deferred(Resident(torch.from_numpy(images)), torch.float32, self._preparation())
        if self.images.dtype == np.float32:
            self._check_finite()
        return Deferred(RawImages(self.images, self.augment, self._index()), torch.float32, self._preparation())

    def _preparation(self) -> Preparation:
        return Preparation.of_images(self.images.dtype, self.mean, self.std)

    def _index(self) -> NDArray[np.int64]:
        return np.arange(len(self)) if self.index is None else self.index
