"""The evaluator against a brute-force float64 loop, and the model left as it was found."""

from __future__ import annotations

import contextlib
import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import landscape
from landscape.data import Batches
from landscape.directions import Gaussian
from landscape.errors import Interrupted, LandscapeError, SurroundingsError
from landscape.evaluation import Evaluator, Plain, Statistics, Sums, check_determinism, make_task, strict_arithmetic
from landscape.execution import Silent
from landscape.parameters import ParameterSpace, Subspace


def tied() -> nn.Module:
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 36), nn.ReLU(), nn.Linear(36, 36), nn.ReLU(), nn.Linear(36, 3))
    net[3].weight = net[1].weight
    return net


NETS = {
    "batchnorm": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    ),
    "layernorm": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3)),
    "tied": tied,
    "transposed": lambda: nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Tanh(), nn.Flatten(), nn.Linear(216, 3)
    ),
    "dropout": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3)),
    "weightnorm": lambda: nn.Sequential(
        nn.Flatten(), nn.utils.parametrizations.weight_norm(nn.Linear(36, 8)), nn.ReLU(), nn.Linear(8, 3)
    ),
}


def build(name: str) -> nn.Module:
    """A net in training mode, whose running statistics are not trivial."""
    torch.manual_seed(0)
    net = NETS[name]()
    with torch.no_grad():
        net(torch.randn(64, 1, 6, 6))
    return net


def draw(net: nn.Module, seed: int = 0, number: int = 2):
    """The directions of a run, by name; drawing them is tested elsewhere."""
    return [Gaussian(seed, axis)(ParameterSpace(net)) for axis in range(number)]


def brute(net: nn.Module, data: Batches, directions, point):
    """Losses and hits, one example after the other, in float64, on weights set by hand."""
    double = copy.deepcopy(net).double().eval()
    parameters = dict(double.named_parameters())
    for coordinate, direction in zip(point, directions, strict=True):
        for name, tensor in direction.tensors.items():
            parameters[name].data += coordinate * tensor.double()
    losses, hits = [], []
    for image, label in zip(data.inputs.double(), data.targets.tolist(), strict=True):
        logits = double(image[None])[0].detach().numpy()
        losses.append(np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[label])
        hits.append(logits.argmax() == label)
    return np.array(losses), np.array(hits, dtype=float)


def stderr(values):
    return values.std(ddof=1) / np.sqrt(len(values))


@pytest.mark.parametrize("name", [name for name in NETS if name != "weightnorm"])
def test_the_surface_is_that_of_a_float64_loop(name, small_data):
    """Float32 logits are good to about 1e-6, and so are losses of order one and their errors."""
    net = build(name)
    surface = landscape.compute(net, small_data, x="-1:1:3", y="-0.5:1:4", batch_size=10, progress=False)
    directions, (zero, _) = draw(net), brute(net, small_data, (), ())
    for index in range(surface.grid.size):
        losses, hits = brute(net, small_data, directions, surface.grid.point(index))
        expected = {
            "loss": losses.mean(),
            "loss_stderr": stderr(losses),
            "loss_rise_stderr": stderr(losses - zero),
            "accuracy": hits.mean(),
            "accuracy_stderr": stderr(hits),
            "count": len(losses),
        }
        found = {key: surface[f"test/{key}"].flat[index] for key in expected}
        assert found == pytest.approx(expected, rel=1e-5, abs=2e-6)


@pytest.mark.parametrize("name", ["batchnorm", "weightnorm"])
def test_the_centre_is_the_checkpoint(name, small_data):
    net = build(name)
    surface = landscape.compute(net, small_data, x="-1:1:3", y=None, progress=False)
    with torch.inference_mode(), strict_arithmetic():
        losses = nn.functional.cross_entropy(net.eval()(small_data.inputs), small_data.targets, reduction="none")
    assert surface["loss"][1] == surface.centre["test"]["loss"]
    # BatchNorm is folded into the weights: equal up to the rounding of float32.
    assert surface["loss"][1] == pytest.approx(losses.double().mean().item(), rel=1e-6)
    assert surface["loss_rise_stderr"][1] == surface.centre["test"]["loss_rise_stderr"] == 0


