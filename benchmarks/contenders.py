"""Who is timed, each behind the same three methods; and the user's loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.cases import Case
from benchmarks.timing import Clock, Run

BATCH = 128


class Contender(Protocol):
    """Who is timed.

    Attributes:
        variants: Ways of using it, of which the fastest is taken in its favour.
    """

    variants: tuple[str, ...]

    def prepare(self, case: Case, variant: str) -> None:
        """Everything that is not timed: the model, the data."""

    def run(self, side: int) -> Run:
        """Evaluate side x side points over [-1, 1], or whatever the contender evaluates in their place."""

    def check(self) -> dict[str, Any]:
        """Compare losses at the same weights, for contenders that choose points of their own; empty for others."""


class Photographs(Dataset[tuple[Tensor, int]]):
    """Raw images that are turned into tensors and normalised one by one, whenever they are asked for.

    As torchvision's data sets do, which the 2018 tool uses: from an array through PIL to a tensor. Without PIL it takes
    about half as long.
    """

    def __init__(self, case: Case, pil: bool = True) -> None:
        from torchvision import transforms

        self._pil = pil
        images = case.images.permute(0, 2, 3, 1).contiguous().numpy()
        self._images = images[..., 0] if images.shape[-1] == 1 else images
        self._labels = case.labels.tolist()
        self._transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(case.mean, case.std)])

    def __len__(self) -> int:
        """The number of images."""
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """A normalised image, (C, H, W), and its label."""
        image = self._images[index]
        return self._transform(Image.fromarray(image) if self._pil else image), self._labels[index]


class UserLoop:
    """What the 2018 tool does at a point, in a loop of one's own."""

    variants = ("no loader processes", "2 loader processes")

    def __init__(self, device: str = "cpu", flush: bool = False, pil: bool = True) -> None:
        self._device, self._pil = device, pil
        if flush:
            torch.set_flush_denormal(True)

    def prepare(self, case: Case, variant: str) -> None:
        """Build the loader, and lists of weights and steps in the order of the parameters."""
        processes = {"num_workers": 2, "multiprocessing_context": "fork"} if variant == self.variants[1] else {}
        self._loader = DataLoader(Photographs(case, self._pil), BATCH, **processes)
        self._net = case.model().to(self._device)
        named = dict(self._net.named_parameters())
        self._weights = [parameter.data for parameter in named.values()]
        self._steps = [
            [one.get(name, torch.zeros_like(tensor)).to(self._device) for name, tensor in named.items()]
            for one in (case.first, case.second)
        ]

    def run(self, side: int) -> Run:
        """Evaluate the grid, x fastest."""
        clock = Clock(time.perf_counter())
        losses, accuracies = np.full((2, side, side), np.nan)
        for (i, a), (j, b) in points(side):
            self._place(a, b)
            losses[i, j], accuracies[i, j] = self._evaluate()
            clock.stamp(time.perf_counter())
        self._place(0.0, 0.0)
        return Run(time.perf_counter() - clock.begun, clock.stamps, losses.tolist(), accuracies.tolist(), "eager")

    def check(self) -> dict[str, Any]:
        """Nothing: the points are the common ones."""
        return {}

    def _place(self, a: float, b: float) -> None:
        changes = [first * a + second * b for first, second in zip(*self._steps, strict=True)]
        for parameter, weight, change in zip(self._net.parameters(), self._weights, changes, strict=True):
            parameter.data = weight + change

    @torch.no_grad()
    def _evaluate(self) -> tuple[float, float]:
        """Mean loss and fraction of correct answers."""
        criterion, loss, correct, total = nn.CrossEntropyLoss(), 0.0, 0, 0
        self._net.eval()
        for inputs, targets in self._loader:
            inputs, targets = inputs.to(self._device), targets.to(self._device)
            outputs = self._net(inputs)
            loss += criterion(outputs, targets).item() * len(targets)
            correct += outputs.max(1)[1].eq(targets).sum().item()
            total += len(targets)
        return loss / total, correct / total


def points(side: int) -> Iterator[tuple[tuple[int, float], tuple[int, float]]]:
    """The points of the common grid, x fastest: index and coordinate along x, then along y."""
    axis = np.linspace(-1.0, 1.0, side).tolist()
    for y in enumerate(axis):
        for x in enumerate(axis):
            yield x, y
