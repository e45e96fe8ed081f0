"""The plain data that the stages hand to one another: NumPy and text only, all of it frozen."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landscape.errors import LandscapeError, nearest

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
AXIS_NAMES = ("x", "y")
MOST_POINTS = 100_000


@dataclass(frozen=True)
class Axis:
    """Coordinates along one direction, in multiples of that direction, strictly increasing."""

    values: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the coordinates, and keep them as plain numbers (NumPy's write themselves differently).

        Raises:
            LandscapeError: If they are empty, not finite or not strictly increasing.
        """
        values = np.asarray(self.values, dtype=np.float64)
        object.__setattr__(self, "values", tuple(values.ravel().tolist()))
        if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all() or (np.diff(values) <= 0).any():
            raise LandscapeError(f"an axis needs finite, strictly increasing coordinates, not {self.values!r}")

    @classmethod
    def regular(cls, start: float, stop: float, number: int) -> Axis:
        """Space `number` coordinates evenly from `start` to `stop`, both included; 0 is exactly 0 if it is among them.

        Args:
            start: The first coordinate.
            stop: The last coordinate, above `start`.
            number: How many, at least 2 (or 1 where start equals stop).

        Returns:
            The axis.

        Raises:
            LandscapeError: If the bounds are not finite and increasing, or there are too few points.
        """
        text = f"{start:g}:{stop:g}:{number}"
        if not (np.isfinite(start) and np.isfinite(stop)):
            raise LandscapeError(f"the bounds of {text!r} must be finite numbers, for example -1:1:51")
        if start >= stop and not (start == stop and number == 1):
            raise LandscapeError(
                f"the range {text!r} is empty or runs backwards: write MIN:MAX:POINTS with MIN below MAX, as in -1:1:51"
            )
        if number > MOST_POINTS:
            raise LandscapeError(f"the range {text!r} asks for more than {MOST_POINTS:,} points along one axis")
        if number < 2 and start != stop:
            raise LandscapeError(
                f"the range {text!r} asks for {number} points: at least 2 are needed, for example -1:1:51"
            )
        values = np.linspace(start, stop, number)
        values[np.abs(values) < 1e-12 * (stop - start)] = 0.0
        return cls(tuple(values.tolist()))

    @classmethod
    def parse(cls, text: str) -> Axis:
        """Read `MIN:MAX:POINTS`, for example `-1:1:51`, or the coordinates themselves, `0,0.1,0.5`.

        Args:
            text: The range.

        Returns:
            The axis.

        Raises:
            LandscapeError: If the text is neither.
        """
        parts = text.split(":")
        try:
            if len(parts) == 3:
                return cls.regular(float(parts[0]), float(parts[1]), int(parts[2]))
            if len(parts) == 1 and "," in text:
                return cls(tuple(float(part) for part in text.split(",")))
        except ValueError:
            pass
        raise LandscapeError(f"cannot read the range {text!r}: write MIN:MAX:POINTS, for example -1:1:51")

    def __len__(self) -> int:
        """The number of coordinates."""
        return len(self.values)

    def __str__(self) -> str:
        """Text that `parse` reads back: `MIN:MAX:POINTS` where that gives these very coordinates."""
        if Axis.regular(self.values[0], self.values[-1], len(self)) == self:
            return f"{self.values[0]!r}:{self.values[-1]!r}:{len(self)}".replace(".0:", ":")
        return ",".join(map(repr, self.values))

    def array(self) -> FloatArray:
        """The coordinates, shape (n,)."""
        return np.asarray(self.values, dtype=np.float64)


@dataclass(frozen=True)
class Grid:
    """The product of one or two axes; everywhere, `values[i, j]` belongs to `(x[i], y[j])`."""

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        """Check the number of axes.

        Raises:
            LandscapeError: If there are none or more than two.
        """
        if not 1 <= len(self.axes) <= len(AXIS_NAMES):
            raise LandscapeError(f"a grid has one or two axes, not {len(self.axes)}")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the axes: `("x",)` or `("x", "y")`."""
        return AXIS_NAMES[: len(self.axes)]

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of points along the axes."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of points."""
        return int(np.prod(self.shape))

    def point(self, index: int) -> tuple[float, ...]:
        """Coordinates of the point with this flat index, in C order."""
        return tuple(axis.values[i] for axis, i in zip(self.axes, np.unravel_index(index, self.shape), strict=True))

    def centre(self) -> int | None:
        """Flat index of the point at which all coordinates are 0, or None if the grid leaves it out."""
        if any(0.0 not in axis.values for axis in self.axes):
            return None
        return int(np.ravel_multi_index([axis.values.index(0.0) for axis in self.axes], self.shape))


