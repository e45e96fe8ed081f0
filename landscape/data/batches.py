"""Batches: inputs and targets, walked once, resident on the device, cut into equal parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler

from landscape.data.samples import chosen, digest_of
from landscape.errors import LandscapeError


@dataclass(frozen=True, eq=False)
class Batches:
    """All the examples of a split in memory, ready for the model.

    Attributes:
        inputs: What the model takes, shape (N, ...); float32 where it is floating point.
        targets: What the loss takes, shape (N, ...); int64 where it is integer.
        name: What the data are called.
        digest: sha256 over the raw data (before mean and std where those are known).
        preprocessing: What was done to the raw data.
        notes: Whatever was assumed, a sentence each.
    """

    inputs: Tensor
    targets: Tensor
    name: str
    digest: str
    preprocessing: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that there is a target for every input.

        Raises:
            LandscapeError: If there is no example, or inputs and targets differ in number.
        """
        if len(self.inputs) == 0:
            raise LandscapeError(f"the data {self.name!r} have no examples; at least one is needed")
        if len(self.inputs) != len(self.targets):
            raise LandscapeError(
                f"the data {self.name!r} have {len(self.inputs)} inputs and {len(self.targets)} targets; "
                "each input needs one target"
            )

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.inputs)

    def to(self, device: torch.device | str) -> Batches:
        """The same examples on a device.

        Args:
            device: Where to put them.

        Returns:
            The batches there.
        """
        return dataclasses.replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))

    def split(self, batch_size: int) -> list[tuple[Tensor, Tensor]]:
        """Cut the examples, in order, into parts of equal size.

        There are ceil(N / batch_size) parts whose sizes differ by at most one. No part has one example
        alone unless N is 1 (products round differently there), so parts of 2 or 3 replace those of 1.

        Args:
            batch_size: The most examples in a part.

        Returns:
            Pairs of views (inputs, targets).

        Raises:
            LandscapeError: If the batch size is not positive.
        """
        if batch_size < 1:
            raise LandscapeError(f"the batch size must be at least 1, not {batch_size}")
        parts = max(1, min(-(-len(self) // batch_size), len(self) // 2))
        inputs, targets = torch.tensor_split(self.inputs, parts), torch.tensor_split(self.targets, parts)
        return list(zip(inputs, targets, strict=True))

    def every(self, step: int) -> Batches:
        """Every `step`-th example, from the first on.

        Args:
            step: How many examples lie between two of them, plus one.

        Returns:
            ceil(N / step) examples, views.
        """
        return dataclasses.replace(self, inputs=self.inputs[::step], targets=self.targets[::step])

    def subset(self, samples: str) -> Batches:
        """Choose examples, as `ImageSet.subset` does; the digest is then that of the chosen tensors.

        Args:
            samples: `"all"`, `"N"` or `"first:N"`.

        Returns:
            The chosen examples, in their fixed order.
        """
        index = torch.from_numpy(chosen(samples, len(self))).to(self.inputs.device)
        inputs, targets = self.inputs[index], self.targets[index.to(self.targets.device)]
        return dataclasses.replace(self, inputs=inputs, targets=targets, digest=_digest(inputs, targets))


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
    pairs = [_pair(item, split) for item in _walk(source, split)]
    if not pairs:
        raise LandscapeError(f"the data for {split!r} yield no batch; at least one example is needed")
    inputs = _joined([pair[0] for pair in pairs], "inputs", split)
    targets = _joined([pair[1] for pair in pairs], "targets", split)
    notes = _notes(source)
    preprocessing = "as the loader gives them"
    if inputs.dtype == torch.uint8 and inputs.dim() > 2:
        inputs, preprocessing = inputs.float() / 255, "scaled to [0, 1]"
        notes = (*notes, "the loader gives uint8 images, which are scaled to [0, 1]")
    inputs = _plain(inputs)
    if inputs.is_floating_point() and not inputs.isfinite().all():
        raise LandscapeError(f"the inputs for {split!r} contain NaN or infinite values; mend the loader")
    if not targets.is_floating_point() and not targets.is_complex():
        targets = targets.long()
    return Batches(inputs, targets, split, _digest(inputs, targets), preprocessing, notes)


def _walk(source: Any, split: str) -> Iterator[Any]:
    """Yield batches, whatever the source; an error inside the user's code keeps its own traceback."""
    if isinstance(source, Dataset) and not isinstance(source, DataLoader):
        source = DataLoader(source, batch_size=256, shuffle=False)
        try:
            yield from source
        except (TypeError, RuntimeError) as error:
            raise LandscapeError(
                f"the examples of the data set for {split!r} cannot be stacked into batches ({_first_line(error)}); "
                "each must be (input, target) with tensors of one shape, for example with transform=ToTensor()"
            ) from error
    elif isinstance(source, Iterable) and not isinstance(source, (str, bytes, dict)):
        yield from source
    else:
        raise LandscapeError(
            f"the data for {split!r} must be a Dataset, a DataLoader or an iterable of (input, target) batches, "
            f"not {type(source).__name__}"
        )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _pair(item: Any, split: str) -> tuple[Tensor, Tensor]:
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        what = f"{type(item).__name__} of {len(item)}" if isinstance(item, (tuple, list)) else type(item).__name__
        raise LandscapeError(
            f"a batch for {split!r} must be (input, target), not a {what}; "
            "wrap the loader in a function that yields such pairs"
        )
    first, second = (_tensor(part) for part in item)
    for part, name in ((first, "input"), (second, "target")):
        if not isinstance(part, Tensor) or part.dim() == 0:
            raise LandscapeError(
                f"the {name} of a batch for {split!r} must be one tensor whose first axis counts the examples, "
                f"not {'a single number' if isinstance(part, Tensor) else 'a ' + type(part).__name__}"
            )
    if len(first) != len(second):
        raise LandscapeError(
            f"a batch for {split!r} has {len(first)} inputs and {len(second)} targets; each input needs one target"
        )
    return first.detach().cpu(), second.detach().cpu()


def _tensor(part: Any) -> Any:
    """An array as a tensor of its own (it may be read-only or reversed); anything else as it is."""
    if isinstance(part, Tensor) or not hasattr(part, "__array__"):
        return part
    array = np.array(part, order="C")
    return torch.from_numpy(array) if array.dtype.kind in "biufc" else part


def _joined(tensors: list[Tensor], what: str, split: str) -> Tensor:
    shapes = sorted({(tuple(tensor.shape[1:]), str(tensor.dtype)) for tensor in tensors})
    if len(shapes) > 1:
        (shape, dtype), (other_shape, other_dtype) = shapes[:2]
        raise LandscapeError(
            f"the {what} for {split!r} must have one shape and type in all batches, "
            f"not {shape} {dtype} and {other_shape} {other_dtype}"
        )
    return torch.cat(tensors)


def _plain(inputs: Tensor) -> Tensor:
    """Contiguous, and float32 where floating point."""
    return (inputs.float() if inputs.is_floating_point() else inputs).contiguous()


def _notes(source: Any) -> tuple[str, ...]:
    if not isinstance(source, DataLoader) or isinstance(source.dataset, IterableDataset):
        return ()
    shuffles = isinstance(source.sampler, RandomSampler)
    notes = (
        (shuffles, "the loader shuffles: the order of this one walk is used, and another run will not have it"),
        (source.drop_last, "the loader drops its last, incomplete batch"),
    )
    return tuple(note for applies, note in notes if applies)


def _digest(inputs: Tensor, targets: Tensor) -> str:
    tensors = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor for tensor in (inputs, targets))
    return digest_of(*(tensor.cpu().numpy() for tensor in tensors))
