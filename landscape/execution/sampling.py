"""How many examples are enough for the picture: `--samples auto`.

The same examples serve every point, so that the error of a surface's shape is that of the rise of the loss from the
trained weights. A picture shows it where it exceeds the distance between two contour lines.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from landscape.analysis.filling import interpolated
from landscape.analysis.geometry import point_levels
from landscape.analysis.scales import Scale, choose_scale
from landscape.data import up_to
from landscape.errors import LandscapeError
from landscape.evaluation import Sums, strict_arithmetic
from landscape.execution.device import failures_of_the_device
from landscape.execution.evaluators import evaluator_for
from landscape.execution.preparation import Settings
from landscape.execution.progress import Progress
from landscape.execution.resume import settled
from landscape.execution.setup import set_up
from landscape.inputs import Inputs
from landscape.parameters import preserved
from landscape.storage import check_writable
from landscape.types import FloatArray, Grid, Job

PILOT = 500
FEWEST = 100
LEVEL = 2  # of the lattice that the pilot is evaluated on: the trained weights, the ends, and what lies half-way


@dataclass(frozen=True)
class Pilot:
    """What a few examples say of a split.

    Attributes:
        examples: How many there are in all.
        losses: The loss at the points of the pilot, shape of the grid, NaN elsewhere.
        spreads: The standard deviation, over the examples, of the rise of the loss from the trained weights.
    """

    examples: int
    losses: FloatArray
    spreads: FloatArray

    def errors(self, number: int, grid: Grid) -> FloatArray:
        """The standard error of the rise with so many examples, in contour steps.

        Args:
            number: How many examples, drawn without replacement from all.
            grid: The points.

        Returns:
            One number for each point of the pilot whose loss is finite and not above what a figure shows.
        """
        return self.spread_in_steps(grid) * math.sqrt(max(1 / number - 1 / self.examples, 0.0))

    def needed(self, grid: Grid) -> int:
        """The fewest examples at which that error is below a contour step at every point of the pilot.

        Args:
            grid: The points.

        Returns:
            The number; all where the loss is finite nowhere.
        """
        spreads = self.spread_in_steps(grid)
        if not len(spreads):
            return self.examples
        # spread * sqrt(1 / n - 1 / N) < 1, solved for n.
        return math.floor(1 / (1 / max(float(spreads.max()), 1e-9) ** 2 + 1 / self.examples)) + 1

    def spread_in_steps(self, grid: Grid) -> FloatArray:
        """The standard deviations as multiples of the contour step at their points.

        Args:
            grid: The points.

        Returns:
            As for `errors`.
        """
        known = np.isfinite(self.losses)
        if not known.any():
            return np.empty(0)
        scale = expected_scale(self.losses, grid)
        shown = known & (self.losses <= scale.upper)
        return np.asarray(self.spreads[shown] / contour_steps(scale, self.losses[shown]), dtype=np.float64)


def with_enough(
    opened: Callable[[str], Inputs], grid: Grid, settings: Settings, progress: Progress
) -> tuple[Inputs, Settings]:
    """Choose how many examples are evaluated where that is left open, and open them.

    An earlier run that was left to choose has chosen.

    Args:
        opened: Gives model and data for a choice of samples.
        grid: The points.
        settings: Everything else.
        progress: Told what goes on.

    Returns:
        Model and data, and the settings with the choice in place.

    Raises:
        LandscapeError: If there is a single example, or something does not fit together.
    """
    if settings.samples != "auto":
        return opened(settings.samples), settings
    if settings.out is not None:
        check_writable(settings.out)
    samples = settled(settings).samples
    if samples != "auto":
        progress.say(f"--samples auto: {_counted(samples)}, as when {settings.out} was begun")
        return opened(samples), dataclasses.replace(settings, samples=samples)
    samples, note = _chosen(opened, grid, settings, progress)
    inputs = opened(samples)
    return dataclasses.replace(inputs, notes=(note, *inputs.notes)), dataclasses.replace(settings, samples=samples)


def _chosen(opened: Callable[[str], Inputs], grid: Grid, settings: Settings, progress: Progress) -> tuple[str, str]:
    """The choice, and what is said of it."""
    few = opened(up_to(PILOT))
    smallest = min(few.sizes.values())
    if smallest < 2:
        raise LandscapeError(
            "--samples auto estimates a standard error, and of a single example there is none: leave --samples out"
        )
    if smallest <= FEWEST:
        return "all", f"--samples auto: all examples, since {smallest} are few enough"
    points = int((point_levels(grid) <= LEVEL).sum())
    tried = ", ".join(f"{len(batches):,} {split}" for split, batches in few.batches.items())
    progress.say(f"--samples auto: evaluating a pilot of {tried} examples at {points} points")
    pilots = evaluate_pilot(few, grid, settings)
    number = rounded_up(max(FEWEST, *(pilot.needed(grid) for pilot in pilots.values())))
    how = f"(pilot: {tried} examples at {points} points)"
    if number >= smallest:
        return "all", f"--samples auto: all examples; fewer leave an error of a contour step or more {how}"
    error = max(float(error) for pilot in pilots.values() for error in pilot.errors(number, grid))
    of = " and ".join(f"{size:,} {split}" for split, size in few.sizes.items())
    return str(number), (
        f"--samples auto: {number:,} of {of} examples, at which the standard error of the rise is {_steps(error)} {how}"
    )


def evaluate_pilot(inputs: Inputs, grid: Grid, settings: Settings) -> Mapping[str, Pilot]:
    """Evaluate a few examples at a few points, in float32, under the first of the policies.

    Args:
        inputs: The network and the few examples.
        grid: The points; those of its coarsest lattices are evaluated.
        settings: How to evaluate.

    Returns:
        What they say of each split.
    """
    first = Job.policies_of(settings.bn_stats)[0]
    simple = dataclasses.replace(settings, precision="fp32", correct=False, adaptive=0.0, repeats=1, bn_stats=first)
    setup = set_up(inputs, grid, dataclasses.replace(simple, samples=up_to(PILOT), out=None, save_directions=False))
    measured: dict[int, Mapping[str, Sums]] = {}
    with failures_of_the_device(setup.device), strict_arithmetic(), preserved(setup.model):
        evaluator = evaluator_for(setup).evaluator
        evaluator.centre()
        for index in np.flatnonzero(point_levels(grid) <= LEVEL).tolist():
            sums = evaluator(grid.point(index)).sums
            measured[index] = {split: under[first] for split, under in sums.items()}
    return {split: _pilot_of(split, size, measured, grid) for split, size in inputs.sizes.items()}


def _pilot_of(split: str, size: int, measured: Mapping[int, Mapping[str, Sums]], grid: Grid) -> Pilot:
    losses, spreads = np.full(grid.size, np.nan), np.full(grid.size, np.nan)
    for index, sums in measured.items():
        one = sums[split]
        losses[index], spreads[index] = one.mean("loss"), one.stderr("loss_rise") * math.sqrt(one.count)
    losses[~np.isfinite(spreads)] = np.nan
    return Pilot(size, losses.reshape(grid.shape), spreads.reshape(grid.shape))


def expected_scale(losses: FloatArray, grid: Grid) -> Scale:
    """The scale that a figure of the whole grid would choose, from what a few points of it show.

    Args:
        losses: Losses at the points of the coarsest lattices, shape of the grid; NaN elsewhere.
        grid: The points.

    Returns:
        The scale of what is interpolated between them, in the logarithm where all are positive.
    """
    known = np.isfinite(losses)
    positive = bool((losses[known] > 0).all())
    heights = np.log10(losses, where=known, out=losses.copy()) if positive else losses
    filled, _ = interpolated(heights, known, grid)
    with np.errstate(over="ignore"):
        return choose_scale([10.0**filled if positive else filled])


def contour_steps(scale: Scale, losses: FloatArray) -> FloatArray:
    """The distance between the two contour levels on either side of each loss.

    Args:
        scale: The scale, with its levels.
        losses: Losses, shape (n,).

    Returns:
        Shape (n,); beyond the first and the last level, the distance to the next one.
    """
    levels = np.asarray(scale.levels)
    if len(levels) < 2:
        return np.full(losses.shape, scale.upper - scale.lower)
    above = np.clip(np.searchsorted(levels, losses, side="right"), 1, len(levels) - 1)
    return np.asarray(levels[above] - levels[above - 1], dtype=np.float64)


def rounded_up(number: int) -> int:
    """The next number of two significant digits, so that the last bits of a pilot do not matter."""
    unit = int(10 ** max(len(str(number)) - 2, 0))
    return -(-number // unit) * unit


def _steps(error: float) -> str:
    hundredths = math.ceil(100 * error)
    return "just below a contour step" if hundredths == 100 else f"at most {hundredths / 100} of a contour step"


def _counted(samples: str) -> str:
    return f"{int(samples):,} examples" if samples.isdigit() else f"{samples} examples"
