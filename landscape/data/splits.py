"""The examples of a run: those of each split, in their fixed choice and order, and those for calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from landscape.data.batches import Batches
from landscape.data.calibration import SPLIT, load_calibration
from landscape.data.imageset import ImageSet
from landscape.data.loading import Opened, identity_of, open_split, parsed, settled
from landscape.errors import LandscapeError


@dataclass(frozen=True)
class Examples:
    """All the examples that a run uses.

    Attributes:
        source: What they were loaded from: a spec, or what a caller holds.
        batches: The examples of each split, which are evaluated.
        parts: The same, raw where the raw images are known.
        training: The whole training split, where it was kept for calibration.
        calibration: The training examples over which BatchNorm's statistics are recalibrated; None if not asked for.
        calibration_spec: How these are named in the job.
        low_memory: Whether nothing is kept in memory that can be read again.
        sizes: How many examples each split has in all.
    """

    source: Any
    batches: Mapping[str, Batches]
    parts: Mapping[str, ImageSet | Batches]
    training: Opened | None = None
    calibration: Batches | None = None
    calibration_spec: str = ""
    low_memory: bool = False
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def spec(self) -> str:
        """How the examples are named in the job."""
        return identity_of(self.source)

    @property
    def notes(self) -> tuple[str, ...]:
        """Whatever was assumed, each sentence once."""
        parts = (*self.batches.values(), *([self.calibration] if self.calibration else []))
        return tuple(dict.fromkeys(note for one in parts for note in one.notes))

    def calibrated(self, bn_data: Any, bn_samples: str) -> Examples:
        """Load the examples for calibration, too.

        Args:
            bn_data: Spec of the calibration data, or anything else that data may be; None for the training split of
                what is evaluated.
            bn_samples: Which of them.

        Returns:
            All the examples.

        Raises:
            LandscapeError: If there are no images for calibration, too few, or of another shape.
        """
        batches, spec = load_calibration(bn_data, self.source, self.parts, self.training, bn_samples, self.low_memory)
        return dataclasses.replace(self, calibration=batches, calibration_spec=spec)


def load_examples(
    data: Any, splits: Sequence[str], samples: str, keep_training: bool = False, low_memory: bool = False
) -> Examples:
    """Load the examples of each split.

    Args:
        data: Spec of the data, or a Dataset, DataLoader, iterable of batches, pair (inputs, targets) of arrays, or a
            mapping from splits to these.
        splits: Names of the splits.
        samples: Which examples of each.
        keep_training: Whether calibration may take its images from the training split: if that is evaluated, it is
            then kept whole, and not loaded a second time.
        low_memory: Whether to keep nothing in memory that can be read again.

    Returns:
        The examples, none of them for calibration yet.

    Raises:
        LandscapeError: If a split is missing, or one source would have to serve several.
    """
    if len(splits) > 1 and parsed(data) is None and not isinstance(data, Mapping):
        raise LandscapeError(
            f"one loader cannot be the splits {', '.join(splits)}: give a mapping from splits to loaders"
        )
    parts, sizes, training = {}, {}, None
    for split in splits:
        whole = _plain(open_split(data, split, low_memory))
        sizes[split] = len(whole)
        as_given = samples == "all" and parsed(data) is None
        parts[split] = settled(whole if as_given else whole.subset(samples), low_memory)
        # A whole set may be large.
        training = whole if keep_training and split == SPLIT else training
    batches = {
        split: part.batches(low_memory=low_memory) if isinstance(part, ImageSet) else part
        for split, part in parts.items()
    }
    return Examples(data, batches, parts, training, low_memory=low_memory, sizes=sizes)


def _plain(loaded: Opened) -> Opened:
    if isinstance(loaded, ImageSet) and loaded.augment != "none":
        raise LandscapeError(
            f"augment={loaded.augment!r} belongs to --bn-data, the images over which BatchNorm's statistics are "
            "recalibrated: leave it out of --data, whose images are evaluated as they are"
        )
    return loaded
