"""The normalizations by name."""

from __future__ import annotations

from landscape.errors import LandscapeError
from landscape.models.norms.norm import Norm
from landscape.registry import Registry, Spec

_PLACES = {
    "example": ("none", "layer", "group", "instance", "rms"),
    "batch": ("batch", "frozen-batch", "ghost-batch", "batch-group"),
    "switchable": ("switchable",),
    "weights": ("weight-norm", "spectral-norm", "weight-standardization", "scaled-ws"),
    "responses": ("local-response", "divisive", "global-response"),
    "tokens": ("scale", "fix", "unit"),
    "conditional": ("ada-instance", "ada-layer"),
}
NORMS = Registry(
    "norm",
    {
        name: f"landscape.models.norms.{module}:{name.replace('-', '_')}"
        for module, names in _PLACES.items()
        for name in names
    },
)


def build_norm(spec: str | Spec | Norm, conditional: bool = False) -> Norm:
    """Make the normalization that a spec names.

    Args:
        spec: For example `batch`, `group(groups=4)`, `norms.py:mine`, or a Norm, which is given back.
        conditional: Whether the network has a condition to give to its normalizations.

    Returns:
        The normalization.

    Raises:
        LandscapeError: If there is none of this name, it does not give a Norm, or it takes a condition and the
            network has none.
    """
    norm = spec if isinstance(spec, Norm) else NORMS.build(spec)
    if not isinstance(norm, Norm):
        raise LandscapeError(f"the norm {str(spec)!r} must give a landscape.models.Norm, not a {type(norm).__name__}")
    if norm.conditional and not conditional:
        raise LandscapeError(
            f"the norm {str(spec)!r} takes its scale and shift from a condition, which this network does not have: "
            "use it with the model denoiser, or type norm='layer' or norm='instance'"
        )
    return norm
