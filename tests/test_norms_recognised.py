"""Normalizations told by the names and shapes of a state dict."""

from __future__ import annotations

import pytest

from landscape.models import build_model, recognise
from landscape.models.recognition import Unallocated
from landscape.models.shapes import possible_norms, shapes_of, with_computed

TOLD = {
    "batch": ["batch"],
    "batch-group": ["batch-group"],
    "batch-group(groups=4)": ["batch-group(groups=4)"],
    "switchable": ["switchable"],
    "global-response": ["global-response"],
    "group": ["group", "layer", "instance"],
    "instance": ["group", "layer", "instance"],
    "rms": ["rms", "divisive"],
    "divisive": ["rms", "divisive"],
    "none": ["none"],
    "weight-norm": ["weight-norm"],
    "spectral-norm": ["spectral-norm"],
    "weight-standardization": [
        "weight-standardization",
        "weight-standardization(then='layer')",
        "weight-standardization(then='instance')",
    ],
    "weight-standardization(then='batch')": ["weight-standardization(then='batch')"],
    "scaled-ws": ["scaled-ws"],
    "scaled-ws(then='rms')": ["scaled-ws(then='rms')", "scaled-ws(then='divisive')"],
}
NETS = {
    "resnet(depth=8, width=4, norm={!r}, shortcut='conv')": "bn1",
    "vgg(depth=11, width=8, norm={!r})": "features.1",
    "lenet(norm={!r})": "norm1",
    "mlp(inputs=12, hidden=(24, 20), norm={!r})": "norm1",
}


def shapes(spec: str) -> dict[str, tuple[int, ...]]:
    with Unallocated():
        return shapes_of(build_model(spec).state_dict())


@pytest.mark.parametrize("norm", TOLD)
def test_norms_of_a_slot_are_told_the_likeliest_first(norm):
    assert possible_norms(shapes(f"resnet(depth=8, width=8, norm={norm!r})"), "bn1") == TOLD[norm]


@pytest.mark.parametrize("net", [net for net in NETS if "mlp" not in net])
@pytest.mark.parametrize("norm", TOLD)
def test_networks_are_recognised_with_their_norm(norm, net):
    with Unallocated():
        state = build_model(net.format(norm)).state_dict()
    found = recognise(state)
    assert any(f"norm={norm!r}" in spec or (norm == "batch" and "norm=" not in spec) for spec in found) or (
        norm == "none" and any("norm=" not in spec for spec in found)
    )
    assert all(shapes(spec) == shapes_of(state) for spec in found)


def test_computed_weights_are_named_beside_the_stored_ones():
    plain, wrapped = shapes("lenet"), shapes("lenet(norm='weight-norm')")
    known = with_computed(wrapped)
    assert plain.items() <= known.items()
    assert wrapped.items() <= known.items()
    assert with_computed(plain) == plain
