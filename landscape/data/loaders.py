"""Users' data sets and loaders: walked into memory, or read again at every point where they do not fit there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler

from landscape.data.batches import Batches
from landscape.data.capacity import SHARE, free_memory, in_words
from landscape.data.deferred import Bounds
from landscape.data.indexed import Indexed, joined, kind_of, stacked
from landscape.data.pairs import Pair, check_alike, pair_of, plain, prepared_in_words
from landscape.data.rewalking import recut, streamed
from landscape.errors import LandscapeError

_OPTIONS = ("collate_fn", "num_workers", "timeout", "worker_init_fn", "multiprocessing_context")


def materialise(source: Any, split: str) -> Batches:
    """Walk a data set or loader once, in its order, into memory.

    Args:
        source: A torch `Dataset` of (input, target) examples, or a `DataLoader` or any other iterable of
            (input, target) batches; input and target are one tensor each.
        split: Name of the split, used as the name of the data and in messages.

    Returns:
        The batches, on the CPU.

    Raises:
        LandscapeError: If it yields nothing, or anything but pairs of tensors that fit together.
    """
    return joined([pair_of(item, split) for item in _walk(source, split)], split, _notes(source))


def open_loader(
    source: Any, split: str, low_memory: bool = False, again: Callable[[], Any] | None = None
) -> Indexed | Batches:
    """Open a data set or loader: nothing is read yet of what can be read by index.

    Args:
        source: As for `materialise`, or a pair (inputs, targets) of arrays.
        split: Name of the split, used as the name of the data and in messages.
        low_memory: Whether to keep nothing in memory that can be read again.
        again: Makes a source like this one, where it can be walked only once; None if nothing does.

    Returns:
        The data set, or the batches of what can be walked in its own order alone.

    Raises:
        LandscapeError: As for `materialise`, or if the data do not fit into memory and cannot be read again.
    """
    if isinstance(source, tuple) and len(source) == 2 and all(hasattr(part, "shape") for part in source):
        if not all(len(part.shape) for part in source):
            return _walked([source], split, low_memory, again)
        return Indexed.of_arrays(*source, split)
    if isinstance(source, Dataset) and not isinstance(source, IterableDataset) and hasattr(source, "__len__"):
        return Indexed(source, range(len(source)), split)
    if isinstance(source, DataLoader) and type(source).__iter__ is DataLoader.__iter__ and _has_indices(source):
        keys = [key for batch in source.batch_sampler or () for key in batch]
        options = {name: getattr(source, name) for name in _OPTIONS}
        return Indexed(source.dataset, keys, split, options, _notes(source))
    return _walked(source, split, low_memory, again)


def _has_indices(loader: DataLoader[Any]) -> bool:
    return not isinstance(loader.dataset, IterableDataset) and loader.batch_sampler is not None


@dataclass(frozen=True, eq=False)
class _Walked:
    """Examples that can be had in their own order alone: an iterable that is walked again and again."""

    again: Callable[[], Any]
    split: str
    number: int
    index: NDArray[np.int64] | None = None

    def read(self, bounds: Bounds) -> Iterator[Pair]:
        """Give the plain pairs from each `start` to its `stop`."""
        items = (pair_of(item, self.split) for item in _walk(self.again(), self.split))
        picked = items if self.index is None else _picked(items, self.index)
        number = self.number if self.index is None else -1
        return (plain(pair, self.split) for pair in recut(picked, bounds, self.split, number))

    def taken(self, index: NDArray[np.int64]) -> _Walked | None:
        """Some of the examples; None unless they are in their own order."""
        if (np.diff(index) <= 0).any():
            return None
        return dataclasses.replace(self, index=index if self.index is None else self.index[index])


def _picked(items: Iterator[Pair], index: NDArray[np.int64]) -> Iterator[Pair]:
    """Only the rows with these increasing numbers."""
    first = 0
    for inputs, targets in items:
        here = torch.from_numpy(index[(index >= first) & (index < first + len(inputs))] - first)
        yield inputs[here], targets[here]
        first += len(inputs)


def _walked(source: Any, split: str, low_memory: bool, again: Callable[[], Any] | None) -> Batches:
    """Walk an iterable into memory; once it is too much for it, go on for the targets alone."""
    again = again if isinstance(source, Iterator) else lambda: source
    limit = 0 if low_memory and again is not None else free_memory() // SHARE
    inputs: list[Tensor] = []
    targets: list[Tensor] = []
    size = 0
    for item in _walk(source, split):
        pair = pair_of(item, split)
        check_alike([*zip(inputs[:1], targets[:1], strict=True), pair], split)
        size += plain(pair, split)[0].nbytes
        if size > limit and again is None:
            raise LandscapeError(
                f"the data for {split!r} are too much for the free memory, and a {type(source).__name__} can be walked "
                "only once: give a Dataset, a DataLoader or a list of batches, or fewer examples"
            )
        inputs = inputs if size <= limit else []
        inputs.append(pair[0] if size <= limit else kind_of(pair)[0])
        targets.append(pair[1])
    if size <= limit or again is None:
        return joined(list(zip(inputs, targets, strict=True)), split, _notes(source))
    why = "--low-memory" if low_memory else f"{in_words(size)} are too much for the free memory"
    preprocessing, notes = prepared_in_words(inputs[0])
    seen = plain((inputs[0], torch.cat(targets)), split)[1]
    return streamed(_Walked(again, split, len(seen)), len(seen), preprocessing, (*_notes(source), *notes), why, seen)


def _walk(source: Any, split: str) -> Iterator[Any]:
    """Yield batches, whatever the source; an error inside the user's code keeps its own traceback."""
    if isinstance(source, Dataset) and not isinstance(source, DataLoader):
        yield from stacked(iter(DataLoader(source, batch_size=256, generator=torch.Generator())), split)
    elif isinstance(source, Iterable) and not isinstance(source, (str, bytes, dict)):
        yield from source
    else:
        raise LandscapeError(
            f"the data for {split!r} must be a Dataset, a DataLoader or an iterable of (input, target) batches, "
            f"not {type(source).__name__}"
        )


def _notes(source: Any) -> tuple[str, ...]:
    if not isinstance(source, DataLoader) or isinstance(source.dataset, IterableDataset):
        return ()
    shuffles = isinstance(source.sampler, RandomSampler)
    notes = (
        (shuffles, "the loader shuffles: the order of this one walk is used, and another run will not have it"),
        (source.drop_last, "the loader drops its last, incomplete batch"),
    )
    return tuple(note for applies, note in notes if applies)
