"""Networks told by the names and shapes of their tensors."""

from pathlib import Path

import pytest
import torch

from landscape.models import build_model, nearest_model, read_checkpoint, recognise
from landscape.models.external import FAMILIES
from landscape.models.recognition import Unallocated

SHARED = Path(__file__).parents[1].parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared holds the real checkpoints")


def tensors(spec):
    with Unallocated():
        return build_model(spec).state_dict()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("resnet20", ["resnet20", "resnet(depth=20, shortcut='none')"]),
        ("resnet(depth=20, shortcut='none')", ["resnet20", "resnet(depth=20, shortcut='none')"]),
        ("resnet56(shortcut='conv')", ["resnet(depth=56, shortcut='conv')"]),
        ("resnet110(shortcut='conv', classes=100)", ["resnet(depth=110, shortcut='conv', classes=100)"]),
        ("resnet(depth=14, shortcut='conv', width=4)", ["resnet(depth=14, shortcut='conv', width=4)"]),
        ("resnet20(norm='none', shortcut='conv')", ["resnet(depth=20, norm='none', shortcut='conv')"]),
        (
            "resnet20(norm='layer', shortcut='conv', in_channels=1)",
            [
                f"resnet(depth=20, norm={norm!r}, shortcut='conv', in_channels=1)"
                for norm in ("group", "layer", "instance")
            ],
        ),
        ("nf-resnet(depth=14)", ["nf-resnet(depth=14)", "resnet(depth=14, norm='scaled-ws', shortcut='conv')"]),
        (
            "nf-resnet(depth=8, norm='none', shortcut='pad', skip_gain=True)",
            ["nf-resnet(depth=8, norm='none', shortcut='pad', skip_gain=True)"],
        ),
        (
            "resnet(depth=14, norm='weight-norm', width=4)",
            [f"resnet(depth=14, norm='weight-norm'{shortcut}, width=4)" for shortcut in ("", ", shortcut='none'")],
        ),
        ("wide-resnet(depth=16, widen=2, classes=100)", ["wide-resnet(depth=16, widen=2, classes=100)"]),
        ("wide-resnet(depth=10, norm='spectral-norm')", ["wide-resnet(depth=10, norm='spectral-norm')"]),
        ("densenet(depth=40)", ["densenet(depth=40)"]),
        ("densenet(depth=16, growth=5, bc=True, norm='none')", ["densenet(depth=16, growth=5, bc=True, norm='none')"]),
        (
            "densenet(depth=10, norm=\"weight-norm(then='batch')\")",
            ["densenet(depth=10, norm=\"weight-norm(then='batch')\")"],
        ),
        ("denoiser(blocks=1)", ["denoiser(blocks=1)", "denoiser(norm='ada-instance', blocks=1)"]),
        ("denoiser(norm='batch', width=4, condition=8)", ["denoiser(norm='batch', width=4, condition=8)"]),
        ("denoiser(norm='scaled-ws', in_channels=3)", ["denoiser(norm='scaled-ws', in_channels=3)"]),
        (
            "vit(heads=4, placement='post', depth=2)",
            [
                "vit(depth=2, placement='post')",
                "vit(depth=2, heads=4, placement='post')",
                "vit(depth=2, heads=6, placement='post')",
            ],
        ),
        ("vgg9", ["vgg9"]),
        (
            "vgg9(norm='weight-standardization')",
            [
                "vgg(depth=9, norm='weight-standardization')",
                "vgg(depth=9, norm=\"weight-standardization(then='layer')\")",
                "vgg(depth=9, norm=\"weight-standardization(then='instance')\")",
            ],
        ),
        ("vgg16", ["vgg16"]),
        ("vgg13(norm='none')", ["vgg(depth=13, norm='none')"]),
        ("vgg11(width=8, classes=3)", ["vgg(depth=11, width=8, classes=3)"]),
        ("lenet", ["lenet", "lenet(activation='relu')", "lenet(activation='tanh')"]),
        (
            "lenet(norm='batch', size=32, in_channels=3)",
            [
                "lenet(norm='batch', in_channels=3, size=32)",
                "lenet(norm='batch', activation='relu', in_channels=3, size=32)",
                "lenet(norm='batch', activation='tanh', in_channels=3, size=32)",
            ],
        ),
        ("mlp", ["mlp", "mlp(activation='tanh')", "mlp(activation='sigmoid')"]),
        (
            "mlp(inputs=4, hidden=(3,), classes=2, norm='batch')",
            [
                "mlp(inputs=4, hidden=(3,), classes=2, norm='batch')",
                "mlp(inputs=4, hidden=(3,), classes=2, norm='batch', activation='tanh')",
                "mlp(inputs=4, hidden=(3,), classes=2, norm='batch', activation='sigmoid')",
            ],
        ),
    ],
)
def test_our_networks_are_recognised(spec, expected):
    assert recognise(tensors(spec)) == expected