def test_a_linear_model_with_squared_error_gives_its_paraboloid():
    """|W x - t + a D x + b E x|^2 in closed form, to the precision of float64."""
    generator = torch.Generator().manual_seed(0)
    net = nn.Linear(5, 3, bias=False).double()
    inputs, targets = (torch.randn(20, n, generator=generator, dtype=torch.float64) for n in (5, 3))
    data = Batches(inputs, targets, "set", "", "")
    surface = landscape.compute(net, data, loss="mse", x="-1:1:5", y="-2:1:4", batch_size=7, progress=False)
    maps = [net.weight.detach(), *(one.tensors["weight"] for one in draw(net))]
    u, v, w = (inputs @ weight.T for weight in maps)
    u = u - targets
    a, b = np.meshgrid(*(axis.array() for axis in surface.grid.axes), indexing="ij")
    inner = {(i, j): float((p * q).mean()) for i, p in enumerate((u, v, w)) for j, q in enumerate((u, v, w))}
    squares = inner[0, 0] + a**2 * inner[1, 1] + b**2 * inner[2, 2]
    expected = squares + 2 * a * inner[0, 1] + 2 * b * inner[0, 2] + 2 * a * b * inner[1, 2]
    np.testing.assert_allclose(surface["test/loss"], expected, rtol=1e-12)
    assert surface.job.precision == "fp64"


def test_nan_and_infinite_losses_stay():
    """The weight runs through -1, 0, 1, 2, 3: the loss is its logarithm."""
    net = nn.Linear(1, 1, bias=False)
    net.weight.data[:] = 1
    (direction,) = draw(net, number=1)
    sign = int(direction.tensors["weight"].item())
    data = Batches(torch.ones(4, 1), torch.zeros(4), "set", "", "")
    surface = landscape.compute(net, data, loss=lambda o, t: o[:, 0].log(), x="-2:2:5", y=None, progress=False)
    np.testing.assert_allclose(surface["loss"][::sign], [np.nan, -np.inf, 0, np.log(2), np.log(3)], rtol=1e-6)
    assert (surface["count"] == 4).all()
    np.testing.assert_array_equal(surface["loss_stderr"][::sign], [np.nan, np.nan, 0, 0, 0])


@pytest.mark.parametrize("batch_size", [1, 2, 5, 36, 1000])
def test_the_batch_size_does_not_matter(batch_size, small_net, small_data):
    """Float32 products may be summed in another order: last bits of losses of order one."""
    one, other = (
        landscape.compute(small_net, small_data, x="-1:1:3", y="-1:1:3", batch_size=n, progress=False)
        for n in (batch_size, 37)
    )
    np.testing.assert_allclose(one["loss"], other["loss"], rtol=1e-6)
    np.testing.assert_array_equal(one["accuracy"], other["accuracy"])


def test_several_splits_are_evaluated_each_on_its_own(small_net, small_data):
    data = {"test": small_data, "train": small_data.subset("first:10")}
    both = landscape.compute(small_net, data, split=("train", "test"), x="-1:1:3", y=None, progress=False)
    alone = landscape.compute(small_net, data, split="train", x="-1:1:3", y=None, progress=False)
    assert both.splits == ("train", "test")
    np.testing.assert_array_equal(both["train/loss"], alone["train/loss"])
    assert both.centre["test"]["count"] == 37


def test_a_single_example_has_no_standard_error(small_net, small_data):
    surface = landscape.compute(small_net, small_data.subset("first:1"), x="-1:1:3", y=None, progress=False)
    assert np.isfinite(surface["loss"]).all()
    assert np.isnan(surface["loss_stderr"]).all()


values = st.lists(st.integers(-1000, 1000), min_size=2, max_size=8)


@given(first=values, second=values)
def test_sums_merge_exactly(first, second):
    one, two, both = (sums_of(np.array(part) / 8) for part in (first, second, first + second))
    assert one + two == both == two + one
    whole = np.array(first + second) / 8
    assert both.mean("loss") == pytest.approx(whole.mean(), rel=1e-12, abs=1e-12)
    assert both.stderr("loss") == pytest.approx(stderr(whole), rel=1e-9, abs=1e-6)
    assert set(both.values()) == {"loss", "loss_stderr", "loss_rise_stderr", "count"}


