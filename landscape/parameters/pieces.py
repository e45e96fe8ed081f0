"""Tensors in pieces, so that work on a large one needs little memory beside it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landscape.parameters.roles import Filters

# Torch takes one thread for so few elements, and in float64 they stay within a core's cache. Norms of tensors that are
# cut within a filter depend on this number in their last bits.
PIECE = 2**15

FloatArray = NDArray[np.float64]


class Piece(NamedTuple):
    """Elements of a tensor that follow each other row by row and form a box of (groups, rows, filters, elements).

    Attributes:
        start: The first of them in the flattened tensor.
        stop: The one after the last.
        box: Shape of the box.
        groups: Which groups it covers.
        filters: Which filters of each group it covers.
    """

    start: int
    stop: int
    box: tuple[int, int, int, int]
    groups: slice
    filters: slice

    def of(self, tensor: Tensor) -> Tensor:
        """The piece of a contiguous tensor, flat: a view."""
        return tensor.view(-1)[self.start : self.stop]

    def spread(self, per_filter: FloatArray) -> FloatArray:
        """Numbers per (group, filter), in a shape that goes with the box."""
        return per_filter[self.groups, None, self.filters, None]


def pieces_of(filters: Filters, shape: Sequence[int], limit: int = PIECE) -> list[Piece]:
    """Divide a tensor into pieces of at most `limit` elements, whole filters where they are short enough.

    Args:
        filters: How the tensor divides into filters.
        shape: Its shape.
        limit: The most elements in a piece.

    Returns:
        The pieces in the order of the elements, which they cover once.
    """
    whole = filter_layout(filters, shape)
    split = next(axis for axis in range(4) if math.prod(whole[axis + 1 :]) <= limit)
    inner = math.prod(whole[split + 1 :])
    step, found = max(1, limit // max(inner, 1)), []
    start = 0
    for lead in itertools.product(*(range(size) for size in whole[:split])):
        for begin in range(0, whole[split], step):
            ranges = [slice(index, index + 1) for index in lead]
            ranges.append(slice(begin, min(begin + step, whole[split])))
            ranges += [slice(0, size) for size in whole[split + 1 :]]
            groups, rows, members, elements = ranges
            box = (_length(groups), _length(rows), _length(members), _length(elements))
            found.append(Piece(start, start + math.prod(box), box, groups, members))
            start += math.prod(box)
    return found


def filter_layout(filters: Filters, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """The shape (groups, rows, filters, elements) in which a tensor's elements lie in memory, row by row.

    Args:
        filters: How the tensor divides into filters.
        shape: Its shape.

    Returns:
        A filter is all that shares the first and the third index.
    """
    if filters.axis is None or not shape:
        return 1, 1, 1, math.prod(shape)
    axis = filters.axis % len(shape)
    rows = math.prod(shape[:axis]) // filters.groups
    return filters.groups, rows, shape[axis], math.prod(shape[axis + 1 :])


def filter_squares(filters: Filters, shape: Sequence[int], arrays: Iterable[NDArray[np.floating]]) -> FloatArray:
    """Sum the squares of each filter.

    The order of the additions is that of NumPy's pairwise sums within a piece, then piece by piece: the same for every
    processor and number of threads.

    Args:
        filters: How the tensor divides into filters.
        shape: Its shape.
        arrays: The elements of each piece, flat, as `pieces_of` divides them.

    Returns:
        Shape (groups, filters of a group).
    """
    groups, _, members, _ = filter_layout(filters, shape)
    totals = np.zeros((groups, members))
    for piece, array in zip(pieces_of(filters, shape), arrays, strict=True):
        squares = np.square(array, dtype=np.float64).reshape(piece.box)
        totals[piece.groups, piece.filters] += squares.sum(axis=3).sum(axis=1)
    return totals


def arrays_of(tensor: Tensor, pieces: Sequence[Piece]) -> Iterator[FloatArray]:
    """The elements of each piece in float64.

    Args:
        tensor: Of any device, dtype and layout.
        pieces: Its pieces.

    Yields:
        One flat array per piece.
    """
    flat = tensor.detach().contiguous()
    for piece in pieces:
        yield doubles(piece.of(flat))


def doubles(piece: Tensor) -> FloatArray:
    """The elements of a piece in float64."""
    return piece.cpu().double().numpy()


def put_together(filters: Filters, tensor: Tensor, values: Iterable[Tensor]) -> Tensor:
    """Fill a contiguous tensor piece by piece.

    Args:
        filters: How it divides into filters.
        tensor: The tensor.
        values: The elements of each piece, flat.

    Returns:
        The tensor.
    """
    for piece, one in zip(pieces_of(filters, tensor.shape), values, strict=True):
        piece.of(tensor).copy_(one)
    return tensor


def inner_product(filters: Filters, one: Tensor, other: Tensor) -> float:
    """Sum the products of two tensors' elements in float64, piece by piece.

    Args:
        filters: How the tensors divide into filters.
        one: A tensor.
        other: Another one of the same shape.

    Returns:
        The sum.
    """
    pieces = pieces_of(filters, one.shape)
    return sum_of_products(arrays_of(one, pieces), arrays_of(other, pieces))


def sum_of_products(one: Iterable[FloatArray], other: Iterable[FloatArray]) -> float:
    """The same of tensors that are given piece by piece."""
    return sum(float((a * b).sum()) for a, b in zip(one, other, strict=True))


def is_finite(tensor: Tensor) -> bool:
    """Whether no element is NaN or infinite."""
    flat = tensor.detach().contiguous()
    return all(bool(torch.isfinite(piece.of(flat)).all()) for piece in pieces_of(Filters(None), flat.shape))


def _length(of: slice) -> int:
    return int(of.stop - of.start)
