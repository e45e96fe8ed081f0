"""Inputs of a user's loader that do not fit into memory: they are read again whenever they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landscape.data.batches import Batches, as_array
from landscape.data.capacity import fits, in_words
from landscape.data.deferred import Bounds, Deferred, Resident
from landscape.data.pairs import Pair
from landscape.data.samples import CHUNK, Digest
from landscape.errors import LandscapeError


class Reader(Protocol):
    """What gives pairs in one order, time and again."""

    @property
    def split(self) -> str:
        """Name of the split."""

    def read(self, bounds: Bounds) -> Iterator[Pair]:
        """Give the plain pairs from each `start` to its `stop`."""

    def taken(self, index: NDArray[np.int64]) -> Reader | None:
        """What gives only some of the pairs, in this order; None if they cannot be had in this order."""


class Again:
    """Inputs that are read again; what comes out has to be what came out the first time.

    Args:
        reader: Gives the pairs.
        shape: Of all inputs, (N, ...).
        dtype: Of the inputs.
        targets: The targets that came with them the first time, shape (N, ...), on the CPU.
        digest: Of the inputs; empty where it is not known.
    """

    def __init__(
        self, reader: Reader, shape: tuple[int, ...], dtype: torch.dtype, targets: Tensor, digest: str = ""
    ) -> None:
        self._reader, self.shape, self._dtype, self._targets = reader, shape, dtype, targets
        self._expected = digest

    def walk(self, bounds: Bounds) -> Iterator[Tensor]:
        """Read the inputs, part after part."""
        # The reader may start processes, which is for the thread of the caller, not for that which reads.
        return self._checked(self._reader.read(bounds), bounds)

    def _checked(self, pairs: Iterator[Pair], bounds: Bounds) -> Iterator[Tensor]:
        whole = bool(self._expected) and bounds[0][0] == 0 and bounds[-1][1] == len(self._targets)
        digest = Digest()
        digest.begin(as_array(torch.empty(0, dtype=self._dtype)).dtype, self.shape)
        for (inputs, targets), (start, stop) in zip(pairs, bounds, strict=True):
            if not _same(targets, self._targets[start:stop]):
                raise LandscapeError(another(self._reader.split, "targets"))
            if whole:
                digest.add(as_array(inputs))
            yield inputs
        if whole and digest.text() != self._expected:
            raise LandscapeError(another(self._reader.split, "inputs"))
        if whole:
            self._expected = ""  # that they come out alike was seen once

    def taken(self, index: NDArray[np.int64]) -> Again | Resident:
        """Some of the inputs, in this order.

        Raises:
            LandscapeError: If they can be had in their own order alone, and do not fit into memory.
        """
        reader = self._reader.taken(index)
        shape = (len(index), *self.shape[1:])
        if reader is not None:
            return Again(reader, shape, self._dtype, self._targets[torch.from_numpy(index)])
        size = int(np.prod(shape)) * self._dtype.itemsize
        if not fits(size):
            raise LandscapeError(
                f"the data for {self._reader.split!r} can be read in their own order alone, and {len(index):,} chosen "
                f"examples ({in_words(size)}) are too much for the free memory: give a Dataset, whose examples can be "
                "read by their index, or take fewer with --samples"
            )
        return Resident(self._gathered(index, shape))

    def _gathered(self, index: NDArray[np.int64], shape: tuple[int, ...]) -> Tensor:
        """Chosen inputs in memory, picked from one walk over all."""
        found = torch.empty(shape, dtype=self._dtype)
        place = np.full(self.shape[0], -1, dtype=np.int64)
        place[index] = np.arange(len(index))
        bounds = in_chunks(self.shape[0])
        for inputs, (start, stop) in zip(self.walk(bounds), bounds, strict=True):
            wanted = torch.from_numpy(place[start:stop])
            found[wanted[wanted >= 0]] = inputs[wanted >= 0]
        return found


def streamed(
    reader: Reader, number: int, preprocessing: str, notes: Sequence[str], why: str, targets: Tensor | None = None
) -> Batches:
    """Batches whose inputs are read anew whenever they are needed; their digest takes one walk over all.

    Args:
        reader: Gives the pairs.
        number: How many there are.
        preprocessing: What is done to the inputs.
        notes: Whatever was assumed.
        why: Why they are not kept in memory.
        targets: The targets, if they were seen before: they have to come out the same.

    Returns:
        The batches, on the CPU.

    Raises:
        LandscapeError: If the reader gives something else than before.
    """
    digest = Digest()
    seen: list[Tensor] = []
    shape: tuple[int, ...] = ()
    dtype = torch.float32
    for inputs, answers in reader.read(in_chunks(number)):
        if not seen:
            shape, dtype = (number, *inputs.shape[1:]), inputs.dtype
            digest.begin(as_array(inputs).dtype, shape)
        digest.add(as_array(inputs))
        seen.append(answers)
    found, expected = torch.cat(seen), digest.text()
    if targets is not None and not _same(found, targets):
        raise LandscapeError(another(reader.split, "targets"))
    digest.begin(as_array(found).dtype, tuple(found.shape))
    digest.add(as_array(found))
    note = f"the examples for {reader.split!r} are read anew at every point ({why})"
    again = Deferred(Again(reader, shape, dtype, found, expected), dtype)
    return Batches(again, found, reader.split, digest.text(), preprocessing, (*notes, note))


def another(split: str, what: str) -> str:
    """What to say where data that are read again are not what they were.

    Args:
        split: Name of the split.
        what: What is different.

    Returns:
        A sentence.
    """
    return (
        f"the {what} for {split!r} come out differently when they are read once more, which they are at every point, "
        "since they are not kept in memory: switch off shuffling and random augmentation, or take so few examples that "
        "they fit, without --low-memory"
    )


def in_chunks(number: int) -> list[tuple[int, int]]:
    """Bounds of a few hundred examples each."""
    return [(start, min(start + CHUNK, number)) for start in range(0, number, CHUNK)]


def recut(items: Iterator[Pair], bounds: Bounds, split: str, number: int = -1) -> Iterator[Pair]:
    """Cut batches of any sizes anew.

    Args:
        items: Pairs, whose rows count from 0.
        bounds: The rows of each part; they increase.
        split: Name of the split, for messages.
        number: How many rows there should be, where that matters.

    Yields:
        The pairs of each part.

    Raises:
        LandscapeError: If there are too few rows, or more than there should be.
    """
    held: Pair | None = None
    first = 0
    for start, stop in bounds:
        while held is None or first + len(held[0]) < stop:
            item = next(items, None)
            if item is None:
                raise LandscapeError(another(split, "targets"))
            held = item if held is None else (torch.cat([held[0], item[0]]), torch.cat([held[1], item[1]]))
            drop = min(max(start - first, 0), len(held[0]))
            held, first = (held[0][drop:], held[1][drop:]), first + drop
        drop = max(start - first, 0)
        yield held[0][drop : stop - first], held[1][drop : stop - first]
        held, first = (held[0][stop - first :], held[1][stop - first :]), stop
    if first == number and held is not None and (len(held[0]) or any(len(inputs) for inputs, _ in items)):
        raise LandscapeError(another(split, "targets"))


def _same(one: Tensor, other: Tensor) -> bool:
    return (
        one.shape == other.shape and one.dtype == other.dtype and as_array(one).tobytes() == as_array(other).tobytes()
    )
