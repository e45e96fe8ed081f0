"""Networks of torchvision and timm by name, always with fresh weights: nothing is downloaded."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import nn

from landscape.errors import LandscapeError, listed
from landscape.models.shapes import Shapes
from landscape.registry import Spec

# Settings with which the two libraries fetch or read weights on their own.
WEIGHT_SETTINGS = ("weights", "weights_backbone", "pretrained", "pretrained_backbone", "checkpoint_path")
# These two warn, and take long, unless they are told how to begin.
QUIET_SETTINGS = {"googlenet": {"init_weights": False}, "inception_v3": {"init_weights": False}}


def build_external(library: str, name: str, settings: Mapping[str, Any]) -> nn.Module:
    """Build a network of another library.

    Args:
        library: `torchvision` or `timm`.
        name: The library's own name of the model.
        settings: Keyword arguments of the model, for example `num_classes`.

    Returns:
        The network with fresh weights.

    Raises:
        LandscapeError: If the library is missing or has no such model, if weights are asked for, or if the
            settings do not fit.
    """
    wanted = [key for key in WEIGHT_SETTINGS if settings.get(key)]
    if wanted:
        raise LandscapeError(
            f"{library}:{name} is built without weights of its own, so {wanted[0]}={settings[wanted[0]]!r} is refused: "
            "download them yourself and pass the file as the checkpoint"
        )
    known, create = {"torchvision": _torchvision, "timm": _timm}[library]()
    if name.partition(".")[0] not in known:
        close = difflib.get_close_matches(name, known, n=10)
        hint = f"did you mean {listed(close)}?" if close else f"some of its {len(known)} are {listed(sorted(known))}"
        raise LandscapeError(f"{library} has no classification model {name!r}; {hint}")
    settings = {key: value for key, value in settings.items() if key not in WEIGHT_SETTINGS}
    try:
        return create(name, **{**QUIET_SETTINGS.get(name, {}), **settings})
    except Exception as error:
        raise LandscapeError(f"{library} cannot build {name} with {dict(settings)}: {error}") from error


def _torchvision() -> tuple[Collection[str], Callable[..., nn.Module]]:
    try:
        from torchvision import models
    # A build for another torch raises RuntimeError or OSError.
    except Exception as error:
        raise LandscapeError(f"torchvision cannot be imported beside this torch: {error}") from error

    def create(name: str, **settings: Any) -> nn.Module:
        model: nn.Module = models.get_model(name, weights=None, **settings)
        return model

    return models.list_models(module=models), create


def _timm() -> tuple[Collection[str], Callable[..., nn.Module]]:
    try:
        import timm
    except ModuleNotFoundError as error:
        if error.name != "timm":
            raise LandscapeError(f"timm cannot be imported: {error}") from error
        raise LandscapeError("timm is not installed; type pip install landscape-viz[timm]") from error
    except Exception as error:
        raise LandscapeError(f"timm cannot be imported beside this torch: {error}") from error

    def create(name: str, **settings: Any) -> nn.Module:
        model: nn.Module = timm.create_model(name, pretrained=False, **settings)
        return model

    return timm.list_models(), create


# For each family of torchvision: a tensor that all of its members have, patterns of their names, the layer at the end.
FAMILIES = (
    ("layer4.0.conv1.weight", ("resnet*", "resnext*", "wide_resnet*"), "fc"),
    ("features.denseblock1.denselayer1.conv1.weight", ("densenet*",), "classifier"),
    ("classifier.6.weight", ("vgg*", "alexnet"), "classifier.6"),
    ("encoder.pos_embedding", ("vit_*",), "heads.head"),
    ("features.1.0.attn.qkv.weight", ("swin_*",), "head"),
    ("features.1.0.layer_scale", ("convnext_*",), "classifier.2"),
    ("features.1.0.block.0.0.weight", ("efficientnet_*",), "classifier.1"),
    ("features.1.conv.0.0.weight", ("mobilenet_v2",), "classifier.1"),
    ("features.1.block.0.0.weight", ("mobilenet_v3_*",), "classifier.3"),
    ("layers.8.0.layers.0.weight", ("mnasnet*",), "classifier.1"),
    ("stage2.0.branch1.0.weight", ("shufflenet_*",), "fc"),
    ("features.3.squeeze.weight", ("squeezenet*",), "classifier.1"),
    ("inception3a.branch1.conv.weight", ("googlenet",), "fc"),
    ("Mixed_5b.branch1x1.conv.weight", ("inception_v3",), "fc"),
    ("trunk_output.block1.block1-0.f.a.0.weight", ("regnet_*",), "fc"),
    ("blocks.0.layers.0.layers.MBconv.layers.conv_a.0.weight", ("maxvit_t",), "classifier.5"),
)


def candidates(shapes: Shapes) -> list[Spec]:
    """Specs of all networks in those families of torchvision to which these tensors may belong.

    Args:
        shapes: Names and shapes of a state dict.

    Returns:
        Mostly none, and then torchvision is not imported.
    """
    found = []
    for key, patterns, head in FAMILIES:
        classes = shapes.get(f"{head}.weight")
        if key in shapes and classes:
            from torchvision import models

            settings = {**({} if classes[0] == 1000 else {"num_classes": classes[0]}), **_variant(shapes)}
            names = models.list_models(module=models, include=patterns)
            found += [Spec(f"torchvision:{name}", settings) for name in names]
    return found


def _variant(shapes: Shapes) -> dict[str, Any]:
    """Settings besides the number of classes that change names or shapes."""
    positions, patches = shapes.get("encoder.pos_embedding"), shapes.get("conv_proj.weight")
    if positions and patches and len(positions) == 3:
        size = math.isqrt(positions[1] - 1) * patches[-1]
        return {} if size == 224 else {"image_size": size}
    inception = "inception3a.branch1.conv.weight" in shapes or "Mixed_5b.branch1x1.conv.weight" in shapes
    auxiliary = any(name.lower().startswith("aux") for name in shapes)
    return {"aux_logits": False} if inception and not auxiliary else {}
