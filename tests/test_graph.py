"""Which layers feed which."""

from __future__ import annotations

import copy
import itertools
import re
import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from landscape.errors import LandscapeError
from landscape.models import build_model
from landscape.models.graph import copied, normalized_layers, relu_pairs


def on_meta(spec: str) -> nn.Module:
    """A network without numbers: the graph does not need them."""
    with torch.device("meta"):
        return build_model(spec)


class Net(nn.Module):
    """Convolution, BatchNorm, ReLU, pooling and two linear layers, put together by a function."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.bn = nn.BatchNorm2d(4)
        self.act = nn.ReLU()
        self.fc1 = nn.Linear(4, 4)
        self.fc2 = nn.Linear(4, 3)
        for name, module in modules.items():
            setattr(self, name, module)
        self.function = forward

    def forward(self, x):
        return self.function(self, x)


def pooled(x):
    return functional.adaptive_avg_pool2d(x, 1).flatten(1)


@pytest.mark.parametrize(
    ("spec", "pairs"),
    [
        ("lenet(norm='batch')", [(n, f"norm{i}") for i, n in enumerate(("conv1", "conv2", "fc1", "fc2"), start=1)]),
        ("mlp(norm='batch', hidden=(8, 8))", [("fc1", "norm1"), ("fc2", "norm2")]),
        ("lenet(norm='group')", []),
        ("lenet(norm='layer')", []),
        ("lenet(norm='none')", []),
    ],
)
def test_layers_before_a_batch_norm(spec, pairs):
    assert normalized_layers(build_model(spec)) == pairs


def counterpart(convolution: str) -> str:
    """The name of the BatchNorm behind a convolution, by the habits of torchvision and of our networks."""
    rules = [(r"conv(\d*)$", r"bn\1"), (r"(downsample|shortcut)\.0$", r"\1.1")]
    rules += [(r"(\d+)$", lambda match: str(int(match[1]) + 1))]
    return next(re.sub(*rule, convolution) for rule in rules if re.search(rule[0], convolution))


@pytest.mark.parametrize(
    ("spec", "without"),
    [
        ("resnet20", ""),
        ("resnet(depth=8, shortcut='conv')", ""),
        ("vgg(depth=11, width=8)", ""),
        ("torchvision:resnet18", ""),
        ("torchvision:vgg11_bn", ""),
        ("torchvision:mobilenet_v2", ""),
        # The auxiliary heads are not called in eval mode.
        ("torchvision:googlenet", r"aux"),
        ("torchvision:inception_v3", r"AuxLogits"),
    ],
)
def test_every_convolution_of_known_networks_is_followed_by_its_batch_norm(spec, without):
    net = on_meta(spec)
    convolutions = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    expected = {(name, counterpart(name)) for name in convolutions if not (without and re.match(without, name))}
    assert set(normalized_layers(net)) == expected


def test_a_batch_norm_before_its_convolution_is_no_pair():
    net = on_meta("torchvision:densenet121")
    inner = [name for name, _ in net.named_modules() if name.endswith("conv1")]
    expected = [("features.conv0", "features.norm0")] + [(name, name[: -len("conv1")] + "norm2") for name in inner]
    assert normalized_layers(net) == expected


@pytest.mark.parametrize(
    ("name", "pairs"), [("resnet18", 20), ("regnetx_002", 44), ("mobilenetv3_small_050", 34), ("densenet121", 59)]
)
def test_networks_of_timm(name, pairs):
    """Counted from their definitions; RegNet and MobileNet have BatchNorms with an activation inside."""
    pytest.importorskip("timm")
    assert len(normalized_layers(on_meta(f"timm:{name}"))) == pairs


@pytest.mark.parametrize(
    ("spec", "pairs"),
    [
        ("mlp(hidden=(8, 8))", [("fc1", "fc2"), ("fc2", "fc3")]),
        ("lenet(activation='relu')", [("conv1", "conv2"), ("conv2", "fc1"), ("fc1", "fc2"), ("fc2", "fc3")]),
        ("lenet(activation='relu', pool='avg', norm='batch')", []),
        ("lenet(activation='leaky_relu')", [("conv1", "conv2"), ("conv2", "fc1"), ("fc1", "fc2"), ("fc2", "fc3")]),
        ("lenet(activation='sigmoid')", []),
        ("mlp(hidden=(16, 16), norm='group')", []),
        ("resnet(depth=8, norm='none')", [(f"layer{i}.0.conv1", f"layer{i}.0.conv2") for i in (1, 2, 3)]),
        ("torchvision:vgg11_bn", [("classifier.0", "classifier.3"), ("classifier.3", "classifier.6")]),
        ("torchvision:squeezenet1_0", [("features.0", "features.3.squeeze")]),
    ],
)
def test_pairs_around_homogeneous_operations(spec, pairs):
    assert relu_pairs(on_meta(spec)) == pairs


def test_a_chain_without_skips_goes_through_to_the_head():
    """ReLU as a function, strides, max pooling and a mean over the image."""
    for spec in ("resnet(depth=8, norm='none', shortcut='none')", "vgg(depth=11, width=4, norm='none')"):
        net = on_meta(spec)
        layers = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        assert relu_pairs(net) == list(itertools.pairwise(layers))


def old_style(net, x):
    x = functional.max_pool2d(functional.relu(net.conv(x)), 2)
    x = functional.dropout(torch.mean(x, (2, 3)).view(x.size(0), -1), training=net.training)
    return net.fc2(net.fc1(x).relu_())


def test_functions_and_questions_for_the_shape_are_seen_through():
    assert relu_pairs(Net(old_style)) == [("conv", "fc1"), ("fc1", "fc2")]


SINGLE = {
    "it is as it should be": (lambda net, x: net.fc2(pooled(net.act(net.bn(net.conv(x))))), [("conv", "bn")]),
    "a second consumer": (lambda net, x: net.bn(y := net.conv(x)) + y, []),
    "the output is returned": (lambda net, x: (net.bn(y := net.conv(x)), y), []),
    "the layer is called twice": (lambda net, x: net.bn(net.conv(x)) + net.conv(2 * x), []),
    "the norm is called twice": (lambda net, x: net.bn(net.bn(net.conv(x))), []),
    "something lies between": (lambda net, x: net.bn(net.act(net.conv(x))), []),
    "the weight is read": (lambda net, x: net.bn(net.conv(x)) + net.conv.weight.sum(), []),
    "the shape is asked for": (lambda net, x: net.bn(y := net.conv(x)).view(y.shape), [("conv", "bn")]),
    "the input is named": (lambda net, x: net.bn(input=net.conv(input=x)), [("conv", "bn")]),
}


@pytest.mark.parametrize("case", SINGLE)
def test_a_pair_has_no_other_users(case):
    function, pairs = SINGLE[case]
    assert normalized_layers(Net(function)) == pairs


class Standardized(nn.Conv2d):
    """Weight standardization: the output does not grow with the weight."""

    def forward(self, x):
        return functional.conv2d(x, self.weight - self.weight.mean(), self.bias)


class Renamed(nn.Conv2d):
    """A convolution under another name."""


class Shifted(nn.BatchNorm2d):
    def forward(self, x):
        return super().forward(x) + 1


def plain(net, x):
    return net.fc2(net.fc1(pooled(net.act(net.bn(net.conv(x))))))


@pytest.mark.parametrize(
    ("replaced", "found"),
    [
        ({"conv": Renamed(1, 4, 3)}, True),
        ({"conv": Standardized(1, 4, 3)}, False),
        ({"conv": nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 4, 3))}, False),
        ({"conv": nn.MaxPool2d(3)}, False),
        ({"bn": nn.BatchNorm2d(4, affine=False, momentum=None)}, True),
        ({"bn": nn.SyncBatchNorm(4)}, True),
        ({"bn": nn.BatchNorm2d(4, track_running_stats=False)}, False),
        ({"bn": nn.InstanceNorm2d(4, affine=True, track_running_stats=True)}, False),
        ({"bn": Shifted(4)}, False),
    ],
)
def test_both_compute_as_torch_defines_them(replaced, found):
    assert bool(normalized_layers(Net(plain, **replaced))) == found


def test_the_channels_of_the_norm_are_the_outputs_of_the_layer():
    """BatchNorm1d over (N, 7, 4) normalises the second axis, and the linear layer's features are the third."""
    assert normalized_layers(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(7))) == []


