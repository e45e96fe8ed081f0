"""A subspace whose directions are drawn anew at every point and never held whole."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from landscape.parameters.base import Base
from landscape.parameters.pieces import doubles, pieces_of, put_together
from landscape.parameters.space import Entry
from landscape.parameters.subspace import Coordinates, Subspace, like, symmetric

# Draws a tensor of a direction for a parameter and its trained values, as pieces that are flat and in its dtype.
Draw: TypeAlias = Callable[[Entry, Tensor], Iterator[Tensor]]

# Their sums do not depend on where a tensor is cut; those of half precision do, in torch's vectorised loops.
EXACT = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Summary:
    """What is recorded of directions, found in one pass.

    Attributes:
        digests: As `Direction.digest`, one per direction.
        norms: As `Direction.norms`, one per direction.
        gram: As `Subspace.gram`.
    """

    digests: tuple[str, ...]
    norms: tuple[dict[str, float], ...]
    gram: list[list[float]]


class RegeneratedSubspace(Subspace):
    """The points theta_0 + sum_i a_i d_i, each bit as in a `Subspace` of the same directions.

    Beside the network it takes the memory of a few pieces; of a whole tensor where that is in half precision or not
    laid out row by row.

    Args:
        entries: The parameters that move.
        base: Their trained values.
        draws: The directions.

    Attributes:
        directions: None are held.
    """

    def __init__(self, entries: Sequence[Entry], base: Base, draws: Sequence[Draw]) -> None:
        self.directions = ()
        self._entries, self._base, self._draws = tuple(entries), base, tuple(draws)

    @functools.cached_property
    def gram(self) -> list[list[float]]:
        """Inner products of the directions."""
        return self.summary.gram

    @functools.cached_property
    def summary(self) -> Summary:
        """What is recorded of the directions."""
        _for_each(self._pieces, self._entries)  # every draw remembers its norms
        hashes = [hashlib.sha256() for _ in self._draws]
        products = {}
        for entry in sorted(self._entries, key=lambda one: one.name):
            for one in hashes:
                one.update(entry.name.encode() + b"\0")
            products[entry.name] = self._products(entry, hashes)
        gram = symmetric(len(hashes), lambda i, j: sum(products[entry.name][i, j] for entry in self._entries))
        norms = (self._norms([products[entry.name][i, i] for entry in self._entries]) for i in range(len(hashes)))
        return Summary(tuple(one.hexdigest() for one in hashes), tuple(norms), gram)

    def release(self) -> None:
        """Let go of the directions; no point can be reached any more."""
        self._draws = ()

    def _products(self, entry: Entry, hashes: Sequence[hashlib._Hash]) -> dict[tuple[int, int], float]:
        """Inner products of the directions in one parameter, whose values go into the hashes."""
        found: dict[tuple[int, int], list[float]] = {}
        for parts in self._pieces(entry):
            for part, one in zip(parts, hashes, strict=True):
                one.update(part.float().numpy().data)
            arrays = enumerate(doubles(part) for part in parts)
            for (i, a), (j, b) in itertools.combinations_with_replacement(arrays, 2):
                found.setdefault((i, j), []).append(float((a * b).sum()))
        return {pair: sum(values) for pair, values in found.items()}

    def _norms(self, squares: Sequence[float]) -> dict[str, float]:
        roles: dict[str, float] = {}
        for entry, square in zip(self._entries, squares, strict=True):
            roles[entry.role] = roles.get(entry.role, 0.0) + square
        return {role: square**0.5 for role, square in roles.items()}

    def _pieces(self, entry: Entry) -> Iterator[tuple[Tensor, ...]]:
        """One piece of each direction at a time."""
        base = self._base[entry.name]
        return zip(*(draw(entry, base) for draw in self._draws), strict=True)

    def _go(self, point: Coordinates) -> None:
        _for_each(lambda entry: self._add(entry, point), [one for one in self._entries if _may_be_cut(one.parameter)])
        for entry in self._entries:
            if not _may_be_cut(entry.parameter):
                self._add_whole(entry, entry.parameter.detach(), point)

    def _add(self, entry: Entry, point: Coordinates) -> None:
        parameter = entry.parameter.detach()
        for piece, parts in zip(pieces_of(entry.filters, parameter.shape), self._pieces(entry), strict=True):
            for part, coordinate in zip(parts, point, strict=True):
                torch._foreach_add_([piece.of(parameter)], [part.to(parameter.device)], alpha=float(coordinate))

    def _add_whole(self, entry: Entry, parameter: Tensor, point: Coordinates) -> None:
        base = self._base[entry.name]
        for draw, coordinate in zip(self._draws, point, strict=True):
            step = put_together(entry.filters, torch.empty(parameter.shape, dtype=parameter.dtype), draw(entry, base))
            torch._foreach_add_([parameter], [like(step, parameter)], alpha=float(coordinate))

    def _return(self) -> None:
        self._base.restore()


def _may_be_cut(parameter: Tensor) -> bool:
    return parameter.dtype in EXACT and parameter.is_contiguous()


def _for_each(work: Callable[[Entry], object], entries: Sequence[Entry]) -> None:
    """Do something for every entry, the largest first, on as many threads as torch has; all is over at the end."""
    pool = ThreadPoolExecutor(torch.get_num_threads())
    try:
        for _ in pool.map(work, sorted(entries, key=lambda one: -one.parameter.numel())):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
