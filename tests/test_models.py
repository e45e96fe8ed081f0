"""The networks, their normalizations, and the ways to name them."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from landscape.errors import LandscapeError
from landscape.models import MODELS, Norm, build_model, build_norm
from landscape.models.activations import ACTIVATIONS, build_activation
from landscape.models.recognition import Unallocated
from landscape.models.shapes import shapes_of
from landscape.parameters.parametrizations import effective
from landscape.registry import Spec

DEPTHS = {
    "vgg": {"depth": 11},
    "resnet": {"depth": 8},
    "nf-resnet": {"depth": 8},
    "wide-resnet": {"depth": 10},
    "densenet": {"depth": 7},
}


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ("lenet", 44_426),
        ("lenet(norm='batch')", 44_426 + 2 * (6 + 16 + 120 + 84)),
        ("lenet(in_channels=3, size=32)", 62_006),
        ("mlp", 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10),
        ("resnet20", 269_722),
        ("resnet32", 464_154),
        ("resnet44", 658_586),
        ("resnet56", 853_018),
        ("resnet110", 1_727_962),
        ("resnet(depth=56, shortcut='conv')", 855_770),
        ("resnet(depth=20, norm='none')", 269_722 - 2 * 688),
        ("vgg9", 64 * 30 + 64 * 579 + 128 * (579 + 1155) + 256 * (1155 + 2 * 2307) + 2570),
        ("vgg11", 9_231_114),
        ("vgg13", 9_416_010),
        ("vgg16", 14_728_266),
        ("vgg19", 20_040_522),
    ],
)
def test_parameter_counts_are_the_published_ones(spec, parameters):
    assert count(build_model(spec)) == parameters


@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        ("wide-resnet(depth=16, widen=8)", "11.0M"),
        ("wide-resnet(depth=16, widen=10)", "17.1M"),
        ("wide-resnet(depth=22, widen=8)", "17.2M"),
        ("wide-resnet(depth=28, widen=10)", "36.5M"),
        ("wide-resnet(depth=40, widen=1)", "0.6M"),
        ("wide-resnet(depth=40, widen=2)", "2.2M"),
        ("wide-resnet(depth=40, widen=4)", "8.9M"),
        ("densenet(depth=40, growth=12)", "1.0M"),
        ("densenet(depth=100, growth=12)", "7.0M"),
        ("densenet(depth=100, growth=24)", "27.2M"),
        ("densenet(depth=100, growth=12, bc=True)", "0.8M"),
        ("densenet(depth=190, growth=40, bc=True)", "25.6M"),
    ],
)
def test_parameter_counts_round_to_the_published_ones(spec, parameters):
    with Unallocated():
        assert f"{count(build_model(spec)) / 1e6:.1f}M" == parameters


def test_lenet_has_readable_names():
    slots = "conv1 norm1 act1 pool1 conv2 norm2 act2 pool2 flatten fc1 norm3 act3 fc2 norm4 act4 fc3"
    assert [name for name, _ in build_model("lenet").named_children()] == slots.split()


def test_lenet_is_the_network_of_the_lecture_notes():
    torch.manual_seed(0)
    model = build_model("lenet(norm='batch')").double()
    notes = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.Sigmoid(), nn.MaxPool2d(2, 2)),
        *(nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.MaxPool2d(2, 2), nn.Flatten()),
        *(nn.Linear(256, 120), nn.BatchNorm1d(120), nn.Sigmoid()),
        *(nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(), nn.Linear(84, 10)),
    ).double()
    notes.load_state_dict(dict(zip(notes.state_dict(), model.state_dict().values(), strict=True)))
    images = torch.randn(8, 1, 28, 28, dtype=torch.float64)
    assert torch.equal(model(images), notes(images))


def test_resnet_names_are_those_of_the_common_cifar_code():
    names = list(build_model("resnet(depth=14, shortcut='conv')").state_dict())
    assert names[:7] == [
        *("conv1.weight", "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"),
        "layer1.0.conv1.weight",
    ]
    assert {"layer2.0.shortcut.0.weight", "layer2.0.shortcut.1.running_var", "linear.weight"} <= set(names)
    assert not any("layer1.0.shortcut" in name or "layer2.1.shortcut" in name for name in names)


def test_vgg_names_are_those_of_the_common_cifar_code():
    shapes = {name: tuple(tensor.shape) for name, tensor in build_model("vgg16").state_dict().items()}
    assert shapes["features.0.bias"] == (64,)
    assert shapes["features.1.running_mean"] == (64,)
    assert shapes["features.40.weight"] == (512, 512, 3, 3)
    assert shapes["classifier.weight"] == (10, 512)


def layers_by_hand(state):
    """BatchNorm in evaluation mode and convolution written out: one channel, and one shift of the pixels, at a time."""

    def bn(x, name):
        mean, var, gamma, beta = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        return torch.stack(
            [(x[:, c] - mean[c]) / (var[c] + 1e-5).sqrt() * gamma[c] + beta[c] for c in range(len(mean))], 1
        )

    def conv(x, name, stride=1):
        weight = state[f"{name}.weight"]
        k = weight.shape[-1]
        padded = functional.pad(x, (k // 2,) * 4)
        height = (x.shape[-1] + stride - 1) // stride
        shifts = [
            (i, j, padded[:, :, i : i + x.shape[-1] : stride, j : j + x.shape[-1] : stride])
            for i in range(k)
            for j in range(k)
        ]
        assert all(shift.shape[-1] == height for _, _, shift in shifts)
        return sum(torch.einsum("oc,nchw->nohw", weight[:, :, i, j], shift) for i, j, shift in shifts)

    return bn, conv


def padded_by_hand(x):
    zeros = torch.zeros_like(x[:, : x.shape[1] // 2, ::2, ::2])
    return torch.cat([zeros, x[:, :, ::2, ::2], zeros], dim=1)


def reference_resnet(state, images, blocks, shortcut):
    bn, conv = layers_by_hand(state)
    x = bn(conv(images, "conv1"), "bn1").clamp(min=0)
    for stage in (1, 2, 3):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = bn(conv(x, f"{name}.conv1", stride), f"{name}.bn1").clamp(min=0)
            y = bn(conv(y, f"{name}.conv2"), f"{name}.bn2")
            if shortcut != "none" and stride == 1:
                y = y + x
            elif shortcut == "pad":
                y = y + padded_by_hand(x)
            elif shortcut == "conv":
                y = y + bn(conv(x, f"{name}.shortcut.0", 2), f"{name}.shortcut.1")
            x = y.clamp(min=0)
    return x.flatten(2).mean(2) @ state["linear.weight"].T + state["linear.bias"]


def reference_wide_resnet(state, images, blocks):
    bn, conv = layers_by_hand(state)
    x = conv(images, "conv1")
    for stage in (1, 2, 3):
        for block in range(blocks):
            name, stride = f"block{stage}.layer.{block}", 2 if stage > 1 and block == 0 else 1
            active = bn(x, f"{name}.bn1").clamp(min=0)
            y = bn(conv(active, f"{name}.conv1", stride), f"{name}.bn2").clamp(min=0)
            shortcut = conv(active, f"{name}.convShortcut", stride) if block == 0 else x
            x = conv(y, f"{name}.conv2") + shortcut
    return bn(x, "bn1").clamp(min=0).flatten(2).mean(2) @ state["fc.weight"].T + state["fc.bias"]


def reference_nf_resnet(state, images, blocks, shortcut, alpha):
    """h + alpha f(h / beta) with beta^2 = Var h by the rules of the paper."""
    _, conv = layers_by_hand(state)

    def activated(x):
        return math.sqrt(2 / (1 - 1 / math.pi)) * x.clamp(min=0)

    h, variance = conv(images, "conv1"), 1.0
    for stage in (1, 2, 3):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            scaled = h / math.sqrt(variance)
            f = conv(activated(conv(activated(scaled), f"{name}.conv1", stride)), f"{name}.conv2")
            if shortcut == "none":
                h, variance = f, 1.0
                continue
            if stride == 2 and shortcut == "pad":
                h, variance = padded_by_hand(scaled), 0.5
            elif stride == 2:
                h, variance = conv(activated(scaled), f"{name}.shortcut.0", 2), 1.0
            h, variance = h + alpha * state.get(f"{name}.skip_gain", 1) * f, variance + alpha**2
    return activated(h).flatten(2).mean(2) @ state["linear.weight"].T + state["linear.bias"]


def unsettled(spec):
    """A network in float64 whose vectors are anything but what they begin with, and images for it."""
    torch.manual_seed(1)
    model = build_model(spec).double().eval()
    for name, tensor in model.state_dict().items():
        if tensor.ndim <= 1 and tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 * ("var" in name))
    return model, torch.randn(2, 3, 8, 8, dtype=torch.float64)


@pytest.mark.parametrize("shortcut", ["pad", "conv", "none"])
def test_resnet_equals_a_hand_written_one(shortcut):
    model, images = unsettled(Spec("resnet", {"depth": 14, "width": 4, "shortcut": shortcut}))
    expected = reference_resnet(model.state_dict(), images, 2, shortcut)
    torch.testing.assert_close(model(images), expected, rtol=1e-10, atol=1e-10)


def test_wide_resnet_equals_a_hand_written_one():
    model, images = unsettled("wide-resnet(depth=16, widen=2)")
    expected = reference_wide_resnet(model.state_dict(), images, 2)
    torch.testing.assert_close(model(images), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("skip_gain", [False, True])
@pytest.mark.parametrize("shortcut", ["pad", "conv", "none"])
def test_nf_resnet_equals_a_hand_written_one(shortcut, skip_gain):
    settings = {"depth": 20, "width": 4, "shortcut": shortcut, "alpha": 0.7, "skip_gain": skip_gain}
    model, images = unsettled(Spec("nf-resnet", settings))
    expected = reference_nf_resnet(effective(model).state_dict(), images, 3, shortcut, 0.7)
    torch.testing.assert_close(model(images), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("growth", "layers"), [(12, 2), (8, 3)])
def test_densenet_bc_is_that_of_torchvision_with_a_stem_for_small_images(growth, layers):
    from torchvision.models import DenseNet

    model, images = unsettled(f"densenet(depth={6 * layers + 4}, growth={growth}, bc=True)")
    other = DenseNet(growth, (layers,) * 3, 2 * growth, num_classes=10).double().eval()
    other.features.conv0 = nn.Conv2d(3, 2 * growth, 3, padding=1, bias=False).double()
    for name in ("norm0", "relu0", "pool0"):
        other.features.set_submodule(name, nn.Identity())
    other.load_state_dict(dict(zip(other.state_dict(), model.state_dict().values(), strict=True)))
    torch.testing.assert_close(model(images), other(images), rtol=1e-10, atol=1e-10)


def test_densenet_without_bottlenecks_adds_growth_channels_a_layer():
    model, images = unsettled("densenet(depth=10, growth=5)")
    state, (bn, conv) = model.state_dict(), layers_by_hand(model.state_dict())
    x = conv(images, "conv1")
    for stage in (1, 2, 3):
        for layer in range(2):
            name = f"block{stage}.layer.{layer}"
            x = torch.cat([x, conv(bn(x, f"{name}.bn1").clamp(min=0), f"{name}.conv1")], 1)
        if stage < 3:
            x = conv(bn(x, f"trans{stage}.bn1").clamp(min=0), f"trans{stage}.conv1")
            x = x.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).mean(dim=(3, 5))
    assert x.shape == (2, 16 + 6 * 5, 2, 2)
    expected = bn(x, "bn1").clamp(min=0).flatten(2).mean(2) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(model(images), expected, rtol=1e-10, atol=1e-10)


def around(one):
    """A convolution that goes on at the other side of the image, in place of zeros beyond its border."""
    sizes = (one.in_channels, one.out_channels, one.kernel_size, one.stride, one.padding)
    return build_norm("scaled-ws").wrap(nn.Conv2d(*sizes, bias=False, padding_mode="circular"))


@pytest.mark.parametrize("alpha", [0.2, 1.0])
@pytest.mark.parametrize("shortcut", ["pad", "conv", "none"])
def test_the_variance_of_a_normalizer_free_net_is_the_one_expected(shortcut, alpha):
    torch.manual_seed(0)
    norm = Norm(lambda channels, dimensions: nn.Identity(), around)
    settings = {"depth": 20, "norm": norm, "shortcut": shortcut, "width": 64, "alpha": alpha}
    model = build_model(Spec("nf-resnet", settings))
    found = []
    for module in model.modules():
        if hasattr(module, "variance"):
            module.register_forward_hook(lambda block, _, out: found.append((out.var().item(), block.variance)))
    with torch.no_grad():
        model(torch.randn(4, 3, 32, 32))
    measured, expected = torch.tensor(found).T
    assert len(set(expected.tolist())) == {"pad": 6, "conv": 3, "none": 1}[shortcut]
    # The channels are finite in number: over four seeds the ratios were between 0.88 and 1.06.
    torch.testing.assert_close(measured, expected, rtol=0.15, atol=0)


def test_a_normalizer_free_net_is_a_plain_one_without_its_weights():
    nf, plain = (build_model(f"{name}(depth=8, norm='none', shortcut='conv')") for name in ("nf-resnet", "resnet"))
    assert shapes_of(nf.state_dict()) == shapes_of(plain.state_dict())


def moments(x, dims):
    mean = x.mean(dims, keepdim=True)
    return (x - mean) / (((x - mean) ** 2).mean(dims, keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize(
    ("norm", "groups", "dims"),
    [("batch", 12, (0, 3)), ("layer", 1, (2, 3)), ("group(groups=4)", 4, (2, 3)), ("group(groups=8)", 4, (2, 3))],
)
@pytest.mark.parametrize("dimensions", [0, 2])
def test_norms_compute_their_definition(norm, groups, dims, dimensions):
    torch.manual_seed(0)
    x = torch.randn(5, 12, *[3] * dimensions, dtype=torch.float64)
    expected = moments(x.reshape(5, groups, 12 // groups, -1), dims).reshape(x.shape)
    torch.testing.assert_close(build_norm(norm).layer(12, dimensions).double()(x), expected)


def test_no_norm_is_the_identity_in_both_hooks():
    convolution = nn.Conv2d(1, 1, 1)
    norm = build_norm("none")
    assert isinstance(norm.layer(4, 2), nn.Identity)
    assert norm.wrap(convolution) is convolution


@pytest.mark.parametrize("name", ACTIVATIONS.table)
def test_activations_are_modules_by_name(name):
    x = torch.linspace(-2, 2, 5)
    assert build_activation(name)(x).shape == x.shape


def test_torchvision_names_build_with_fresh_weights():
    model = build_model("torchvision:resnet18(num_classes=7)")
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 7)


def test_timm_names_build_with_fresh_weights():
    pytest.importorskip("timm")
    assert build_model("timm:resnet18(num_classes=7)").fc.out_features == 7


def test_a_file_and_a_module_are_models_too(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text("from torch import nn\ndef build(k=3): return nn.Linear(k, 2)\n")
    assert build_model(f"{tmp_path}/nets.py:build(k=5)").in_features == 5
    monkeypatch.syspath_prepend(tmp_path)
    assert build_model("nets:build").in_features == 3


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("resnet2", "unknown model 'resnet2'; did you mean resnet"),
        ("resnet(depth=21)", "the depth of a CIFAR ResNet is 6n + 2, not 21; type for example depth=20 or depth=26"),
        ("resnet(depth=2)", "6n + 2, not 2; type for example depth=8 or depth=14"),
        ("resnet20(shortcut='convolution')", "resnet has no shortcut 'convolution'; known: conv, none, pad"),
        ("resnet20(norm='bach')", "unknown norm 'bach'; did you mean batch"),
        ("resnet20(norm='group(groups=0)')", "groups of group must be a positive whole number, not 0"),
        ("resnet20(depth=56)", "it takes norm, shortcut, width, classes, in_channels"),
        ("vgg(depth='a')", "depth of vgg must be a positive whole number, not 'a'"),
        ("vgg(depth=12)", "there is no VGG of depth 12; type depth=9, 11, 13, 16 or 19"),
        (
            "wide-resnet(depth=20)",
            "the depth of a wide ResNet is 6n + 4, not 20; type for example depth=16 or depth=22",
        ),
        ("wide-resnet(depth=16, widen=0)", "widen of wide-resnet must be a positive whole number, not 0"),
        ("densenet(depth=41)", "the depth of a DenseNet is 3n + 4, not 41; type for example depth=40 or depth=43"),
        ("densenet(depth=43, bc=True)", "a DenseNet-BC is 6n + 4, not 43; type for example depth=40 or depth=46"),
        ("densenet(depth=40, bc=2)", "bc of densenet is True or False, not 2"),
        ("nf-resnet(depth=9)", "the depth of a CIFAR ResNet is 6n + 2, not 9; type for example depth=8 or depth=14"),
        ("nf-resnet(depth=8, shortcut='cnv')", "nf-resnet has no shortcut 'cnv'; did you mean conv?"),
        ("nf-resnet(depth=8, skip_gain='no')", "skip_gain of nf-resnet is True or False, not 'no'"),
        ("nf-resnet(depth=8, alpha=0)", "alpha of nf-resnet must be positive, not 0; type alpha=0.2"),
        ("nf-resnet(depth=8, alpha='a')", "alpha of nf-resnet must be positive, not 'a'; type alpha=0.2"),
        ("lenet(size=8)", "lenet needs images of at least 16x16 pixels, not 8x8"),
        ("lenet(pool='maximum')", "lenet has no pool 'maximum'; did you mean max? (known: avg, max)"),
        ("lenet(activation='sigmod')", "unknown activation 'sigmod'; did you mean sigmoid"),
        ("lenet(activation='math:floor')", "activation math:floor"),
        ("mlp(hidden=(0,))", "width of mlp must be a positive whole number, not 0"),
        ("mlp(hidden=3.5)", "width of mlp must be a positive whole number, not 3.5"),
        ("mlp(classes='ten')", "width of mlp must be a positive whole number, not 'ten'"),
        ("resnet(depth='20')", "depth of resnet must be a positive whole number, not '20'"),
        ("resnet20(width=True)", "width of resnet must be a positive whole number, not True"),
        ("vgg16(classes=0)", "classes of vgg must be a positive whole number, not 0"),
        ("lenet(size=28.5)", "size of lenet must be a positive whole number, not 28.5"),
        ("mlp(hidden=8, norm='group')", "leaves only zeros; type norm='group(groups=4)'"),
        ("torchvision:resnet19", "torchvision has no classification model 'resnet19'; did you mean resnet1"),
        ("torchvision:fcn_resnet50", "torchvision has no classification model 'fcn_resnet50'"),
        ("torchvision:resnet18(weights='DEFAULT')", "weights='DEFAULT' is refused: download them yourself"),
        ("torchvision:resnet18(clases=3)", "torchvision cannot build resnet18 with {'clases': 3}: "),
        ("timm:resnet18(pretrained=True)", "pretrained=True is refused"),
        ("builtins:dict", "the model 'builtins:dict' must be a torch module (nn.Module), not a dict"),
        ("collections:OrderedDict(a=1)", "must be a torch module"),
    ],
)
def test_wrong_specs_are_told_in_a_sentence(spec, message):
    with pytest.raises(LandscapeError) as error:
        build_model(spec)
    assert message in str(error.value)
    assert "\n" not in str(error.value) or "math" in spec


def test_a_norm_must_give_both_hooks():
    with pytest.raises(LandscapeError, match=r"must give a landscape.models.Norm, not a Linear"):
        build_norm("torch.nn:Linear(in_features=1, out_features=1)")


def test_an_absent_timm_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(LandscapeError, match=r"timm is not installed; type pip install landscape-viz\[timm\]"):
        build_model("timm:resnet18")


def test_a_torchvision_for_another_torch_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(LandscapeError, match="torchvision cannot be imported beside this torch"):
        build_model("torchvision:resnet18")


def test_models_import_neither_torchvision_nor_timm():
    script = (
        "import sys, landscape.models; print([m for m in ('torchvision', 'timm', 'safetensors') if m in sys.modules])"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, text=True).stdout == "[]\n"


def test_all_names_of_the_table_build():
    for name in MODELS.names():
        settings = DEPTHS.get(name, {})
        with torch.device("meta"):
            assert isinstance(build_model(Spec(name, settings)), nn.Module)