def sums_of(array):
    pair = (float(array.sum()), float((array**2).sum()))
    return Sums(len(array), {"loss": pair, "loss_rise": pair})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_sums_do_not_hide_what_is_not_finite(bad):
    sums = sums_of(np.array([1.0, bad, 2.0]))
    assert np.isnan(sums.stderr("loss"))
    np.testing.assert_equal(sums.mean("loss"), bad)


def evaluator_of(net: nn.Module, data: Batches, batch_size: int) -> Evaluator:
    network = Plain(net.eval(), Subspace(ParameterSpace(net), draw(net)))
    return Evaluator(network, make_task({"test": data}, "cross-entropy"), batch_size, Statistics(net))


class Hungry(nn.Module):
    """Runs out of memory above some batch size."""

    def __init__(self, net: nn.Module, most: int, error: Exception) -> None:
        super().__init__()
        self.net, self.most, self.error = net, most, error

    def forward(self, inputs):
        if len(inputs) > self.most:
            raise self.error
        return self.net(inputs)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_the_batch_size_is_halved_until_it_fits(small_net, small_data, error):
    hungry = evaluator_of(Hungry(small_net, 12, error), small_data, 32)
    plain = evaluator_of(Hungry(small_net, 99, error), small_data, 8)
    assert hungry.centre() == plain.centre()
    assert hungry.batch_size == 8
    hungry.network._model.most = 3
    (one,), (other,) = (evaluator((0.5, 0.5)).values()["test/loss"] for evaluator in (hungry, plain))
    assert one == pytest.approx(other, rel=1e-6)
    assert hungry.batch_size == 2


def test_halving_stops_at_two_examples(small_net, small_data):
    hungry = evaluator_of(Hungry(small_net, 2, MemoryError()), small_data.subset("36"), 3)
    hungry.centre()
    assert hungry.batch_size == 2


def test_too_little_memory_for_two_examples(small_net, small_data):
    hungry = evaluator_of(Hungry(small_net, 1, torch.OutOfMemoryError("CUDA out of memory")), small_data, 32)
    with pytest.raises(SurroundingsError, match="out of memory even with two examples at a time: free some") as caught:
        hungry.centre()
    assert caught.value.exit_code == 1


def test_other_errors_of_the_model_are_not_taken_for_lack_of_memory(small_net, small_data):
    broken = evaluator_of(Hungry(small_net, 8, RuntimeError("shapes differ")), small_data, 32)
    with pytest.raises(RuntimeError, match="shapes differ"):
        broken.centre()


class Restless(nn.Module):
    """Draws random numbers, or counts its calls, in eval mode, too."""

    def __init__(self, net: nn.Module, kind: str) -> None:
        super().__init__()
        self.net, self.kind, self.calls = net, kind, 0

    def forward(self, inputs):
        self.calls += 1
        outputs = self.net(inputs)
        return nn.functional.dropout(outputs) if self.kind == "random" else outputs * (1 + 1e-3 * self.calls)


@pytest.mark.parametrize("kind", ["random", "counting"])
def test_nets_that_change_from_call_to_call_are_refused(small_net, small_data, kind):
    message = "the loss of the same example at the same weights differs by .* between two evaluations: the model draws"
    with pytest.raises(LandscapeError, match=message):
        landscape.compute(Restless(small_net, kind), small_data, x="-1:1:3", y=None, progress=False)


@pytest.mark.parametrize(
    ("apart", "relative", "device", "refused"),
    [(0.0, 0.0, "cpu", False), (1e-9, 1e-9, "cpu", True), (1e-7, 9e-7, "cuda", False), (1e-5, 2e-6, "cuda", True)],
)
def test_determinism_is_bitwise_on_a_cpu_alone(apart, relative, device, refused):
    evaluator = SimpleNamespace(probe=lambda: (apart, relative))
    if refused:
        with pytest.raises(LandscapeError, match="make it deterministic"):
            check_determinism(evaluator, torch.device(device))
    else:
        note = check_determinism(evaluator, torch.device(device))
        assert note == ("" if apart == 0 else "the loss at the centre repeats to 9e-07 relative only on this cuda")


