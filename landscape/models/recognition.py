"""Which network a state dict belongs to, told by the names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from landscape.errors import LandscapeError
from landscape.models import denoiser, densenet, external, lenet, mlp, nf_resnet, resnet, vgg, vit, wide_resnet
from landscape.models.build import MODELS, build_model
from landscape.models.shapes import Shapes, shapes_of, with_computed
from landscape.registry import Spec

ARCHITECTURES: tuple[Callable[[Shapes], list[Spec]], ...] = (
    nf_resnet.candidates,
    resnet.candidates,
    wide_resnet.candidates,
    densenet.candidates,
    vgg.candidates,
    lenet.candidates,
    mlp.candidates,
    vit.candidates,
    denoiser.candidates,
    external.candidates,
)
# Share of the tensors that must agree before a network is worth naming.
SIMILAR = 0.3


class Unallocated(TorchFunctionMode):
    """Within it, layers get parameters without memory, so that building a network takes milliseconds.

    `torch.device("meta")` would do this for every tensor, also for those whose values a constructor needs.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function, `torch.empty` with the meta device."""
        kwargs = kwargs or {}
        return function(*args, **({**kwargs, "device": "meta"} if function is torch.empty else kwargs))


def recognise(state: Mapping[str, Tensor]) -> list[str]:
    """Find the networks whose tensors have exactly these names and shapes.

    Args:
        state: A state dict; BatchNorm's counters of batches do not matter.

    Returns:
        Specs of models, the likeliest first. There may be several: nothing in the tensors tells, for
        example, a shortcut without parameters from none at all, nor which activation a LeNet has.
    """
    shapes = shapes_of(state)
    return [str(spec) for spec in _proposals(shapes) if _built(spec) == shapes]


def nearest_model(state: Mapping[str, Tensor]) -> str | None:
    """Find the network that fits these tensors, or else comes closest.

    Args:
        state: A state dict.

    Returns:
        The spec of a model, or None if nothing is similar.
    """
    shapes = shapes_of(state)
    plain = (Spec(name) for name in MODELS.table)
    scored = [(_similarity(shapes, _built(spec)), str(spec)) for spec in (*_proposals(shapes), *plain)]
    score, best = max(scored, key=lambda pair: pair[0])
    return best if score >= SIMILAR else None


def _proposals(shapes: Shapes) -> list[Spec]:
    known = with_computed(shapes)
    return [spec for candidates in ARCHITECTURES for spec in candidates(known)]


def _built(spec: Spec) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network, or nothing if there is none with these settings alone."""
    try:
        with torch.random.fork_rng(devices=[]), Unallocated():
            return shapes_of(build_model(spec).state_dict())
    except LandscapeError:
        return {}


def _similarity(mine: Shapes, theirs: Shapes) -> float:
    """Mean of two overlaps, that of the names and that of names with shapes; 1 for the same network."""
    names = len(mine.keys() & theirs.keys()) / max(1, len(mine.keys() | theirs.keys()))
    both = len(mine.items() & theirs.items()) / max(1, len(mine.items() | theirs.items()))
    return (names + both) / 2