@pytest.mark.parametrize(
    "layer",
    [nn.Linear(4, 6), *(k(4, 6, 3, groups=2) for k in (nn.Conv1d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d))],
)
def test_every_kind_of_layer(layer):
    norm = nn.BatchNorm3d(6) if isinstance(layer, nn.Conv3d) else nn.BatchNorm1d(6)
    assert normalized_layers(nn.Sequential(layer, norm)) == [("0", "1")]


def test_hooks_may_change_what_a_module_computes():
    net = Net(plain)
    net.bn.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert normalized_layers(net) == []
    net = Net(plain, bn=nn.Identity())
    net.act.register_forward_pre_hook(lambda module, inputs: None)
    assert relu_pairs(net) == [("fc1", "fc2")]
    net.fc1.forward = net.fc2.forward
    assert relu_pairs(net) == []


def test_tied_parameters_are_left_out():
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU())
    net.append(nn.Linear(4, 4))
    net[0].weight = net[2].weight
    assert relu_pairs(net) == [("4", "6")]
    shared = nn.BatchNorm1d(4)
    twice = nn.Sequential(nn.Linear(4, 4), shared, nn.Linear(4, 4), shared)
    assert normalized_layers(twice) == []


def test_a_module_under_two_names_is_still_one():
    net = Net(lambda self, x: self.features(x))
    net.features = nn.Sequential(net.conv, net.bn)
    assert normalized_layers(net) == [("conv", "bn")]


