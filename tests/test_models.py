"""The networks, their normalizations, and the ways to name them."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from landscape.errors import LandscapeError
from landscape.models import MODELS, NORMS, Norm, build_model, build_norm
from landscape.models.activations import ACTIVATIONS, build_activation
from landscape.registry import Spec

IMAGES = {"lenet": (1, 28), "mlp": (1, 28), "resnet": (3, 16), "vgg": (3, 32)}
SMALL = {
    "lenet": "lenet(norm={norm!r})",
    "mlp": "mlp(hidden=(16, 12), norm={norm!r})",
    "resnet": "resnet(depth=8, width=8, norm={norm!r})",
    "vgg": "vgg(depth=11, width=8, norm={norm!r})",
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
        ("vgg11", 9_231_114),
        ("vgg13", 9_416_010),
        ("vgg16", 14_728_266),
        ("vgg19", 20_040_522),
    ],
)
def test_parameter_counts_are_the_published_ones(spec, parameters):
    assert count(build_model(spec)) == parameters


@pytest.mark.parametrize("norm", NORMS.table)
@pytest.mark.parametrize("architecture", SMALL)
def test_every_network_runs_forward_and_backward_with_every_norm(architecture, norm):
    channels, size = IMAGES[architecture]
    torch.manual_seed(0)
    model = build_model(SMALL[architecture].format(norm=norm))
    logits = model(torch.randn(4, channels, size, size))
    functional.cross_entropy(logits, torch.arange(4)).backward()
    assert logits.shape == (4, 10)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("architecture", SMALL)
def test_a_norm_shifts_no_name(architecture):
    nets = {norm: build_model(SMALL[architecture].format(norm=norm)) for norm in NORMS.table}
    modules = {norm: [name for name, _ in net.named_modules()] for norm, net in nets.items()}
    shared = {name: p.shape for name, p in nets["none"].named_parameters()}
    assert all(names == modules["none"] for names in modules.values())
    for net in nets.values():
        shapes = {name: p.shape for name, p in net.named_parameters()}
        assert shared.items() <= shapes.items()


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


def reference_resnet(state, images, blocks, shortcut):
    """ResNet in evaluation mode written out by hand: one pixel shift and one channel of zeros at a time."""

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

    x = bn(conv(images, "conv1"), "bn1").clamp(min=0)
    for stage in (1, 2, 3):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = bn(conv(x, f"{name}.conv1", stride), f"{name}.bn1").clamp(min=0)
            y = bn(conv(y, f"{name}.conv2"), f"{name}.bn2")
            if shortcut != "none" and stride == 1:
                y = y + x
            elif shortcut == "pad":
                zeros = torch.zeros_like(y[:, : y.shape[1] // 4])
                y = y + torch.cat([zeros, x[:, :, ::2, ::2], zeros], dim=1)
            elif shortcut == "conv":
                y = y + bn(conv(x, f"{name}.shortcut.0", 2), f"{name}.shortcut.1")
            x = y.clamp(min=0)
    return x.flatten(2).mean(2) @ state["linear.weight"].T + state["linear.bias"]


@pytest.mark.parametrize("shortcut", ["pad", "conv", "none"])
def test_resnet_equals_a_hand_written_one(shortcut):
    torch.manual_seed(1)
    model = build_model(Spec("resnet", {"depth": 14, "width": 4, "shortcut": shortcut})).double().eval()
    for name, tensor in model.state_dict().items():
        if tensor.ndim == 1 and tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 * ("var" in name))
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    expected = reference_resnet(model.state_dict(), images, 2, shortcut)
    torch.testing.assert_close(model(images), expected, rtol=1e-10, atol=1e-10)


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


@pytest.mark.parametrize("spec", ["lenet", "mlp", "resnet(depth=8, shortcut='conv')", "vgg11"])
def test_a_norm_may_wrap_the_layers_before_its_slots(spec):
    def wrap(module):
        return nn.utils.parametrizations.weight_norm(module)

    spec = Spec.parse(spec)
    model = build_model(
        Spec(spec.target, {**spec.kwargs, "norm": Norm(lambda channels, dimensions: nn.Identity(), wrap)})
    )
    bare = [
        name for name, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear) and "weight" in m._parameters
    ]
    assert len(bare) == 1  # the head alone
    assert model(torch.zeros(2, *{"lenet": (1, 28, 28), "mlp": (1, 28, 28)}.get(spec.target, (3, 32, 32)))).shape == (
        2,
        10,
    )


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
        ("resnet20(norm='bach')", "unknown norm 'bach'; did you mean batch? (known: batch, group, layer, none)"),
        ("resnet20(norm='group(groups=0)')", "needs at least one group, not 0"),
        ("resnet20(depth=56)", "it takes norm, shortcut, width, classes, in_channels"),
        ("vgg(depth=12)", "there is no VGG of depth 12; type depth=11, depth=13, depth=16 or depth=19"),
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
        settings = {"resnet": {"depth": 8}, "vgg": {"depth": 11}}.get(name, {})
        with torch.device("meta"):
            assert isinstance(build_model(Spec(name, settings)), nn.Module)
