"""Users' examples that are read by their index when they are needed: data sets, loaders over them, arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from landscape.data.batches import Batches, digest_of_tensors
from landscape.data.capacity import fits, in_words
from landscape.data.deferred import Bounds
from landscape.data.pairs import Pair, check_alike, pair_of, plain, prepared_in_words
from landscape.data.rewalking import in_chunks, streamed
from landscape.data.samples import chosen
from landscape.errors import LandscapeError


@dataclass(frozen=True, eq=False)
class Indexed:
    """A user's examples that are read by their index when they are needed.

    Attributes:
        dataset: Gives an example for each key.
        keys: The keys of the examples, in order.
        split: Name of the split.
        options: Of the torch loader that reads; none for a data set that was given alone.
        notes: Whatever was assumed, a sentence each.
        name: What the data are called; empty for the split's name.
    """

    dataset: Any
    keys: Sequence[Any]
    split: str
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    name: str = ""

    @classmethod
    def of_arrays(cls, inputs: Any, targets: Any, split: str) -> Indexed:
        """The examples of two arrays.

        Args:
            inputs: Shape (N, ...); it may be mapped into memory.
            targets: Shape (N, ...).
            split: Name of the split.

        Returns:
            The examples, none of them read yet.
        """
        return cls(_Arrays(inputs, targets, split), range(len(inputs)), split, {"collate_fn": _as_it_is})

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.keys)

    def subset(self, samples: str) -> Indexed:
        """Choose examples, as `ImageSet.subset` does, without reading any.

        Args:
            samples: `"all"`, `"N"` or `"first:N"`.

        Returns:
            The chosen examples, in their fixed order.
        """
        return self.taken(chosen(samples, len(self)))

    def taken(self, index: NDArray[np.int64]) -> Indexed:
        """Some of the examples, in this order."""
        return dataclasses.replace(self, keys=[self.keys[place] for place in index.tolist()])

    def first(self) -> Pair:
        """The first pair, as it comes: shape (1, ...) each.

        Raises:
            LandscapeError: If there is none.
        """
        if not len(self):
            raise LandscapeError(f"the data for {self.split!r} yield no batch; at least one example is needed")
        return next(self._raw([(0, 1)]))

    def preprocessing(self) -> str:
        """What is done to the inputs."""
        return prepared_in_words(self.first()[0])[0]

    def batches(self, low_memory: bool = False) -> Batches:
        """Read the examples into memory, if they belong there.

        Args:
            low_memory: Whether to read them anew at every point in any case.

        Returns:
            The batches, on the CPU.

        Raises:
            LandscapeError: If they are no pairs of tensors that fit together.
        """
        inputs, targets = self.first()
        size = len(self) * (plain((inputs, targets), self.split)[0].nbytes + targets.nbytes)
        if not low_memory and fits(size):
            found = joined(list(self._raw(in_chunks(len(self)))), self.split, self.notes)
        else:
            preprocessing, notes = prepared_in_words(inputs)
            why = "--low-memory" if low_memory else f"{in_words(size)} are too much for the free memory"
            found = streamed(self, len(self), preprocessing, (*self.notes, *notes), why)
        return dataclasses.replace(found, name=self.name or self.split)

    def read(self, bounds: Bounds) -> Iterator[Pair]:
        """Give the plain pairs from each `start` to its `stop`."""
        raw = self._raw(bounds)
        return (plain(pair, self.split) for pair in raw)

    def _raw(self, bounds: Bounds) -> Iterator[Pair]:
        wanted = [[self.keys[place] for place in range(start, stop)] for start, stop in bounds]
        # A single part is not worth processes of its own.
        options = self.options if len(wanted) > 1 else {"collate_fn": self.options.get("collate_fn")}
        items = iter(DataLoader(self.dataset, batch_sampler=wanted, generator=torch.Generator(), **options))
        return self._complete(items if self.options else stacked(items, self.split), wanted)

    def _complete(self, items: Iterator[Any], wanted: Sequence[Sequence[Any]]) -> Iterator[Pair]:
        """The pairs, all of one kind and none of their examples left out."""
        kind: list[Pair] = []
        for item, keys in zip(items, wanted, strict=True):
            pair = pair_of(item, self.split)
            kind = kind or [kind_of(pair)]
            check_alike([*kind, pair], self.split)
            if len(pair[0]) != len(keys):
                raise LandscapeError(
                    f"of {len(keys)} examples for {self.split!r} the collate function of the loader gave "
                    f"{len(pair[0])}: let it keep them all"
                )
            yield pair


class _Arrays(Dataset[Any]):
    """A pair of arrays as a data set that gives many examples at a time.

    Args:
        inputs: Shape (N, ...).
        targets: Shape (N, ...).
        split: Name of the split, for messages.
    """

    def __init__(self, inputs: Any, targets: Any, split: str) -> None:
        self._arrays, self._split = (inputs, targets), split
        pair_of((torch.empty(len(inputs)), torch.empty(len(targets))), split)

    def __getitem__(self, index: int) -> Pair:
        """One example."""
        raise NotImplementedError

    def __getitems__(self, index: list[int]) -> Pair:
        """Many examples, shape (n, ...)."""
        return pair_of(tuple(array[np.asarray(index, dtype=np.int64)] for array in self._arrays), self._split)


def _as_it_is(pair: Pair) -> Pair:
    return pair


def joined(pairs: Sequence[Pair], split: str, notes: Sequence[str]) -> Batches:
    """Put pairs together.

    Args:
        pairs: As `pair_of` gave them.
        split: Name of the split, which the batches are called.
        notes: Whatever was assumed.

    Returns:
        Batches in memory.

    Raises:
        LandscapeError: If there are none, or they do not fit together.
    """
    if not pairs:
        raise LandscapeError(f"the data for {split!r} yield no batch; at least one example is needed")
    check_alike(pairs, split)
    raw, answers = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    preprocessing, more = prepared_in_words(raw)
    inputs, targets = plain((raw, answers), split)
    return Batches(inputs, targets, split, digest_of_tensors(inputs, targets), preprocessing, (*notes, *more))


def stacked(items: Iterator[Any], split: str) -> Iterator[Any]:
    """Go through batches that torch stacks of the examples of a user's data set.

    Args:
        items: The batches.
        split: Name of the split, for messages.

    Yields:
        The batches.

    Raises:
        LandscapeError: If the examples cannot be stacked.
    """
    try:
        yield from items
    except (TypeError, RuntimeError) as error:
        raise LandscapeError(
            f"the examples of the data set for {split!r} cannot be stacked into batches ({_first_line(error)}); "
            "each must be (input, target) with tensors of one shape, for example with transform=ToTensor()"
        ) from error


def kind_of(pair: Pair) -> Pair:
    """Shapes and types of a pair, without its content."""
    return pair[0][:0].clone(), pair[1][:0].clone()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