def test_optional_arguments_keep_their_defaults():
    class Optional(Net):
        def forward(self, x, features=None, scale=2.0, *, detail=False):
            y = self.conv(x) if features is None else features
            return (y, scale) if detail else self.bn(y) * scale

    assert normalized_layers(Optional(None)) == [("conv", "bn")]


def test_wrapped_and_single_layers():
    net = nn.DataParallel(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    assert normalized_layers(net) == [("module.0", "module.1")]
    assert normalized_layers(nn.Linear(2, 2)) == relu_pairs(nn.Linear(2, 2)) == []


def test_the_network_stays_as_it_is():
    net = Net(plain).train()
    net.bn.eval()
    before = copy.deepcopy(net.state_dict())
    normalized_layers(net)
    relu_pairs(net)
    assert [net.training, net.bn.training, net.conv.training] == [True, False, True]
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


class Branch(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


def test_what_cannot_be_traced_is_named():
    net = Net(plain, act=nn.Sequential(nn.ReLU(), Branch()))
    message = r"torch\.fx can trace, without branches on values; in Branch 'act\.1': symbolically traced variables"
    for find in (normalized_layers, relu_pairs):
        with pytest.raises(LandscapeError, match=message):
            find(net)


def test_a_module_outside_of_the_network_is_named():
    hidden = [nn.BatchNorm2d(4)]
    with pytest.raises(LandscapeError, match="in BatchNorm2d '': module is not installed as a submodule"):
        normalized_layers(Net(lambda net, x: hidden[0](net.conv(x))))


def test_what_cannot_be_copied_is_said():
    with pytest.raises(LandscapeError, match=r"the network Net must be one that can be copied: cannot pickle '_thread"):
        copied(Net(plain, lock=threading.Lock()))


def test_copies_take_replacements_wherever_they_are_referred_to():
    net = Net(plain)
    net.order = [net.conv, net.bn]
    other = nn.Identity()
    copy_of = copied(net, {net.bn: other})
    assert copy_of.bn is copy_of.order[1] is other
    assert copy_of.conv is copy_of.order[0]
    assert copy_of.conv is not net.conv
