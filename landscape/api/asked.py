"""What was asked for, as the parts of a run: the grid, model and data, and who is told."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.api.options import ESTIMATING, check_examples
from landscape.errors import LandscapeError
from landscape.types import Axis, Grid, axis_of

if TYPE_CHECKING:
    from landscape.execution import Progress
    from landscape.execution.preparation import Settings
    from landscape.inputs import Inputs

Range = str | Sequence[float] | Axis


def inputs_of(
    model: Any,
    data: Any,
    ckpt: str | Path | None,
    splits: Sequence[str],
    settings: Settings,
    bn_data: Any,
    trust: bool,
    key: str | None = None,
) -> Inputs:
    """Model and data, from a checkpoint or from the caller's objects.

    Args:
        model: As for `landscape.compute`.
        data: The data.
        ckpt: A checkpoint file, or None.
        splits: Names of the splits.
        settings: What else was asked for.
        bn_data: The calibration data.
        trust: Whether a checkpoint may run code when it is loaded.
        key: Which weights of a checkpoint that holds several.

    Returns:
        Model and data.

    Raises:
        LandscapeError: If there are none, or they do not fit together.
    """
    if ckpt is None and (model is None or isinstance(model, str)):
        raise LandscapeError("give a checkpoint with --ckpt FILE (or, from Python, a model and its data)")
    if ckpt is None and data is None:
        raise LandscapeError("give the data that the loss is measured on: landscape.compute(model, loader)")
    from landscape.inputs import from_checkpoint, from_objects

    wanted = settings.bn_samples if settings.bn_stats in ESTIMATING else None
    more: dict[str, Any] = {"bn_data": bn_data, "bn_samples": wanted, "low_memory": settings.low_memory}
    if ckpt is None:
        inputs = from_objects(model, data, splits, settings.samples, **more)
    else:
        inputs = from_checkpoint(
            ckpt, model, data, splits, settings.samples, loss=settings.loss, trust=trust, key=key, **more
        )
    check_examples(inputs, settings.bn_stats)
    return inputs


def teller_of(progress: bool | Progress) -> Progress:
    """Who is told what goes on: stderr, nobody, or the object that was given."""
    from landscape.execution import Silent, progress_on

    if isinstance(progress, bool):
        return progress_on(sys.stderr) if progress else Silent()
    if not hasattr(progress, "say"):
        raise LandscapeError(f"progress is True, False or an object to tell what goes on, not {progress!r}")
    return progress


def grid_of(x: Range, y: Range | None) -> Grid:
    """Read the axes of a grid.

    Args:
        x: Coordinates along the first direction.
        y: Those along the second; None or `"none"` for a line.

    Returns:
        The grid.

    Raises:
        LandscapeError: If they cannot be read.
    """
    axes = [axis_of(x)]
    if y is not None and y != "none":
        axes.append(axis_of(y))
    return Grid(tuple(axes))
