"""What a parameter is, and which slices of it are its filters.

Both come from the type of the module that owns the tensor, never from its number of dimensions: weight norm's
magnitude has four, and the output axis of a transposed convolution is its second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from landscape.errors import LandscapeError, nearest

ROLES = ("weight", "embedding", "bias", "norm", "magnitude", "other")


@dataclass(frozen=True)
class Filters:
    """How a tensor divides into filters: slices along `axis`, or the whole tensor where it is None.

    Attributes:
        axis: The axis that counts the filters.
        groups: Groups of a transposed convolution, whose output channels are (group, `axis`).
    """

    axis: int | None
    groups: int = 1

    def view(self, tensor: Tensor) -> Tensor:
        """Arrange a tensor as (filters, elements); a copy where its memory does not allow a view."""
        if self.axis is None or tensor.ndim == 0:
            return tensor.reshape(1, -1)
        if self.groups > 1:
            grouped = tensor.reshape(self.groups, -1, *tensor.shape[1:])
            return grouped.movedim(self.axis + 1, 1).flatten(0, 1).flatten(1)
        return tensor.movedim(self.axis, 0).reshape(tensor.shape[self.axis], -1)

    def restore(self, filters: Tensor, shape: Sequence[int]) -> Tensor:
        """Undo `view`: from (filters, elements) back to the tensor's own shape."""
        if self.axis is None or not shape:
            return filters.reshape(tuple(shape))
        rest = [size for index, size in enumerate(shape) if index != self.axis % len(shape)]
        if self.groups > 1:
            grouped = filters.reshape(self.groups, shape[self.axis], rest[0] // self.groups, *rest[1:])
            return grouped.movedim(1, self.axis + 1).reshape(tuple(shape))
        return filters.reshape(shape[self.axis], *rest).movedim(0, self.axis).contiguous()


def role_of(model: nn.Module, path: str, local: str, parameter: Tensor) -> tuple[str, Filters, bool]:
    """Find what one parameter is.

    A module may declare its own as `parameter_roles = {"gate": "weight:0"}`.

    Args:
        model: The network.
        path: Where the owning module is in it.
        local: The parameter's name within that module.
        parameter: The tensor.

    Returns:
        Its role, its filters, and whether both are a guess from its shape.
    """
    owner = model.get_submodule(path)
    if match := re.fullmatch(r"(?:(.*)\.)?parametrizations\.(\w+)", path):
        # torch.nn.utils.parametrizations: weight norm keeps (magnitude, direction) as original0 and original1.
        if local == "original0":
            return "magnitude", Filters(0), False
        return role_of(model, match[1] or "", match[2], parameter)
    if local.endswith("_g") and hasattr(owner, local[:-2] + "_v"):
        return "magnitude", Filters(0), False
    if local.endswith("_v") and hasattr(owner, local[:-2] + "_g"):
        local = local[:-2]
    declared = getattr(owner, "parameter_roles", {})
    if local in declared:
        return (*read_role(declared[local], f"parameter_roles of {type(owner).__name__}"), False)
    known = _by_module(owner, local, parameter)
    return (*known, False) if known else (*_by_shape(local, parameter), True)


_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)
_VECTOR = Filters(None)


def _by_module(owner: nn.Module, local: str, parameter: Tensor) -> tuple[str, Filters] | None:
    """Role and filters from the type of the owning module, or None if it is not a known one."""
    kind = type(owner).__name__
    if isinstance(owner, _NORMS) or kind.endswith(("Norm", "Norm1d", "Norm2d", "Norm3d")):
        return "norm", _VECTOR
    if "bias" in local and isinstance(owner, _WITH_BIAS):
        return "bias", _VECTOR
    if isinstance(owner, nn.modules.conv._ConvTransposeNd):
        return "weight", Filters(1, owner.groups)
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
        return "embedding", Filters(0)
    if isinstance(owner, _WITH_BIAS):
        return "weight", Filters(0)
    if kind == "Conv1D" and parameter.ndim <= 2:  # transformers: weight is (in, out)
        return ("weight", Filters(1)) if local == "weight" else ("bias", _VECTOR)
    return None


_WITH_BIAS = (nn.modules.conv._ConvNd, nn.Linear, nn.Bilinear, nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase)


def _by_shape(local: str, parameter: Tensor) -> tuple[str, Filters]:
    """A guess for bare parameters: tables of tokens or positions, vectors (fixed), else axis 0."""
    wide = sum(size > 1 for size in parameter.shape)
    if parameter.ndim >= 2 and re.search(r"token|embed", local):
        return "embedding", Filters(parameter.ndim - 2)
    if wide <= 1:
        return ("bias" if "bias" in local else "other"), _VECTOR
    return "weight", Filters(1 if parameter.shape[0] == 1 and parameter.ndim > 2 else 0)


def read_role(text: str, place: str) -> tuple[str, Filters]:
    """Read `ROLE` or `ROLE:AXIS`.

    Args:
        text: The role.
        place: Where it was written, for the message.

    Returns:
        The role, and the filters along the axis; without one, axis 0 for weights and embeddings.

    Raises:
        LandscapeError: If it is neither.
    """
    role, _, axis = str(text).partition(":")
    if role not in ROLES or (axis and not axis.lstrip("-").isdigit()):
        raise LandscapeError(f"{place}: {text!r} is not ROLE or ROLE:AXIS; {nearest(role, ROLES)}")
    if axis:
        return role, Filters(int(axis))
    return role, Filters(0) if role in ("weight", "embedding") else _VECTOR
