"""Which normalizations each network takes, told by the hooks of the normalizations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from landscape.errors import LandscapeError, nearest
from landscape.models.build import MODELS
from landscape.models.norms import NORMS, Norm, build_norm

# Channels of the layers that hooks are tried with: more than any normalization has groups.
CHANNELS = 64


def families() -> dict[str, list[str]]:
    """The models in groups of one architecture, which a module has.

    Returns:
        For the first name of each, all its names: `resnet`, `resnet20`, ...; those of plug-ins are left out.
    """
    modules: dict[str, list[str]] = {}
    for name, place in MODELS.table.items():
        modules.setdefault(place.partition(":")[0], []).append(name)
    return {names[0]: names for names in modules.values()}


def offered(model: str) -> list[str]:
    """Names of the normalizations that a model takes.

    Args:
        model: A name of the package, for example `resnet20`.

    Returns:
        The names, in the order of `NORMS`, each with its default settings.

    Raises:
        LandscapeError: If the package has no such model.
    """
    family = next((first for first, names in families().items() if model in names), None)
    if family is None:
        raise LandscapeError(
            f"which norms {model!r} takes is known of the package's own models alone; {nearest(model, MODELS.table)}"
        )
    suits = _SLOTS.get(family, _images)
    return [name for name in NORMS.names() if (norm := _built(name)) is not None and suits(norm)]


def _images(norm: Norm) -> bool:
    return not norm.conditional and _made(norm.layer, CHANNELS, 2)


def _features(norm: Norm) -> bool:
    return not norm.conditional and not norm.needs_positions and _made(norm.layer, CHANNELS, 0)


def _tokens(norm: Norm) -> bool:
    return not norm.conditional and _made(norm.of_tokens, CHANNELS)


def _images_with_condition(norm: Norm) -> bool:
    return norm.conditional or _images(norm)


# What the slots of an architecture hold, where that is not images.
_SLOTS = {"mlp": _features, "vit": _tokens, "denoiser": _images_with_condition}


def _made(hook: Callable[..., Any], *arguments: int) -> bool:
    try:
        hook(*arguments)
    except LandscapeError:
        return False
    return True


def _built(name: str) -> Norm | None:
    """The normalization, or None where a plug-in's cannot be imported."""
    try:
        return build_norm(name, conditional=True)
    except LandscapeError:
        return None