def test_nan_losses_repeat_themselves(small_data):
    class Broken(nn.Linear):
        def forward(self, inputs):
            return super().forward(inputs.flatten(1)) * torch.tensor([1.0, float("nan"), float("inf")])

    surface = landscape.compute(Broken(36, 3), small_data, x="-1:1:3", y=None, progress=False)
    assert np.isnan(surface["loss"]).all()
    assert (surface["count"] == 37).all()


def state_of(net: nn.Module):
    """Everything that a run could have left changed, down to the bits."""
    tensors = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    return {
        "bits": {name: (id(tensor), tensor.detach().numpy().tobytes()) for name, tensor in tensors.items()},
        "needs": {name: (p.requires_grad, p.grad) for name, p in net.named_parameters()},
        "modes": {name: (module.training, type(module)) for name, module in net.named_modules()},
        "hooks": {name: (len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in net.named_modules()},
    }


class Failing(Silent):
    """Raises at a point of the run."""

    def __init__(self, error: BaseException | None, after: int) -> None:
        self.error, self.left = error, after

    def advance(self, seconds: float) -> None:
        self.left -= 1
        if self.error is not None and self.left < 0:
            raise self.error


@settings(max_examples=25)
@given(
    name=st.sampled_from(sorted(NETS)),
    error=st.sampled_from([None, RuntimeError("inside"), KeyboardInterrupt()]),
    after=st.integers(0, 5),
)
def test_the_model_is_left_as_it_was_found_on_every_way_out(name, error, after):
    net = build(name)
    net[-1].bias.requires_grad_(False)[:2] = torch.tensor([-0.0, 1e-41])  # a denormal number is flushed meanwhile
    net[-1].eval()
    data = Batches(torch.randn(6, 1, 6, 6), torch.tensor([0, 1, 2] * 2), "set", "", "")
    before, random = state_of(net), torch.get_rng_state()
    with contextlib.suppress(RuntimeError, Interrupted):
        landscape.compute(net, data, x="-1:1:3", y="-1:1:2", progress=Failing(error, after))
    assert state_of(net) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_a_model_that_cannot_take_the_data_is_left_as_it_was_found(small_net):
    before = state_of(small_net)
    with pytest.raises(LandscapeError, match="cannot take the inputs"):
        landscape.compute(small_net, [(torch.zeros(4, 9, 6, 6), torch.zeros(4))], progress=False)
    assert state_of(small_net) == before


NEWER = hasattr(torch.backends.cudnn, "conv")


def arithmetic():
    families = (torch.backends.cuda, torch.backends.cudnn, torch.backends.mkldnn)
    kinds = [(family, kind) for family in families for kind in ("matmul", "conv", "rnn") if hasattr(family, kind)]
    precisions = {kind: getattr(*kind).fp32_precision for kind in kinds if NEWER}
    flushes = (torch.tensor(1e-40) * 1).item() == 0
    return precisions, torch.backends.cudnn.benchmark, flushes, torch.get_num_threads()


@pytest.fixture(params=["nothing", "older", pytest.param("newer", marks=pytest.mark.skipif(not NEWER, reason="old"))])
def switched(request):
    """TF32 allowed by the caller, in one of torch's two ways."""
    before, _, _, _ = arithmetic()
    if request.param == "older":
        torch.set_float32_matmul_precision("high")
    elif request.param == "newer":
        torch.backends.fp32_precision = "tf32"
    yield
    if request.param == "older":
        torch.set_float32_matmul_precision("highest")
    elif request.param == "newer":
        torch.backends.fp32_precision = "none"
    for kind, precision in before.items():
        getattr(*kind).fp32_precision = precision


@pytest.mark.usefixtures("switched")
def test_arithmetic_is_strict_and_then_the_callers_again():
    before = arithmetic()
    with strict_arithmetic(threads=1):
        precisions, *others = arithmetic()
        assert set(precisions.values()) <= {"ieee"}
        assert others == [False, True, 1]
    assert arithmetic() == before
