"""Folding BatchNorm into the layer before it changes no output, and no filter-normalised surface."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import IMAGES, apart, network, surface, unsettled
from torch import nn

from landscape.directions import Gaussian
from landscape.errors import LandscapeError
from landscape.models import build_model, load_weights, read_checkpoint
from landscape.models.folding import folded
from landscape.models.graph import normalized_layers
from landscape.parameters import Direction, ParameterSpace

# Of rounding: in float32 the networks themselves are up to 1.5e-6 off what they give in float64, folded or not.
CLOSE = {torch.float32: 3e-6, torch.float64: 1e-12}
CLOSE_SURFACES = {torch.float32: 1e-5, torch.float64: 1e-10}


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("spec", IMAGES)
def test_outputs_are_the_same(spec, dtype):
    net, images = network(spec, dtype)
    plain, notes = folded(net)
    assert apart(plain(images), net(images)) < CLOSE[dtype]
    pairs = len(normalized_layers(net))
    assert notes == [f"folded {pairs} of {pairs} BatchNorm layers into the layers before them"]
    assert not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in plain.modules())


def transposed(dimensions: int, groups: int, filters: int, bias: bool) -> nn.Sequential:
    layers = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    layer = layers[dimensions - 1](3 * groups, filters * groups, 3, stride=2, groups=groups, bias=bias)
    return nn.Sequential(layer, norms[dimensions - 1](filters * groups))


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.booleans())
def test_transposed_convolutions_fold_by_output_channel(dimensions, groups, filters, bias):
    images = torch.randn(4, 3 * groups, *[4] * dimensions, dtype=torch.float64)
    net = unsettled(transposed(dimensions, groups, filters, bias).double(), images)
    assert apart(folded(net)[0](images), net(images)) < 1e-12


@settings(max_examples=20)
@given(st.integers(1, 3), st.booleans(), st.booleans(), st.sampled_from([None, 0.1]))
def test_every_kind_of_convolution_and_norm(dimensions, bias, affine, momentum):
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1](4, 6, 3, groups=2, bias=bias, padding_mode="circular")
    norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[dimensions - 1](6, affine=affine, momentum=momentum)
    images = torch.randn(4, 4, *[4] * dimensions, dtype=torch.float64)
    net = unsettled(nn.Sequential(layer, norm).double(), images)
    assert apart(folded(net)[0](images), net(images)) < 1e-12


def small_densenet() -> nn.Module:
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=10)


def test_norms_without_a_layer_of_their_own_stay():
    torch.manual_seed(0)
    images = torch.randn(8, 3, 32, 32, dtype=torch.float64)
    net = unsettled(small_densenet().double(), images)
    plain, notes = folded(net)
    assert apart(plain(images), net(images)) < 1e-12
    assert notes[0] == "folded 5 of 11 BatchNorm layers into the layers before them"
    assert notes[1].startswith(
        "BatchNorm layers that stay (6), because no layer of their own feeds them in eval mode: feat"
    )


@pytest.mark.parametrize(
    "spec",
    [
        "torchvision:resnet18(num_classes=10)",
        "torchvision:mobilenet_v2(num_classes=10, width_mult=0.25)",
        "timm:regnetx_002(num_classes=10)",
        "timm:mobilenetv3_small_050(num_classes=10)",
    ],
)
def test_networks_of_other_libraries(spec):
    """Those of timm keep, behind some BatchNorms, an activation of their own."""
    pytest.importorskip(spec.partition(":")[0])
    torch.manual_seed(0)
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    net = unsettled(build_model(spec).double(), images)
    assert apart(folded(net)[0](images), net(images)) < 1e-12


def test_a_trained_network(shared):
    net = build_model("resnet20")
    load_weights(net, read_checkpoint(shared / "checkpoints" / "resnet20-12fca82f.th"))
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    net.eval()
    assert apart(folded(net)[0](images), net(images)) < 1e-6


def affine_of(net: nn.Module) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """gamma / sigma and the sign of gamma for each folded weight, straight from the definition."""
    found = {}
    for layer, name in normalized_layers(net):
        norm = net.get_submodule(name)
        gamma = norm.weight.detach()
        found[f"{layer}.weight"] = (gamma / torch.sqrt(norm.running_var + norm.eps), gamma.sign())
    return found


def times(direction: Direction, factors: dict[str, torch.Tensor]) -> Direction:
    """Multiply each filter by a factor."""
    tensors = dict(direction.tensors)
    for name, factor in factors.items():
        tensors[name] = tensors[name] * factor.reshape(-1, *[1] * (tensors[name].ndim - 1))
    return Direction(tensors, direction.spec)


def drawn(net: nn.Module, normalize: str = "filter", perturb: str = "weights") -> list[Direction]:
    space = ParameterSpace(net, perturb)
    return [Gaussian(seed=3, axis=axis, normalize=normalize)(space) for axis in (0, 1)]


def signs_followed(net: nn.Module, directions: list[Direction]) -> list[Direction]:
    signs = {name: sign for name, (_, sign) in affine_of(net).items()}
    return [times(direction, signs) for direction in directions]


@pytest.mark.parametrize("spec", IMAGES)
def test_a_folded_direction_is_the_filter_normalised_one_with_the_sign_of_gamma(spec):
    net, _ = network(spec)
    scales = {name: scale for name, (scale, _) in affine_of(net).items()}
    plain = folded(net)[0]
    for direction, there in zip(drawn(net), signs_followed(net, drawn(plain)), strict=True):
        here = times(direction, scales)
        assert here.tensors.keys() == there.tensors.keys()
        for name, tensor in here.tensors.items():
            torch.testing.assert_close(tensor, there.tensors[name], rtol=1e-12, atol=1e-15)
            weight = plain.get_parameter(name).detach()
            torch.testing.assert_close(tensor.flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1))


@pytest.mark.parametrize("dtype", CLOSE_SURFACES, ids=str)
@pytest.mark.parametrize("spec", IMAGES)
def test_filter_normalised_surfaces_are_the_same(spec, dtype):
    net, images = network(spec, dtype)
    plain = folded(net)[0]
    before = surface(net, images, drawn(net))
    assert apart(surface(plain, images, signs_followed(net, drawn(plain))), before) < CLOSE_SURFACES[dtype]
    # The surface is far from constant, and the sign matters.
    assert before.max() > 1.02 * before.min()
    assert apart(surface(plain, images, drawn(plain)), before) > 1e-3


@pytest.mark.parametrize(
    ("normalize", "perturb"), [("layer", "weights"), ("none", "weights"), ("filter", "weights+bias")]
)
def test_other_surfaces_are_not(normalize, perturb):
    """A layer's norm mixes the filters' scales; the folded bias is another one."""
    for spec in ("lenet(norm='batch')", "resnet(depth=8, width=4)"):
        net, images = network(spec)
        plain = folded(net)[0]
        before = surface(net, images, drawn(net, normalize, perturb))
        after = surface(plain, images, signs_followed(net, drawn(plain, normalize, perturb)))
        assert apart(after, before) > 1e-3


def test_parameters_keep_their_names_and_the_network_stays_as_it_is():
    net, _ = network("resnet(depth=8, width=4)", torch.float32)
    net.conv1.weight.requires_grad_(False)
    net.train()
    before = copy.deepcopy(net.state_dict())
    plain = folded(net)[0]
    norms = [name for _, name in normalized_layers(net)]
    own = {name for name, _ in net.named_parameters() if name.rpartition(".")[0] not in norms}
    biases = {f"{layer}.bias" for layer, _ in normalized_layers(net)}
    assert {name for name, _ in plain.named_parameters()} == own | biases
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(type(plain.get_submodule(name)) is nn.Identity for name in norms)
    assert net.training
    assert plain.training
    assert plain.bn1.training
    assert not plain.conv1.bias.requires_grad
    assert plain.conv1.weight.dtype == plain.conv1.bias.dtype == torch.float32


def test_a_norm_is_replaced_under_each_of_its_names():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)
            self.both = nn.Sequential(self.conv, self.norm)
            self.order = [self.conv, self.norm]

        def forward(self, x):
            return self.order[1](self.both[0](x))

    images = torch.randn(4, 1, 5, 5, dtype=torch.float64)
    net = unsettled(Twice().double(), images)
    plain = folded(net)[0]
    assert apart(plain(images), net(images)) < 1e-12
    assert plain.norm is plain.both[1] is plain.order[1]


def test_a_dead_filter_is_zero_and_does_not_move():
    net, images = network("lenet(norm='batch')")
    net.norm1.weight.data[2] = 0
    plain = folded(net)[0]
    assert not plain.conv1.weight[2].any()
    assert plain.conv1.bias[2] == net.norm1.bias[2]
    assert not drawn(plain)[0].tensors["conv1.weight"][2].any()
    after = surface(plain, images, signs_followed(net, drawn(plain)))
    assert apart(after, surface(net, images, drawn(net))) < 1e-10


def test_what_cannot_be_folded_is_said():
    message = (
        "folding needs a BatchNorm that alone takes the output of a layer; Sequential has none "
        r"\(1 BatchNorm layers in all\): leave the folding out"
    )
    with pytest.raises(LandscapeError, match=message):
        folded(nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3)))
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    net[1].running_var[1] = -1
    with pytest.raises(LandscapeError, match=r"BatchNorm behind 0 cannot be folded: its running variance \+ eps must"):
        folded(net)
