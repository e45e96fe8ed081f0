"""A network from its spec."""

from __future__ import annotations

from torch import nn

from landscape.errors import LandscapeError
from landscape.registry import Registry, Spec

MODELS = Registry(
    "model",
    {
        "lenet": "landscape.models.lenet:lenet",
        "mlp": "landscape.models.mlp:mlp",
        "vgg": "landscape.models.vgg:vgg",
        **{f"vgg{depth}": f"landscape.models.vgg:vgg{depth}" for depth in (9, 11, 13, 16, 19)},
        "resnet": "landscape.models.resnet:resnet",
        **{f"resnet{depth}": f"landscape.models.resnet:resnet{depth}" for depth in (20, 32, 44, 56, 110)},
        "wide-resnet": "landscape.models.wide_resnet:wide_resnet",
        "densenet": "landscape.models.densenet:densenet",
        "nf-resnet": "landscape.models.nf_resnet:nf_resnet",
        "vit": "landscape.models.vit:vit",
        "denoiser": "landscape.models.denoiser:denoiser",
    },
)


def build_model(spec: str | Spec) -> nn.Module:
    """Build the network that a spec names, with fresh weights.

    Args:
        spec: `resnet20`, `resnet(depth=56, norm='none')`, `torchvision:resnet18(num_classes=10)`,
            `timm:NAME(...)`, `nets.py:build(k=5)` or `package.module:build`.

    Returns:
        The network.

    Raises:
        LandscapeError: If there is no such model, its settings do not fit, or it is not a torch module.
    """
    spec = Spec.parse(spec) if isinstance(spec, str) else spec
    source, colon, name = spec.target.partition(":")
    if colon and source in ("torchvision", "timm"):
        from landscape.models.external import build_external

        return build_external(source, name, spec.kwargs)
    model = MODELS.build(spec)
    if not isinstance(model, nn.Module):
        raise LandscapeError(
            f"the model {str(spec)!r} must be a torch module (nn.Module), not a {type(model).__name__}"
        )
    return model
