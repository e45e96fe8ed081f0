"""Roles, filters and exact placement."""

from __future__ import annotations

import copy
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from landscape.errors import LandscapeError
from landscape.parameters import Direction, Filters, ParameterSpace, Subspace, canonical, copied, effective, preserved


def roles(model: nn.Module, perturb: str = "all", overrides: tuple[str, ...] = ()) -> dict[str, tuple[str, int | None]]:
    return {e.name: (e.role, e.filters.axis) for e in ParameterSpace(model, perturb, overrides).entries}


class Transformer(nn.Module):
    """What has roles that shape alone would get wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.randn(1, 1, 8))
        self.pos_embed = nn.Parameter(torch.randn(1, 5, 8))
        self.gate = nn.Parameter(torch.tensor(0.5))
        self.bias4d = nn.Parameter(torch.randn(1, 8, 1, 1))
        self.table = nn.Parameter(torch.randn(6, 8))
        self.attention = nn.MultiheadAttention(8, 2)
        self.embedding = nn.Embedding(10, 8)
        self.norm = nn.LayerNorm(8)
        self.rms = nn.RMSNorm(8)


@pytest.mark.parametrize(
    ("name", "role", "axis"),
    [
        ("cls_token", "embedding", 1),
        ("pos_embed", "embedding", 1),
        ("gate", "other", None),
        ("bias4d", "bias", None),
        ("table", "weight", 0),
        ("attention.in_proj_weight", "weight", 0),
        ("attention.in_proj_bias", "bias", None),
        ("attention.out_proj.weight", "weight", 0),
        ("embedding.weight", "embedding", 0),
        ("norm.weight", "norm", None),
        ("norm.bias", "norm", None),
        ("rms.weight", "norm", None),
    ],
)
def test_roles_come_from_the_module(name, role, axis):
    assert roles(Transformer())[name] == (role, axis)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True), nn.SyncBatchNorm(4)]
)
def test_normalization_parameters_are_not_weights(norm):
    found = roles(nn.Sequential(nn.Conv2d(1, 4, 3), norm))
    assert found["1.weight"] == found["1.bias"] == ("norm", None)
    assert found["0.weight"] == ("weight", 0)


def test_filters_of_transposed_convolution_are_output_channels_of_each_group():
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2)
    filters = ParameterSpace(layer)["weight"].filters
    view = filters.view(layer.weight)
    assert view.shape == (6, 2 * 9)
    # Output channel 4 belongs to group 1 (inputs 2 and 3), where it is number 1.
    assert torch.equal(view[4], layer.weight[2:4, 1].flatten())
    assert torch.equal(filters.restore(view, layer.weight.shape), layer.weight)


def test_transposed_filter_is_what_makes_an_output_channel():
    layer = nn.ConvTranspose2d(4, 6, 3, groups=2, bias=False)
    filters = ParameterSpace(layer)["weight"].filters
    view = filters.view(layer.weight.detach()).clone()
    view[4] = 0
    before, inputs = layer, torch.randn(1, 4, 5, 5)
    after = copy.deepcopy(layer)
    after.weight.data = filters.restore(view, layer.weight.shape)
    changed = (before(inputs) != after(inputs)).any(dim=(0, 2, 3))
    assert changed.tolist() == [False] * 4 + [True, False]


@given(
    shape=st.lists(st.integers(1, 4), min_size=0, max_size=4),
    axis=st.integers(-4, 3),
    whole=st.booleans(),
)
def test_view_and_restore_are_inverse(shape, axis, whole):
    axis = None if whole or not shape else axis % len(shape)
    tensor = torch.randn(shape)
    view = Filters(axis).view(tensor)
    assert view.ndim == 2
    assert len(view) == (1 if axis is None else shape[axis])
    assert torch.equal(Filters(axis).restore(view, tensor.shape), tensor)


def test_weight_norm_raw_and_effective():
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 3))
    assert roles(layer) == {
        "bias": ("bias", None),
        "parametrizations.weight.original0": ("magnitude", 0),
        "parametrizations.weight.original1": ("weight", 0),
    }
    plain = effective(layer)
    assert roles(plain) == {"weight": ("weight", 0), "bias": ("bias", None)}
    assert torch.equal(plain.weight, layer.weight)
    assert "parametrizations" in dict(layer.named_children())


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
@pytest.mark.parametrize(
    "wrap", [nn.utils.weight_norm, nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm]
)
def test_effective_weights_give_the_same_function(wrap):
    net = nn.Sequential(wrap(nn.Conv2d(2, 3, 3)), nn.ReLU()).eval()
    inputs = torch.randn(2, 2, 5, 5)
    plain = effective(net)
    assert type(plain[0]) is nn.Conv2d
    assert roles(plain) == {"0.weight": ("weight", 0), "0.bias": ("bias", None)}
    torch.testing.assert_close(plain(inputs), net(inputs), rtol=0, atol=0)


def test_a_model_without_parametrization_is_not_copied(small_net):
    assert effective(small_net) is small_net


def test_tied_weights_are_one_parameter():
    net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.ReLU(), nn.Linear(4, 4, bias=False))
    net[2].weight = net[0].weight
    assert list(roles(net)) == ["0.weight"]


def test_prefixes_of_wrappers_are_not_part_of_a_name(small_net):
    wrappers = ("module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.")
    assert {canonical(f"{wrapper}layer1.0.weight") for wrapper in wrappers} == {"layer1.0.weight"}
    assert canonical("net.module._orig_mod.a.weight") == "net.a.weight"
    assert canonical("submodule.weight") == "submodule.weight"
    wrapped = nn.DataParallel(small_net)
    assert list(roles(wrapped)) == list(roles(small_net))


def test_a_submodule_that_is_called_module_keeps_its_parameters_apart():
    net = nn.Sequential()
    net.add_module("weights", nn.Linear(2, 2))
    net.add_module("module", nn.ModuleDict({"weights": nn.Linear(2, 2)}))
    assert len(roles(net)) == 4


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated:FutureWarning")
def test_what_an_older_hook_computed_is_given_back():
    net = nn.utils.weight_norm(nn.Linear(3, 2))
    net(torch.zeros(1, 3))
    left = net.weight
    space = ParameterSpace(net)
    subspace = Subspace(space, [Direction({"weight_v": torch.ones(2, 3)}, "d")])
    with preserved(net), subspace.at((1.0,)), torch.no_grad():
        net(torch.zeros(1, 3))
        assert net.weight is not left
    assert net.weight is left
    assert torch.equal(copied(net).weight, left)


def test_parameters_that_cannot_be_moved_are_refused():
    with pytest.raises(LandscapeError, match=r"1\.weight of a lazy module has no shape yet"):
        ParameterSpace(nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(3)))
    with torch.inference_mode():
        net = nn.Linear(2, 2)
    with pytest.raises(LandscapeError, match=r"weight was made in torch\.inference_mode"):
        ParameterSpace(net)


def test_transformers_conv1d_has_its_filters_along_the_second_axis():
    class Conv1D(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 12))
            self.bias = nn.Parameter(torch.randn(12))

    assert roles(Conv1D()) == {"weight": ("weight", 1), "bias": ("bias", None)}


def test_a_module_may_declare_roles():
    class Gate(nn.Module):
        parameter_roles: ClassVar = {"a": "weight:1", "b": "norm"}

        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.randn(2, 3))
            self.b = nn.Parameter(torch.randn(2, 3))

    assert roles(Gate()) == {"a": ("weight", 1), "b": ("norm", None)}


def test_overrides_and_their_errors(small_net):
    assert roles(small_net, overrides=("1.*=weight:0",))["1.weight"] == ("weight", 0)
    with pytest.raises(LandscapeError, match=r"'9\.\*' of --role matches no parameter"):
        roles(small_net, overrides=("9.*=weight",))
    with pytest.raises(LandscapeError, match="'wight' is not ROLE or ROLE:AXIS; did you mean weight"):
        roles(small_net, overrides=("1.*=wight",))
    with pytest.raises(LandscapeError, match=r"0\.bias has shape \(4,\) and no axis 3"):
        roles(small_net, overrides=("0.bias=weight:3",))
    with pytest.raises(LandscapeError, match="write 'PATTERN=ROLE:AXIS'"):
        roles(small_net, overrides=("weight",))


def test_what_cannot_be_perturbed_is_said():
    with pytest.raises(LandscapeError, match="no parameter moves: the model has only norm parameters"):
        ParameterSpace(nn.BatchNorm1d(3))
    with pytest.raises(LandscapeError, match="no floating-point parameters"):
        ParameterSpace(nn.ReLU())
    with pytest.raises(LandscapeError, match="did you mean weights"):
        ParameterSpace(nn.Linear(2, 2), "wieghts")


def test_weights_that_are_not_finite_are_refused(small_net):
    small_net[0].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(LandscapeError, match=r"NaN or infinity in 0\.weight"):
        ParameterSpace(small_net)


def test_table_shares_add_up(small_net):
    table = ParameterSpace(small_net).table({"0.weight", "5.weight"})
    assert [row["role"] for row in table] == ["weight", "bias", "norm"]
    assert [row["perturbed"] for row in table] == [2, 0, 0]
    assert sum(row["share"] for row in table) == pytest.approx(1, rel=1e-12)
    square = sum(float(p.detach().double().square().sum()) for p in (small_net[0].weight, small_net[5].weight))
    assert table[0]["norm"] == pytest.approx(square**0.5, rel=1e-12)


def bits(model: nn.Module) -> dict[str, bytes]:
    return {name: tensor.detach().numpy().tobytes() for name, tensor in model.state_dict().items()}


@settings(max_examples=20)
@given(a=st.floats(-3, 3), b=st.floats(-3, 3), fails=st.booleans())
def test_a_point_is_exact_and_left_without_a_trace(a, b, fails):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    net[0].bias.requires_grad_(False)
    net[0].weight.data[0, 0] = -0.0
    space = ParameterSpace(net)
    draws = [{e.name: torch.randn_like(e.parameter) for e in space.moved} for _ in range(2)]
    before, needs = bits(net), [p.requires_grad for p in net.parameters()]
    subspace = Subspace(space, [Direction(tensors, "test") for tensors in draws])
    expected = net[2].weight.detach().double() + a * draws[0]["2.weight"].double() + b * draws[1]["2.weight"].double()
    try:
        with preserved(net), subspace.at((a, b)):
            assert not net.training
            # Two float32 roundings of numbers up to about 10.
            torch.testing.assert_close(net[2].weight.double(), expected, rtol=0, atol=4e-6)
            net[1].running_mean.add_(1)
            net[1].running_var = torch.ones(4)
            if fails:
                raise RuntimeError("in the middle")
    except RuntimeError:
        assert fails
    assert bits(net) == before
    assert net.training
    assert [p.requires_grad for p in net.parameters()] == needs


def test_the_walk_does_not_drift(small_net):
    """Points are set from the origin: a thousand visits leave every bit, and the last equals the first."""
    space = ParameterSpace(small_net)
    direction = Direction({e.name: torch.randn_like(e.parameter) for e in space.moved}, "test")
    subspace = Subspace(space, [direction])
    seen = []
    for point in [0.37, *torch.linspace(-1, 1, 1000).tolist(), 0.37]:
        with subspace.at((point,)):
            seen.append(small_net[0].weight.detach().clone())
    assert torch.equal(seen[0], seen[-1])


def test_directions_of_another_model_are_refused(small_net):
    space = ParameterSpace(small_net)
    with pytest.raises(LandscapeError, match="moves nothere, which the model does not have"):
        Subspace(space, [Direction({"nothere": torch.zeros(1)}, "d")])
    with pytest.raises(LandscapeError, match=r"has shape \(2,\) for 0\.weight, the model \(4, 1, 3, 3\)"):
        Subspace(space, [Direction({"0.weight": torch.zeros(2)}, "d")])


def test_gram_and_cosine():
    net = nn.Linear(2, 1, bias=False)
    space = ParameterSpace(net)
    one, two = (Direction({"weight": torch.tensor([row])}, "d") for row in ([1.0, 0.0], [3.0, 4.0]))
    subspace = Subspace(space, [one, two])
    assert subspace.gram == [[1, 3], [3, 25]]
    assert subspace.cosine == pytest.approx(0.6)
