"""Inputs that are read and prepared when they are asked for, in place of a tensor of all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landscape.data.augment import augmented
from landscape.data.prefetch import prefetched
from landscape.data.rows import Rows
from landscape.data.samples import CHUNK
from landscape.data.strides import canonical

Bounds = Sequence[tuple[int, int]]
GPU_SHARE = 0.5  # of a GPU's free memory, what raw inputs may take


class Source(Protocol):
    """Where raw inputs come from.

    Attributes:
        shape: Of all of them, (N, ...).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of them, (N, ...)."""

    def walk(self, bounds: Bounds) -> Iterator[Tensor]:
        """Give the inputs from each `start` to its `stop`, on the CPU, part after part; bounds increase."""

    def taken(self, index: NDArray[np.int64]) -> Source:
        """Some of the inputs, in this order."""


@dataclass(frozen=True)
class Resident:
    """Raw inputs in memory, of the host or of a GPU.

    Attributes:
        inputs: Shape (N, ...).
    """

    inputs: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of them, (N, ...)."""
        return tuple(self.inputs.shape)

    def walk(self, bounds: Bounds) -> Iterator[Tensor]:
        """Give views, part after part."""
        return (self.inputs[start:stop] for start, stop in bounds)

    def taken(self, index: NDArray[np.int64]) -> Resident:
        """Some of the inputs, in this order."""
        return Resident(self.inputs[torch.from_numpy(index).to(self.inputs.device)])


