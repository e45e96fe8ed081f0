"""From a checkpoint or a model to a surface."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from landscape.api.asked import Range, grid_of, inputs_of, teller_of
from landscape.api.options import (
    check_adaptive,
    check_choices,
    check_counts,
    check_folding,
    check_numbers,
    check_out,
    check_precision,
    refuse_unused,
    split_names,
)
from landscape.errors import require_switches
from landscape.types import Surface

if TYPE_CHECKING:
    from landscape.execution import Progress
    from landscape.inputs import Inputs


def compute(
    model: Any = None,
    data: Any = None,
    *,
    ckpt: str | Path | None = None,
    split: str | Sequence[str] = "test",
    samples: str | int = "all",
    loss: Any = "cross-entropy",
    metric: Sequence[Any] = (),
    x: Range = "-1:1:51",
    y: Range | None = "-1:1:51",
    seed: int = 0,
    directions: str | Path = "random",
    save_directions: bool = False,
    normalize: str = "filter",
    perturb: str = "weights",
    parametrization: str = "effective",
    role: Sequence[str] = (),
    bn_stats: str | None = None,
    bn_data: Any = None,
    bn_samples: str | int | None = None,
    bn_batch_size: int | None = None,
    bn_layers: bool = False,
    fold_bn: bool = False,
    repeats: int = 1,
    precision: str = "fp32",
    tolerance: float | None = None,
    correct: bool = False,
    adaptive: float | None = None,
    low_memory: bool = False,
    evaluator: str = "auto",
    device: str = "auto",
    batch_size: int | Literal["auto"] = "auto",
    out: str | Path | None = None,
    overwrite: bool = False,
    trust: bool = False,
    weights: str | None = None,
    progress: bool | Progress = True,
    command: str = "",
) -> Surface:
    """Evaluate the loss of a trained network around its weights, on a grid spanned by one or two directions.

    Args:
        model: A network (`nn.Module`), left bit for bit as it was; or, with `ckpt`, a network of which a copy gets the
            weights, a spec such as `"resnet20"`, or None to recognise it.
        data: A Dataset, DataLoader or iterable of (input, target) batches, a pair (inputs, targets) of arrays, a
            mapping from splits to these, or a spec such as `"cifar10(root='data')"`; None to take what the checkpoint
            says of itself.
        ckpt: A checkpoint file.
        split: Name of the split, or several.
        samples: `"all"`, a number N (a fixed random subset that does not depend on the seed), `"first:N"`, or `"auto"`:
            as many as make the standard error of the rise of the loss smaller than a contour step.
        loss: A spec, a torch criterion, or a function of (output, target) giving one number per example.
        metric: More such functions or specs; accuracy is on where the loss is a classification's.
        x: Coordinates along the first direction, in multiples of it: `"-1:1:51"` or `(-1, 1, 51)`.
        y: The same along the second; None or `"none"` for a line.
        seed: Seed of the random directions.
        directions: `"random"`, a direction file, ours or the 2018 tool's, or other checkpoints: `"to(b.pt)"` for the
            line to one, `"plane(b.pt, c.pt)"` for the plane through two.
        save_directions: Whether to keep the directions' tensors in `<out>.directions.h5`.
        normalize: `"filter"` (Li et al. 2018), `"layer"`, `"weight"`, `"dfilter"`, `"dlayer"` or `"none"`.
        perturb: `"weights"`, `"weights+bias"` or `"all"`; what is not perturbed stays fixed.
        parametrization: `"effective"` perturbs the weights that weight norm and the like compute, `"raw"` the stored.
        role: Overrides `"PATTERN=ROLE:AXIS"` of a parameter's role and filter axis.
        bn_stats: Policy for BatchNorm's running statistics at the points: `"frozen"`, those of the checkpoint;
            `"batch"`, those of each batch that is evaluated; `"recalibrate"`, estimated anew over calibration images;
            or `"all"` three on the same directions. None for `"frozen"`, and for `"recalibrate"` where the directions
            lead to other checkpoints: between two networks the statistics of neither fit.
        bn_data: The calibration data, as `data`; a spec of images may say `augment='crop4-flip'`. None for the
            training split of `data`.
        bn_samples: Which of them, as `samples`, at least 4; None for 1000.
        bn_batch_size: Examples in a batch whose statistics are taken, for `"batch"` and `"recalibrate"`; None for 128.
        bn_layers: Whether to store the drift of the statistics layer by layer, too.
        fold_bn: Whether to fold BatchNorm into the weights before they are perturbed; refused where filter-normalised
            weights alone move under frozen statistics: it changes nothing there but the signs of the draws, by that
            of gamma in each filter.
        repeats: How many independent draws of the directions; the first is that of a run without repeats.
        precision: Arithmetic of the forward pass: `"fp32"`, strict; `"tf32"`, `"bf16"` or `"fp16"`, whose error is
            measured at probe points and stored; or `"auto"`, the quickest of them whose error is below `tolerance`.
        tolerance: The largest relative error of the loss that `"auto"` may choose; None for 0.01.
        correct: Whether to evaluate a fixed tenth of the examples (at least 300) in fp32, too, and to correct the
            loss by the difference, shrunken by its noise; not for `"fp32"`.
        adaptive: Measure fewer points: refine the grid only where the picture that is interpolated from the points
            so far errs by more than this fraction of its range; None to measure every point.
        low_memory: Whether to draw the directions anew, tensor by tensor, and to read the data anew at every point
            instead of keeping them, for networks of which a few copies do not fit in memory; slower.
        evaluator: `"auto"`, the quickest that computes the same as the network up to rounding; `"eager"`, the network
            itself; or `"compiled"`, what `torch.compile` makes of it, which `"auto"` tries in long runs.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.
        batch_size: Examples at a time; `"auto"` for what suits the device, halved where memory runs out.
        out: The HDF5 file; the same call goes on where it stopped. None to keep the surface in memory alone.
        overwrite: Whether to replace a file of another run.
        trust: Whether a checkpoint may run code when it is loaded.
        weights: Which weights of a checkpoint that holds several, for example `"ema"`.
        progress: Whether to tell on stderr what goes on; or the object to tell.
        command: What to record as the command line.

    Returns:
        The surface.

    Raises:
        LandscapeError: If an input is wrong; the sentence says which and what to pass instead.

    Example:
        >>> import landscape, torch
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))
        >>> batches = [(torch.ones(8, 2, 2), torch.zeros(8, dtype=torch.long))]
        >>> surface = landscape.compute(net, batches, x=(-1, 1, 3), y=None, progress=False)
        >>> bool(surface["test/loss"][1] == surface.centre["test"]["loss"])
        True
    """
    grid = grid_of(x, y)
    from landscape.directions import default_policy

    bn_stats = bn_stats or default_policy(str(directions))
    check_choices(normalize, bn_stats, precision, parametrization, evaluator)
    check_precision(precision, tolerance, correct)
    check_adaptive(adaptive)
    check_numbers(seed, batch_size)
    require_switches(
        bn_layers=bn_layers, fold_bn=fold_bn, correct=correct, low_memory=low_memory, overwrite=overwrite, trust=trust
    )
    check_out(out)
    check_counts(repeats, bn_batch_size)
    refuse_unused(bn_stats, bn_data=bn_data, bn_samples=bn_samples, bn_layers=bn_layers, bn_batch_size=bn_batch_size)
    if fold_bn:
        check_folding(normalize, perturb, bn_stats, str(directions))
    from landscape.data import repeatable
    from landscape.evaluation import strict_arithmetic
    from landscape.execution.preparation import Settings
    from landscape.execution.randomness import random_states_kept
    from landscape.execution.sampling import with_enough
    from landscape.execution.session import compute_surface

    splits = split_names(split)
    settings = Settings(
        loss=loss,
        metrics=tuple(metric),
        directions=str(directions),
        normalize=normalize,
        perturb=perturb,
        parametrization=parametrization,
        roles=tuple(role),
        seed=seed,
        samples=str(samples),
        bn_stats=bn_stats,
        bn_samples=Settings.bn_samples if bn_samples is None else str(bn_samples),
        bn_batch_size=Settings.bn_batch_size if bn_batch_size is None else bn_batch_size,
        bn_layers=bn_layers,
        fold_bn=fold_bn,
        repeats=repeats,
        precision=precision,
        tolerance=Settings.tolerance if tolerance is None else tolerance,
        correct=correct,
        adaptive=adaptive or 0.0,
        low_memory=low_memory,
        evaluator=evaluator,
        device=device,
        batch_size=None if batch_size == "auto" else batch_size,
        out=None if out is None else Path(out),
        overwrite=overwrite,
        save_directions=save_directions,
        command=command,
    )
    # From the first tensor on: torch's threads keep the floating-point mode that they are started with.
    with strict_arithmetic(), random_states_kept():
        if settings.samples == "auto":
            data, bn_data = repeatable(data, splits[0]), repeatable(bn_data, "train")

        def opened(choice: str) -> Inputs:
            chosen = dataclasses.replace(settings, samples=choice)
            return inputs_of(model, data, ckpt, splits, chosen, bn_data, trust, weights)

        teller = teller_of(progress)
        inputs, chosen = with_enough(opened, grid, settings, teller)
        return compute_surface(inputs, grid, chosen, teller, settings.asked)
