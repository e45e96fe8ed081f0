"""Short names on a figure: of surfaces, of quantities, of axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from landscape.analysis.scales import Scale
from landscape.rendering.quantities import is_accuracy
from landscape.types import Surface
from landscape.types.surface import STATISTICS

LONGEST = 40
SHORTEST = 24
_GREEK = ("α", "β")
_POLICIES = {
    "frozen": "BatchNorm frozen",
    "batch": "BatchNorm of each batch",
    "recalibrate": "BatchNorm recalibrated",
}
# What may tell two surfaces of one checkpoint apart, in the order in which it is tried.
_FIELDS = (
    *("bn_stats", "seed", "repeat", "normalize", "directions", "perturb", "samples", "data", "model", "precision"),
    "path",
)


@dataclass(frozen=True)
class Called:
    """What a surface is called.

    Attributes:
        name: The name of its checkpoint or model.
        details: What tells it apart from others of that name.
    """

    name: str
    details: tuple[str, ...] = ()

    @property
    def detail(self) -> str:
        """All details in one."""
        return ", ".join(self.details)

    @property
    def title(self) -> str:
        """Both on one short line."""
        if not self.details:
            return plain(self.name, LONGEST)
        name = plain(self.name, max(SHORTEST, LONGEST - len(self.detail) - 3))
        return f"{name} ({self.detail})"


def called(
    surfaces: Sequence[Surface], names: Sequence[str] | None = None, policies: bool = False
) -> tuple[Called, ...]:
    """A distinct name for every surface.

    Args:
        surfaces: What is drawn side by side.
        names: What to call them, one per surface; those of their checkpoints or models if left out.
        policies: Whether the policy for BatchNorm's statistics is always a detail.

    Returns:
        Name and details of each.
    """
    own = list(names) if names is not None else [_name(surface) for surface in surfaces]
    found = [
        Called(plain(name), (statistics_words(surface, own.count(name) > 1),) if policies else ())
        for name, surface in zip(own, surfaces, strict=True)
    ]
    for field in _FIELDS:
        longer = [
            Called(one.name, (*one.details, _said(field, surface)))
            for one, surface in zip(found, surfaces, strict=True)
        ]
        if len(set(longer)) > len(set(found)):
            found = longer
    if len({one.title for one in found}) < len(found):
        found = [Called(one.name, (*one.details, str(number))) for number, one in enumerate(found, start=1)]
    return tuple(found)


def headings(names: Sequence[Called]) -> tuple[str, tuple[str, ...]]:
    """The title of a figure and what its parts are called under it: a name that all have in common stands once.

    Args:
        names: What `called` gives.

    Returns:
        The common name, empty if there is none, and one title each.
    """
    common = len(names) > 1 and len({one.name for one in names}) == 1
    if common and all(not one.detail.isdigit() for one in names):
        return plain(names[0].name), tuple(one.detail for one in names)
    return "", tuple(one.title for one in names)


def titles(surfaces: Sequence[Surface]) -> tuple[str, ...]:
    """A distinct title for every surface: its checkpoint or model, and what else tells it apart.

    Args:
        surfaces: What is drawn side by side.

    Returns:
        One short line each.
    """
    return tuple(one.title for one in called(surfaces))


def statistics_words(surface: Surface, several: bool = False) -> str:
    """The policy for BatchNorm's statistics in two or three words.

    Args:
        surface: The surface.
        several: Whether there are more of this network, so that the policy is named even if it has no statistics.

    Returns:
        For example `BatchNorm frozen`.
    """
    without = surface.provenance.get("statistics_layers") == 0
    return "no BatchNorm statistics" if without and not several else policy_words(surface.job.bn_stats)


def policy_words(policy: str) -> str:
    """A policy for BatchNorm's statistics in two or three words."""
    return _POLICIES.get(policy, f"BatchNorm {policy}")


def _name(surface: Surface) -> str:
    named = surface.job.checkpoint not in {"", "object"}
    return PurePath(surface.job.checkpoint).stem if named else surface.job.model


def _said(field: str, surface: Surface) -> str:
    if field == "path":
        return plain(PurePath(surface.path).stem, LONGEST // 2)
    if field == "repeat":
        single = surface.repeats == 1 and "repeat" in surface.provenance
        return f"repeat {surface.provenance['repeat']}" if single else "all repeats"
    value = getattr(surface.job, field)
    if field == "bn_stats":
        return policy_words(value)
    return plain({"normalize": f"{value} normalization"}.get(field, f"{field} {value}"), LONGEST // 2 + len(field))


def quantity_label(
    name: str, scale: Scale | None = None, clipped: bool = False, clipped_below: bool = False, unit: str = ""
) -> str:
    """A quantity as an axis label, with what its scale does to it.

    Args:
        name: `split/quantity` or `statistics/quantity`.
        scale: Its scale, if that is to be said.
        clipped: Whether values lie above the scale.
        clipped_below: Whether values lie below it.
        unit: Its unit, if that is not the usual one.

    Returns:
        For example `test loss (log scale)` or `test accuracy (%)`.
    """
    usual = "%" if is_accuracy(name) else "nats per channel" if name.startswith(STATISTICS) else ""
    remarks = [said] if (said := unit or usual) else []
    if scale:
        remarks += [f"log of value + {scale.offset:g}" if scale.offset else "log scale"] if scale.log else []
        ends = [scale.text(scale.lower)] * clipped_below + [scale.text(scale.upper)] * clipped
        remarks += [f"clipped {'below ' if not clipped else ''}at {' and '.join(ends)}"] if ends else []
    return plain(quantity_words(name)) + (f" ({', '.join(remarks)})" if remarks else "")


def quantity_words(name: str) -> str:
    """A quantity in words, without its unit.

    Args:
        name: `split/quantity` or `statistics/quantity`.

    Returns:
        For example `test loss, standard error`.
    """
    if name.startswith(STATISTICS):
        quantity, _, layer = name.removeprefix(STATISTICS).partition(":")
        words = {"drift": "drift of BatchNorm statistics", "drift_floor": "floor of the drift of BatchNorm statistics"}
        return words.get(quantity, f"{quantity} of BatchNorm statistics") + (f" in {layer}" if layer else "")
    split, _, quantity = name.rpartition("/")
    for ending, said in (("_rise_stderr", " rise, standard error"), ("_stderr", ", standard error")):
        if quantity.endswith(ending):
            quantity = quantity.removesuffix(ending) + said
            break
    return f"{split} {quantity}".strip()


def axis_label(surface: Surface, axis: int, short: bool = False) -> str:
    """The label of a grid axis: its letter, and the direction whose multiples it counts.

    Args:
        surface: The surface.
        axis: 0 or 1.
        short: Whether there is no room to say how the direction is normalised.

    Returns:
        For example `α  (filter-normalised direction 1)`.
    """
    job = surface.job
    what = f"direction {axis + 1}"
    if short:
        pass
    elif job.directions.endswith(")"):  # to(b.pt), plane(b.pt, c.pt)
        what = f"{what} of {plain(job.directions, LONGEST)}"
    elif job.directions != "random":
        what = f"imported {what}"
    elif job.normalize == "none":
        what = f"random {what}"
    else:
        what = f"{job.normalize}-normalised {what}"
    return plain(f"{_GREEK[axis]}  ({what})")


def plain(text: str, longest: int = 200) -> str:
    """Text from a file as one printable line, shortened in the middle."""
    line = "".join(letter if letter.isprintable() else "?" for letter in text)
    if len(line) <= longest:
        return line
    half = (longest - 1) // 2
    return f"{line[:half]}…{line[-half:]}"
