"""May surfaces be compared? What differs is refused, or said with a code; ranges are cut to what all have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from landscape.analysis.geometry import restricted
from landscape.errors import LandscapeError
from landscape.types import Axis, Finding, FloatArray, IntArray, Surface
from landscape.types.job import UNKNOWN

FEWEST = 3
APART = "distances mean different things"
UNPAIRED = "the directions are not paired"
SEEN_DIFFERENTLY = (
    ("COMPARE-NORMALIZER", "normalize", "how directions are normalised", APART),
    ("COMPARE-PERTURBED", "perturb", "what is perturbed", APART),
    ("COMPARE-ROLES", "roles", "the roles given to tensors", APART),
    ("COMPARE-PARAMETRIZATION", "parametrization", "which weights are perturbed", APART),
    ("COMPARE-SEED", "seed", "the seed of the directions", UNPAIRED),
    ("COMPARE-DIRECTIONS", "directions_sha256", "the file of the directions", UNPAIRED),
    ("COMPARE-BN-BATCH", "bn_batch_size", "the batches whose statistics are taken", "so do those statistics"),
    ("COMPARE-CALIBRATION", "bn_digest", "the calibration images", "part of what differs may be the calibration's"),
    ("COMPARE-CALIBRATION", "bn_preprocessing", "how calibration images are prepared", "so do the statistics"),
    ("COMPARE-FOLDED", "fold_bn", "whether BatchNorm is folded into the weights", "other weights are perturbed"),
    ("COMPARE-PRECISION", "precision", "the arithmetic", "small differences may be rounding"),
)
ESTIMATED = ("batch", "recalibrate")
SAME = 1e-9  # of the range: coordinates that differ by less are one


def common_splits(surfaces: Sequence[Surface]) -> tuple[str, ...]:
    """The splits that all surfaces have, in the order of the first.

    Args:
        surfaces: What is to be compared.

    Returns:
        At least one name.

    Raises:
        LandscapeError: If there is none.
    """
    found = tuple(split for split in surfaces[0].splits if all(split in other.splits for other in surfaces))
    if not found:
        listed = "; ".join(f"{surface.path}: {', '.join(surface.splits)}" for surface in surfaces)
        raise LandscapeError(f"these files have no split in common ({listed}): compute the same --split for all")
    return found


def refuse_different_questions(surfaces: Sequence[Surface], names: Sequence[str], splits: Sequence[str]) -> None:
    """Refuse surfaces whose losses are not those of the same examples under the same loss.

    Args:
        surfaces: What is to be compared.
        names: What they are called.
        splits: The splits they share.

    Raises:
        LandscapeError: If losses, examples or numbers of directions differ; it says in which files and what to do.
    """
    first, called = surfaces[0], names[0]
    for surface, name in zip(surfaces[1:], names[1:], strict=True):
        if _known_to_differ(surface.job.loss, first.job.loss):
            raise LandscapeError(
                f"{called} holds the loss {first.job.loss}, {name} the loss {surface.job.loss}: compute both with the "
                "same --loss"
            )
        if len(surface.grid.axes) != len(first.grid.axes):
            kinds = [("a line", "a plane")[len(one.grid.axes) - 1] for one in (first, surface)]
            raise LandscapeError(f"{called} holds {kinds[0]}, {name} {kinds[1]}: compute both with the same --y")
        for split in splits:
            if _known_to_differ(surface.job.data_digest[split], first.job.data_digest[split]):
                counts = [
                    int(one.centre[split]["count"])
                    for one in (first.sel(bn=first.policies[0]), surface.sel(bn=surface.policies[0]))
                ]
                how = f" ({counts[0]:,} and {counts[1]:,} of them)" if counts[0] != counts[1] else ""
                raise LandscapeError(
                    f"{called} and {name} were not measured on the same {split} examples{how}: compute both with the "
                    "same --data, --split and --samples"
                )


def _known_to_differ(one: str, other: str) -> bool:
    """Whether two entries of jobs differ; what an imported file does not say may be the same."""
    return one != other and not one.startswith(UNKNOWN) and not other.startswith(UNKNOWN)


def refuse_copies(group: Sequence[Surface], names: Sequence[str]) -> None:
    """Refuse one network as if it were several: networks are what a group repeats, not files.

    Args:
        group: The surfaces of what are to be networks of one kind, trained independently.
        names: What they are called.

    Raises:
        LandscapeError: If two hold the same checkpoint.
    """
    first: dict[str, str] = {}
    for surface, name in zip(group, names, strict=True):
        digest = surface.job.checkpoint_sha256
        if digest in first:
            raise LandscapeError(
                f"a group's files are different trained networks, and {first[digest]} and {name} hold the same "
                "checkpoint: draws of the directions of one network come with --repeats"
            )
        first[digest] = name


def draw_of(surface: Surface) -> tuple[str, object, int]:
    """Name the draw of the directions of a plain surface: two that share it are paired.

    Args:
        surface: A plain surface.

    Returns:
        Seed or digest of the file of the directions, and the number of the repeat.
    """
    job, repeat = surface.job, int(surface.provenance.get("repeat", 0))
    return ("random", job.seed, repeat) if job.directions == "random" else ("file", job.directions_sha256, repeat)


def reads(surface: Surface, field: str) -> bool:
    """Whether a setting bears on a plain surface at all.

    Args:
        surface: A plain surface.
        field: Name of a field of its job.

    Returns:
        False for the seed where the directions come from a file, for settings of estimated statistics where they are
        frozen or the network has none, and for those of the calibration where nothing is recalibrated.
    """
    if field == "seed":
        return surface.job.directions == "random"
    if not field.startswith("bn_"):
        return True
    policies = ESTIMATED if field == "bn_batch_size" else ("recalibrate",)
    return surface.job.bn_stats in policies and surface.provenance.get("statistics_layers") != 0


def cautions(surfaces: Sequence[Surface], names: Sequence[str], splits: Sequence[str]) -> Iterator[Finding]:
    """Say what else differs between the surfaces that are compared.

    Args:
        surfaces: The plain surfaces: of every network, under every policy, along every draw, cut to one range.
        names: What their files are called.
        splits: The splits they share.

    Yields:
        Warnings, each with its code.
    """
    for code, field, what, therefore in SEEN_DIFFERENTLY:
        used = [(getattr(one.job, field), name) for one, name in zip(surfaces, names, strict=True) if reads(one, field)]
        if told := _told(used):
            yield Finding(code, "warning", f"the files differ in {what} ({told}): {therefore}")
    yield from _unsaid(surfaces, names)
    for split in splits:
        prepared = [one.job.preprocessing.get(split, "") for one in surfaces]
        if told := _told(zip(prepared, names, strict=True)):
            yield Finding(
                "COMPARE-PREPROCESSING",
                "warning",
                f"the {split} images are the same, but prepared in different ways ({told}): right if each network was "
                "trained so",
            )
            break
    if not all(_alike(one, other) for surface in surfaces for one, other in _axes(surfaces[0], surface)):
        told = _told(zip(map(_points, surfaces), names, strict=True))
        text = (
            f"the points differ{f' ({told})' if told else ''}: widths, curvatures, roughness and shares depend on them"
        )
        yield Finding("COMPARE-GRID", "warning", text)


def _unsaid(surfaces: Sequence[Surface], names: Sequence[str]) -> Iterator[Finding]:
    """Say which files do not tell what they were measured on."""
    silent = dict.fromkeys(name for one, name in zip(surfaces, names, strict=True) if one.job.loss == UNKNOWN)
    if silent and len(set(names)) > 1:
        yield Finding(
            "COMPARE-UNKNOWN",
            "warning",
            f"imported files do not say on which examples, with which loss and which norm of the directions they were "
            f"measured ({', '.join(silent)}): the numbers compare only if you know that these are the same",
        )


def adaptive_cautions(surfaces: Sequence[Surface], names: Sequence[str]) -> Iterator[Finding]:
    """Say what was interpolated, and which numbers that makes least reliable.

    Args:
        surfaces: The plain surfaces, of which adaptive runs are filled.
        names: What their files are called.

    Yields:
        A note where all were refined to one tolerance, a warning where they were not; nothing of full grids.
    """
    shares: dict[str, list[float]] = {}
    told: dict[str, str] = {}
    for surface, name in zip(surfaces, names, strict=True):
        counts = surface[f"{surface.splits[0]}/count"]
        shares.setdefault(name, []).append(float((counts > 0).mean()))
        refined = f"to a tolerance of {surface.job.adaptive:g}, {np.mean(shares[name]):.0%} measured"
        told[name] = f"{name}: {refined if surface.job.adaptive else 'measured whole'}"
    tolerances = {surface.job.adaptive for surface in surfaces}
    if tolerances - {0.0}:
        yield Finding(
            "COMPARE-ADAPTIVE",
            "warning" if len(tolerances) > 1 else "note",
            f"numbers are taken of interpolated values, too ({'; '.join(told.values())}): those of small regions "
            "(small widths, curvatures), roughness and shares of non-convex points are the least reliable, and may be "
            "off by more than the estimated error of the picture; compute without --adaptive where they decide",
        )


def policy_cautions(policies: Sequence[Sequence[str]], names: Sequence[str]) -> Iterator[Finding]:
    """Say where groups are compared under different policies; those of one file side by side are what was asked for.

    Args:
        policies: For each group, the policies under which it is compared.
        names: What the groups' files are called.

    Yields:
        A warning where a group has a policy that the first has not.
    """
    if any(policy not in policies[0] for others in policies[1:] for policy in others):
        told = "; ".join(f"{' and '.join(own)} in {name}" for own, name in zip(policies, names, strict=True))
        yield Finding(
            "COMPARE-BN",
            "warning",
            f"the files differ in the policy for BatchNorm's statistics ({told}): part of what differs may be the "
            "statistics'",
        )


def to_common_range(surfaces: Sequence[Surface]) -> tuple[list[Surface], list[Finding]]:
    """Cut surfaces to the range that all of them cover, from the first to the last coordinate that all of them have.

    Args:
        surfaces: Plain surfaces with equally many axes.

    Returns:
        The surfaces, and a note where something was cut.

    Raises:
        LandscapeError: If fewer than three points along an axis are left of one.
    """
    columns = list(zip(*(surface.grid.axes for surface in surfaces), strict=True))
    ranges = [_common(column) for column in columns]
    rows = [
        [_inside(axis, *limits) for axis, limits in zip(surface.grid.axes, ranges, strict=True)] for surface in surfaces
    ]
    if all(
        len(index) == len(axis)
        for surface, own in zip(surfaces, rows, strict=True)
        for index, axis in zip(own, surface.grid.axes, strict=True)
    ):
        return list(surfaces), []
    told = " and ".join(f"{low:g} to {high:g}" if low <= high else "none" for low, high in ranges)
    if min(len(index) for own in rows for index in own) < FEWEST:
        raise LandscapeError(
            f"these files share the coordinates {told}, which leaves fewer than {FEWEST} points of one of them: "
            "compute all with the same --x and --y"
        )
    note = Finding("COMPARE-RANGE", "note", f"the ranges differ: all are cut to {told}, which every file covers")
    return [restricted(surface, own) for surface, own in zip(surfaces, rows, strict=True)], [note]


def _common(column: Sequence[Axis]) -> tuple[float, float]:
    """The least and the greatest of the coordinates that all axes have; inf and -inf where they have none."""
    shared = column[0].array()
    for axis in column[1:]:
        shared = shared[_distances(shared, axis.array()) <= _tolerance(axis)]
    return float(shared.min(initial=np.inf)), float(shared.max(initial=-np.inf))


def _distances(values: FloatArray, others: FloatArray) -> FloatArray:
    """How far each value is from the nearest of the others, which ascend."""
    after = np.searchsorted(others, values)
    beside = others[np.stack([np.maximum(after - 1, 0), np.minimum(after, len(others) - 1)])]
    return np.asarray(np.abs(beside - values).min(axis=0), dtype=np.float64)


def _tolerance(axis: Axis) -> float:
    return SAME * max(map(abs, (axis.values[0], axis.values[-1])))


def _inside(axis: Axis, low: float, high: float) -> IntArray:
    values, slack = axis.array(), _tolerance(axis)
    return np.flatnonzero((values >= low - slack) & (values <= high + slack))


def _axes(one: Surface, other: Surface) -> Iterator[tuple[Axis, Axis]]:
    return zip(one.grid.axes, other.grid.axes, strict=True)


def _alike(one: Axis, other: Axis) -> bool:
    return len(one) == len(other) and bool((np.abs(one.array() - other.array()) <= _tolerance(one)).all())


def _points(surface: Surface) -> str:
    """How many points a grid has, and how far apart they are at most."""
    steps = ", ".join(f"{np.diff(axis.array()).max(initial=0.0):.3g}" for axis in surface.grid.axes)
    return f"{' x '.join(map(str, surface.grid.shape))} points at most {steps} apart"


def _told(found: Iterable[tuple[object, str]]) -> str:
    """Which file has what, short; nothing where all have the same."""
    parts = []
    for value, name in (pairs := list(found)):
        text = (" and ".join(value) if isinstance(value, tuple) else str(value)) or "none"
        parts.append(f"{text if len(text) <= 60 else text[:57] + '...'} in {name}")
    return "; ".join(dict.fromkeys(parts)) if len({value for value, _ in pairs}) > 1 else ""
