"""A Task: what is measured of a network, example by example, on which data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from landscape.data import Batches, canonical
from landscape.errors import LandscapeError
from landscape.evaluation.memory import out_of_memory, too_little_memory
from landscape.evaluation.metrics import PerExample, Quantity, loss_quantity, metric_quantity
from landscape.registry import Spec

CLASSIFICATION = ("cross-entropy", "softmax-mse", "CrossEntropyLoss", "NLLLoss", "cross_entropy")
RESERVED = ("count", "loss_rise", "loss_minus_frozen", "chance_accuracy", "x", "y", "repeat", "bn")


@dataclass(frozen=True)
class Task:
    """The data of each split, the loss and the metrics.

    Attributes:
        batches: The examples of each split.
        quantities: The loss first, then the metrics.
    """

    batches: Mapping[str, Batches]
    quantities: tuple[Quantity, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the quantities, `loss` first."""
        return tuple(quantity.name for quantity in self.quantities)

    def to(self, device: torch.device, dtype: torch.dtype) -> Task:
        """The same task with its data on a device, floating-point inputs in the model's dtype."""
        return Task({split: moved(batches, device, dtype) for split, batches in self.batches.items()}, self.quantities)

    def per_example(self, model: Callable[[Tensor], Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        """Evaluate one batch.

        Args:
            model: The network, in eval mode.
            inputs: What it takes, shape (n, ...).
            targets: What the loss takes, shape (n, ...).

        Returns:
            Shape (quantities, n), in float64 where the device has it, on the device.
        """
        output = model(inputs)
        if output.dtype in (torch.float16, torch.bfloat16):  # the loss itself is never computed in half precision
            output = output.float()
        rows = [quantity.function(output, targets) for quantity in self.quantities]
        # MPS has no float64: there the few numbers per example are summed on the CPU.
        return torch.stack([(row.cpu() if row.device.type == "mps" else row).double() for row in rows])

    def check(self, model: nn.Module) -> None:
        """Try the first examples of every split, so that what does not fit is said before the long computation.

        Args:
            model: The network, in eval mode.

        Raises:
            LandscapeError: If the network cannot take the inputs, a label has no output, or a loss does not
                give one number per example.
        """
        for split, batches in self.batches.items():
            inputs, targets = batches.inputs[:2], batches.targets[:2]
            output = _forward(model, inputs, batches.name)
            if _classifies(self.quantities[0]):
                _check_labels(output, batches.targets, split)
            for quantity in self.quantities:
                _check_quantity(quantity, output, targets)
                _check_criterion(quantity, output, targets, batches.targets)


def moved(batches: Batches, device: torch.device, dtype: torch.dtype) -> Batches:
    """Put examples on a device, floating-point inputs in the model's dtype, their strides as torch makes them.

    Args:
        batches: The examples.
        device: Where they go.
        dtype: That of the model.

    Returns:
        The examples there.
    """
    there = batches.to(device)
    inputs = there.inputs.to(dtype) if there.inputs.is_floating_point() else there.inputs
    return replace(there, inputs=canonical(inputs) if isinstance(inputs, Tensor) else inputs)


def make_task(batches: Mapping[str, Batches], loss: str | PerExample, metrics: Sequence[str | PerExample] = ()) -> Task:
    """Put a task together; accuracy is on where the loss is a classification's.

    Args:
        batches: The examples of each split.
        loss: A spec, a function or a torch criterion.
        metrics: More specs or functions.

    Returns:
        The task.

    Raises:
        LandscapeError: If two quantities have the same name, or one that the file uses for something else.
    """
    first = loss_quantity(loss)
    classes = all(not one.targets.is_floating_point() for one in batches.values())
    extra = [metric_quantity(metric) for metric in metrics]
    if classes and _classifies(first) and "accuracy" not in (quantity.name for quantity in extra):
        extra = [metric_quantity("accuracy"), *extra]
    extra = _told_apart(extra)
    names = [first.name, *(quantity.name for quantity in extra)]
    if len({*names, *RESERVED}) < len(names) + len(RESERVED):
        raise LandscapeError(
            f"the quantities need different names, other than {', '.join(RESERVED)}, not {', '.join(names)}: "
            "rename one of the metrics"
        )
    return Task(batches, (first, *extra))


def _classifies(loss: Quantity) -> bool:
    """Whether a loss is one whose targets are classes."""
    return re.split(r"[(#]", loss.spec)[0] in CLASSIFICATION


def _told_apart(quantities: Sequence[Quantity]) -> list[Quantity]:
    """Give metrics that share a name their settings as a suffix: `top_k_accuracy_k3`."""
    shared = Counter(quantity.name for quantity in quantities)
    return [
        replace(
            one, name="_".join([one.name, *(f"{key}{value}" for key, value in Spec.parse(one.spec).kwargs.items())])
        )
        if shared[one.name] > 1 and "(" in one.spec and one.criterion is None
        else one
        for one in quantities
    ]


def _forward(model: nn.Module, inputs: Tensor, name: str) -> Tensor:
    try:
        output = model(inputs)
    except Exception as error:
        if out_of_memory(error):
            raise too_little_memory() from error
        shape = tuple(inputs.shape[1:])
        raise LandscapeError(
            f"the model {type(model).__name__} cannot take the inputs of {name}, of shape {shape}: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}; "
            "give the model that was trained on such inputs, or other data with --data"
        ) from error
    if not isinstance(output, Tensor):
        raise LandscapeError(
            f"the model {type(model).__name__} returns a {type(output).__name__}, not a tensor: "
            "wrap it in a module that returns its logits ('file.py:factory')"
        )
    return output


def _check_labels(output: Tensor, targets: Tensor, split: str) -> None:
    if targets.is_floating_point():
        _check_probabilities(targets, split)
        return
    low, high, outputs = int(targets.min()), int(targets.max()), output.shape[1] if output.ndim > 1 else 1
    if low < 0 or high >= outputs:
        raise LandscapeError(
            f"the labels of the {split} split run from {low} to {high}, but the model has {outputs} outputs "
            f"(classes 0 to {outputs - 1}): check that data and model belong together"
        )


def _check_probabilities(targets: Tensor, split: str) -> None:
    low, high = float(targets.min()), float(targets.max())
    if low < 0 or high > 1 + 1e-3:  # those of a softmax may be a rounding above 1
        raise LandscapeError(
            f"the loss of a classification takes classes or probabilities, but the targets of the {split} split run "
            f"from {low:.3g} to {high:.3g}: type --loss mse where numbers are to be predicted"
        )


def _check_criterion(quantity: Quantity, output: Tensor, targets: Tensor, all_targets: Tensor) -> None:
    """Refuse a torch criterion whose value on a batch is not the mean of its values on the examples."""
    if quantity.criterion is None:
        return
    ignored = getattr(quantity.criterion, "ignore_index", None)
    skips = ignored is not None and not all_targets.is_floating_point() and bool((all_targets == ignored).any())
    whole, mean = quantity.criterion(output, targets), quantity.function(output, targets).mean()
    if skips or not torch.allclose(whole, mean, rtol=1e-3, atol=1e-6, equal_nan=True):
        raise LandscapeError(
            f"{quantity.spec} on a batch is not the mean of its values on the examples (it sums, or leaves some out): "
            "pass a function of (output, target) that returns one number per example"
        )


def _check_quantity(quantity: Quantity, output: Tensor, targets: Tensor) -> None:
    try:
        values = quantity.function(output, targets)
    except LandscapeError:
        raise
    except Exception as error:
        raise LandscapeError(
            f"{quantity.name} ({quantity.spec}) fails on outputs of shape {tuple(output.shape)} and targets of shape "
            f"{tuple(targets.shape)}, {targets.dtype}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(values, Tensor) or values.shape != targets.shape[:1]:
        got = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise LandscapeError(
            f"{quantity.name} ({quantity.spec}) must give one number per example, shape ({len(targets)},), not {got}: "
            "return the unreduced values (reduction='none')"
        )
