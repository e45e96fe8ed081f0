"""Users' data sets and loaders: walked into memory, or read again at every point where they do not fit there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler

from landscape.data.batches import Batches, digest_of_tensors
from landscape.data.capacity import SHARE, fits, free_memory, in_words
from landscape.data.deferred import Bounds
from landscape.data.pairs import Pair, check_alike, pair_of, plain, prepared_in_words
from landscape.data.rewalking import in_chunks, recut, streamed
from landscape.data.samples import chosen
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
    return _joined([pair_of(item, split) for item in _walk(source, split)], split, _notes(source))


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
        return Indexed(_Arrays(*source, split), range(len(source[0])), split, {"collate_fn": _as_it_is})
    if isinstance(source, Dataset) and not isinstance(source, IterableDataset) and hasattr(source, "__len__"):
        return Indexed(source, range(len(source)), split)
    if isinstance(source, DataLoader) and type(source).__iter__ is DataLoader.__iter__ and _has_indices(source):
        keys = [key for batch in source.batch_sampler or () for key in batch]
        options = {name: getattr(source, name) for name in _OPTIONS}
        return Indexed(source.dataset, keys, split, options, _notes(source))
    return _walked(source, split, low_memory, again)


def _has_indices(loader: DataLoader[Any]) -> bool:
    return not isinstance(loader.dataset, IterableDataset) and loader.batch_sampler is not None


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
            found = _joined(list(self._raw(in_chunks(len(self)))), self.split, self.notes)
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
        items = iter(DataLoader(self.dataset, batch_sampler=wanted, **options))
        return self._complete(items if self.options else _stacked(items, self.split), wanted)

    def _complete(self, items: Iterator[Any], wanted: Sequence[Sequence[Any]]) -> Iterator[Pair]:
        """The pairs, all of one kind and none of their examples left out."""
        kind: list[Pair] = []
        for item, keys in zip(items, wanted, strict=True):
            pair = pair_of(item, self.split)
            kind = kind or [_kind(pair)]
            check_alike([*kind, pair], self.split)
            if len(pair[0]) != len(keys):
                raise LandscapeError(
                    f"of {len(keys)} examples for {self.split!r} the collate function of the loader gave "
                    f"{len(pair[0])}: let it keep them all"
                )
            yield pair


def _kind(pair: Pair) -> Pair:
    """Shape and type of a pair, without its content."""
    return pair[0][:0].clone(), pair[1][:0].clone()


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
        inputs.append(pair[0] if size <= limit else _kind(pair)[0])
        targets.append(pair[1])
    if size <= limit or again is None:
        return _joined(list(zip(inputs, targets, strict=True)), split, _notes(source))
    why = "--low-memory" if low_memory else f"{in_words(size)} are too much for the free memory"
    preprocessing, notes = prepared_in_words(inputs[0])
    seen = plain((inputs[0], torch.cat(targets)), split)[1]
    return streamed(_Walked(again, split, len(seen)), len(seen), preprocessing, (*_notes(source), *notes), why, seen)


def _joined(pairs: Sequence[Pair], split: str, notes: Sequence[str]) -> Batches:
    """Batches in memory."""
    if not pairs:
        raise LandscapeError(f"the data for {split!r} yield no batch; at least one example is needed")
    check_alike(pairs, split)
    raw, answers = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    preprocessing, more = prepared_in_words(raw)
    inputs, targets = plain((raw, answers), split)
    return Batches(inputs, targets, split, digest_of_tensors(inputs, targets), preprocessing, (*notes, *more))


def _walk(source: Any, split: str) -> Iterator[Any]:
    """Yield batches, whatever the source; an error inside the user's code keeps its own traceback."""
    if isinstance(source, Dataset) and not isinstance(source, DataLoader):
        yield from _stacked(iter(DataLoader(source, batch_size=256, shuffle=False)), split)
    elif isinstance(source, Iterable) and not isinstance(source, (str, bytes, dict)):
        yield from source
    else:
        raise LandscapeError(
            f"the data for {split!r} must be a Dataset, a DataLoader or an iterable of (input, target) batches, "
            f"not {type(source).__name__}"
        )


def _stacked(items: Iterator[Any], split: str) -> Iterator[Any]:
    """Batches of a user's data set, which torch stacks."""
    try:
        yield from items
    except (TypeError, RuntimeError) as error:
        raise LandscapeError(
            f"the examples of the data set for {split!r} cannot be stacked into batches ({_first_line(error)}); "
            "each must be (input, target) with tensors of one shape, for example with transform=ToTensor()"
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _notes(source: Any) -> tuple[str, ...]:
    if not isinstance(source, DataLoader) or isinstance(source.dataset, IterableDataset):
        return ()
    shuffles = isinstance(source.sampler, RandomSampler)
    notes = (
        (shuffles, "the loader shuffles: the order of this one walk is used, and another run will not have it"),
        (source.drop_last, "the loader drops its last, incomplete batch"),
    )
    return tuple(note for applies, note in notes if applies)
