"""Which options mean something, and which of them go together; what does not is refused before anything is loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from landscape.errors import LandscapeError
from landscape.types import POLICIES, PRECISIONS

if TYPE_CHECKING:
    from landscape.inputs import Inputs

RESERVED = ("x", "y", "repeat", "bn", "directions", "statistics", "trajectory", "curvature")
ESTIMATING = ("recalibrate", "all")


def split_names(split: str | Sequence[str]) -> tuple[str, ...]:
    """Read the names of splits, which become names of groups in the file, beside `x`, `y` and `directions`.

    Args:
        split: A name, or several.

    Returns:
        The names.

    Raises:
        LandscapeError: If there is none, one is there twice, or one cannot be the name of a group.
    """
    splits = (split,) if isinstance(split, str) else tuple(split)
    for name in splits:
        if not re.fullmatch(r"[\w-]+", name) or name in RESERVED:
            raise LandscapeError(
                f"a split's name is letters, digits, - and _, and none of {', '.join(RESERVED)}, not {name!r}"
            )
    if not splits or len(set(splits)) < len(splits):
        raise LandscapeError(f"give each split once, for example --split test, not {', '.join(splits) or 'none'}")
    return splits


def check_numbers(seed: Any, batch_size: Any) -> None:
    """Refuse a seed or a batch size that is no number.

    Args:
        seed: A whole number.
        batch_size: `"auto"` or a positive one.

    Raises:
        LandscapeError: If they are something else.
    """
    if not isinstance(seed, int):
        raise LandscapeError(f"the seed is a whole number, not {seed!r}")
    if batch_size != "auto" and (not isinstance(batch_size, int) or batch_size < 1):
        raise LandscapeError(f"the batch size is 'auto' or a positive whole number, not {batch_size!r}")


def check_out(out: Any) -> None:
    """Refuse what is no name of a file.

    Args:
        out: A path, or None.

    Raises:
        LandscapeError: If it is something else.
    """
    if not (out is None or isinstance(out, str | os.PathLike)):
        raise LandscapeError(f"out is the path of the surface's file, for example 'model.h5', not {out!r}")


def check_counts(repeats: Any, bn_batch_size: Any) -> None:
    """Refuse numbers of draws, or of examples in a batch, that mean nothing.

    Args:
        repeats: A positive whole number.
        bn_batch_size: None, or a whole number from 2 on.

    Raises:
        LandscapeError: If they are something else.
    """
    if not isinstance(repeats, int) or repeats < 1:
        raise LandscapeError(f"--repeats is a positive whole number, for example 8, not {repeats!r}")
    if bn_batch_size is not None and (not isinstance(bn_batch_size, int) or bn_batch_size < 2):
        raise LandscapeError(f"--bn-batch-size needs two examples or more to have a variance, not {bn_batch_size!r}")


def check_folding(normalize: str, perturb: str, bn_stats: str, directions: str) -> None:
    """Refuse to fold BatchNorm where that makes no difference, or the statistics are needed.

    Args:
        normalize: Name of the normalizer.
        perturb: What moves.
        bn_stats: The policies for BatchNorm's statistics.
        directions: Where the directions come from.

    Raises:
        LandscapeError: If so.
    """
    if bn_stats != "frozen":
        raise LandscapeError(
            f"--fold-bn folds the checkpoint's own statistics into the weights, and --bn-stats {bn_stats} needs them "
            "apart: leave one of the two out"
        )
    if directions == "random" and normalize == "filter" and perturb == "weights":
        raise LandscapeError(
            "--fold-bn changes nothing where filter-normalised weights alone are perturbed under frozen statistics, "
            "except for the signs of the draws (gamma's, filter by filter): leave it out, or use another --normalize "
            "or --perturb weights+bias"
        )


def check_choices(normalize: str, bn_stats: str, precision: str, parametrization: str, evaluator: str = "auto") -> None:
    """Refuse names that are not known.

    Args:
        normalize: Name of the normalizer.
        bn_stats: Policy for BatchNorm's statistics.
        precision: Arithmetic of the forward pass.
        parametrization: Which weights are perturbed.
        evaluator: How the network is evaluated.

    Raises:
        LandscapeError: If one is unknown.
    """
    from landscape.directions.normalize import NORMALIZERS

    NORMALIZERS.get(normalize)
    for name, value, known in (
        ("bn_stats", bn_stats, (*POLICIES, "all")),
        ("precision", precision, (*PRECISIONS, "auto")),
        ("parametrization", parametrization, ("effective", "raw")),
        ("evaluator", evaluator, ("auto", "eager", "compiled")),
    ):
        if value not in known:
            raise LandscapeError(f"{name} is {' or '.join(known)}, not {value!r}")


def check_precision(precision: str, tolerance: Any, correct: bool) -> None:
    """Refuse a tolerance or a correction that would be ignored, or a tolerance that is no fraction.

    Args:
        precision: Arithmetic of the forward pass.
        tolerance: The largest relative error of `auto`, or None.
        correct: Whether a part of the examples is evaluated in fp32, too.

    Raises:
        LandscapeError: If so.
    """
    if tolerance is not None and precision != "auto":
        raise LandscapeError(
            f"--tolerance is what --precision auto may err by, and has no effect with --precision {precision}: leave "
            "it out, or use --precision auto"
        )
    if tolerance is not None and not (isinstance(tolerance, int | float) and 0 < tolerance < 1):
        raise LandscapeError(f"--tolerance is a relative error between 0 and 1, for example 0.01, not {tolerance!r}")
    if correct and precision == "fp32":
        raise LandscapeError("--correct corrects a lower precision, and --precision fp32 needs none: leave it out")


def check_adaptive(adaptive: Any) -> None:
    """Refuse a tolerance for refinement that is no fraction.

    Args:
        adaptive: The tolerance as a fraction of the plotted range, or None.

    Raises:
        LandscapeError: If it is something else.
    """
    if adaptive is not None and not (isinstance(adaptive, int | float) and 0 < adaptive < 1):
        raise LandscapeError(
            f"--adaptive is a fraction of the plotted range between 0 and 1, for example 0.02, not {adaptive!r}"
        )


def refuse_unused(bn_stats: str, **given: Any) -> None:
    """Refuse options of policies for BatchNorm's statistics that are not evaluated.

    Args:
        bn_stats: The policies that are.
        given: `bn_data`, `bn_samples`, `bn_layers`, which belong to recalibration, and `bn_batch_size`, which belongs
            to every policy but `frozen`; None or False where they were not given.

    Raises:
        LandscapeError: If one would be ignored.
    """
    unused = [
        f"--{name.replace('_', '-')}"
        for name, value in given.items()
        if value is not None and value is not False and bn_stats not in _serving(name)
    ]
    if unused:
        has, it = ("has", "it") if len(unused) == 1 else ("have", "them")
        other = "batch or recalibrate" if unused == ["--bn-batch-size"] else "recalibrate"
        raise LandscapeError(
            f"{' and '.join(unused)} {has} no effect with --bn-stats {bn_stats}: leave {it} out, or choose --bn-stats "
            f"{other}"
        )


def _serving(option: str) -> Sequence[str]:
    """The policies for which an option means something."""
    return ("batch", *ESTIMATING) if option == "bn_batch_size" else ESTIMATING


def check_examples(inputs: Inputs, bn_stats: str) -> None:
    """Refuse to take the statistics of a batch of one.

    Args:
        inputs: The network, and what is evaluated.
        bn_stats: The policies for BatchNorm's statistics.

    Raises:
        LandscapeError: If a split has a single example, and the network takes the statistics of its batches.
    """
    from landscape.evaluation import statistics_layers

    alone = [split for split, batches in inputs.batches.items() if len(batches) < 2]
    if alone and bn_stats in ("batch", "all") and statistics_layers(inputs.model):
        raise LandscapeError(
            f"the statistics of a batch need two examples or more, and of {alone[0]} there is one: ask for more with "
            "--samples, or for --bn-stats frozen"
        )
