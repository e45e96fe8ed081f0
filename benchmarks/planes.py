"""Ways of evaluating points of a small network's plane: one after the other, replayed, and several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from landscape.evaluation import Recorder
from landscape.models import build_model
from landscape.parameters import Direction, ParameterSpace, Subspace

# Mean losses at points of shape (number, 2).
Evaluate = Callable[[Tensor], list[float]]


@dataclass(frozen=True)
class Small:
    """A network and a plane, and examples for it.

    Attributes:
        model: The network, in eval mode.
        inputs: Examples.
        labels: Their classes.
        directions: Steps of the weights, by name of the parameter; others stay.
    """

    model: nn.Module
    inputs: Tensor
    labels: Tensor
    directions: tuple[dict[str, Tensor], dict[str, Tensor]]


def build(
    spec: str,
    shape: Sequence[int],
    classes: int,
    examples: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Small:
    """Put a network, random examples and a random plane together.

    Args:
        spec: Of the network.
        shape: Of an example.
        classes: Number of outputs.
        examples: How many.
        device: Where.
        dtype: Of all numbers.

    Returns:
        All of it; directions move what has more than one axis, by a fifth of its standard deviation.
    """
    torch.manual_seed(0)
    model = build_model(spec).to(device, dtype).eval()
    inputs = torch.randn(examples, *shape).to(device, dtype)
    labels = torch.randint(classes, (examples,)).to(device)
    weights = {name: one.detach() for name, one in model.named_parameters() if one.ndim > 1}
    first, second = ({name: 0.2 * one.std() * torch.randn_like(one) for name, one in weights.items()} for _ in range(2))
    return Small(model, inputs, labels, (first, second))


def one_after_the_other(small: Small) -> Evaluate:
    """Place the weights of a point in the network and call it, point by point."""
    subspace = _subspace(small)

    def losses(points: Tensor) -> list[float]:
        found = []
        for point in points.tolist():
            with subspace.at(point):
                found.append(float(functional.cross_entropy(small.model(small.inputs), small.labels)))
        return found

    return losses


def replayed(small: Small, recorder: Recorder) -> Evaluate:
    """The same, recorded once and replayed for each point.

    Args:
        small: The network.
        recorder: Makes recordings.

    Returns:
        What evaluates points.
    """
    subspace = _subspace(small)
    coordinates, send = _coordinates((2,), small.inputs.device)

    def compute() -> Tensor:
        with subspace.at(coordinates.unbind()):
            return functional.cross_entropy(small.model(small.inputs), small.labels)

    again = recorder.record(compute)

    def losses(points: Tensor) -> list[float]:
        found = []
        for point in points:
            send(point)
            found.append(float(again()))
        return found

    return losses


def at_once(small: Small, number: int, recorder: Recorder | None = None) -> Evaluate:
    """Compute the weights of several points in one go, and call the network on all of them.

    Args:
        small: The network.
        number: How many points.
        recorder: Makes a recording that is replayed; None to compute every time.

    Returns:
        What evaluates so many points.
    """
    named = dict(small.model.named_parameters())
    first, second = small.directions
    origins = {name: named[name].detach().reshape(1, -1) for name in first}
    steps = {name: torch.stack([first[name].flatten(), second[name].flatten()]) for name in first}
    coordinates, send = _coordinates((number, 2), small.inputs.device)
    labels = small.labels.repeat(number)

    def called(weights: dict[str, Tensor]) -> Tensor:
        outputs: Tensor = functional_call(small.model, weights, (small.inputs,))
        return outputs

    def compute() -> Tensor:
        factors = coordinates.to(small.inputs.dtype)
        stacked = {
            name: torch.addmm(origins[name], factors, steps[name]).reshape(number, *named[name].shape) for name in first
        }
        outputs = vmap(called)(stacked)
        return functional.cross_entropy(outputs.flatten(0, 1), labels, reduction="none").view(number, -1).mean(1)

    again = compute if recorder is None else recorder.record(compute)

    def losses(points: Tensor) -> list[float]:
        send(points)
        return again().tolist()

    return losses


def _subspace(small: Small) -> Subspace:
    return Subspace(ParameterSpace(small.model, "all"), [Direction(one, "random") for one in small.directions])


def _coordinates(shape: Sequence[int], device: torch.device) -> tuple[Tensor, Callable[[Tensor], None]]:
    """A place for coordinates on the device, and what sends them there without waiting."""
    there = torch.zeros(*shape, dtype=torch.float64, device=device)
    sent = torch.zeros(*shape, dtype=torch.float64, pin_memory=device.type == "cuda")

    def send(points: Tensor) -> None:
        sent.copy_(points)
        there.copy_(sent, non_blocking=True)

    return there, send
