"""Verdicts on a surface, each with a code, a number and what to do about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from landscape.analysis.coverage import complete, interpolated, unstated
from landscape.analysis.filling import filled
from landscape.analysis.scales import choose_scale
from landscape.types import Finding, FloatArray, Surface

MANY = 0.5
FEW = 0.1
CROOKED = 0.1
FEWEST_POINTS = 8
BIASED = 3
STATISTICS_WORDS = {"frozen": "frozen", "batch": "each batch's", "recalibrate": "recalibrated"}
ALL_WELL = Finding("ALL-WELL", "ok", "nothing was found that would mislead a reader of the picture")


def check(surface: Surface) -> list[Finding]:
    """Judge a surface, split by split; policy by policy and repeat by repeat.

    Args:
        surface: What to judge.

    Returns:
        The findings, at least one; `ALL-WELL` where nothing is wrong.
    """
    surface = filled(surface)
    per_policy = {policy: _over_repeats(surface.sel(bn=policy)) for policy in surface.policies}
    found: dict[tuple[str, str], Finding] = {}
    for policy, findings in per_policy.items():
        for finding in findings:
            shared = len(per_policy) == 1 or all(finding in others for others in per_policy.values())
            text = finding.text if shared else f"with {STATISTICS_WORDS[policy]} statistics, {finding.text}"
            found[finding.code, text] = dataclasses.replace(finding, text=text)
    if all(finding.level == "ok" for finding in found.values()):
        return [*found.values(), ALL_WELL]
    return list(found.values())


def _over_repeats(surface: Surface) -> list[Finding]:
    """The findings under one policy; of those that not all draws of the directions share, the first with its draw."""
    groups: dict[tuple[object, ...], dict[int, Finding]] = {}
    for repeat in range(surface.repeats):
        plain = surface.sel(repeat=repeat)
        for rule in (*RULES, _directions):
            for split in surface.splits:
                # A rule that says several things of a split says them in one order, whatever the draw.
                for place, finding in enumerate(rule(plain, split)):
                    groups.setdefault((rule, split, finding.code, place), {})[repeat] = finding
    return [_of_draws(group, surface.repeats) for group in groups.values()]


def _of_draws(group: Mapping[int, Finding], repeats: int) -> Finding:
    """What is said of some draws: as it is where all are alike, else that of the first, and in how many it is so."""
    first, finding = next(iter(group.items()))
    if len(group) == repeats and len({one.text for one in group.values()}) == 1:
        return finding
    text = f"in draw {first} of the directions, {finding.text} (so in {len(group)} of {repeats} draws)"
    return dataclasses.replace(finding, text=text)


def _finite(surface: Surface, split: str) -> Iterator[Finding]:
    loss = surface[f"{split}/loss"]
    bad = int((surface.done(split) & ~np.isfinite(loss)).sum())
    if not np.isfinite(_centre(surface, split, "loss")) and _tells_centre(surface, split):
        yield Finding("NON-FINITE-CENTRE", "error", f"the {split} loss at the trained weights is not finite")
    elif bad:
        yield Finding(
            "NON-FINITE",
            "warning",
            f"{bad:,} of {surface.grid.size:,} points have no finite {split} loss; they are hatched in the figures",
            {"points": bad},
        )


def _minimum(surface: Surface, split: str) -> Iterator[Finding]:
    """The centre is not the minimum: a lower point, by more than two standard errors of the difference."""
    measured = surface[f"{split}/count"] > 0
    loss, centre = np.where(measured, _finite_loss(surface, split), np.nan), _centre(surface, split, "loss")
    if np.isnan(loss).all() or not np.isfinite(centre):
        return
    lowest = int(np.nanargmin(loss))
    drop = centre - loss.flat[lowest]
    error = _errors(surface, split).flat[lowest]
    if drop > 2 * error and drop > 1e-6 * abs(centre):
        point = ", ".join(f"{value:.3g}" for value in surface.grid.point(lowest))
        yield Finding(
            "CENTRE-NOT-MINIMUM",
            "warning",
            f"the {split} loss at ({point}) is {drop:.3g} +- {error:.1g} below that of the trained weights "
            f"({centre:.4g}): they are no minimum in this plane on these examples",
            {"drop": drop, "stderr": float(error)},
        )


def _range(surface: Surface, split: str) -> Iterator[Finding]:
    loss, centre = _finite_loss(surface, split), _centre(surface, split, "loss")
    if np.isnan(loss).all() or not np.isfinite(centre):
        return
    rise = float(np.nanmax(loss)) - centre
    if rise < max(0.1 * abs(centre), 0.02):
        yield Finding(
            "RANGE-SMALL",
            "warning",
            f"the {split} loss rises by {rise:.2g} at most over the grid (from {centre:.4g}): the range is too small "
            f"to show a shape; try {_scaled(surface, 2)}",
            {"rise": rise},
        )
    elif (lost := _saturated(surface, split)) is not None and lost > MANY:
        yield Finding(
            "SATURATED",
            "warning",
            f"at {lost:.0%} of the points the {split} accuracy is not above chance (at most "
            f"{_centre(surface, split, 'chance_accuracy') + _chance_error(surface, split):.1%}: the commonest class "
            f"and two standard errors): most of the picture is plateau; try {_scaled(surface, 0.5)}",
            {"share": lost},
        )


def _chance(surface: Surface, split: str) -> Iterator[Finding]:
    accuracy, chance = _centre(surface, split, "accuracy"), _centre(surface, split, "chance_accuracy")
    judged = f"{split}/accuracy" in surface and chance < 1 and np.isfinite(_chance_error(surface, split))
    if judged and not _above_chance(surface, split):
        yield Finding(
            "CENTRE-AT-CHANCE",
            "warning",
            f"the trained weights reach a {split} accuracy of {accuracy:.1%}, no better than always answering the "
            f"commonest class ({chance:.1%}): check the model, the data and their mean and std",
            {"accuracy": accuracy, "chance": chance},
        )


def _coarse(surface: Surface, split: str) -> Iterator[Finding]:
    points = min(surface.grid.shape)
    if split == surface.splits[0] and points < FEWEST_POINTS:
        yield Finding(
            "GRID-COARSE",
            "note",
            f"{' x '.join(map(str, surface.grid.shape))} points are too few for a shape: what lies between is drawn "
            "straight; use 25 or more along each axis for a figure",
            {"points": points},
        )


def _sampling(surface: Surface, split: str) -> Iterator[Finding]:
    """Where the rise is known less well than the contour lines suggest."""
    loss, errors = _finite_loss(surface, split), _errors(surface, split)
    if np.isnan(errors).all():
        return
    levels = np.asarray(choose_scale([loss]).levels)
    if len(levels) < 2:
        return
    below = np.clip(np.searchsorted(levels, loss) - 1, 0, len(levels) - 2)
    coarse = errors > np.diff(levels)[below]
    share = float(coarse[np.isfinite(errors)].mean())
    if share > FEW:
        count = int(surface[f"{split}/count"].max())
        yield Finding(
            "SAMPLING-ERROR",
            "warning",
            f"at {share:.0%} of the points the standard error of the rise of the {split} loss exceeds the step between "
            f"contour lines, with {count:,} examples: use more with --samples, or fewer levels",
            {"share": share, "examples": count},
        )


def _centred(surface: Surface, split: str) -> Iterator[Finding]:
    if split == surface.splits[0] and surface.grid.centre() is None:
        yield Finding(
            "CENTRE-OFF-GRID",
            "note",
            "the trained weights are not a point of the grid: use an odd number of points and a range that holds 0",
        )


def _stated(surface: Surface, split: str) -> Iterator[Finding]:
    measured, error = (_centre(surface, split, name) for name in ("accuracy", "accuracy_stderr"))
    for name, value in surface.provenance.get("stated", {}).items():
        if abs(measured - value) > max(3 * error, 0.005) and split == "test":
            yield Finding(
                "STATED-ACCURACY",
                "warning",
                f"the checkpoint states {name} {value:.2%}, but {measured:.2%} +- {error:.2%} was measured on {split}: "
                "check the model, the data and their mean and std",
                {"stated": value, "measured": measured},
            )


def _recalibrated(surface: Surface, split: str) -> Iterator[Finding]:
    """Statistics that are estimated anew at the trained weights should give the loss of the checkpoint's own.

    The error is sqrt(e^2 + c^2): e the standard error of the difference, paired over the examples; c that of the
    calibration, half of the difference between the losses under the statistics of the two halves of its images (whose
    standard error is 2 c, as each half has twice the variance of the whole).
    """
    if surface.job.bn_stats != "recalibrate" or surface.provenance.get("statistics_layers") == 0:
        return
    apart, paired = (_centre(surface, split, f"loss_minus_frozen{suffix}") for suffix in ("", "_stderr"))
    halves = surface.provenance.get("calibration", {}).get("half_difference", {}).get(split, {}).get("centre")
    calibration = 0.0 if halves is None else abs(float(halves)) / 2
    error = float(np.hypot(paired, calibration))
    values = {"difference": apart, "error": error, "stderr": paired, "calibration": calibration}
    where = f"the {split} loss at the trained weights"
    if not np.isfinite([apart, error]).all():
        text = f"{where} minus that with the checkpoint's own statistics is {apart:+.2g} +- {error:.1g}: not finite"
        yield Finding("BN-CENTRE", "warning", text, values)
        return
    biased = abs(apart) > BIASED * error
    noise = "not recorded" if halves is None else f"{calibration:.2g}"
    found = (
        f"{where} is {abs(apart):.2g} +- {error:.2g} {'lower' if apart < 0 else 'higher'} than with the checkpoint's "
        f"own statistics (errors: {paired:.2g} over the examples, paired; {noise} over the calibration images)"
    )
    advice = (
        ": either the running averages of the checkpoint lag behind its weights, or the calibration images are "
        "prepared otherwise than those of the training (augment= of --bn-data)"
    )
    yield Finding("BN-CENTRE", "warning" if biased else "ok", found + advice if biased else found, values)


RULES: tuple[Callable[[Surface, str], Iterator[Finding]], ...] = (
    complete,
    unstated,
    interpolated,
    _finite,
    _centred,
    _stated,
    _chance,
    _recalibrated,
    _coarse,
    _minimum,
    _range,
    _sampling,
)


def _directions(surface: Surface, split: str) -> Iterator[Finding]:
    cosine = surface.provenance.get("cosine")
    if split == surface.splits[0] and cosine is not None and abs(cosine) > CROOKED:
        yield Finding(
            "NOT-ORTHOGONAL",
            "warning",
            f"the cosine between the two directions is {cosine:.3f}: the axes are not near orthogonal, so distances "
            "in the picture are distorted",
            {"cosine": cosine},
        )


def _tells_centre(surface: Surface, split: str) -> bool:
    """Whether the file says what was measured at the trained weights; an imported one may not."""
    return "imported" not in surface.provenance or "loss" in surface.centre.get(split, {})


def _centre(surface: Surface, split: str, name: str) -> float:
    return float(surface.centre.get(split, {}).get(name, np.nan))


def _finite_loss(surface: Surface, split: str) -> FloatArray:
    loss = np.asarray(surface[f"{split}/loss"], dtype=np.float64)
    return np.where(np.isfinite(loss), loss, np.nan)


def _errors(surface: Surface, split: str) -> FloatArray:
    name = f"{split}/loss_rise_stderr"
    return np.asarray(surface[name]) if name in surface else np.full(surface.grid.shape, np.nan)


def _saturated(surface: Surface, split: str) -> float | None:
    """Share of the points at which the accuracy is no better than chance, where that of the trained weights is."""
    if f"{split}/accuracy" not in surface or not _above_chance(surface, split):
        return None
    chance = _centre(surface, split, "chance_accuracy")
    accuracy = surface[f"{split}/accuracy"][surface.done(split)]
    return float((accuracy <= chance + _chance_error(surface, split)).mean())


def _above_chance(surface: Surface, split: str) -> bool:
    """Whether the trained weights beat the commonest class, by two standard errors."""
    accuracy, chance = _centre(surface, split, "accuracy"), _centre(surface, split, "chance_accuracy")
    return accuracy > chance + _chance_error(surface, split)


def _chance_error(surface: Surface, split: str) -> float:
    """Two standard errors of an accuracy at chance level; NaN where there are no two examples."""
    chance, count = _centre(surface, split, "chance_accuracy"), int(surface[f"{split}/count"].max())
    return float(2 * np.sqrt(chance * (1 - chance) / count)) if count > 1 else float("nan")


def _scaled(surface: Surface, factor: float) -> str:
    """The grid's options with every range scaled."""
    axes = zip(surface.grid.names, surface.grid.axes, strict=True)
    return " ".join(f"--{n} {a.values[0] * factor:g}:{a.values[-1] * factor:g}:{len(a)}" for n, a in axes)
