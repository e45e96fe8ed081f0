"""Losses and metrics: functions of output and target that give one number per example."""

from __future__ import annotations

import copy
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from landscape.errors import LandscapeError
from landscape.registry import Registry, Spec

PerExample = Callable[[Tensor, Tensor], Tensor]

LOSSES = Registry(
    "loss",
    {
        "cross-entropy": "landscape.evaluation.metrics:cross_entropy",
        "mse": "landscape.evaluation.metrics:mse",
        "softmax-mse": "landscape.evaluation.metrics:softmax_mse",
    },
)
METRICS = Registry(
    "metric",
    {
        "accuracy": "landscape.evaluation.metrics:accuracy",
        "top-k-accuracy": "landscape.evaluation.metrics:top_k_accuracy",
        "mse": "landscape.evaluation.metrics:mse",
        "cross-entropy": "landscape.evaluation.metrics:cross_entropy",
    },
)


def cross_entropy(output: Tensor, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """-log softmax(output)[target], averaged over positions where there are any.

    Args:
        output: Logits, shape (n, classes, ...).
        target: Classes, int64, shape (n, ...), or probabilities of the output's shape.
        label_smoothing: Share of the target spread evenly over all classes.

    Returns:
        Shape (n,).
    """
    return _per_example(functional.cross_entropy(output, target, reduction="none", label_smoothing=label_smoothing))


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Squared error, averaged over the components of an example.

    Args:
        output: Shape (n, ...).
        target: The same shape.

    Returns:
        Shape (n,).
    """
    return _per_example((output - target.to(output.dtype).reshape(output.shape)).square())


def softmax_mse(output: Tensor, target: Tensor) -> Tensor:
    """Squared error of the softmax against the one-hot target, averaged over classes (the 2018 tool's `mse`).

    Args:
        output: Logits, shape (n, classes).
        target: Classes, int64, shape (n,).

    Returns:
        Shape (n,).
    """
    probabilities = output.softmax(1)
    one_hot = functional.one_hot(target, output.shape[1]).to(probabilities.dtype)
    return _per_example((probabilities - one_hot).square())


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Whether the largest output is the target's class, as 0 or 1 (a fraction, where there are positions).

    Args:
        output: Shape (n, classes, ...).
        target: Classes, int64, shape (n, ...), or probabilities of the output's shape.

    Returns:
        Shape (n,).
    """
    classes = target if not target.is_floating_point() else target.argmax(1)
    return _per_example((output.argmax(1) == classes).to(torch.float32))


def top_k_accuracy(output: Tensor, target: Tensor, k: int = 5) -> Tensor:
    """Whether the target's class is among the k largest outputs, as 0 or 1.

    Args:
        output: Shape (n, classes).
        target: Classes, int64, shape (n,).
        k: How many.

    Returns:
        Shape (n,).

    Raises:
        LandscapeError: If there are not so many outputs.
    """
    if not 1 <= k <= output.shape[1]:
        raise LandscapeError(
            f"top-k-accuracy with k={k} needs at least {k} outputs, there are {output.shape[1]}: set k="
        )
    return _per_example((output.topk(k, dim=1).indices == target[:, None]).any(1).to(torch.float32))


def _per_example(values: Tensor) -> Tensor:
    return values.flatten(1).mean(1) if values.ndim > 1 else values


@dataclass(frozen=True)
class Quantity:
    """A named per-example function.

    Attributes:
        name: Its name in the file: `loss`, `accuracy`, ...
        spec: What was asked for, as recorded in the Job.
        function: Gives one number per example.
        criterion: The torch criterion whose reduction was switched off, or None.
    """

    name: str
    spec: str
    function: PerExample
    criterion: nn.Module | None = None


def loss_quantity(loss: str | PerExample) -> Quantity:
    """The loss from a spec or a callable.

    Args:
        loss: A name of `LOSSES`, `file.py:function`, a function, or a torch criterion, whose reduction is switched off.

    Returns:
        The quantity `loss`.
    """
    return _quantity("loss", loss, LOSSES)


def metric_quantity(metric: str | PerExample) -> Quantity:
    """A metric from a spec or a callable; it is stored under its own name.

    Args:
        metric: A name of `METRICS`, `file.py:function`, or a function.

    Returns:
        The quantity.
    """
    if isinstance(metric, str):
        name = Spec.parse(metric).target.rpartition(":")[2]
        return _quantity(name.replace("-", "_"), metric, METRICS)
    return _quantity(_name(metric).rpartition(".")[2], metric, METRICS)


def _quantity(name: str, given: str | PerExample, registry: Registry) -> Quantity:
    if isinstance(given, str):
        spec = Spec.parse(given)
        function = registry.get(spec.target)
        return Quantity(name, spec.identity(), functools.partial(function, **spec.kwargs) if spec.kwargs else function)
    if not callable(given):
        raise LandscapeError(f"a {registry.kind} is a function of output and target, not {given!r}")
    if not isinstance(given, nn.Module):
        return Quantity(name, _name(given) + _code(given), given)
    reduces = getattr(given, "reduction", "none") != "none"
    return Quantity(name, repr(given), _unreduced(given) if reduces else given, given if reduces else None)


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))


def _code(function: Any) -> str:
    """A digest of what a function does, as far as its code, constants and simple closed-over values tell."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ""
    closed = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    parts = [_plain(value) for value in (code, *closed, *(getattr(function, "__defaults__", None) or ()))]
    return "#" + hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def _plain(value: Any) -> Any:
    """A value in terms that mean the same in every process: no addresses."""
    if isinstance(value, CodeType):
        return value.co_code, value.co_names, [_plain(constant) for constant in value.co_consts]
    if isinstance(value, int | float | str | bytes | bool | tuple | frozenset | None):
        return value
    return _code(value) or type(value).__qualname__


def _unreduced(criterion: Any) -> PerExample:
    """A torch criterion that averages over the batch, made to give one number per example."""
    if isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss) and criterion.weight is not None:
        raise LandscapeError(
            f"{criterion!r} with class weights divides by the sum of the weights of each batch, which is no mean over "
            "examples; pass a function of (output, target) that returns one number per example"
        )
    separate = copy.copy(criterion)
    separate.reduction = "none"
    if criterion.reduction == "batchmean":
        return lambda output, target: separate(output, target).flatten(1).sum(1)
    return lambda output, target: _per_example(separate(output, target))
