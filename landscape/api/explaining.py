"""How surfaces were made, in words for a paper."""

from __future__ import annotations

from pathlib import Path

from landscape.api.reading import loaded
from landscape.errors import LandscapeError
from landscape.types import Surface


def explain(*surfaces: Surface | str | Path, compared: bool = False) -> str:
    """Write how surfaces were made: a paragraph of methods with citations, references, and their BibTeX entries.

    Only what was used is said and cited; every number is that of the surfaces.

    Args:
        surfaces: One or several, or their files.
        compared: Whether they are compared, so that intervals over draws or networks are part of what was done.

    Returns:
        Lines of text.

    Raises:
        LandscapeError: If there is no surface.

    Example:
        >>> import landscape, torch
        >>> data = (torch.eye(4), torch.arange(4) % 2)
        >>> surface = landscape.compute(torch.nn.Linear(4, 2), data=data, y=None, x=(-1, 1, 5), progress=False)
        >>> "filter by filter" in " ".join(landscape.explain(surface).split())
        True
    """
    from landscape.reports.methods import explain as explained

    if not surfaces:
        raise LandscapeError("there is no surface to explain; name at least one file")
    found = loaded(surfaces)
    several = len(found) > 2 or any(one.repeats > 1 for one in found)
    return explained(found, bootstrapped=compared and several)
