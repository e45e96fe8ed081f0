"""The directions of every repeat: recorded at once, at hand one repeat at a time."""

from __future__ import annotations

from torch import nn

from landscape.execution.preparation import Settings, directions_of
from landscape.inputs import Inputs
from landscape.parameters import Direction, ParameterSpace, Subspace
from landscape.types import DirectionRecord, Grid


class Draws:
    """All draws of the directions; tensors are held for one repeat, and drawn again when another is asked for.

    Args:
        inputs: The network as it was given.
        space: The parameters that they move; they must be at their trained values whenever a repeat is asked for.
        model: The network as it is evaluated.
        grid: How many directions a repeat has.
        settings: Where they come from.
    """

    def __init__(self, inputs: Inputs, space: ParameterSpace, model: nn.Module, grid: Grid, settings: Settings) -> None:
        self._inputs, self._space, self._model, self._grid, self._settings = inputs, space, model, grid, settings
        self._held = -1
        self._subspace: Subspace | None = None
        self.notes: list[str] = []
        self.cosines: list[float] = []
        self.gram: list[list[float]] = []
        self.moved: set[str] = set()
        self.records: tuple[DirectionRecord, ...] = ()
        for repeat in reversed(range(settings.repeats)):
            directions, subspace = self.directions(repeat), self.subspace(repeat)
            records = tuple(DirectionRecord(one.spec, one.digest(), one.norms(space)) for one in directions)
            self.records = (*records, *self.records)
            self.cosines.insert(0, subspace.cosine)
            self.gram = subspace.gram
            self.moved.update(name for one in directions for name in one.tensors)
        self._subspace = None  # the network may yet be laid out in another way

    def directions(self, repeat: int) -> tuple[Direction, ...]:
        """The directions of a repeat, one per axis."""
        self._hold(repeat)
        return self._directions

    def subspace(self, repeat: int) -> Subspace:
        """The points that the directions of a repeat span."""
        self._hold(repeat)
        if self._subspace is None:
            self._subspace = Subspace(self._space, self._directions)
        return self._subspace

    def _hold(self, repeat: int) -> None:
        if repeat != self._held:
            self._directions, self.notes = directions_of(
                self._inputs, self._space, self._model, self._grid, self._settings, repeat
            )
            self._subspace = None
            self._held = repeat
