"""The network in its place: on the device, rewritten where that is asked for, laid out as suits the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from landscape.errors import LandscapeError
from landscape.evaluation import Task, layers_of_each_batch
from landscape.models.folding import folded
from landscape.parameters import copied, effective


def dtype_of(model: nn.Module) -> torch.dtype:
    """The dtype of the model's first floating-point parameter."""
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def placed(
    model: nn.Module, device: torch.device, parametrization: str, fold: bool = False
) -> tuple[nn.Module, list[str]]:
    """The caller's own model where it already is, or a copy where it has to move or to be rewritten.

    Args:
        model: The network.
        device: Where it has to be.
        parametrization: `"effective"` to replace computed weights by their values.
        fold: Whether to fold BatchNorm into the weights.

    Returns:
        The model itself, or a copy; and what was folded, a sentence each.

    Raises:
        LandscapeError: If there is nothing to fold.
    """
    working, notes = rewritten(model, parametrization, fold)
    parameter = next(model.parameters(), None)
    if working is model and parameter is not None and parameter.device != device:
        working = copied(model)
    return (working.to(device) if working is not model else model), notes


def rewritten(model: nn.Module, parametrization: str, fold: bool) -> tuple[nn.Module, list[str]]:
    """The network whose parameters are perturbed, and what was folded; the model itself if nothing has to change."""
    working = effective(model) if parametrization == "effective" else model
    return folded(working) if fold else (working, [])


def refuse_another_function(original: nn.Module, working: nn.Module, task: Task) -> None:
    """Refuse a folded network that does not compute what it did: shapes can hide which axis a layer normalises.

    Args:
        original: The network as it was given.
        working: The folded one, on the device.
        task: What is measured; its first examples are tried.

    Raises:
        LandscapeError: If the outputs differ by more than rounding.
    """
    before = copied(original).to(next(working.parameters()).device).eval()
    for batches in task.batches.values():
        inputs = batches.inputs[:2]
        one, other = before(inputs), working(inputs)
        if not torch.allclose(one, other, rtol=1e-3, atol=1e-3 * float(one.abs().max())):
            raise LandscapeError(
                f"with BatchNorm folded into its weights {type(original).__name__} computes something else: "
                "leave out --fold-bn"
            )


def refuse_loose_batches(model: nn.Module, policies: Sequence[str]) -> None:
    """Refuse layers that depend on the batch in eval mode, unless the batches are part of the job.

    Args:
        model: The network.
        policies: Those for BatchNorm's statistics.

    Raises:
        LandscapeError: If a layer keeps no statistics and other policies than `batch` are among them.
    """
    names = layers_of_each_batch(model)
    if names and tuple(policies) != ("batch",):
        raise LandscapeError(
            f"the layer {names[0]} normalises by each batch even in eval mode (track_running_stats=False), so that "
            "the loss depends on the batches: fix them with --bn-stats batch and --bn-batch-size"
        )


def lay_out(model: nn.Module, task: Task, device: torch.device) -> None:
    """Lay a network out with channels last on a CPU, where most convolutions are quicker so.

    A network that cannot take it (its forward views activations as contiguous, say) stays as it is.

    Args:
        model: The network, one of ours.
        task: What is measured; its first examples are tried.
        device: Where the network is.
    """
    tensors = (*model.parameters(), *model.buffers())
    if device.type != "cpu" or any(one.ndim == 5 for one in tensors):
        return
    model.to(memory_format=torch.channels_last)
    try:
        with torch.inference_mode():
            task.check(model)
    except LandscapeError:
        model.to(memory_format=torch.contiguous_format)
