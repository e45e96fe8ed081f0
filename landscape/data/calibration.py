"""The images over which BatchNorm's statistics are estimated anew: training images, prepared as for training."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landscape.data.batches import Batches, as_array
from landscape.data.imageset import ImageSet
from landscape.data.indexed import Indexed
from landscape.data.loading import DATASETS, Opened, identity_of, open_data, open_split, parsed, settled
from landscape.data.rows import chunks
from landscape.data.samples import NoSplitsError, shared
from landscape.errors import LandscapeError
from landscape.registry import Spec

SPLIT = "train"
FEWEST = 4


def load_calibration(
    bn_data: Any,
    data: Any,
    evaluated: Mapping[str, ImageSet | Batches],
    training: Opened | None,
    samples: str,
    low_memory: bool = False,
) -> tuple[Batches, str]:
    """Load the calibration images for `recalibrate`.

    A network has one normalisation: images whose mean and std are not given take those of the images that are
    evaluated. They come in the order of the fixed permutation, so that batches of them are alike.

    Args:
        bn_data: Spec of the calibration data, or anything that `load_split` takes: their training split is taken, or
            all where they are a single set; None for the training split of `data`.
        data: What is evaluated: a spec, or what a caller holds.
        evaluated: The examples that are evaluated, by split, raw where they are known so.
        training: The whole training split of `data`, where it is at hand: it serves if `bn_data` is None.
        samples: Which of the calibration images, as for `chosen`.
        low_memory: Whether to keep nothing in memory that can be read again.

    Returns:
        The chosen examples, with the digest of the raw images before augmentation and notes on what was assumed, and
        how they are named in the job.

    Raises:
        LandscapeError: If there are no training images, too few, or of another shape than what is evaluated.
    """
    source = data if bn_data is None else bn_data
    found, place = _training_split(data, training) if bn_data is None else _given(bn_data)
    like = next(iter(evaluated.values()))
    _check_shape(found, like)
    found, notes = _normalised(found, like, source)
    try:
        choice = found.subset(samples)
    except LandscapeError as error:
        raise LandscapeError(f"--bn-samples: {error}") from error
    _check_number(choice)
    part = settled(choice, low_memory)
    batches = part.batches(low_memory=low_memory) if isinstance(part, ImageSet) else part
    all_notes = (
        _described(part, len(found), place),
        *_cautions(part),
        *notes,
        *_overlaps(part, evaluated),
        *(f"calibration images: {note}" for note in batches.notes),
    )
    return dataclasses.replace(batches, notes=all_notes), identity_of(source)


def _training_split(data: Any, training: Opened | None) -> tuple[Opened, str]:
    """The training split of what is evaluated, and which part of it that is, in words."""
    if training is not None:
        return training, "train split"
    reason = "one loader is one split"
    if isinstance(data, str | Spec | Mapping):
        try:
            return open_split(data, SPLIT), "train split"
        except LandscapeError as error:
            reason = str(error)
    raise LandscapeError(
        "recalibrating BatchNorm's statistics needs training images, and the data that are evaluated have none: pass "
        f"--bn-data SPEC, for example --bn-data \"train.npz(augment='crop4-flip')\", or keep the checkpoint's own "
        f"statistics with --bn-stats frozen ({reason})"
    )


def _given(bn_data: Any) -> tuple[Opened, str]:
    """The training split of calibration data, or all of a single set, and which of both, in words."""
    spec = parsed(bn_data)
    if spec is None:
        return open_split(bn_data, SPLIT), "train split" if isinstance(bn_data, Mapping) else "all that was given"
    try:
        return open_data(spec, SPLIT), f"{spec.kwargs.get('split', SPLIT)} split"
    except NoSplitsError:
        if spec.target in DATASETS.names():
            raise
    path = Path(spec.target).expanduser()
    whole = "whole folder" if path.is_dir() else "whole file" if path.is_file() else "all that the function gives"
    return open_data(spec, "test"), whole


def _shape(examples: Opened) -> tuple[int, ...]:
    """Of a single input."""
    if isinstance(examples, Indexed):
        return tuple(examples.first()[0].shape[1:])
    return tuple((examples.images if isinstance(examples, ImageSet) else examples.inputs).shape[1:])


def _check_shape(found: Opened, like: ImageSet | Batches) -> None:
    shape, expected = _shape(found), _shape(like)
    if shape != expected:
        raise LandscapeError(
            f"the calibration images of {found.name} have shape {shape}, but those that are evaluated {expected}: "
            "name images of the same shape with --bn-data"
        )


def _check_number(part: Opened) -> None:
    if len(part) < FEWEST:
        raise LandscapeError(
            f"recalibration needs at least {FEWEST} images, for two halves of two, and --bn-samples takes {len(part)} "
            f"of {part.name}: ask for more, for example --bn-samples 1000, or give more with --bn-data"
        )


def _normalised(found: Opened, like: ImageSet | Batches, source: Any) -> tuple[Opened, tuple[str, ...]]:
    """The images with the mean and std of those that are evaluated, unless they were given their own; and a note."""
    if not isinstance(found, ImageSet) or not isinstance(like, ImageSet):
        ways = [one.preprocessing if isinstance(one, Batches) else one.preprocessing() for one in (found, like)]
        note = f"calibration images: {ways[0]}; those that are evaluated: {ways[1]}"
        return found, (note,) if ways[0] != ways[1] else ()
    constants, others = (found.mean, found.std), (like.mean, like.std)
    same = constants == others and found.images.dtype == like.images.dtype
    if _were_given(found, source):
        note = (
            f"calibration images: {found.preprocessing()}, as given; those that are evaluated: {like.preprocessing()}"
        )
        return found, () if same else (note,)
    if found.images.dtype != like.images.dtype:
        raise LandscapeError(
            f"the calibration images of {found.name} are {found.images.dtype} and those that are evaluated "
            f"{like.images.dtype}, so that mean and std of these do not suit them: give mean= and std= in --bn-data, "
            "'none' for images that are stored as the network takes them"
        )
    note = f"calibration images take mean and std of those that are evaluated: {like.preprocessing()}"
    return found.normalised(*others), () if same else (note,)


def _were_given(found: ImageSet, source: Any) -> bool:
    """Whether a user, or a user's function, chose mean and std of these images."""
    spec = parsed(source)
    if spec and {"mean", "std"} & spec.kwargs.keys():
        return True
    return not found.assumed and (found.mean is not None or found.std is not None)