@dataclass(frozen=True)
class RawImages:
    """Images that lie somewhere else than in memory, augmented as they are read.

    Attributes:
        images: Shape (N, C, H, W).
        augment: As for `augmented`.
        index: Index of each image in its full set, shape (N,).
    """

    images: Rows
    augment: str
    index: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of them, (N, C, H, W)."""
        return self.images.shape

    def walk(self, bounds: Bounds) -> Iterator[Tensor]:
        """Read the images, part after part."""
        for start, stop in bounds:
            yield torch.from_numpy(augmented(self.augment, self.images[start:stop], self.index[start:stop]))

    def taken(self, index: NDArray[np.int64]) -> RawImages:
        """Some of the images, in this order."""
        return RawImages(self.images.taken(index), self.augment, self.index[index])


@dataclass(frozen=True)
class Preparation:
    """The arithmetic between raw inputs and what a network takes: x / scale, minus mean, divided by std, in float32.

    Attributes:
        steps: Pairs of an operation (`"sub_"` or `"div_"`) and its tensor. They are tensors, on the device of the
            inputs, since a GPU multiplies by the inverse of a Python number, which is not a division to the bit.
    """

    steps: tuple[tuple[str, Tensor], ...] = ()

    @classmethod
    def of_images(
        cls, dtype: np.dtype[Any], mean: Sequence[float] | None = None, std: Sequence[float] | None = None
    ) -> Preparation:
        """(x / 255 - mean) / std for uint8, (x - mean) / std for floats, each channel with its own.

        Args:
            dtype: Type of the raw images.
            mean: One number per channel, or None for nothing.
            std: Likewise.

        Returns:
            The arithmetic, on the CPU.
        """
        numbers = (("div_", (255.0,) if dtype == np.uint8 else None), ("sub_", mean), ("div_", std))
        steps = ((name, torch.tensor(each, dtype=torch.float32)) for name, each in numbers if each is not None)
        return cls(tuple((name, each.view(1, -1, 1, 1)) for name, each in steps))

    def to(self, device: torch.device | str) -> Preparation:
        """The same arithmetic on a device."""
        return Preparation(tuple((name, each.to(device)) for name, each in self.steps))

    def __call__(self, raw: Tensor) -> Tensor:
        """Prepare inputs, shape (n, ...); the raw ones stay as they are."""
        if not self.steps:
            return raw
        prepared = raw.to(torch.float32, copy=True)
        for name, operand in self.steps:
            getattr(prepared, name)(operand)
        return prepared


@dataclass(frozen=True, eq=False)
class Deferred:
    """Inputs that are read and prepared part by part, like a tensor of them that is not in memory.

    What lies in the memory of the device is prepared where it is. All else is read, ahead of its use, by a background
    thread, and copied to a GPU from pinned memory.

    Attributes:
        source: Where the raw inputs come from.
        dtype: Of the inputs.
        prepare: From raw inputs to these.
        device: Where they are wanted.
    """

    source: Source
    dtype: torch.dtype
    prepare: Preparation = Preparation()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def shape(self) -> torch.Size:
        """Of all inputs, (N, ...)."""
        return torch.Size(self.source.shape)

    @property
    def resident(self) -> bool:
        """Whether the raw inputs are in the memory of the device, where they are prepared."""
        return isinstance(self.source, Resident) and self.source.inputs.device.type == self.device.type

    def __len__(self) -> int:
        """The number of inputs."""
        return self.source.shape[0]

    def __getitem__(self, index: slice) -> Tensor:
        """Read and prepare inputs from one place to another.

        Args:
            index: A slice without a step.

        Returns:
            Shape (n, ...), on the device.
        """
        start, stop, _ = index.indices(len(self))
        return self._prepared(next(iter(self.source.walk([(start, stop)]))))

    @overload
    def to(self, target: torch.dtype) -> Deferred: ...
    @overload
    def to(self, target: torch.device | str) -> Deferred: ...
    def to(self, target: torch.device | str | torch.dtype) -> Deferred:
        """The same inputs in another type, or on another device.

        Args:
            target: The type or the device; raw inputs in memory are moved to a GPU where they fit well.

        Returns:
            The inputs.
        """
        if isinstance(target, torch.dtype):
            return dataclasses.replace(self, dtype=target)
        device = torch.device(target)
        source = self.source
        if isinstance(source, Resident) and _fits(source.inputs, device):
            source = Resident(source.inputs.to(device))
        return dataclasses.replace(self, source=source, prepare=self.prepare.to(device), device=device)

    def is_floating_point(self) -> bool:
        """Whether the inputs are floating-point numbers."""
        return self.dtype.is_floating_point

    def taken(self, index: NDArray[np.int64]) -> Deferred:
        """Some of the inputs, in this order.

        Args:
            index: Which, shape (n,).

        Returns:
            The inputs, deferred as well.
        """
        return dataclasses.replace(self, source=self.source.taken(index))

    def walk(self, bounds: Bounds) -> Generator[Tensor, None, None]:
        """Go through inputs part by part.

        Args:
            bounds: Where each part starts and stops; they increase.

        Yields:
            The inputs of each part, shape (n, ...), on the device.
        """
        parts = self.source.walk(bounds)
        if self.resident:
            yield from map(self._prepared, parts)
            return
        pinned = (part.pin_memory() for part in parts) if self.device.type == "cuda" else parts
        with closing(prefetched(pinned)) as fetched:
            yield from map(self._prepared, fetched)

    def chunks(self) -> Iterator[Tensor]:
        """Go through all inputs, a few hundred at a time.

        Yields:
            Inputs of shape (n, ...), on the device.
        """
        yield from self.walk([(start, min(start + CHUNK, len(self))) for start in range(0, len(self), CHUNK)])

    def _prepared(self, raw: Tensor) -> Tensor:
        there = self.prepare(raw.to(self.device, non_blocking=self.device.type == "cuda"))
        return canonical(there.to(self.dtype) if there.is_floating_point() else there)


def _fits(inputs: Tensor, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return inputs.nbytes <= GPU_SHARE * free


class Parts(Sequence[tuple[Tensor, Tensor]]):
    """Parts of inputs and targets; going through them reads ahead, taking one of them reads that one.

    Args:
        inputs: The inputs.
        targets: The targets, on the device.
        bounds: Where each part starts and stops.
    """

    def __init__(self, inputs: Deferred, targets: Tensor, bounds: Bounds) -> None:
        self._inputs, self._targets, self._bounds = inputs, targets, bounds

    def __len__(self) -> int:
        """The number of parts."""
        return len(self._bounds)

    @overload
    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]: ...
    @overload
    def __getitem__(self, index: slice) -> Parts: ...
    def __getitem__(self, index: int | slice) -> tuple[Tensor, Tensor] | Parts:
        """Read one part, or choose some."""
        if isinstance(index, slice):
            return Parts(self._inputs, self._targets, self._bounds[index])
        start, stop = self._bounds[index]
        return self._inputs[start:stop], self._targets[start:stop]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Go through all parts."""
        with closing(self._inputs.walk(self._bounds)) as walk:
            for inputs, (start, stop) in zip(walk, self._bounds, strict=True):
                yield inputs, self._targets[start:stop]
