"""What of a surface is not drawn as measured, counted: values beyond the scale, not finite, not computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from landscape.analysis.scales import Scale
from landscape.rendering.quantities import Measured, measured
from landscape.types import Surface


@dataclass(frozen=True)
class _Gap:
    """Cells of a surface that are not drawn as measured."""

    what: str
    number: int
    size: int
    verdict: str


def gaps(
    surfaces: Sequence[tuple[str, Surface | Measured]],
    quantity: str,
    scale: Scale | None = None,
    hatched: str = "hatched",
) -> list[str]:
    """What of some surfaces is not drawn as measured, counted.

    Args:
        surfaces: The surfaces, or values of them, with their names, which are said where there are several.
        quantity: The quantity drawn.
        scale: Its scale, for the values beyond its ends.
        hatched: How cells that are not finite are shown.

    Returns:
        A phrase for each kind of gap, none if all is drawn.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for name, surface in surfaces:
        for gap in _gaps(surface, quantity, scale, hatched):
            told = found.setdefault((gap.what, gap.verdict), [])
            verdict = "" if told else f" cells {gap.verdict}"
            told.append(f"{gap.number:,} of {gap.size:,}{verdict}" + (f" in {name}" if len(surfaces) > 1 else ""))
    return [f"{what}{', '.join(told)}" for (what, _), told in found.items()]


def _gaps(source: Surface | Measured, quantity: str, scale: Scale | None, hatched: str) -> list[_Gap]:
    data = source if isinstance(source, Measured) else measured(source, quantity)
    size, found = data.values.size, []
    if scale is not None:
        above = int((data.finite > scale.upper + scale.tolerance).sum())
        below = int((data.finite < scale.lower - scale.tolerance).sum())
        found.append(_Gap(f"clipped at {scale.text(scale.upper)}: ", above, size, "lie above"))
        found.append(_Gap("", below, size, f"lie below {scale.text(scale.lower)}"))
    found.append(_Gap(f"{hatched}: ", int(data.broken.sum()), size, "not finite"))
    found.append(_Gap("blank: ", int((~data.done).sum()), size, "not yet computed"))
    return [gap for gap in found if gap.number]