@pytest.mark.parametrize(
    "spec",
    [
        "torchvision:resnet18(num_classes=10)",
        "torchvision:vgg11_bn(num_classes=10)",
        "torchvision:alexnet",
        "torchvision:vit_b_16(num_classes=10, image_size=64)",
        "torchvision:mobilenet_v2(num_classes=10)",
        "torchvision:mobilenet_v3_small",
        "torchvision:shufflenet_v2_x0_5",
        "torchvision:squeezenet1_1(num_classes=10)",
        "torchvision:googlenet(num_classes=10, aux_logits=False)",
    ],
)
def test_networks_of_torchvision_are_recognised(spec):
    assert recognise(tensors(spec)) == [spec]


@pytest.mark.slow
def test_every_classifier_of_torchvision_is_recognised():
    from torchvision import models

    names = [f"torchvision:{name}(num_classes=7)" for name in models.list_models(module=models)]
    assert len(names) >= 80
    for name in names:
        assert recognise(tensors(name)) == [name]


def test_a_family_without_its_head_is_no_riddle():
    for key, _, _ in FAMILIES:
        assert recognise({key: torch.zeros(1)}) == []


@pytest.mark.parametrize("change", ["rename", "reshape", "add", "remove"])
def test_a_network_that_differs_in_one_tensor_is_not_recognised(change):
    state = tensors("resnet20")
    head = state.pop("linear.bias")
    if change != "remove":
        state["linear.b" if change == "rename" else "linear.bias"] = head[:5] if change == "reshape" else head
    if change == "add":
        state["linear.scale"] = head
    assert recognise(state) == []
    assert nearest_model(state) == "resnet20"


def test_counters_of_batches_do_not_matter():
    state = {name: tensor for name, tensor in tensors("resnet20").items() if "num_batches" not in name}
    assert recognise(state)[0] == "resnet20"


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"conv1.weight": (4, 3, 3, 3)},
        {"fc1.weight": (3,)},
        {"features.0.weight": (3, 2), "classifier.weight": (2,)},
    ],
)
def test_strange_tensors_are_like_nothing(state):
    state = {name: torch.zeros(shape) for name, shape in state.items()}
    assert recognise(state) == []
    assert nearest_model(state) is None


def test_the_nearest_model_of_a_known_one_is_itself():
    assert nearest_model(tensors("resnet(depth=26, width=8, norm='none')")) == "resnet(depth=26, norm='none', width=8)"


def test_recognition_leaves_the_random_numbers_alone():
    state = tensors("torchvision:swin_t")
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    recognise(state)
    assert torch.equal(torch.rand(1), expected)


@needs_shared
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet20-12fca82f.th", ["resnet20", "resnet(depth=20, shortcut='none')"]),
        ("li2018_resnet56.t7", ["resnet(depth=56, shortcut='conv')"]),
        ("li2018_resnet56_noshort.t7", ["resnet56", "resnet(depth=56, shortcut='none')"]),
    ],
)
def test_real_checkpoints_are_recognised(name, expected):
    assert recognise(read_checkpoint(SHARED / "checkpoints" / name).state) == expected
