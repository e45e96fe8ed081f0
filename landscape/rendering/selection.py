"""Which of the surfaces that a file holds are drawn: one per policy, and a repeat or all that are complete."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from landscape.analysis.filling import filled
from landscape.errors import LandscapeError
from landscape.types import Surface
from landscape.types.surface import STATISTICS


def listed(surfaces: Surface | Sequence[Surface]) -> list[Surface]:
    """One surface or several, as a list.

    Args:
        surfaces: What to draw.

    Returns:
        At least one surface.

    Raises:
        LandscapeError: If there is none.
    """
    surfaces = [surfaces] if isinstance(surfaces, Surface) else list(surfaces)
    if not surfaces:
        raise LandscapeError("there is no surface to draw; name at least one file")
    return surfaces


def selected(
    surfaces: Surface | Sequence[Surface],
    quantity: str = "loss",
    *,
    repeats: bool = False,
    repeat: int | None = None,
    bn: str | Sequence[str] | None = None,
) -> list[Surface]:
    """Take from each surface what is drawn of it.

    What has neither several policies nor several repeats is left as it is. What an adaptive run left out is
    interpolated here, before anything is cut out. The drift of the statistics is drawn once,
    not for every policy: it compares two of them.

    Args:
        surfaces: One or several, with or without dimensions for repeats and policies.
        quantity: What is drawn of them.
        repeats: Whether all complete repeats are drawn together; otherwise one is.
        repeat: Which repeat is drawn, from 0; None for all, or for the first where they are not drawn together.
        bn: Policy for BatchNorm's statistics, or several; None for all.

    Returns:
        At least one surface, each with one policy; those of one file stay together.

    Raises:
        LandscapeError: If there is no such repeat or policy.
    """
    asked = (bn,) if isinstance(bn, str) else tuple(bn or ())
    return [
        filled(_of_repeats(surface.sel(bn=policy), repeats, repeat))
        for surface in listed(surfaces)
        for policy in _policies(surface, quantity, asked)
    ]


def names_of(surfaces: Surface | Sequence[Surface], quantity: str, names: Sequence[str] | None) -> list[str] | None:
    """The name of each surface, once for each policy that is drawn of it.

    Args:
        surfaces: One or several, as for `selected`.
        quantity: What is drawn of them.
        names: One name per surface, or None.

    Returns:
        One name for each surface that `selected` gives, or None.

    Raises:
        LandscapeError: If there are more or fewer names than surfaces.
    """
    given = listed(surfaces)
    if names is not None and len(names) != len(given):
        raise LandscapeError(f"give one name per surface: the surfaces are {len(given)} and the names {len(names)}")
    if names is None:
        return None
    return [name for surface, name in zip(given, names, strict=True) for _ in _policies(surface, quantity)]


def _policies(surface: Surface, quantity: str, asked: tuple[str, ...] = ()) -> tuple[str, ...]:
    drift = quantity.startswith(STATISTICS) or f"{STATISTICS}{quantity}" in surface
    return ("recalibrate",) if drift and "recalibrate" in surface.policies else asked or surface.policies


def _of_repeats(surface: Surface, together: bool, repeat: int | None) -> Surface:
    if surface.repeats == 1:
        return surface
    complete = [index for index in range(surface.repeats) if surface.sel(repeat=index).complete]
    if together and repeat is None and len(complete) > 1:
        return _kept(surface, complete)
    chosen = surface.sel(repeat=repeat or 0)
    counts = {"repeats": surface.repeats, "complete_repeats": len(complete)}
    return dataclasses.replace(chosen, provenance={**chosen.provenance, **counts})


def _kept(surface: Surface, complete: list[int]) -> Surface:
    """Those repeats alone, as one surface."""
    axes, number = len(surface.grid.axes), surface.repeats
    cosines = surface.provenance.get("cosines", [None] * number)
    adaptive = surface.provenance.get("adaptive", ())
    return dataclasses.replace(
        surface,
        quantities={name: values[complete] for name, values in surface.quantities.items()},
        job=dataclasses.replace(surface.job, repeats=len(complete)),
        directions=tuple(one for index in complete for one in surface.directions[index * axes : (index + 1) * axes]),
        provenance={
            **surface.provenance,
            "repeats": number,
            "complete_repeats": len(complete),
            "cosines": [cosines[index] for index in complete],
            **({"adaptive": [adaptive[index] for index in complete]} if adaptive else {}),
        },
    )
