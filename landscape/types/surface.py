"""Surfaces, and what is said of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError, nearest
from landscape.types.grid import Grid
from landscape.types.job import Job

STATISTICS = "statistics/"
INTERPOLATED = "/interpolated"  # after the name of a split


@dataclass(frozen=True)
class DirectionRecord:
    """What the file keeps of a direction: a digest and a recipe, never its tensors.

    Attributes:
        spec: The recipe, for example `random(seed=0, axis=0, normalize='filter')`.
        digest: sha256 over names and float32 values.
        norms: Euclidean norm of the direction, per role of the tensors it moves.
    """

    spec: str
    digest: str
    norms: Mapping[str, float]


@dataclass(frozen=True, repr=False)
class Surface:
    """Values on a grid, with all that is needed to judge and to redo them.

    Attributes:
        grid: The points.
        quantities: Arrays of the grid's shape under names such as `test/loss`, `test/loss_stderr`,
            `test/accuracy` (a fraction in [0, 1]); float64, and int64 for `test/count`. Where the count is
            0 the point is not done and its values are NaN; where it is positive, NaN and inf are measurements. It is 1
            where a file that was imported does not say of how many examples (`job.counted`).
            Several repeats, and several policies for BatchNorm's statistics, are leading dimensions, in the order
            (repeat, bn, x, y). What is under `statistics/` (the drift) has no dimension `bn`. A surface that was
            `filled` has `test/interpolated`, too, true where values are interpolated; their count stays 0.
        job: What was computed.
        centre: For each split, the quantities at the checkpoint itself, whether or not the grid contains it; one
            number each, or a list with one number per policy where there are several.
        directions: One record per axis; those of the second repeat follow those of the first, and so on.
        provenance: Versions, times, machine, parameter table and whatever else helps to redo the run.
        path: The file this came from, or an empty string.
    """

    grid: Grid
    quantities: Mapping[str, NDArray[Any]]
    job: Job
    centre: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    directions: tuple[DirectionRecord, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The quantity with this name, shape of the grid; `loss` alone means that of the first split.

        Raises:
            LandscapeError: If there is none of this name.
        """
        for candidate in (name, f"{self.splits[0]}/{name}"):
            if candidate in self.quantities:
                return self.quantities[candidate]
        known = self.quantities if "/" in name else {full.partition("/")[2] for full in self.quantities}
        raise LandscapeError(f"{self.path or 'this surface'} has no quantity {name!r}; {nearest(name, known)}")

    def __repr__(self) -> str:
        """One line: what, on which grid, how far."""
        counts = next((values for name, values in self.quantities.items() if name.endswith("/count")), np.zeros(0))
        done, size = int((np.asarray(counts) > 0).sum()), np.asarray(counts).size
        name = f"{self.path!r}, " if self.path else ""
        several = ((self.repeats, "repeats"), (len(self.policies), "policies"))
        leading = "".join(f"{number} {word} of " for number, word in several if number > 1)
        return (
            f"Surface({name}{self.job.checkpoint}, {leading}{' x '.join(map(str, self.grid.shape))} points, "
            f"{done:,} of {size:,} done: {', '.join(self.quantities)})"
        )

    def __iter__(self) -> Iterator[str]:
        """Names of the quantities."""
        return iter(self.quantities)

    def __contains__(self, name: str) -> bool:
        """Whether there is a quantity of this name."""
        return name in self.quantities

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in the order of the job."""
        return self.job.splits

    @property
    def policies(self) -> tuple[str, ...]:
        """The policies for BatchNorm's statistics, in the order of the dimension `bn`."""
        return self.job.policies

    @property
    def repeats(self) -> int:
        """How many independent draws of the directions there are."""
        return self.job.repeats

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimensions of the arrays: `repeat` and `bn` where there are several, then the axes."""
        several = (("repeat", self.repeats), ("bn", len(self.policies)))
        return (*(name for name, number in several if number > 1), *self.grid.names)

    def sel(self, *, repeat: int | None = None, bn: str | None = None) -> Surface:
        """Select one repeat, one policy, or one of each: a plain surface.

        Args:
            repeat: Number of the repeat, from 0; None to keep all.
            bn: Name of the policy for BatchNorm's statistics; None to keep all.

        Returns:
            The surface with those dimensions gone.

        Raises:
            LandscapeError: If there is no such repeat or policy.
        """
        surface = self
        if repeat is not None:
            surface = surface._of_repeat(repeat)
        return surface if bn is None else surface._of_policy(bn)

    def each(self) -> Iterator[Surface]:
        """The plain surfaces that this one holds: policy by policy, and within a policy repeat by repeat."""
        for policy in self.policies:
            for repeat in range(self.repeats):
                yield self.sel(repeat=repeat, bn=policy)

    def _of_repeat(self, repeat: int) -> Surface:
        if not 0 <= repeat < self.repeats:
            raise LandscapeError(
                f"{self.path or 'this surface'} has the repeats 0 to {self.repeats - 1}, but not {repeat!r}"
            )
        if self.repeats == 1:
            return self
        axes = len(self.grid.axes)
        cosines = self.provenance.get("cosines", [None] * self.repeats)
        adaptive = (
            {"adaptive": self.provenance["adaptive"][repeat : repeat + 1]} if "adaptive" in self.provenance else {}
        )
        return dataclasses.replace(
            self,
            quantities={name: values[repeat] for name, values in self.quantities.items()},
            job=dataclasses.replace(self.job, repeats=1, repeat=repeat),
            directions=self.directions[repeat * axes : (repeat + 1) * axes],
            provenance={**self.provenance, "repeat": repeat, "cosine": cosines[repeat], **adaptive},
        )

    def _of_policy(self, policy: str) -> Surface:
        if policy not in self.policies:
            raise LandscapeError(
                f"{self.path or 'this surface'} has no surface with the BatchNorm statistics {policy!r}; "
                f"{nearest(policy, self.policies)}"
            )
        if len(self.policies) == 1:
            return self
        index, where = self.policies.index(policy), self.dimensions.index("bn")
        quantities = {
            name: values if name.startswith(STATISTICS) else values.take(index, axis=where)
            for name, values in self.quantities.items()
            if policy == "recalibrate" or not name.startswith(STATISTICS)
        }
        return dataclasses.replace(
            self,
            quantities=quantities,
            job=self.job.under(policy),
            centre={
                split: {name: values[index] for name, values in measured.items()}
                for split, measured in self.centre.items()
            },
        )

    def done(self, split: str | None = None) -> NDArray[np.bool_]:
        """Which points are done, a mask of the shape of the arrays; in a filled surface interpolated ones count."""
        split = split or self.splits[0]
        there = self[f"{split}/count"] > 0
        interpolated = self.quantities.get(split + INTERPOLATED)
        return np.asarray(there if interpolated is None else there | (interpolated > 0))

    @property
    def complete(self) -> bool:
        """Whether every point of every split is done; of an adaptive run, whether it has ended in every repeat."""
        if self.job.adaptive:
            told = self.provenance.get("adaptive", ())
            return len(told) == self.repeats and all(one["finished"] for one in told)
        return all(bool(self.done(split).all()) for split in self.splits)

    def filled(self) -> Surface:
        """What an adaptive run left out, interpolated; the same as `analysis.filling.filled(surface)`."""
        from landscape.registry import load

        found: Surface = load("landscape.analysis.filling:filled")(self)
        return found

    @property
    def arithmetic(self) -> str:
        """The precision of the forward pass in words, with its measured error where it is a lower one."""
        corrected = ", corrected from a tenth of the examples" if self.job.correction else ""
        record = self.provenance.get("precision", {})
        if record.get("error") is None:
            return self.job.precision + corrected
        error = f"the loss errs by at most {100 * record['error']:.2g} % at {record['points']} probe points"
        return f"{self.job.precision}{corrected}: {error}"

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """Draw the surface; the same as `landscape.plot(surface, kind, ...)`."""
        from landscape.registry import load

        return load("landscape.api:plot")(self, kind, **options)

    def figure(self, renderer: str = "matplotlib", kind: str | None = None, **options: Any) -> Any:
        """A figure of matplotlib, plotly or vtk, to edit further; the same as `landscape.api.figure`."""
        from landscape.registry import load

        return load("landscape.api:figure")(self, renderer, kind, **options)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """What a notebook shows: an interactive figure or a picture, and text; it never raises."""
        from landscape.registry import load

        return load("landscape.api:bundle")(self, include, exclude)


@dataclass(frozen=True)
class Finding:
    """A verdict on a surface.

    Attributes:
        code: A stable name, for example `CENTRE-NOT-MINIMUM`.
        level: How bad it is.
        text: One sentence that says what was measured and what to do.
        values: The numbers in it.
    """

    code: str
    level: Literal["ok", "note", "warning", "error"]
    text: str
    values: Mapping[str, float] = field(default_factory=dict)
