"""A self-test: a network with rescaled weights, which computes the same, has the same surface."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from landscape.api.asked import Range, grid_of, inputs_of, teller_of
from landscape.api.options import check_choices, refuse_unused
from landscape.types import Finding

if TYPE_CHECKING:
    from landscape.execution import Progress


def check_rescaling(
    factor: float,
    model: Any = None,
    data: Any = None,
    *,
    ckpt: str | Path | None = None,
    split: str = "test",
    samples: str | int = 200,
    loss: Any = "cross-entropy",
    x: Range = "-1:1:5",
    y: Range | None = None,
    bn_stats: str = "all",
    bn_data: Any = None,
    bn_samples: str | int | None = None,
    device: str = "auto",
    trust: bool = False,
    progress: bool | Progress = True,
) -> list[Finding]:
    """Check that a network with rescaled weights, which computes the same, has the same surface under every policy.

    Args:
        factor: What weights are multiplied with, positive and not 1.
        model: As for `compute`, and so are all that follow.
        data: The data.
        ckpt: A checkpoint file.
        split: Name of the split.
        samples: Which examples.
        loss: The loss.
        x: Coordinates along the first direction: a few.
        y: The same along the second; None for a line.
        bn_stats: Policies for BatchNorm's statistics.
        bn_data: The calibration data.
        bn_samples: Which of them; None for 500.
        device: Where to compute.
        trust: Whether a checkpoint may run code when it is loaded.
        progress: Whether to tell on stderr what goes on; or the object to tell.

    Returns:
        Findings: `RESCALE-EXACT` per policy, an error where the surfaces differ by more than 1e-4 relative, and
        `RESCALE-WEIGHTS`, what happens if only the weights before BatchNorms are multiplied.

    Raises:
        LandscapeError: If an input is wrong, or nothing in the network can be rescaled.
    """
    grid = grid_of(x, y)
    check_choices("filter", bn_stats, "fp32", "effective")
    refuse_unused(bn_stats, bn_data=bn_data, bn_samples=bn_samples)
    from landscape.evaluation import strict_arithmetic
    from landscape.execution.preparation import Settings
    from landscape.execution.randomness import random_states_kept
    from landscape.execution.rescaling import rescaling

    calibration = "500" if bn_samples is None else str(bn_samples)
    settings = Settings(loss=loss, samples=str(samples), bn_stats=bn_stats, bn_samples=calibration, device=device)
    with strict_arithmetic(), random_states_kept():
        inputs = inputs_of(model, data, ckpt, (split,), settings, bn_data, trust)
        return rescaling(inputs, grid, settings, factor, teller_of(progress))
