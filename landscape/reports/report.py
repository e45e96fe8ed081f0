"""A report: everything that is said and shown of several surfaces, whatever kind of document it becomes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from landscape.analysis.comparison import Comparison
from landscape.analysis.geometry import stacked
from landscape.rendering.appearance import Appearance
from landscape.rendering.names import Called, called
from landscape.rendering.quantities import full_name
from landscape.rendering.selection import selected
from landscape.reports.bibliography import Publication
from landscape.reports.methods import paragraph, publications
from landscape.types import Finding, Surface
from landscape.types.surface import STATISTICS

LEVELS = ("error", "warning", "note", "ok")
HOW_TO_READ = {
    "plane": (
        "Each picture shows one trained network on a plane through its weights. The star marks the trained weights; "
        "along α and β they are moved in two directions. All pictures share range, colours and contour levels. A plane "
        "shows two directions out of very many: a smooth or narrow valley here describes this plane, and is no verdict "
        "on how well the network generalises."
    ),
    "line": (
        "Each curve shows one trained network on a line through its weights, which are at 0; along α they are moved in "
        "one direction. A line shows one direction out of very many: a smooth or narrow valley here describes this "
        "line, and is no verdict on how well the network generalises."
    ),
}


@dataclass(frozen=True, eq=False)
class File:
    """A surface as it came from its file, and what is to be said of it.

    Attributes:
        name: What it is called.
        surface: The surface, with all repeats and policies.
        findings: The verdicts of `check`.
    """

    name: str
    surface: Surface
    findings: tuple[Finding, ...]

    @property
    def ordered(self) -> list[Finding]:
        """The verdicts, the worst first."""
        return sorted(self.findings, key=lambda finding: LEVELS.index(finding.level))


@dataclass(frozen=True, eq=False)
class Report:
    """What a report is about.

    Attributes:
        title: Its heading.
        comparison: The surfaces side by side, with their numbers.
        files: Every file.
        commands: What to type to redo all of it, the report included.
        quantity: What is shown first, `split/name`.
        scale: What is asked of its scale: `log`, `clip`, `levels` and whatever else `choose_scale` takes.
        looks: How its static pictures look.
    """

    title: str
    comparison: Comparison
    files: tuple[File, ...]
    commands: tuple[str, ...]
    quantity: str
    scale: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    looks: Appearance = dataclasses.field(default_factory=Appearance)

    @cached_property
    def stacks(self) -> list[Surface]:
        """Of every network under every policy all draws of the directions, in the order of the pictures."""
        return [stacked(network) for contender in self.comparison.distinct() for network in contender.surfaces]

    @cached_property
    def names(self) -> list[str]:
        """What the network of each of these is called."""
        return [contender.name for contender in self.comparison.distinct() for _ in contender.surfaces]

    @cached_property
    def shown(self) -> list[Surface]:
        """What is drawn of each: the first draw of a plane, all complete draws of a line."""
        return selected(self.stacks, repeats=self.is_line)

    @cached_property
    def called(self) -> tuple[Called, ...]:
        """A distinct name for each of these."""
        return called(self.shown, self.names, policies=any(len(file.surface.policies) > 1 for file in self.files))

    @property
    def is_line(self) -> bool:
        """Whether the surfaces lie over one direction."""
        return len(self.stacks[0].grid.axes) == 1

    @property
    def how_to_read(self) -> str:
        """What the pictures show, and what they do not."""
        return HOW_TO_READ["line" if self.is_line else "plane"]

    @property
    def verdicts(self) -> list[tuple[str, list[Finding]]]:
        """What is to be said of every file, and of all together."""
        found = [(file.name, file.ordered) for file in self.files]
        return [*found, *([("The comparison", self.cautions)] if self.cautions else [])]

    @cached_property
    def methods(self) -> str:
        """How the surfaces were made, ready for a paper."""
        return paragraph([file.surface for file in self.files], self.comparison.replicated)

    @property
    def references(self) -> list[Publication]:
        """What that cites."""
        return publications(self.methods)

    @property
    def cautions(self) -> list[Finding]:
        """What makes the comparison less than straight, the worst first."""
        return sorted(self.comparison.findings, key=lambda finding: LEVELS.index(finding.level))


def redo(files: Sequence[File], command: str) -> tuple[str, ...]:
    """The commands that lead from the checkpoints to the report.

    Args:
        files: The files.
        command: What makes the report itself.

    Returns:
        Commands, and remarks that begin with `#`, a line each.
    """
    lines = []
    for file in files:
        made = file.surface.provenance.get("command")
        lines.append(str(made) if made else f"# {file.name} was computed in Python, with landscape.compute(...)")
    return (*dict.fromkeys(" ".join(line.split()) for line in lines), command)


def heading(comparison: Comparison) -> str:
    """A heading that names what is compared, or says how many there are."""
    names = list(dict.fromkeys(one.name for one in comparison.contenders))
    if len(names) > 3:
        return f"The loss around {len(names)} trained networks"
    return f"The loss around {' and '.join([', '.join(names[:-1]), names[-1]] if len(names) > 1 else names)}"


def first_quantity(comparison: Comparison, quantity: str) -> str:
    """The full name of what is shown first.

    Args:
        comparison: The comparison.
        quantity: A full name; or one without a split, which is then that of the comparison.

    Returns:
        The full name.

    Raises:
        LandscapeError: If a surface lacks it.
    """
    names = (quantity, f"{comparison.split}/{quantity}", f"{STATISTICS}{quantity}")
    surfaces = [one.surfaces[0][0] for one in comparison.contenders]
    found = next((name for name in names if any(name in surface for surface in surfaces)), quantity)
    # That of the statistics is there under one policy alone.
    if not (found.startswith(STATISTICS) and any(found in surface for surface in surfaces)):
        for surface in surfaces:
            full_name(surface, found)
    return found
