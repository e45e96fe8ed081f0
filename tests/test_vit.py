"""The vision transformer beside torch's and timm's, its placements, and what it gives to the rest of the program."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import landscape
from landscape.data import Batches
from landscape.errors import LandscapeError
from landscape.models import NORMS, build_model, recognise
from landscape.models.graph import program
from landscape.models.initialisation import initialise
from landscape.models.recognition import Unallocated
from landscape.parameters import ParameterSpace
from landscape.registry import Spec

SMALL = "vit(patch=7, depth=2, width=16, heads=2, mlp_ratio=2, size=14, in_channels=1, classes=3{})"
CONDITIONAL = ("ada-instance", "ada-layer")


def small(settings="", seed=0):
    """A network whose parameters are all away from what they begin with."""
    torch.manual_seed(seed)
    net = build_model(SMALL.format(f", {settings}" if settings else ""))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net


def images(count=12, seed=1, size=14):
    return torch.randn(count, 1, size, size, generator=torch.Generator().manual_seed(seed))


def data(count=24):
    return Batches(images(count), torch.arange(count) % 3, "small", "digest", "as it is")


@pytest.mark.parametrize("placement", ["pre", "post"])
def test_blocks_are_those_of_torch(placement):
    block = small(f"placement={placement!r}").blocks[0].double()
    theirs = nn.TransformerEncoderLayer(
        16, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=placement == "pre", dtype=torch.float64
    )
    names = {
        "self_attn.in_proj_": "attn.qkv.",
        "self_attn.out_proj.": "attn.proj.",
        "linear1.": "mlp.fc1.",
        "linear2.": "mlp.fc2.",
        "norm1.": "norm1.",
        "norm2.": "norm2.",
    }
    own = block.state_dict()
    kinds = ("weight", "bias")
    theirs.load_state_dict({t + kind: own[mine + kind] for t, mine in names.items() for kind in kinds})
    x = torch.randn(3, 5, 16, dtype=torch.float64)
    torch.testing.assert_close(block(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_the_whole_network_is_that_of_timm_and_has_its_names():
    timm = pytest.importorskip("timm")
    net = small("norm='layer(eps=1e-06)'").double().eval()
    theirs = timm.models.VisionTransformer(
        img_size=14, patch_size=7, in_chans=1, num_classes=3, embed_dim=16, depth=2, num_heads=2, mlp_ratio=2
    )
    theirs.load_state_dict(net.state_dict())
    x = images().double()
    torch.testing.assert_close(net(x), theirs.double().eval()(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [("width=192, heads=3", 5_717_416), ("width=384, heads=6", 22_050_664), ("width=768, heads=12", 86_567_656)],
)
def test_parameter_counts_are_the_published_ones(settings, parameters):
    with torch.device("meta"):
        net = build_model(f"vit(patch=16, depth=12, size=224, classes=1000, {settings})")
    assert sum(one.numel() for one in net.parameters()) == parameters


def test_post_blocks_end_with_a_norm_and_need_no_other():
    pre, post = small(), small("placement='post'")
    assert isinstance(pre.norm, nn.LayerNorm)
    assert isinstance(post.norm, nn.Identity)


def test_a_block_that_adds_nothing_is_the_identity_a_norm_twice_or_no_step():
    x = torch.randn(2, 5, 16)
    blocks = {name: small(f"placement={name!r}").blocks[0] for name in ("pre", "post")}
    sphere = small("norm='unit', placement='sphere'").blocks[0]
    with torch.no_grad():
        for block in blocks.values():
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight.zero_()
                layer.bias.zero_()
        for slot in (sphere.norm1, sphere.norm2):
            slot.rate.gain.zero_()
    post = blocks["post"]
    torch.testing.assert_close(blocks["pre"](x), x)
    torch.testing.assert_close(post(x), post.norm2(post.norm1(x)))
    unit = functional.normalize(x, dim=-1)
    torch.testing.assert_close(sphere(unit), unit)


@pytest.mark.parametrize("norm", [norm for norm in NORMS.table if norm not in CONDITIONAL])
def test_two_steps_of_every_norm_change_every_part(norm):
    torch.manual_seed(0)
    net = build_model(SMALL.format(f", norm={norm!r}")).train()
    initialise(net, 0, "small")
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)  # a step does not depend on the size of a gradient
    before = {name: one.detach().clone() for name, one in net.named_parameters()}
    for _ in range(2):
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(images()), torch.arange(12) % 3)
        loss.backward()
        optimizer.step()
    assert math.isfinite(loss.item())
    assert [name for name, one in net.named_parameters() if torch.equal(one, before[name])] == []


@pytest.mark.parametrize("settings", ["norm='batch'", "norm='weight-norm'", "value_norm='batch'", "qk=True"])
def test_common_weights_begin_alike(settings):
    plain, other = (build_model(SMALL.format(one)) for one in ("", f", {settings}"))
    for net in (plain, other):
        initialise(net, 3, "small")
    for name in ("patch_embed.proj", "blocks.1.attn.qkv", "blocks.0.mlp.fc2", "head"):
        torch.testing.assert_close(plain.get_submodule(name).weight, other.get_submodule(name).weight)
    assert torch.equal(plain.pos_embed, other.pos_embed)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("width=20, heads=3", "the width of vit must be a multiple of its heads, but 20 is not one of 3"),
        ("size=30, patch=4", "must be a multiple of the patch, but 30 is not one of 4; type for example patch=3"),
        ("placement='middle'", "vit has no placement 'middle'"),
        ("norm='unit', placement='pre'", "the norm 'unit' of vit goes with placement 'sphere', not with 'pre'"),
        ("placement='sphere'", "the norm 'layer' of vit goes with placement 'pre' or 'post', not with 'sphere'"),
        ("value_norm='weight-norm'", "'weight-norm' normalises weights, which values share with queries and keys"),
        ("depth=0", "depth of vit must be a positive whole number, not 0"),
        ("qk='no'", "qk of vit is True or False, not 'no'"),
        ("activation='gelo'", "gelu"),
        ("norm='ada-layer'", "condition"),
    ],
)
def test_settings_that_do_not_fit_give_one_sentence(settings, sentence):
    with pytest.raises(LandscapeError, match=sentence):
        build_model(f"vit({settings})")


def test_images_of_another_size_are_refused():
    with pytest.raises(LandscapeError, match=r"positions for 16 patches takes .* and these have 25: give such images"):
        build_model("vit(patch=4, size=16, width=8, heads=2, depth=1)")(torch.zeros(2, 3, 20, 20))


@pytest.mark.parametrize("norm", ["scale", "fix", "unit"])
def test_norms_of_tokens_are_refused_elsewhere(norm):
    with pytest.raises(LandscapeError, match=f"the norm '{norm}' is for the tokens of a transformer: use it with"):
        build_model(f"lenet(norm={norm!r})")


def test_roles_are_known_and_not_guessed():
    for settings in ("", "norm='fix', qk=True, value_norm='batch'", "norm='unit', placement='sphere'"):
        entries = ParameterSpace(small(settings)).entries
        assert [entry.name for entry in entries if entry.by_shape] == []
        roles = {entry.name: entry.role for entry in entries}
        assert roles["cls_token"] == roles["pos_embed"] == "embedding"
        gains = ("gain", "norm1.weight", "norm.weight", "norm.bias")
        assert {role for name, role in roles.items() if name.endswith(gains)} <= {"norm"}
    positions = ParameterSpace(small())["pos_embed"]
    assert positions.filters.view(positions.parameter).shape == (5, 16)


LINE = {"x": (-0.5, 0.5, 3), "y": None, "progress": False}
SURFACES = [
    "norm='layer', placement='post'",
    "norm='batch'",
    "norm='fix', qk=True",
    "value_norm='batch', value_activation='gelu'",
    "norm='unit'",
    "norm='scaled-ws'",
]


@pytest.mark.parametrize("settings", SURFACES)
def test_a_surface_has_the_loss_at_its_centre(settings):
    net = small(settings).eval()
    with torch.no_grad():
        exact = functional.cross_entropy(net(data().inputs), data().targets)
    surface = landscape.compute(net, data(), perturb="all", **LINE)
    assert np.isfinite(surface["loss"]).all()
    assert surface["loss"][1] == pytest.approx(exact.item(), rel=1e-5)
    assert surface.provenance["evaluator"] == "fused"


@pytest.mark.parametrize("settings", SURFACES)
def test_its_operations_can_be_traced(settings):
    net = small(settings).eval()
    torch.testing.assert_close(program(net)(images()), net(images()))


def test_a_large_patch_embedding_is_fused():
    torch.manual_seed(0)
    net = build_model(
        "vit(patch=14, depth=1, width=16, heads=2, mlp_ratio=1, size=28, classes=3, in_channels=1)"
    ).eval()
    examples = Batches(images(size=28), torch.arange(12) % 3, "small", "digest", "as it is")
    quick, plain = (landscape.compute(net, examples, evaluator=one, **LINE) for one in ("auto", "eager"))
    assert quick.provenance["evaluator"] == "fused"
    np.testing.assert_allclose(quick["loss"], plain["loss"], rtol=1e-5)


@pytest.mark.parametrize("settings", ["norm='batch'", "value_norm='batch'"])
def test_statistics_of_the_batch_are_a_policy_of_its_own(settings):
    net = small(settings).eval()
    options = {"bn_stats": "all", "bn_samples": 24, "bn_batch_size": 24}
    surface = landscape.compute(net, {"test": data(), "train": data()}, **options, **LINE)
    with torch.no_grad():
        frozen = functional.cross_entropy(net(data().inputs), data().targets).item()
        own = functional.cross_entropy(net.train()(data().inputs), data().targets).item()
    assert surface.sel(bn="frozen")["loss"][1] == pytest.approx(frozen, rel=1e-5)
    assert surface.sel(bn="batch")["loss"][1] == pytest.approx(own, rel=1e-5)
    assert abs(own - frozen) > 1e-3 * frozen
    assert np.isfinite(surface.sel(bn="recalibrate")["loss"]).all()


@pytest.mark.parametrize("settings", ["norm='unit', placement='sphere'", "norm='scale', qk=True, value_norm='batch'"])
def test_half_precision_is_near(settings):
    net = small(settings).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        lower = net(images())
    torch.testing.assert_close(lower.float(), net(images()).detach(), rtol=0.1, atol=0.1)


@pytest.mark.parametrize(
    "settings",
    [
        "",
        "norm='batch', placement='post'",
        "norm='rms', qk=True",
        "norm='scale'",
        "norm='fix', placement='post'",
        "norm='group', value_norm='layer'",
        "norm='none', value_norm='batch'",
        "norm='unit'",
        "norm='weight-norm'",
        "norm='weight-standardization'",
        "value_norm='scale'",
    ],
)
def test_tensors_tell_the_network(settings):
    spec = f"vit(patch=7, depth=2, mlp_ratio=2, classes=3, in_channels=1, size=14{settings and ', '}{settings})"
    with Unallocated():
        found = recognise(build_model(spec).state_dict())
    assert Spec.parse(spec).kwargs in [Spec.parse(one).kwargs for one in found]
    assert len(found) <= 6


def test_every_number_of_heads_that_is_proposed_divides_the_width():
    with Unallocated():
        found = recognise(build_model("vit(width=48, heads=4)").state_dict())
    assert "vit(width=48, heads=4)" in found
    assert found[0] == "vit(width=48)"


def test_names_of_weights_are_those_of_every_placement():
    ends = ("qkv.weight", "fc1.weight", "proj.weight")
    names, *others = (
        {name for name in small(settings).state_dict() if name.endswith(ends)}
        for settings in ("", "placement='post'", "norm='none'", "norm='batch'")
    )
    assert len(names) == 2 * 3 + 1
    assert all(one == names for one in others)
