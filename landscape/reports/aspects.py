"""What there is to say of how a surface was made, aspect by aspect, as sentences with citations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

import numpy as np

from landscape.reports.bibliography import (
    BATCHNORM,
    FILTERS,
    LINES,
    PLANES,
    PYTORCH,
    RECALIBRATION,
    Publication,
)
from landscape.types import FloatArray, Surface
from landscape.types.job import UNKNOWN
from landscape.types.surface import STATISTICS

Said = tuple[str, str, str]  # a sentence: what may differ between surfaces of one kind stands in the middle
_FILTERWISE = {
    "filter": "filter by filter to the norm of the filter that it moves",
    "layer": "layer by layer to the norm of the layer that it moves",
    "weight": "weight by weight, by multiplication with the weight that it moves",
    "dfilter": "filter by filter to norm 1",
    "dlayer": "layer by layer to norm 1",
}
_UNITS = {
    "filter": "1 on an axis is a perturbation of every filter as long as the filter itself",
    "layer": "1 on an axis is a perturbation of every layer as long as the layer itself",
    "weight": "1 on an axis multiplies every weight by 1 plus a standard normal number",
    "dfilter": "1 on an axis is a perturbation of every filter by a vector of norm 1",
    "dlayer": "1 on an axis is a perturbation of every layer by a vector of norm 1",
    "none": "1 on an axis adds a standard normal number to every weight",
}
_LOSSES = {"cross-entropy": "cross-entropy loss", "mse": "mean squared error"}


def _question(surface: Surface) -> Iterator[Said]:
    """What was measured, on how much, where."""
    job, axes = surface.job, surface.grid.axes
    loss = "loss" if job.loss == UNKNOWN else _LOSSES.get(job.loss, f"loss {job.loss}")
    splits = listed([_examples(surface, split) for split in surface.splits])
    data = "" if job.data == UNKNOWN else f" of {job.data}"
    subset = f" ({'the first of them' if job.samples.startswith('first') else 'a fixed random subset'})"
    shape = " × ".join(f"{size}" for size in surface.grid.shape)
    ranges = listed(
        [
            f"{letter} from {_signed(axis.values[0])} to {_signed(axis.values[-1])}"
            for letter, axis in zip("αβ", axes, strict=False)
        ]
    )
    network = job.checkpoint if job.checkpoint != "object" else "a network"
    yield (
        f"We measured the {loss} on {splits}{data}{subset if _is_subset(job.samples) else ''}, in a "
        f"{'plane' if len(axes) > 1 else 'line'} through the trained weights of ",
        network + ("" if job.model == UNKNOWN else f" ({job.model})"),
        f": at {shape} points, {ranges}.",
    )


def _is_subset(samples: str) -> bool:
    return samples != "all" and not samples.startswith(UNKNOWN)


def _examples(surface: Surface, split: str) -> str:
    counts = surface[f"{split}/count"]
    counts = counts[counts > 0]
    if not counts.size or not surface.job.counted:
        return f"the {split} split"
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,} {'' if low == high else f'to {high:,} '}{split} examples"


def _directions(surface: Surface) -> Iterator[Said]:
    """Where the directions come from, what they move, and what 1 on an axis is."""
    job = surface.job
    if job.directions.startswith("to("):
        yield "The line runs, in all parameters, to ", job.directions[3:-1], f", at 1 {cited(LINES)}."
    elif job.directions.startswith("plane("):
        others = listed([name.strip() for name in job.directions[6:-1].split(",")])
        yield "The plane runs, in all parameters, through ", others, f", at 1 on its axes {cited(PLANES)}."
    elif job.directions not in {"random", UNKNOWN}:
        yield "The directions are those of the file ", PurePath(job.directions).name, ", taken as they are."
    elif job.directions == "random":
        yield _drawn(surface), "", ""
        yield _moved(surface), "", ""
        yield from _cosines(surface)


def _drawn(surface: Surface) -> str:
    job = surface.job
    many = "The two directions were" if len(surface.grid.axes) > 1 else "The direction was"
    draws = f", {job.repeats} times independently," if job.repeats > 1 else ""
    which = f" (draw {job.repeat})" if job.repeat else ""
    scaled = _FILTERWISE.get(job.normalize, f"by {job.normalize}")
    source = f" {cited(FILTERS)}" if job.normalize in {"filter", "layer", "weight"} else ""
    normalised = "not normalised" if job.normalize == "none" else f"normalised {scaled}{source}"
    unit = f"; {_UNITS[job.normalize]}" if job.normalize in _UNITS else ""
    seed = f"with the seed {job.seed}{which}"
    return f"{many} drawn{draws} from a standard normal distribution {seed} and {normalised}{unit}."


def _moved(surface: Surface) -> str:
    moved = {
        "weights": "Weights were perturbed; biases and the parameters of normalization layers were not",
        "weights+bias": "Weights and biases were perturbed; the parameters of normalization layers were not",
        "all": "All parameters were perturbed",
    }
    materialised = surface.provenance.get("materialised")
    outside = ", and the weights left the set that their parametrization can express" if materialised else ""
    folded = "; BatchNorm had been folded into the weights" if surface.job.fold_bn else ""
    return f"{moved.get(surface.job.perturb, f'What was perturbed: {surface.job.perturb}')}{folded}{outside}."


def _cosines(surface: Surface) -> Iterator[Said]:
    one = surface.provenance.get("cosine")
    told = [each for each in surface.provenance.get("cosines", [one]) if each is not None]
    if not told or len(surface.grid.axes) < 2:
        return
    if len(told) == 1:
        yield "The cosine between the two directions is ", _signed(told[0], ".2g"), "."
    else:
        yield "The cosine between the two directions of a draw is, in size, at most ", f"{max(map(abs, told)):.2g}", "."


def _statistics(surface: Surface) -> Iterator[Said]:
    """The policies for BatchNorm's statistics."""
    job = surface.job
    if surface.provenance.get("statistics_layers") == 0 or job.directions == UNKNOWN:
        return
    said = {
        "frozen": "those of the checkpoint at every point (frozen)",
        "batch": f"those of each batch of {job.bn_batch_size:,} examples (batch)",
        "recalibrate": f"estimated anew at every point from {_calibration(surface)}, in batches of "
        f"{job.bn_batch_size:,}, as is done for averaged weights {cited(RECALIBRATION)} (recalibrate)",
    }
    ways = [said[policy] for policy in surface.policies]
    apart = ", in surfaces of their own," if len(ways) > 1 else ""
    yield f"The statistics of BatchNorm {cited(BATCHNORM)} were{apart} ", listed(ways), "."


