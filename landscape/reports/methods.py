"""How surfaces were made, as a paragraph of methods with citations, ready for a paper."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath

from landscape.rendering.names import plain
from landscape.reports.aspects import ASPECTS, cited, listed
from landscape.reports.bibliography import BOOTSTRAP, EVERY, Publication
from landscape.types import Surface

WIDTH, LONGEST = 100, 100_000


def explain(surfaces: Surface | Sequence[Surface], bootstrapped: bool = False) -> str:
    """Write how surfaces were made: a paragraph of methods, what it cites, and that as BibTeX.

    Only what was used is said and cited. What several surfaces have in common is said once.

    Args:
        surfaces: One or several, as they are in their files.
        bootstrapped: Whether they are compared by bootstrap intervals.

    Returns:
        Lines of text: the paragraph, the references, and their entries for a BibTeX file.
    """
    said = paragraph([surfaces] if isinstance(surfaces, Surface) else list(surfaces), bootstrapped)
    found = publications(said)
    lines = [textwrap.fill(one.text, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for one in found]
    parts = [textwrap.fill(said, WIDTH, break_on_hyphens=False, break_long_words=False)]
    parts += ["References", *lines] if lines else []
    return "\n\n".join([*parts, *(one.bibtex for one in found)]) + "\n"


def paragraph(surfaces: Sequence[Surface], bootstrapped: bool = False) -> str:
    """The paragraph alone.

    Args:
        surfaces: At least one, as they are in their files.
        bootstrapped: Whether they are compared by bootstrap intervals.

    Returns:
        Sentences, on one line.
    """
    return plain(" ".join(_sentences(surfaces, bootstrapped)), LONGEST)


def publications(said: str) -> list[Publication]:
    """What a paragraph cites, in the order of the bibliography."""
    return [one for one in EVERY if f"({one.cited})" in said]


def _sentences(surfaces: Sequence[Surface], bootstrapped: bool) -> Iterator[str]:
    """Sentence by sentence; what differs between surfaces in one number or name alone is told in one sentence."""
    names = _names(surfaces)
    for aspect in ASPECTS:
        found: dict[tuple[str, str], dict[str, list[str]]] = {}
        for name, surface in zip(names, surfaces, strict=True):
            for before, value, after in aspect(surface):
                found.setdefault((before, after), {}).setdefault(value, []).append(name)
        for (before, after), values in found.items():
            having = [name for several in values.values() for name in several]
            whole = f"{before}{_together(values)}{after}"
            only = set(names) - set(having)
            yield f"For {listed(having)}: {whole[0].lower()}{whole[1:]}" if only else whole
    if bootstrapped:
        yield f"Intervals are 95 % bootstrap intervals {cited(BOOTSTRAP)}."


def _together(values: Mapping[str, Sequence[str]]) -> str:
    """A value, or each with what it is the value of, if it does not say so itself."""
    if len(values) == 1:
        return next(iter(values))
    if all(value.startswith(tuple(names)) for value, names in values.items()):
        return listed(list(values))
    return "; ".join(f"{value} for {listed(names)}" for value, names in values.items())


def _names(surfaces: Sequence[Surface]) -> list[str]:
    """What each surface is called: its checkpoint or model, numbered where that is not enough."""
    found = [
        surface.job.checkpoint if surface.job.checkpoint != "object" else surface.job.model for surface in surfaces
    ]
    found = [PurePath(name).stem if "(" not in name else name for name in found]
    return [f"{name} ({index})" if found.count(name) > 1 else name for index, name in enumerate(found, start=1)]