def _described(part: ImageSet | Batches, number: int, place: str) -> str:
    what, how = (
        ("images", f"augment {part.augment}") if isinstance(part, ImageSet) else ("examples", "as they are given")
    )
    return f"statistics are recalibrated on {len(part):,} of the {number:,} {what} of {part.name} ({place}), {how}"


def _cautions(part: ImageSet | Batches) -> tuple[str, ...]:
    """What may bias the statistics."""
    if not isinstance(part, ImageSet):
        return ("the statistics of a network that was trained with augmentation are biased unless the loader augments",)
    if part.augment == "none":
        return (
            "the statistics of a network that was trained with augmentation come out biased on plain images: "
            "for crops and flips add augment='crop4-flip' to --bn-data",
        )
    darkest = min(float(images.min()) for images in chunks(part.images)) if part.images.dtype == np.float32 else 0.0
    if darkest < 0:
        return (f"the padding of {part.augment} is 0, which is not black in images with values down to {darkest:.4g}",)
    return ()


def _overlaps(part: ImageSet | Batches, evaluated: Mapping[str, ImageSet | Batches]) -> tuple[str, ...]:
    """Which of the calibration images are evaluated, too; the choice of both depends on the size of a set alone."""
    counts = {split: shared(_raw(part), _raw(one)) for split, one in evaluated.items()}
    what = "images" if isinstance(part, ImageSet) else "examples"
    return tuple(
        f"{count:,} of the {len(part):,} calibration {what} {'is' if count == 1 else 'are'} among the {split} {what} "
        f"that are evaluated: the {split} loss with recalibrated statistics is slightly favoured"
        for split, count in counts.items()
        if count
    )


def _raw(part: ImageSet | Batches) -> Iterator[NDArray[Any]]:
    """The images before augmentation, mean and std, as far as these are known, some at a time."""
    return chunks(part.images) if isinstance(part, ImageSet) else map(as_array, part.chunks())
