"""Random directions, as recipes that any machine rebuilds bit for bit, whole or piece by piece."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landscape.directions.normalize import ELEMENTWISE, NORMALIZERS, ByNorm, applied
from landscape.keys import philox_key
from landscape.parameters import (
    Direction,
    Entry,
    FloatArray,
    ParameterSpace,
    Piece,
    arrays_of,
    filter_squares,
    pieces_of,
    put_together,
)
from landscape.registry import Spec

Drawn: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Gaussian:
    """A direction of independent standard normal numbers, scaled by a normalizer.

    Each tensor is drawn by its own counter-based generator, Philox keyed by (seed, repeat, axis, name): the draw
    depends on nothing else, so two networks that share a tensor's name and shape share its draw.

    Attributes:
        seed: The seed of the run.
        axis: 0 for the first direction, 1 for the second.
        repeat: Number of the replicate.
        normalize: Name of the normalizer.
    """

    seed: int = 0
    axis: int = 0
    repeat: int = 0
    normalize: str = "filter"

    def __call__(self, space: ParameterSpace) -> Direction:
        """Draw a direction that moves what the space says may move.

        Args:
            space: The parameters; their present values set the scale.

        Returns:
            The direction, on the CPU, in the parameters' own dtypes.
        """
        return Direction({entry.name: self._drawn(entry) for entry in space.moved}, self.spec)

    @property
    def spec(self) -> str:
        """The recipe as text."""
        settings = {"seed": self.seed, "axis": self.axis, "repeat": self.repeat, "normalize": self.normalize}
        return str(Spec("random", settings))

    def draws(self, entry: Entry) -> Iterator[Drawn]:
        """Draw a tensor piece by piece, as `pieces_of` divides it; where it is divided changes no number.

        Args:
            entry: The parameter.

        Yields:
            Standard normal numbers, flat.
        """
        key = philox_key(json.dumps([self.seed, self.repeat, self.axis, entry.name]))
        generator = np.random.Generator(np.random.Philox(key=key))
        for piece in pieces_of(entry.filters, entry.parameter.shape):
            yield generator.standard_normal(piece.stop - piece.start, dtype=np.float32)

    def norms(self, entry: Entry, weight: Tensor, draws: Iterable[Drawn]) -> Norms | None:
        """Find what a tensor has to be scaled by, where the normalizer goes by norms.

        Args:
            entry: The parameter.
            weight: Its trained values.
            draws: What `draws` gives for it.

        Returns:
            The norms; None where the normalizer goes by something else.
        """
        if not isinstance(normalizer := self._normalizer, ByNorm):
            return None
        filters, shape = entry.filters, weight.shape
        squares = [filter_squares(filters, shape, draws)]
        if normalizer.relative:
            squares.append(filter_squares(filters, shape, arrays_of(weight, pieces_of(filters, shape))))
        lengths = [np.sqrt(one if normalizer.each else np.full_like(one, one.sum())) for one in squares]
        return Norms(normalizer, np.where(lengths[0] > 0, lengths[0], 1.0), lengths[-1])

    def scaled(self, entry: Entry, weight: Tensor, draws: Iterable[Drawn], norms: Norms | None) -> Iterator[Tensor]:
        """Scale a tensor piece by piece; a normalizer of the user's own gets it whole.

        Args:
            entry: The parameter, whose dtype the direction gets.
            weight: Its trained values.
            draws: What `draws` gives for it.
            norms: What `norms` gives for it.

        Yields:
            The elements of each piece, flat, on the CPU.
        """
        pieces = pieces_of(entry.filters, weight.shape)
        if norms is not None:
            arrays: Iterator[FloatArray] = (
                norms.scaled(piece, array) for piece, array in zip(pieces, draws, strict=True)
            )
        elif self._normalizer in ELEMENTWISE:
            pairs = zip(draws, arrays_of(weight, pieces), strict=True)
            arrays = (self._normalizer(array.astype(np.float64), values) for array, values in pairs)
        else:
            arrays = arrays_of(self._whole(entry, weight, draws), pieces)
        for array in arrays:
            yield torch.from_numpy(array).to(entry.parameter.dtype)

    @functools.cached_property
    def _normalizer(self) -> Any:
        return NORMALIZERS.get(self.normalize)

    def _drawn(self, entry: Entry) -> Tensor:
        """A tensor of the direction."""
        weight = entry.parameter.detach().cpu()
        draws = list(self.draws(entry))
        scaled = self.scaled(entry, weight, draws, self.norms(entry, weight, draws))
        return put_together(entry.filters, torch.empty(weight.shape, dtype=weight.dtype), scaled)

    def _whole(self, entry: Entry, weight: Tensor, draws: Iterable[Drawn]) -> Tensor:
        """A tensor of the direction in float64."""
        pieces = (torch.from_numpy(array) for array in draws)
        drawn = put_together(entry.filters, torch.empty(weight.shape), pieces)
        view = entry.filters.view
        return entry.filters.restore(applied(self._normalizer, view(drawn), view(weight.cpu())), weight.shape)


@dataclass(frozen=True)
class Norms:
    """What the pieces of a tensor of a direction are scaled by.

    Attributes:
        normalizer: How.
        of_direction: Norms of the filters as drawn, or that of the tensor for each; zeros are replaced by 1.
            Shape (groups, filters of a group).
        of_weight: The same of the weight; of no meaning where the normalizer does not look at it.
    """

    normalizer: ByNorm
    of_direction: FloatArray
    of_weight: FloatArray

    def scaled(self, piece: Piece, drawn: Drawn) -> FloatArray:
        """Scale the elements of a piece, flat."""
        box = drawn.astype(np.float64).reshape(piece.box)
        scaled = self.normalizer.scaled(box, piece.spread(self.of_direction), piece.spread(self.of_weight))
        return scaled.reshape(-1)


class Redrawn:
    """A random direction that is drawn anew, piece by piece, whenever it is needed; its norms are remembered.

    Args:
        recipe: The direction.
    """

    def __init__(self, recipe: Gaussian) -> None:
        self.spec = recipe.spec
        self._recipe = recipe
        self._norms: dict[str, Norms | None] = {}

    def __call__(self, entry: Entry, weight: Tensor) -> Iterator[Tensor]:
        """Draw a tensor of the direction.

        Args:
            entry: The parameter.
            weight: Its trained values, the same at every call.

        Returns:
            The elements of each piece, flat, on the CPU, in the parameter's dtype.
        """
        recipe = self._recipe
        if entry.name not in self._norms:
            self._norms[entry.name] = recipe.norms(entry, weight, recipe.draws(entry))
        return recipe.scaled(entry, weight, recipe.draws(entry), self._norms[entry.name])
