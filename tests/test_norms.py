"""Normalizations of activations: each against a float64 loop from its formula, other libraries, and invariants."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from norm_loops import LOOPS
from torch import nn

from landscape.errors import LandscapeError
from landscape.models import NORMS, Norm, build_norm
from landscape.parameters.roles import role_of

SPACES = {0: (), 1: (5,), 2: (4, 3)}
CHANNELS, BATCH = 8, 7
# The layers that are written here, not torch's own.
OURS = ("rms", "switchable", "divisive(size=3)", "global-response", "local-response(size=5, alpha=0.5)")
OURS += ("batch(eval_weight=0.3)", "frozen-batch", "ghost-batch(size=3)", "batch-group(groups=4)")


def made(spec: str, dimensions: int, seed: int = 0) -> nn.Module:
    """A float64 layer whose parameters and statistics are not trivial."""
    torch.manual_seed(seed)
    module = build_norm(spec).layer(CHANNELS, dimensions).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    return module


def inputs(dimensions: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(BATCH, CHANNELS, *SPACES[dimensions], generator=generator, dtype=torch.float64) + 0.7


def of_module(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in module.state_dict().items()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dimensions", SPACES)
@pytest.mark.parametrize("spec", LOOPS)
def test_layer_computes_its_formula(spec, dimensions, training):
    module, x = made(spec, dimensions).train(training), inputs(dimensions)
    expected = LOOPS[spec](x.numpy(), of_module(module), training)
    with torch.no_grad():
        np.testing.assert_allclose(module(x).numpy(), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dimensions", SPACES)
@pytest.mark.parametrize("spec", OURS)
def test_gradients_are_those_of_finite_differences(spec, dimensions, training):
    module = made(spec, dimensions).train(training)
    x = inputs(dimensions)[:6, :, :2].requires_grad_() if dimensions else inputs(0)[:6].requires_grad_()
    names = [name for name, _ in module.named_parameters()]

    def call(x, *parameters):
        # A copy of the statistics at each call: a call in train mode moves them.
        tensors = {name: buffer.clone() for name, buffer in module.named_buffers()}
        tensors |= dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(module, tensors, (x,))

    assert torch.autograd.gradcheck(call, (x, *module.parameters()))


@pytest.mark.parametrize("dimensions", SPACES)
@pytest.mark.parametrize("spec", LOOPS)
def test_layer_keeps_shape_and_dtype(spec, dimensions):
    module = build_norm(spec).layer(CHANNELS, dimensions)
    x = inputs(dimensions).float()
    for training in (True, False):
        y = module.train(training)(x)
        assert y.shape == x.shape
        assert y.dtype == torch.float32


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dimensions", SPACES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("spec", OURS)
@pytest.mark.filterwarnings("ignore:Mismatch dtype")  # nn.RMSNorm says under autocast that it takes a slower way
def test_half_precision_is_near_and_does_not_overflow(spec, dtype, dimensions, training):
    module = made(spec, dimensions).float().train(training)
    x = (300 * inputs(dimensions)).to(dtype)  # squares are beyond float16
    with torch.no_grad(), torch.autocast("cpu", dtype):
        y = copy.deepcopy(module)(x)
    assert y.dtype == dtype
    torch.testing.assert_close(y.float(), module(x.float()).detach(), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("dimensions", SPACES)
@pytest.mark.parametrize("spec", LOOPS)
def test_parameters_are_those_of_a_norm(spec, dimensions):
    model = nn.Sequential(build_norm(spec).layer(CHANNELS, dimensions))
    for name, parameter in model.named_parameters():
        path, _, local = name.rpartition(".")
        role, _, guessed = role_of(model, path, local, parameter)
        assert (role, guessed) == ("norm", False)


@pytest.mark.parametrize("spec", [spec for spec in LOOPS if spec not in ("layer", "rms", "divisive(size=3)")])
def test_tokens_are_positions(spec):
    if spec == "none":
        assert isinstance(build_norm(spec).of_tokens(CHANNELS), nn.Identity)
        return
    torch.manual_seed(0)
    module = build_norm(spec).of_tokens(CHANNELS).double()
    x = inputs(1)
    expected = LOOPS[spec](x.numpy(), of_module(module.norm), True)
    np.testing.assert_allclose(module(x.transpose(1, 2)).transpose(1, 2).detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("spec", ["layer", "rms", "divisive"])
def test_each_token_is_normalised_alone(spec):
    module = build_norm(spec).of_tokens(CHANNELS).double()
    x = inputs(1).transpose(1, 2)
    single = torch.stack([build_norm(spec).layer(CHANNELS, 0).double()(x[:, i]) for i in range(x.shape[1])], 1)
    torch.testing.assert_close(module(x), single)


def test_timm_has_the_same_global_response():
    grn = pytest.importorskip("timm.layers.grn")
    ours, theirs = made("global-response", 2), grn.GlobalResponseNorm(CHANNELS, channels_last=False).double()
    theirs.load_state_dict({"weight": ours.gamma, "bias": ours.beta})
    torch.testing.assert_close(ours(inputs(2)), theirs(inputs(2)))


def test_torchvision_has_the_same_frozen_statistics():
    ops = pytest.importorskip("torchvision.ops")
    ours, theirs = made("frozen-batch", 2), ops.FrozenBatchNorm2d(CHANNELS, eps=1e-5).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(inputs(2)), theirs(inputs(2)))


def test_local_response_with_the_constant_of_torch():
    theirs = nn.LocalResponseNorm(5, alpha=5 * 0.5, k=2.0)
    torch.testing.assert_close(made("local-response(size=5, alpha=0.5)", 2)(inputs(2)), theirs(inputs(2)))


def test_frozen_batch_takes_the_checkpoint_of_a_batch_norm():
    trained, x = made("batch", 2).eval(), inputs(2)
    frozen = build_norm("frozen-batch").layer(CHANNELS, 2).double().train()
    frozen.load_state_dict(trained.state_dict())
    torch.testing.assert_close(frozen(x), trained(x))
    assert frozen.state_dict().keys() == trained.state_dict().keys()
    torch.testing.assert_close(dict(frozen.named_buffers()), dict(trained.named_buffers()), rtol=0, atol=0)


def test_global_response_begins_as_the_identity():
    x = inputs(2)
    assert torch.equal(build_norm("global-response").layer(CHANNELS, 2).double()(x), x)


@pytest.mark.parametrize(
    ("spec", "dimensions"),
    [
        (f"{name}eps=1e-18)", dimensions)  # small beside the variance of two numbers that all but agree
        for name in ("layer(", "group(groups=4, ", "instance(", "rms(")
        for dimensions in SPACES
        if (name, dimensions) != ("instance(", 0)  # an identity
    ],
)
@given(factor=st.floats(0.01, 100), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_the_scale_of_an_example_does_not_matter(spec, dimensions, factor, seed):
    module = made(spec, dimensions)
    x = inputs(dimensions, seed)
    factors = torch.linspace(1, factor, BATCH, dtype=x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
    torch.testing.assert_close(module(x * factors), module(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spec", ["batch", "ghost-batch(size=3)", "batch-group(groups=4)", "switchable"])
@given(factor=st.floats(0.1, 10), shift=st.floats(-5, 5), seed=st.integers(0, 99))
@settings(max_examples=15)
def test_scale_and_shift_of_the_batch_do_not_matter_in_training(spec, factor, shift, seed):
    name, _, rest = spec.partition("(")
    module = made(f"{name}({rest.rstrip(')')}{',' * bool(rest)}eps=1e-12)", 2)
    x = inputs(2, seed)
    torch.testing.assert_close(module(factor * x + shift), module(x), rtol=1e-5, atol=1e-6)


@given(seed=st.integers(0, 99), dimensions=st.sampled_from([0, 1, 2]), size=st.integers(BATCH, 40))
@settings(max_examples=20)
def test_one_part_is_the_whole_batch(seed, dimensions, size):
    ghost, whole = made(f"ghost-batch(size={size})", dimensions, seed), made("batch", dimensions, seed)
    x = inputs(dimensions, seed)
    torch.testing.assert_close(ghost(x), whole(x))
    torch.testing.assert_close(ghost.state_dict(), whole.state_dict())


@pytest.mark.parametrize(
    ("number", "size", "parts"), [(3, 2, [3]), (7, 2, [3, 2, 2]), (40, 32, [40]), (96, 32, [32] * 3)]
)
def test_no_part_is_a_single_example(number, size, parts):
    ghost = build_norm(f"ghost-batch(size={size})").layer(2, 0)
    x = torch.randn(number, 2)
    torch.testing.assert_close(ghost(x), torch.cat([nn.BatchNorm1d(2)(part) for part in x.split(parts)]))
    assert ghost.num_batches_tracked == len(parts)


@given(seed=st.integers(0, 99), dimensions=st.sampled_from([0, 1, 2]), training=st.booleans())
@settings(max_examples=20)
def test_groups_of_one_channel_are_batch_norm(seed, dimensions, training):
    grouped, whole = made(f"batch-group(groups={CHANNELS})", dimensions), made("batch", dimensions)
    state = grouped.state_dict()
    whole.load_state_dict({name.removeprefix("statistics."): tensor for name, tensor in state.items()})
    x = inputs(dimensions, seed)
    torch.testing.assert_close(grouped.train(training)(x), whole.train(training)(x))


def test_a_batch_of_one_in_groups_is_group_norm():
    grouped, alone = made("batch-group(groups=4)", 2), made("group(groups=4)", 2)
    alone.load_state_dict({"weight": grouped.weight, "bias": grouped.bias})
    torch.testing.assert_close(grouped(inputs(2)[:1]), alone(inputs(2)[:1]))


def test_no_weight_of_the_example_is_batch_norm():
    assert type(build_norm("batch(eval_weight=0)").layer(4, 2)) is nn.BatchNorm2d


@given(seed=st.integers(0, 99), share=st.floats(0.01, 1))
@settings(max_examples=15)
def test_an_example_with_the_running_moments_is_not_moved(seed, share):
    weighed, plain = made(f"batch(eval_weight={share})", 2, seed).eval(), made("batch", 2, seed).eval()
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(6).reshape(4, 3)
    x = plain.running_mean[:, None, None] + plain.running_var.sqrt()[:, None, None] * signs
    torch.testing.assert_close(weighed(x[None]), plain(x[None]))


def test_the_whole_weight_of_the_example_is_instance_norm():
    weighed, instance = made("batch(eval_weight=1.0)", 2).eval(), made("instance", 2)
    instance.load_state_dict({"weight": weighed.weight, "bias": weighed.bias})
    torch.testing.assert_close(weighed(inputs(2)), instance(inputs(2)))


@pytest.mark.parametrize(("chosen", "same"), [(0, "instance"), (1, "layer"), (2, "batch")])
def test_switchable_can_become_each_of_three(chosen, same):
    module, other = made("switchable", 2), made(same, 2)
    with torch.no_grad():
        for weights in (module.mean_weight, module.var_weight):
            weights.fill_(-1e3)[chosen] = 1e3
    state = module.state_dict()
    other.load_state_dict({name: state[name] for name in other.state_dict()})
    torch.testing.assert_close(module(inputs(2)), other(inputs(2)))
    if same == "batch":
        torch.testing.assert_close(module.running_var, other.running_var)
        torch.testing.assert_close(module.running_mean, other.running_mean)
        torch.testing.assert_close(module.eval()(inputs(2)), other.eval()(inputs(2)))


def test_a_window_as_large_as_the_image_is_rms():
    wide, whole = made("divisive(size=9, semisaturation=1e-5)", 2), made("rms", 2)
    whole.load_state_dict(wide.state_dict())
    torch.testing.assert_close(wide(inputs(2)), whole(inputs(2)))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("group(groups=0)", "groups of group must be a positive whole number, not 0"),
        ("batch-group(groups=0)", "groups of batch-group must be a positive whole number, not 0"),
        ("batch-group(groups=2.5)", "not 2.5"),
        ("ghost-batch(size=1)", "at least 2 examples, not 1"),
        ("ghost-batch(size='x')", "at least 2 examples, not 'x'"),
        ("batch(eval_weight=2)", "between 0 and 1, not 2"),
        ("batch(eval_weight='a')", "between 0 and 1, not 'a'"),
        ("batch(eval_weight=True)", "between 0 and 1, not True"),
        ("local-response(size=0)", "size of local-response must be a positive whole number, not 0"),
        ("local-response(k=0)", "k=0"),
        ("local-response(beta='a')", "beta='a'"),
        ("local-response(alpha=-1)", "alpha=-1"),
        ("divisive(size=4)", "odd number of positions, not 4"),
        ("divisive(size=2.5)", "must be a positive whole number, not 2.5"),
        ("divisive(semisaturation=0)", "must be positive, not 0"),
        ("divisive(semisaturation='a')", "must be positive, not 'a'"),
        ("ada-layer(zero='no')", "zero of ada-layer is True or False, not 'no'"),
        ("ada-instance(zero=1)", "zero of ada-instance is True or False, not 1"),
        ("spectral-norm(n_power_iterations=0)", "must be a positive whole number, not 0"),
        ("weight-norm(then='bacth')", "batch"),
        ("btach", "batch"),
        ("batch(size=3)", "eval_weight"),
    ],
)
def test_bad_settings_are_told_in_a_sentence(spec, words):
    with pytest.raises(LandscapeError) as caught:
        build_norm(spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_groups_of_a_single_feature_are_refused():
    with pytest.raises(LandscapeError, match="leaves only zeros"):
        build_norm("group").layer(8, 0)


@pytest.mark.parametrize("name", NORMS.table)
def test_every_norm_of_the_table_is_built(name):
    norm = build_norm(name, conditional=True)
    assert isinstance(norm, Norm)
    assert build_norm(norm, conditional=True) is norm


@pytest.mark.parametrize("spec", LOOPS)
def test_layers_can_be_copied(spec):
    module = made(spec, 2).eval()
    torch.testing.assert_close(copy.deepcopy(module)(inputs(2)), module(inputs(2)), rtol=0, atol=0)
