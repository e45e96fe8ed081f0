"""BatchNorm folded into the layer before it: the same function, with one affine map less per layer."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from landscape.errors import LandscapeError, listed
from landscape.models.graph import WITH_ACTIVATION, Layer, Norm, copied, normalized_layers


@dataclass(frozen=True)
class Folding:
    """A network with its BatchNorms folded, and how its parameters follow from those of the network as it was.

    Attributes:
        model: A copy that computes the same in eval mode. Parameters keep their names, folded layers have a bias, and
            identities stand where the BatchNorms were.
        norms: For the name of each folded layer, that of its BatchNorm.
        scales: For the name of each folded layer, the factors s_i of its filters, float64.
        staying: Names of the BatchNorms that were not folded.
    """

    model: nn.Module
    norms: Mapping[str, str]
    scales: Mapping[str, Tensor]
    staying: tuple[str, ...]

    def direction(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Fold a direction: what moves when the parameters of the network as it was move along it.

        A step d_i of filter i becomes s_i d_i, and one of its bias or of BatchNorm's beta moves the folded bias. A
        step of gamma has no place in it: its BatchNorm must be among those that stay.

        Args:
            tensors: The steps, by the names of the parameters of the network as it was.

        Returns:
            The steps by the names of the folded parameters, in their dtype.
        """
        found = dict(tensors)
        for name, norm in self.norms.items():
            layer, scale = self.model.get_submodule(name), self.scales[name]
            assert isinstance(layer, Layer)
            weight, bias, shift = (found.pop(key, None) for key in (f"{name}.weight", f"{name}.bias", f"{norm}.bias"))
            if weight is not None:
                found[f"{name}.weight"] = (_double(weight) * _along_outputs(scale, layer)).to(weight)
            steps = [] if bias is None else [scale * _double(bias)]
            steps += [] if shift is None else [_double(shift)]
            if steps:
                found[f"{name}.bias"] = torch.stack(steps).sum(0).to(layer.weight)
        return found


def folded(model: nn.Module) -> tuple[nn.Module, list[str]]:
    """Fold every BatchNorm that follows a layer of its own into that layer, or say why not.

    Args:
        model: The network; it is not changed.

    Returns:
        The folded copy, as in `Folding.model`; and what was done, a sentence each.

    Raises:
        LandscapeError: If the network cannot be traced, there is nothing to fold, or the result is not finite.
    """
    folding = fold(model)
    if not folding.norms:
        raise LandscapeError(
            f"folding needs a BatchNorm that alone takes the output of a layer; {type(model).__name__} has none "
            f"({len(folding.staying)} BatchNorm layers in all): leave the folding out"
        )
    return folding.model, _notes(folding)


def fold(model: nn.Module, keep: Collection[str] = ()) -> Folding:
    """Fold every BatchNorm that follows a layer of its own into that layer.

    In eval mode BatchNorm maps channel i of its input, x_i, to gamma_i (x_i - mean_i) / sqrt(var_i + eps) + beta_i.
    With s_i = gamma_i / sqrt(var_i + eps), the filter that makes x_i becomes s_i w_i and its bias
    s_i (b_i - mean_i) + beta_i, computed in float64 and rounded once. Where `normalized_layers` finds no layer,
    the BatchNorm stays.

    A filter-normalised direction of the weights d_i folds to s_i d_i, which has the norm of s_i w_i: it is the
    filter-normalised direction of the folded network whose draw has the sign of gamma_i. Filter-normalised surfaces
    under frozen statistics are therefore those of the network as it was.

    Args:
        model: The network; it is not changed.
        keep: Names of BatchNorms that stay as they are.

    Returns:
        The folding; of a network without such BatchNorms, a mere copy.

    Raises:
        LandscapeError: If the network cannot be traced, or the result is not finite.
    """
    pairs = {layer: norm for layer, norm in normalized_layers(model) if norm not in keep}
    total = [name for name, module in model.named_modules() if isinstance(module, Norm)]
    norms = {layer: norm for layer, name in pairs.items() if isinstance(norm := model.get_submodule(name), Norm)}
    working = copied(model, {norm: _rest(norm) for norm in norms.values()})
    scales = {}
    for name, norm in norms.items():
        layer = working.get_submodule(name)
        assert isinstance(layer, Layer)
        scales[name] = _fold(name, layer, norm)
    return Folding(working, pairs, scales, tuple(name for name in total if name not in pairs.values()))


def _notes(folding: Folding) -> list[str]:
    gone, stay = len(folding.norms), folding.staying
    reason = "no layer of their own feeds them in eval mode"
    return [
        f"folded {gone} of {gone + len(stay)} BatchNorm layers into the layers before them",
        *([f"BatchNorm layers that stay ({len(stay)}), because {reason}: {listed(stay)}"] if stay else []),
    ]


def _rest(norm: Norm) -> nn.Module:
    """What is left of a BatchNorm: nothing, or what one of timm's does behind the normalization."""
    rest: nn.Module = nn.Identity()
    if type(norm).__name__ in WITH_ACTIVATION:
        rest = nn.Sequential(OrderedDict((name, copy.deepcopy(norm.get_submodule(name))) for name in ("drop", "act")))
    rest.training = norm.training
    return rest


@torch.no_grad()
def _fold(name: str, layer: Layer, norm: Norm) -> Tensor:
    """Fold a BatchNorm into a layer, and return the factors of its filters."""
    scale, shift = _affine(norm)
    weight = _double(layer.weight) * _along_outputs(scale, layer)
    bias = shift if layer.bias is None else scale * _double(layer.bias) + shift
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.empty_like(bias).to(layer.weight), requires_grad=layer.weight.requires_grad)
    layer.weight.copy_(weight)
    layer.bias.copy_(bias)
    if not all(bool(tensor.isfinite().all()) for tensor in (layer.weight, layer.bias)):
        raise LandscapeError(
            f"the BatchNorm behind {name} cannot be folded: its running variance + eps must be positive and finite, "
            "and the folded weights within the range of their dtype"
        )
    return scale


def _affine(norm: Norm) -> tuple[Tensor, Tensor]:
    """The map x -> scale x + shift that a BatchNorm is in eval mode, for each channel, in float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (_double(norm.running_var) + norm.eps).rsqrt()
    if norm.weight is not None:
        scale *= _double(norm.weight)
    shift = -scale * _double(norm.running_mean)
    return scale, shift if norm.bias is None else shift + _double(norm.bias)


def _along_outputs(values: Tensor, layer: Layer) -> Tensor:
    """Arrange a number per output channel so that it broadcasts against the layer's weight."""
    rest = (1,) * (layer.weight.ndim - 2)
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        # The weight is (inputs, outputs / groups, ...), the inputs of group 0 first.
        grouped = values.reshape(layer.groups, 1, -1).expand(-1, layer.in_channels // layer.groups, -1)
        return grouped.reshape(layer.in_channels, -1, *rest)
    return values.reshape(-1, 1, *rest)


def _double(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", torch.float64)
