"""The directions of every repeat: recorded at once, at hand one repeat at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from landscape.directions import Redrawn
from landscape.errors import LandscapeError
from landscape.execution.preparation import Settings, directions_of, recipes_of
from landscape.inputs import Inputs
from landscape.parameters import Base, Direction, ParameterSpace, RegeneratedSubspace, Subspace
from landscape.storage import direction_names, write_named_directions
from landscape.types import DirectionRecord, Grid, Job


class Draws:
    """All draws of the directions; tensors are held for one repeat, and drawn again when another is asked for.

    Args:
        inputs: The network as it was given.
        space: The parameters that they move; they must be at their trained values whenever a repeat is asked for.
        model: The network as it is evaluated.
        grid: How many directions a repeat has.
        settings: Where they come from.

    Attributes:
        records: What is recorded of each, repeat by repeat.
        cosines: The angle between the directions of each repeat.
        gram: Inner products of those of the first repeat.
        moved: Names of the parameters that move.
        notes: What was assumed, a sentence each.
    """

    def __init__(self, inputs: Inputs, space: ParameterSpace, model: nn.Module, grid: Grid, settings: Settings) -> None:
        self._inputs, self._space, self._model, self._grid, self._settings = inputs, space, model, grid, settings
        self._at_hand = self._held = -1
        self._directions: tuple[Direction, ...] = ()
        self._subspace: Subspace | None = None
        self.notes: list[str] = []
        self.cosines: list[float] = []
        self.gram: list[list[float]] = []
        self.moved: set[str] = set()
        self.records: tuple[DirectionRecord, ...] = ()
        for repeat in reversed(range(settings.repeats)):
            self._record(repeat)

    def directions(self, repeat: int) -> tuple[Direction, ...]:
        """The directions of a repeat, one per axis."""
        if repeat != self._at_hand:
            self._directions = ()
            self._directions, self.notes = directions_of(
                self._inputs, self._space, self._model, self._grid, self._settings, repeat
            )
            self._at_hand = repeat
        return self._directions

    def subspace(self, repeat: int) -> Subspace:
        """The points that the directions of a repeat span; one of another repeat is of no use from then on."""
        if self._subspace is None or repeat != self._held:
            if self._subspace is not None:
                self._subspace.release()
            self._subspace, self._held = self._spanned(repeat), repeat
            self._directions, self._at_hand = (), -1  # the subspace has them, laid out as the network is by now
        return self._subspace

    def let_go(self) -> None:
        """Let go of the subspace at hand: whoever needs it has taken what it needs of it."""
        self._subspace = None

    def _record(self, repeat: int) -> None:
        directions, subspace = self.directions(repeat), self._spanned(repeat)
        records = (DirectionRecord(one.spec, one.digest(), one.norms(self._space)) for one in directions)
        self._add(tuple(records), subspace)
        self.moved.update(name for one in directions for name in one.tensors)

    def _add(self, records: Sequence[DirectionRecord], subspace: Subspace) -> None:
        self.records = (*records, *self.records)
        self.cosines.insert(0, subspace.cosine)
        self.gram = subspace.gram

    def _spanned(self, repeat: int) -> Subspace:
        return Subspace(self._space, self.directions(repeat))


class Redraws(Draws):
    """Random directions that are drawn anew at every point and held at none, around weights that are read back."""

    def __init__(self, inputs: Inputs, space: ParameterSpace, model: nn.Module, grid: Grid, settings: Settings) -> None:
        _refuse_held(settings)
        stored = inputs.stored
        self._base = Base(model, space.moved, *((stored.tensors, stored.check) if stored else ({}, _nothing)))
        super().__init__(inputs, space, model, grid, settings)
        self.moved.update(entry.name for entry in space.moved)
        self.notes = [_kept(self._base, inputs)] if self._base.kept else []

    def directions(self, repeat: int) -> tuple[Direction, ...]:
        """Nothing: they are not held."""
        return ()

    def _record(self, repeat: int) -> None:
        subspace = self._spanned(repeat)
        recipes, summary = recipes_of(self._grid, self._settings, repeat), subspace.summary
        found = zip(recipes, summary.digests, summary.norms, strict=True)
        self._add([DirectionRecord(recipe.spec, digest, norms) for recipe, digest, norms in found], subspace)

    def _spanned(self, repeat: int) -> RegeneratedSubspace:
        draws = [Redrawn(recipe) for recipe in recipes_of(self._grid, self._settings, repeat)]
        return RegeneratedSubspace(self._space.moved, self._base, draws)


def draws_of(inputs: Inputs, space: ParameterSpace, model: nn.Module, grid: Grid, settings: Settings) -> Draws:
    """The directions of every repeat, held or, with little memory, drawn anew at every point."""
    return (Redraws if settings.low_memory else Draws)(inputs, space, model, grid, settings)


def directions_path(out: Path) -> Path:
    """Where the tensors of a run's directions lie, if they are kept: `<out>.directions.h5`."""
    return out.with_name(out.stem + ".directions.h5")


def keep_tensors(draws: Draws, job: Job, settings: Settings, *, begun: bool) -> None:
    """Write down directions that no recipe rebuilds, or that are to be kept, in a file of their own, once.

    Args:
        draws: The directions.
        job: How many there are.
        settings: Where they come from, and where the surface goes.
        begun: Whether an earlier run has begun the surface's file.
    """
    out = settings.out
    if out is None or (settings.directions == "random" and not settings.save_directions):
        return
    path, file = directions_path(out), settings.direction_file
    given = file is not None and file.resolve() == path.resolve()
    if not given and not (begun and path.exists()):
        directions = [one for repeat in range(job.repeats) for one in draws.directions(repeat)]
        names = direction_names(len(job.grid.axes), job.repeats)
        tensors = {
            name: {key: tensor.float().numpy() for key, tensor in one.tensors.items()}
            for name, one in zip(names, directions, strict=True)
        }
        write_named_directions(path, tensors)


def _refuse_held(settings: Settings) -> None:
    """Directions that no recipe draws have to be held, and so have those that are to be written down."""
    if settings.directions != "random":
        raise LandscapeError(
            "--low-memory draws random directions anew at every point, and those of --directions "
            f"{settings.directions} have to be held: leave out one of them"
        )
    if settings.save_directions:
        raise LandscapeError("--save-directions needs the directions that --low-memory does not hold: leave out one")


def _kept(base: Base, inputs: Inputs) -> str:
    """Why the weights take the memory of a copy."""
    copy = f"a copy of {base.kept / 1e6:,.1f} MB of its weights is kept"
    if inputs.name == "object":
        return f"the network was not read from a file, so that {copy}"
    if inputs.stored is None:
        return (
            f"{inputs.name} cannot be mapped into memory, so that {copy}: write it anew with torch.save or safetensors"
        )
    return f"the network has weights that are not in {inputs.name} bit for bit (folded, computed or converted): {copy}"


def _nothing() -> None:
    """A check of what cannot change."""