@dataclass(frozen=True)
class Job:
    """All that may change the answer, as plain text and numbers; its hash names the run.

    Attributes:
        checkpoint: Name of the checkpoint file, or `"object"` for a model given as an object.
        checkpoint_sha256: Digest of that file, or of the object's state dict.
        model: Spec of the model.
        weights: Which weights of the file were taken.
        data: Spec of the data, without folders.
        data_digest: For each split, the digest of its raw images and labels.
        preprocessing: For each split, what is done to the raw images.
        samples: `"all"`, `"N"` (a fixed random subset) or `"first:N"`.
        loss: Spec of the loss.
        metrics: Specs of the metrics.
        directions: `"random"`, or the name of the file they come from.
        directions_sha256: Digest of that file, or empty.
        normalize: Name of the normalizer.
        perturb: `"weights"`, `"weights+bias"` or `"all"`.
        parametrization: `"effective"` or `"raw"`.
        roles: Overrides `PATTERN=ROLE:AXIS`.
        seed: Seed of the random directions.
        x: Coordinates along the first direction.
        y: Coordinates along the second, or `"none"`.
        bn_stats: Policy for the running statistics of BatchNorm.
        precision: Arithmetic of the forward pass.
    """

    checkpoint: str
    checkpoint_sha256: str
    model: str
    data: str
    data_digest: Mapping[str, str]
    loss: str
    x: str
    y: str = "none"
    weights: str = ""
    preprocessing: Mapping[str, str] = field(default_factory=dict)
    samples: str = "all"
    metrics: tuple[str, ...] = ()
    directions: str = "random"
    directions_sha256: str = ""
    normalize: str = "filter"
    perturb: str = "weights"
    parametrization: str = "effective"
    roles: tuple[str, ...] = ()
    seed: int = 0
    bn_stats: str = "frozen"
    precision: str = "fp32"

    @property
    def grid(self) -> Grid:
        """The grid that `x` and `y` describe."""
        return Grid(tuple(Axis.parse(text) for text in (self.x, self.y) if text != "none"))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are evaluated."""
        return tuple(self.data_digest)

    def to_json(self) -> str:
        """The job as JSON text; the splits keep their order, the first one being what is shown."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Read a job back; fields that this version does not know are left out.

        Args:
            text: What `to_json` gave.

        Returns:
            The job.
        """
        known = {item.name for item in dataclasses.fields(cls)}
        values = {key: value for key, value in json.loads(text).items() if key in known}
        for key in ("metrics", "roles"):
            values[key] = tuple(values.get(key, ()))
        return cls(**values)

    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the sha256 of the JSON with sorted keys."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def differences(self, other: Job) -> list[str]:
        """Name the fields in which two jobs differ, with both values."""
        fields = (item.name for item in dataclasses.fields(self))
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in fields)
        return [
            f"{name} ({_short(mine)} here, {_short(theirs)} there)" for name, mine, theirs in pairs if mine != theirs
        ]


def _short(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, Mapping) else str(value)
    return (text if len(text) <= 60 else text[:57] + "...") or "nothing"


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
            0 the point is not done and its values are NaN; where it is positive, NaN and inf are measurements.
        job: What was computed.
        centre: For each split, the quantities at the checkpoint itself, whether or not the grid contains it.
        directions: One record per axis.
        provenance: Versions, times, machine, parameter table and whatever else helps to redo the run.
        path: The file this came from, or an empty string.
    """

    grid: Grid
    quantities: Mapping[str, NDArray[Any]]
    job: Job
    centre: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
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
        done, size = int(self.done().sum()), self.grid.size
        name = f"{self.path!r}, " if self.path else ""
        return (
            f"Surface({name}{self.job.checkpoint}, {' x '.join(map(str, self.grid.shape))} points, "
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

    def done(self, split: str | None = None) -> NDArray[np.bool_]:
        """Which points are done, a mask of the grid's shape."""
        return np.asarray(self[f"{split or self.splits[0]}/count"] > 0)

    @property
    def complete(self) -> bool:
        """Whether every point of every split is done."""
        return all(bool(self.done(split).all()) for split in self.splits)

    def plot(self, kind: str | None = None, **options: Any) -> Any:
        """Draw the surface; the same as `landscape.plot(surface, kind, ...)`."""
        from landscape.registry import load

        return load("landscape.api:plot")(self, kind, **options)


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


def axis_of(value: str | Sequence[float] | Axis) -> Axis:
    """Read an axis from what a caller may pass.

    Args:
        value: `"-1:1:51"`, `(-1, 1, 51)`, or an Axis.

    Returns:
        The axis.

    Raises:
        LandscapeError: If it is none of these.
    """
    if isinstance(value, Axis):
        return value
    if isinstance(value, str):
        return Axis.parse(value)
    try:
        start, stop, number = (float(part) for part in value)
    except (TypeError, ValueError):
        start = stop = number = np.nan
    if not number.is_integer():
        raise LandscapeError(f"a range is (MIN, MAX, POINTS), for example (-1, 1, 51), not {value!r}")
    return Axis.regular(start, stop, int(number))
