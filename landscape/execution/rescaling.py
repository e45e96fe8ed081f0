"""A self-test: weights that are rescaled without changing the network must not change its surface."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from torch import nn

from landscape.evaluation import statistics_layers
from landscape.execution.preparation import Settings
from landscape.execution.progress import Progress, Silent
from landscape.execution.session import compute_surface
from landscape.inputs import Inputs
from landscape.models.rescaling import rescaled
from landscape.parameters import effective
from landscape.types import Finding, Grid, Surface

TOLERANCE = 1e-4


def rescaling(inputs: Inputs, grid: Grid, settings: Settings, factor: float, progress: Progress) -> list[Finding]:
    """Compare the surface of a network with those of rescaled copies, under each policy.

    Filter normalization is to make a picture independent of the scale of the weights (Dinh et al. 2017,
    arXiv:1703.04933; Li et al. 2018, arXiv:1712.09913, section 3). An exact reparametrization, see
    `landscape.models.rescaling.rescaled`, has to leave the surface as it is. Multiplying the weights before a BatchNorm
    alone leaves the network as it is only under the statistics of the batch: under frozen statistics it is another one.

    Args:
        inputs: Model and data.
        grid: The points, a few.
        settings: Policies and everything else.
        factor: What weights are multiplied with.
        progress: Told what goes on.

    Returns:
        For each policy a finding of code `RESCALE-EXACT`, an error above 1e-4, and, where there is a BatchNorm, a note
        `RESCALE-WEIGHTS`.

    Raises:
        LandscapeError: If the factor is unfit, or nothing in the network can be rescaled.
    """
    model = effective(inputs.model)
    exact, what = rescaled(model, factor)
    for line in (*inputs.notes, *what):
        progress.say(line)

    def surface(network: nn.Module) -> Surface:
        return compute_surface(dataclasses.replace(inputs, model=network), grid, settings, Silent())

    original, copy = surface(model), surface(exact)
    found = [_exact(policy, factor, *pair) for policy, *pair in _pairs(original, copy)]
    if statistics_layers(model):
        weights = surface(rescaled(model, factor, exact=False)[0])
        found += [_weights(policy, factor, *pair) for policy, *pair in _pairs(original, weights)]
    return found


def _pairs(one: Surface, other: Surface) -> Iterator[tuple[str, Surface, Surface]]:
    return ((policy, one.sel(bn=policy), other.sel(bn=policy)) for policy in one.policies)


def _apart(one: Surface, other: Surface) -> float:
    """The largest difference of a loss, relative; two that are equally not finite do not differ."""
    first, second = one["loss"], other["loss"]
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore"):
        apart = np.abs(first - second) / np.maximum(np.abs(first), np.abs(second))
    return float(np.where(same, 0.0, np.nan_to_num(apart, nan=np.inf)).max())


def _exact(policy: str, factor: float, one: Surface, other: Surface) -> Finding:
    apart = _apart(one, other)
    kept = apart <= TOLERANCE
    text = f"{policy}: rescaled exactly by {factor:g}, losses differ by at most {apart:.1e} relative over the grid"
    return Finding(
        "RESCALE-EXACT",
        "ok" if kept else "error",
        text if kept else f"{text}: the surface depends on the scale of the weights; do not compare it with others",
        {"difference": apart},
    )


def _weights(policy: str, factor: float, one: Surface, other: Surface) -> Finding:
    apart = _apart(one, other)
    centre = abs(other.centre[other.splits[0]]["loss"] - one.centre[one.splits[0]]["loss"])
    why = (
        "no reparametrization: the running statistics stay behind"
        if policy == "frozen"
        else "the statistics follow the weights"
    )
    return Finding(
        "RESCALE-WEIGHTS",
        "note",
        f"{policy}: with the weights before BatchNorms alone times {factor:g}, losses differ by up to {apart:.1e} "
        f"relative ({centre:.2g} at the trained weights): {why}",
        {"difference": apart},
    )
