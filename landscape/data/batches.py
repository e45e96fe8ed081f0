"""Batches: inputs and targets in a fixed order, on the device, cut into equal parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landscape.data.deferred import Deferred, Parts
from landscape.data.samples import CHUNK, Digest, chosen, thinned
from landscape.errors import LandscapeError


@dataclass(frozen=True, eq=False)
class Batches:
    """All the examples of a split, ready for the model.

    Attributes:
        inputs: What the model takes, shape (N, ...); float32 where it is floating point. A tensor in memory, or inputs
            that are read and prepared part by part.
        targets: What the loss takes, shape (N, ...); int64 where it is integer.
        name: What the data are called.
        digest: sha256 over the raw data (before mean and std where those are known).
        preprocessing: What was done to the raw data.
        notes: Whatever was assumed, a sentence each.
    """

    inputs: Tensor | Deferred
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

    def split(self, batch_size: int) -> Sequence[tuple[Tensor, Tensor]]:
        """Cut the examples, in order, into parts of equal size.

        There are ceil(N / batch_size) parts whose sizes differ by at most one. No part has one example
        alone unless N is 1 (products round differently there), so parts of 2 or 3 replace those of 1.

        Args:
            batch_size: The most examples in a part.

        Returns:
            Pairs (inputs, targets): views of what is in memory; what is not is read as one goes through them.

        Raises:
            LandscapeError: If the batch size is not positive.
        """
        if batch_size < 1:
            raise LandscapeError(f"the batch size must be at least 1, not {batch_size}")
        parts = max(1, min(-(-len(self) // batch_size), len(self) // 2))
        if isinstance(self.inputs, Deferred):
            stops = np.cumsum([len(part) for part in torch.tensor_split(self.targets, parts)]).tolist()
            return Parts(self.inputs, self.targets, list(zip([0, *stops], stops, strict=False)))
        inputs, targets = torch.tensor_split(self.inputs, parts), torch.tensor_split(self.targets, parts)
        return list(zip(inputs, targets, strict=True))

    def chunks(self) -> Iterator[Tensor]:
        """Go through all inputs, a few hundred at a time, whether they are in memory or not.

        Yields:
            Inputs of shape (n, ...).
        """
        inputs = self.inputs
        yield from inputs.chunks() if isinstance(inputs, Deferred) else torch.split(inputs, CHUNK)

    def every(self, step: int) -> Batches:
        """One in `step` of the examples, as `thinned` chooses them.

        Args:
            step: How many there are for one that is chosen.

        Returns:
            ceil(N / step) examples, in their order; if they are in memory, copies that lie there as all of them do.
        """
        order = thinned(len(self), step)
        index, inputs = torch.from_numpy(order), self.inputs
        targets = self.targets[index.to(self.targets.device)]
        if isinstance(inputs, Deferred):
            return dataclasses.replace(self, inputs=inputs.taken(order), targets=targets)
        part = torch.empty_like(inputs[: len(order)]).copy_(inputs[index.to(inputs.device)])
        return dataclasses.replace(self, inputs=part, targets=targets)

    def subset(self, samples: str) -> Batches:
        """Choose examples, as `ImageSet.subset` does; the digest is then that of the chosen tensors.

        Args:
            samples: `"all"`, `"N"` or `"first:N"`.

        Returns:
            The chosen examples, in their fixed order.
        """
        order = chosen(samples, len(self))
        index = torch.from_numpy(order)
        inputs = self.inputs
        part = inputs.taken(order) if isinstance(inputs, Deferred) else inputs[index.to(inputs.device)]
        targets = self.targets[index.to(self.targets.device)]
        return dataclasses.replace(self, inputs=part, targets=targets, digest=digest_of_tensors(part, targets))


def digest_of_tensors(*tensors: Tensor | Deferred) -> str:
    """sha256 over the types, shapes and values of tensors, read part by part where they are not in memory.

    Args:
        tensors: Of one axis or more.

    Returns:
        64 hexadecimal digits.
    """
    digest = Digest()
    for tensor in tensors:
        parts = tensor.chunks() if isinstance(tensor, Deferred) else torch.split(tensor, CHUNK)
        digest.begin(as_array(torch.empty(0, dtype=tensor.dtype)).dtype, tuple(tensor.shape))
        for part in parts:
            digest.add(as_array(part))
    return digest.text()


def as_array(tensor: Tensor) -> NDArray[Any]:
    """A tensor as an array on the host; bfloat16, which NumPy has not, as float32."""
    array: NDArray[Any] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().cpu().numpy()
    return array
