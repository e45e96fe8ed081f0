"""The conditional normalizations, the denoiser they are shown in, and its task."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss

import landscape
from landscape.data import load_data
from landscape.errors import LandscapeError
from landscape.evaluation import strict_arithmetic
from landscape.evaluation.metrics import loss_quantity
from landscape.models import build_model, build_norm
from landscape.models.denoiser import packed, unpacked
from landscape.models.graph import program
from landscape.models.initialisation import initialise
from landscape.parameters import ParameterSpace
from landscape.registry import load

SCRIPT = str(Path(__file__).parents[1] / "examples" / "denoiser" / "denoiser.py")
CONDITIONAL = ("ada-instance", "ada-layer")
OTHERS = ("none", "batch", "layer", "group(groups=2)", "instance", "rms", "weight-norm", "scaled-ws")
SHAPES = ((3, 4), (3, 4, 5), (3, 4, 5, 2))


def conditional(name, shape, condition=3):
    """A module in float64, an input of the shape and a condition."""
    torch.manual_seed(0)
    module = build_norm(name, conditional=True).layer(shape[1], len(shape) - 2, condition).double()
    return module, torch.randn(shape, dtype=torch.float64) * 2 + 1, torch.randn(shape[0], condition).double()


def tiny(norm="ada-layer", seed=0):
    torch.manual_seed(seed)
    return build_model(f"denoiser(norm={norm!r}, width=4, blocks=1, condition=8)")


def inputs_of(number=5, size=8, label=None):
    generator = torch.Generator().manual_seed(1)
    images, levels = torch.randn(number, 1, size, size, generator=generator), torch.rand(number, generator=generator)
    return packed(images, levels, torch.arange(number) % 10 if label is None else torch.full((number,), label))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CONDITIONAL)
def test_conditional_norms_follow_the_formula(name, shape):
    module, x, z = conditional(name, shape)
    got, weight, bias = module(x, z).detach().numpy(), module.affine.weight.tolist(), module.affine.bias.tolist()
    channels = shape[1]
    for n in range(shape[0]):
        line = [sum(w * v for w, v in zip(row, z[n].tolist(), strict=True)) for row in weight]
        scale_shift = [a + b for a, b in zip(line, bias, strict=True)]
        for c in range(channels):
            values = (x[n, c] if name == "ada-instance" else x[n]).numpy()
            mean, deviation = values.mean(), math.sqrt(values.var() + 1e-5)
            if name == "ada-instance" and len(shape) == 2:
                mean, deviation = 0.0, 1.0
            want = (1 + scale_shift[c]) * (x[n, c].numpy() - mean) / deviation + scale_shift[channels + c]
            np.testing.assert_allclose(got[n, c], want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES[::2])
@pytest.mark.parametrize("name", CONDITIONAL)
def test_gradients_of_conditional_norms_are_those_of_differences(name, shape):
    module, x, z = conditional(name, shape)
    weight, bias = (one.detach().clone() for one in (module.affine.weight, module.affine.bias))

    def output(x, z, weight, bias):
        return torch.func.functional_call(module, {"affine.weight": weight, "affine.bias": bias}, (x, z))

    assert torch.autograd.gradcheck(output, [one.requires_grad_() for one in (x, z, weight, bias)])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_condition_map_of_zeros_leaves_the_plain_normalization(name, shape):
    module, x, z = conditional(f"{name}(zero=True)", shape)
    plain = build_norm(name.removeprefix("ada-")).layer(shape[1], len(shape) - 2).double()
    torch.testing.assert_close(module(x, z), plain(x), rtol=1e-13, atol=1e-13)
    assert not torch.allclose(conditional(name, shape)[0](x, z), plain(x))


def test_drawing_first_weights_keeps_maps_that_begin_with_zeros():
    zero, drawn = tiny("ada-layer(zero=True)"), tiny("ada-layer")
    for net in (zero, drawn):
        initialise(net, 3)
    states = zero.state_dict(), drawn.state_dict()
    for name, tensor in states[0].items():
        assert tensor.any() == (".affine." not in name)
        assert torch.equal(tensor, states[1][name]) == (".affine." not in name)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_maps_of_the_condition_move_with_the_weights(name):
    roles = {entry.name: entry.role for entry in ParameterSpace(tiny(name), "weights").entries}
    assert roles["first.slot1.norm.affine.weight"] == "weight"
    assert roles["condition.label.weight"] == "embedding"
    assert {role for parameter, role in roles.items() if parameter.endswith("bias")} <= {"bias"}


@pytest.mark.parametrize("model", ["resnet20", "lenet", "mlp", "vgg11"])
def test_networks_without_a_condition_refuse_conditional_norms(model):
    with pytest.raises(
        LandscapeError, match=r"'ada-layer' takes its scale and shift from a condition, which this netw"
    ):
        build_model(f"{model}(norm='ada-layer')")


@pytest.mark.parametrize("norm", [*CONDITIONAL, *OTHERS])
def test_the_denoiser_gives_an_image_of_noise_and_learns(norm):
    torch.manual_seed(0)
    model = build_model(f"denoiser(norm={norm!r}, width=4, in_channels=3, classes=7, condition=8)")
    inputs = packed(torch.randn(6, 3, 8, 12), torch.rand(6), torch.arange(6))
    assert inputs.shape == (6, 5, 8, 12)
    assert model(inputs).shape == (6, 3, 8, 12)
    model(inputs).square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert model.condition.label.weight.grad[:6].any(1).all()


@pytest.mark.parametrize("norm", [*CONDITIONAL, *OTHERS])
def test_class_and_level_change_the_output(norm):
    model = tiny(norm).eval()
    with torch.no_grad():
        outputs = [model(inputs_of(label=label)) for label in (0, 1)]
        other = inputs_of(label=0)
        other[:, 1] = 1 - other[:, 1]
        outputs.append(model(other))
    apart = [(outputs[0] - one).abs().amax(dim=(1, 2, 3)) for one in outputs[1:]]
    assert all((one > 1e-4).all() for one in apart)


def test_each_example_has_a_condition_of_its_own():
    model, inputs = tiny().double().eval(), inputs_of().double()
    with torch.no_grad():
        one_by_one = torch.cat([model(one) for one in inputs.split(1)])
    torch.testing.assert_close(model(inputs).detach(), one_by_one)


def test_what_was_packed_is_unpacked():
    images, levels, labels = torch.randn(4, 2, 6, 6), torch.rand(4), torch.tensor([0, 9, 3, 3])
    got = unpacked(packed(images, levels, labels), 2, 10)
    assert all(torch.equal(a, b) for a, b in zip(got, (images, levels, labels), strict=True))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(2, 1, 8, 8), r"takes \(N, 3, H, W\), H and W even, not \(2, 1, 8, 8\): pack noised images"),
        (torch.zeros(2, 3, 7, 8), r"takes \(N, 3, H, W\), H and W even, not \(2, 3, 7, 8\)"),
        (torch.zeros(2, 9), r"takes \(N, 3, H, W\), H and W even, not \(2, 9\)"),
        (inputs_of(2, label=10), r"holds classes from 0 to 9, but one is 10; set classes= of the denoiser"),
        (inputs_of(2, label=-1), r"holds classes from 0 to 9, but one is -1"),
    ],
)
def test_inputs_that_are_no_packed_ones_are_refused(inputs, message):
    with pytest.raises(LandscapeError, match=message):
        tiny()(inputs)


@pytest.mark.parametrize("settings", ["width=0", "condition=0", "classes=1.5", "blocks=-1"])
def test_sizes_are_positive_whole_numbers(settings):
    with pytest.raises(LandscapeError, match=f"{settings.split('=')[0]} of denoiser must be a positive whole number"):
        build_model(f"denoiser({settings})")


@pytest.mark.parametrize("norm", ["ada-instance", "ada-layer", "batch", "none"])
def test_the_denoiser_can_be_traced(norm):
    model, inputs = tiny(norm).eval(), inputs_of()
    with torch.no_grad():
        torch.testing.assert_close(program(model)(inputs), model(inputs), rtol=0, atol=0)


def test_mse_takes_images_as_targets():
    output, target = torch.randn(2, 5, 1, 4, 6)
    each = [float(((o - t).double() ** 2).mean()) for o, t in zip(output, target, strict=True)]
    torch.testing.assert_close(loss_quantity("mse").function(output, target), torch.tensor(each))


@pytest.fixture
def images(tmp_path):
    """80 images of 12 x 12 pixels in two classes."""
    random, labels = np.random.default_rng(0), np.arange(80) % 2
    pixels = (random.integers(0, 99, (80, 12, 12)) + 120 * labels[:, None, None]).astype(np.uint8)
    kinds = {"images": pixels, "labels": labels}
    np.savez(tmp_path / "small.npz", **{f"{s}_{kind}": a for s in ("test", "train") for kind, a in kinds.items()})
    return str(tmp_path / "small.npz")


def test_noise_is_fixed_and_mixed_as_said():
    noised = load(f"{SCRIPT}:noised")
    inputs, noise = noised("test")
    again, other = noised("test"), noised("test", seed=1)
    assert torch.equal(inputs, again[0])
    assert torch.equal(noise, again[1])
    assert not torch.equal(noise, other[1])
    images, labels = load_data("fashion-mnist-mini", "test").tensors()
    mixed, levels, classes = unpacked(inputs, 1, 10)
    assert torch.equal(classes, labels)
    angles = (levels.double() * math.pi / 2)[:, None, None, None]
    torch.testing.assert_close(mixed.double(), angles.cos() * images + angles.sin() * noise, rtol=0, atol=1e-5)
    assert levels.min() >= 0
    assert levels.max() < 1
    assert noise.mean().item() == pytest.approx(0, abs=0.01)
    assert noise.var().item() == pytest.approx(1, abs=0.01)


@pytest.fixture
def trained(monkeypatch, tmp_path, images):
    """Run the script; give its checkpoints."""

    def run(*norms):
        argv = ["x", *norms, "--images", images, "--epochs", "2", "--batch-size", "20", "--out", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", argv)
        with strict_arithmetic():  # which puts back the threads and the flushing of denormals that the script sets
            load(f"{SCRIPT}:main")()
        return [tmp_path / "out" / f"denoiser_{norm}.pt" for norm in norms]

    return run


def test_training_repeats_and_begins_with_the_same_weights(trained):
    first, other = (torch.load(path, weights_only=True) for path in trained("ada-layer", "ada-instance"))
    again = torch.load(trained("ada-layer")[0], weights_only=True)
    assert first["test_loss"] == again["test_loss"] != other["test_loss"]
    assert all(torch.equal(tensor, again["state_dict"][name]) for name, tensor in first["state_dict"].items())
    assert first["state_dict"].keys() == other["state_dict"].keys()


@pytest.mark.parametrize("norm", ["ada-layer", "none"])
def test_the_centre_of_a_surface_is_the_loss_in_float64(trained, images, tmp_path, norm):
    (path,) = trained(norm)
    data = f"{SCRIPT}:noised(images={images!r})"
    found = landscape.compute(
        ckpt=path, data=data, loss="mse", x="-1:1:3", y="none", out=tmp_path / "a.h5", progress=False
    )
    content = torch.load(path, weights_only=True)
    model = build_model(content["landscape"]["model"])
    model.load_state_dict(content["state_dict"])
    inputs, noise = load(f"{SCRIPT}:noised")("test", images=images)
    with torch.no_grad():
        want = mse_loss(model.double().eval()(inputs.double()), noise.double()).item()
    assert found["test/loss"][1] == pytest.approx(want, abs=1e-5)
    assert content["test_loss"] == pytest.approx(want, abs=1e-5)
    assert (found["test/loss"][[0, 2]] > want + 1e-3).all()
    assert "test/accuracy" not in found


def test_images_that_are_not_packed_are_refused_before_a_run(trained, images, tmp_path):
    (path,) = trained("ada-layer")
    message = (
        r"the model Denoiser cannot take the inputs of small.npz, of shape \(1, 12, 12\): the denoiser takes \(N, 3"
    )
    with pytest.raises(LandscapeError, match=message):
        landscape.compute(ckpt=path, data=images, loss="mse", out=tmp_path / "a.h5", progress=False)
