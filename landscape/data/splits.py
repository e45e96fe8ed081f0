"""The examples of a run: those of each split, in their fixed choice and order, and those for calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from landscape.data.batches import Batches
from landscape.data.calibration import SPLIT, load_calibration
from landscape.data.imageset import ImageSet
from landscape.data.loading import identity_of, load_split, parsed
from landscape.errors import LandscapeError


@dataclass(frozen=True)
class Examples:
    """All the examples that a run uses.

    Attributes:
        batches: The examples of each split, which are evaluated.
        spec: How they are named in the job.
        calibration: The training examples over which BatchNorm's statistics are recalibrated; None if not asked for.
        calibration_spec: How these are named in the job.
    """

    batches: Mapping[str, Batches]
    spec: str
    calibration: Batches | None = None
    calibration_spec: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Whatever was assumed, each sentence once."""
        parts = (*self.batches.values(), *([self.calibration] if self.calibration else []))
        return tuple(dict.fromkeys(note for one in parts for note in one.notes))


def load_examples(
    data: Any, splits: Sequence[str], samples: str, bn_data: Any = None, bn_samples: str | None = None
) -> Examples:
    """Load the examples of each split and, if asked for, those for calibration.

    Args:
        data: Spec of the data, or a Dataset, DataLoader, iterable of batches, pair (inputs, targets) of arrays, or a
            mapping from splits to these.
        splits: Names of the splits.
        samples: Which examples of each.
        bn_data: Spec of the calibration data, or anything else that `data` may be; None for the training split of
            `data`.
        bn_samples: Which examples of these; None to load none.

    Returns:
        The examples.

    Raises:
        LandscapeError: If a split is missing, one source would have to serve several, or there are no images for
            calibration.
    """
    if len(splits) > 1 and parsed(data) is None and not isinstance(data, Mapping):
        raise LandscapeError(
            f"one loader cannot be the splits {', '.join(splits)}: give a mapping from splits to loaders"
        )
    batches, evaluated = {}, {}
    for split in splits:
        whole = _plain(load_split(data, split))
        as_given = samples == "all" and parsed(data) is None
        part = whole if as_given else whole.subset(samples)
        batches[split] = part.batches() if isinstance(part, ImageSet) else part
        # A whole set may be large: it is kept only where calibration takes its images from it.
        evaluated[split] = whole if bn_samples and bn_data is None and split == SPLIT else part.subset("first:1")
    if bn_samples is None:
        return Examples(batches, identity_of(data))
    return Examples(batches, identity_of(data), *load_calibration(bn_data, data, evaluated, bn_samples))


def _plain(loaded: ImageSet | Batches) -> ImageSet | Batches:
    if isinstance(loaded, ImageSet) and loaded.augment != "none":
        raise LandscapeError(
            f"augment={loaded.augment!r} belongs to --bn-data, the images over which BatchNorm's statistics are "
            "recalibrated: leave it out of --data, whose images are evaluated as they are"
        )
    return loaded