def _calibration(surface: Surface) -> str:
    first, _, digits = surface.job.bn_samples.rpartition(":")
    number = f"{int(digits):,}" if digits.isdigit() else "all"
    augmented = surface.job.bn_preprocessing.partition(",")[0]
    how = augmented.removeprefix("augment ") if augmented.startswith("augment ") else "no augmentation"
    source = surface.job.bn_data.partition("(")[0] or surface.job.data.partition("(")[0]
    return f"{'the first ' if first else ''}{number} images of {PurePath(source).name} ({how})"


def _drift(surface: Surface) -> Iterator[Said]:
    values, below = (_finite(surface, f"{STATISTICS}{name}") for name in ("drift", "drift_floor"))
    if values.size:
        least = f" ({below.max():.2g} between halves of the calibration images)" if below.size else ""
        yield (
            "The drift of BatchNorm's statistics, the Kullback-Leibler divergence between those estimated anew and the "
            "checkpoint's, as Gaussians, in the mean of both ways over channels, is at most ",
            f"{values.max():.2g} nats{least}",
            ".",
        )


def _finite(surface: Surface, name: str) -> FloatArray:
    values = np.asarray(surface[name], dtype=np.float64) if name in surface else np.empty(0)
    return values[np.isfinite(values)]


def _centre(surface: Surface) -> Iterator[Said]:
    """What the trained weights measure."""
    told = []
    for split in surface.splits:
        centre = surface.centre.get(split, {})
        for index, policy in enumerate(surface.policies):
            own = {name: np.ravel(value)[min(index, np.size(value) - 1)] for name, value in centre.items()}
            if "loss" in own:
                under = f", {policy}" if len(surface.policies) > 1 else ""
                told.append(_measured(own, f"{split}{under}"))
    if told:
        error = " (± one standard error)" if any("±" in one for one in told) else ""
        yield f"At the trained weights the loss{error} is ", listed(told), "."


def _measured(own: dict[str, float], where: str) -> str:
    error = f" ± {own['loss_stderr']:.2g}" if "loss_stderr" in own else ""
    accuracy = f" and the accuracy {100 * own['accuracy']:.2f} %" if "accuracy" in own else ""
    return f"{own['loss']:.4g}{error}{accuracy} ({where})"


def _errors(surface: Surface) -> Iterator[Said]:
    found = _finite(surface, f"{surface.splits[0]}/loss_rise_stderr")
    if found.size:
        yield (
            "The same examples serve every point: the standard error of a rise over the trained weights is that of the "
            "differences example by example, ",
            f"{np.median(found):.2g} in the median over the points and at most {found.max():.2g}",
            ".",
        )


def _sampling(surface: Surface) -> Iterator[Said]:
    """How much of the grid was measured."""
    counts = surface[f"{surface.splits[0]}/count"]
    done = f"{int((counts > 0).sum()):,} of {counts.size:,}"
    if surface.job.adaptive:
        told = [one["rms"] for one in surface.provenance.get("adaptive", ()) if one.get("rms") is not None]
        error = f", with an RMS error of about {100 * max(told):.2g} % of the range" if told else ""
        yield (
            f"Points were added where neighbours do not predict them, to a tolerance of {surface.job.adaptive:g} of "
            "the range of the picture: ",
            f"{done} were measured, and the others interpolated{error}",
            ".",
        )
    elif not surface.complete:
        yield "The run is not finished: ", done, " points are measured."


def _arithmetic(surface: Surface) -> Iterator[Said]:
    """The precision of the forward pass, with its measured error, and the versions."""
    imported, versions = (surface.provenance.get(name, {}) for name in ("imported", "versions"))
    if imported.get("file"):
        yield "The values were imported from ", PurePath(imported["file"]).name, "."
    if surface.job.precision != UNKNOWN:
        made = f" by landscape {versions['landscape']}" if "landscape" in versions else ""
        made += f" with PyTorch {versions['torch']} {cited(PYTORCH)}" if "torch" in versions else ""
        machine = surface.provenance.get("machine", "")
        place = f" on {machine}" if machine else ""
        yield (
            f"The numbers were computed{made} and summed in float64{place}; the precision of the networks is ",
            (surface.arithmetic),
            ".",
        )


ASPECTS: tuple[Callable[[Surface], Iterator[Said]], ...] = (
    _question,
    _directions,
    _statistics,
    _drift,
    _centre,
    _errors,
    _sampling,
    _arithmetic,
)


def cited(publication: Publication) -> str:
    """A publication in parentheses, as it is cited in a sentence."""
    return f"({publication.cited})"


def listed(words: Sequence[str]) -> str:
    """Words with commas, and `and` before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _signed(value: float, digits: str = "g") -> str:
    return f"{value:{digits}}".replace("-", "\N{MINUS SIGN}")
