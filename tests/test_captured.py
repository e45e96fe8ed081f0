"""The recorded pass over the data against the ordinary one; a recording that calls again stands for a CUDA graph."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from networks import network
from test_fused import subspace_of
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import landscape
from landscape.data import Batches
from landscape.data.deferred import Deferred, Resident
from landscape.directions import Gaussian
from landscape.errors import Interrupted
from landscape.evaluation import (
    Captured,
    Evaluator,
    Fused,
    Measurement,
    Plain,
    Repetition,
    Statistics,
    Sums,
    cannot_capture,
    make_task,
    strict_arithmetic,
    working_set,
)
from landscape.evaluation import captured as module
from landscape.evaluation.agreement import differing
from landscape.execution.comparison import probe_points
from landscape.execution.device import batch_size_in_cache
from landscape.parameters import Subspace
from landscape.storage.text import described

CORNER = (-1.0, 1.0)
POINTS = [(0.0, 0.0), (0.3, -0.7), (-1.0, 1.0), (1e-3, 0.0)]


class Recorder(Repetition):
    """Notes what it is asked for, and fails where it is told to.

    Attributes:
        recorded: How many recordings were made.
        outputs: Addresses of what they returned, point after point.
    """

    def __init__(self, fails: BaseException | None = None, until: int = 0) -> None:
        self.recorded, self.asked = 0, 0
        self.outputs: list[int] = []
        self._fails, self._until = fails, until

    def record(self, compute):
        self.asked += 1
        if self._fails is not None and (self.asked <= self._until or not self._until):
            raise self._fails
        again = super().record(compute)
        self.recorded += 1

        def noted() -> Tensor:
            outputs = again()
            self.outputs.append(outputs.data_ptr())
            return outputs

        return noted


def data(number: int, shape: tuple[int, ...], seed: int = 3) -> Batches:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(number, *shape, generator=generator)
    return Batches(inputs, torch.randint(0, 10, (number,), generator=generator), "random", "", "")


def pair(
    spec: str = "resnet(depth=8, width=4)", kind: str = "fused", batch_size: int = 16, recorder: Recorder | None = None
) -> tuple[Captured, Evaluator, nn.Module]:
    """Two evaluators of the same network, on two splits, and the network."""
    net, images = network(spec, torch.float32)
    space, subspace = subspace_of(net)
    batches = {"test": data(37, images.shape[1:]), "train": data(21, images.shape[1:], 4)}
    task = make_task(batches, "cross-entropy", ["top-k-accuracy(k=3)"])

    def moving() -> Fused | Plain:
        return Fused(net, space, subspace, images[:2]) if kind == "fused" else Plain(net, subspace)

    quick = Captured(moving(), task, batch_size, Statistics(net), recorder or Recorder(), CORNER)
    return quick, Evaluator(moving(), task, batch_size, Statistics(net)), net


def assert_same(found: Measurement, expected: Measurement, rtol: float) -> None:
    assert found.drift == expected.drift == {}
    for split, under in expected.sums.items():
        assert found.sums[split].keys() == under.keys()
        for policy, sums in under.items():
            other = found.sums[split][policy]
            assert other.count == sums.count
            assert other.totals.keys() == sums.totals.keys()
            scale = math.sqrt(sums.totals["loss"][1] * sums.count)
            for name, (total, square) in sums.totals.items():
                assert other.totals[name][0] == pytest.approx(total, rel=rtol, abs=rtol * scale)
                assert other.totals[name][1] == pytest.approx(square, rel=10 * rtol, abs=10 * rtol * scale)


@pytest.mark.parametrize("kind", ["fused", "plain"])
@pytest.mark.parametrize(
    "spec", ["resnet(depth=8, width=4)", "mlp(inputs=36, hidden=(16, 12), norm='batch')", "lenet(norm='batch')"]
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_numbers_are_those_of_the_ordinary_evaluator(spec, kind, precision):
    quick, plain, _ = pair(spec, kind)
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.network.precision = precision
            evaluator.centre()
        for point in POINTS:
            # Weights are a + b d with two roundings in place of one: 6e-8 each, and in bf16 a few round the other way.
            assert_same(quick(point), plain(point), 1e-6 if precision == "fp32" else 2e-3)
    assert quick.reason == ""
    assert quick.name == f"{plain.name}, captured"
    assert quick._recorder.recorded == 1


def test_the_trained_weights_give_the_same_bits():
    quick, plain, _ = pair()
    with strict_arithmetic():
        assert quick.centre() == plain.centre()
        assert quick((0.0, 0.0)) == plain((0.0, 0.0))
    assert quick((0.0, 0.0)).sums["test"]["frozen"].totals["loss_rise"] == (0.0, 0.0)


@pytest.mark.parametrize("most", [0, 600, 1 << 26])
def test_losses_of_several_batches_are_computed_in_one_go(monkeypatch, most):
    monkeypatch.setattr(module, "MOST_OUTPUTS", most)
    seen = []
    quick, plain, _ = pair()
    original = quick._task.per_example
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.centre()
        expected = plain(POINTS[1])
        monkeypatch.setattr(
            type(quick._task), "per_example", lambda self, *rest: seen.append(len(rest[1])) or original(*rest)
        )
        with torch.inference_mode():
            quick._pass("sums")
        sizes = {0: [13, 12, 12, 11, 10], 600: [25, 12, 21], 1 << 26: [37, 21]}
        assert seen == sizes[most]
        assert_same(quick(POINTS[1]), expected, 1e-6)


def test_the_weights_are_put_back_bit_for_bit():
    quick, _, net = pair(kind="plain")
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    quick.centre()
    for point in POINTS:
        quick(point)
        assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_points_share_one_recording_and_its_memory():
    quick, _, _ = pair()
    quick.centre()
    place = quick._coordinates.data_ptr()
    for point in POINTS:
        quick(point)
    recorder = quick._recorder
    assert (recorder.asked, recorder.recorded) == (1, 1)
    assert len(recorder.outputs) == 3 + len(POINTS)  # three points are tried when it is made
    assert len(set(recorder.outputs)) == 1
    assert quick._coordinates.data_ptr() == place
    assert quick._coordinates.tolist() == list(POINTS[-1])


ASKING = {"aten._local_scalar_dense.default", "aten.item.default", "aten.is_nonzero.default", "aten.equal.default"}


class Transfers(TorchDispatchMode):
    """Counts the times that a number of a tensor is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.scalars = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.scalars += str(func) in ASKING
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("corrects", [False, True])
def test_a_point_costs_one_transfer_to_the_host(monkeypatch, corrects):
    quick, plain, _ = pair()
    for evaluator in (quick, plain):
        evaluator.network.precision, evaluator.corrects = "bf16", corrects
        evaluator.centre()
    expected = plain((0.5, 0.5))
    quick((0.5, -0.5))
    lists = []
    original = Tensor.tolist
    monkeypatch.setattr(Tensor, "tolist", lambda self: lists.append(self.shape) or original(self))
    with Transfers() as seen:
        found = quick((0.5, 0.5))
    assert (len(lists), seen.scalars) == (1, 0)
    assert_same(found, expected, 2e-3)
    differences = [one.sums["test"]["frozen"].differences for one in (found, expected)]
    assert [len(one) for one in differences] == [3 * corrects] * 2
    assert [one[:1] for one in differences] == [(4,) if corrects else ()] * 2


def test_another_subspace_precision_batch_size_or_centre_makes_another_recording():
    quick, plain, net = pair("mlp(inputs=36, hidden=(16, 12), norm='batch')")
    recorder, space = quick._recorder, subspace_of(net)[0]
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.centre()
        quick(POINTS[1])
        assert recorder.recorded == 1
        other = [Gaussian(9, axis)(space) for axis in range(2)]
        for evaluator in (quick, plain):
            evaluator.follow(Subspace(space, other))
        assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
        assert recorder.recorded == 2
        quick.batch_size = 10
        assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
        assert recorder.recorded == 3
        quick.network.precision = plain.network.precision = "bf16"
        assert_same(quick(POINTS[1]), plain(POINTS[1]), 2e-3)
        assert recorder.recorded == 4
        quick.corrects = True
        assert quick(POINTS[1]).sums["test"]["frozen"].differences[0] == 4
        assert recorder.recorded == 5
        quick.centre()
        quick(POINTS[1])
        assert recorder.recorded == 6
    assert quick.reason == ""


def test_losses_of_the_examples_are_those_of_the_ordinary_evaluator():
    quick, plain, _ = pair()
    with strict_arithmetic():
        for precision, rtol in (("fp32", 1e-6), ("bf16", 2e-2)):
            found = [quick.losses(point, precision) for point in POINTS]
            for point, losses in zip(POINTS, found, strict=True):
                for split, expected in plain.losses(point, precision).items():
                    torch.testing.assert_close(losses[split], expected, rtol=rtol, atol=rtol)
    assert quick._recorder.recorded == 2
    assert quick.network.precision == "fp32"
    assert quick.reason == ""


@pytest.mark.parametrize("kind", ["fused", "plain"])
def test_what_cannot_be_recorded_is_evaluated_as_usual_and_says_why(kind):
    recorder = Recorder(RuntimeError("called a synchronizing CUDA operation\nmore"))
    quick, plain, _ = pair(kind=kind, recorder=recorder)
    quick._otherwise = 30
    assert quick.name == f"{plain.name}, captured"
    for evaluator in (quick, plain):
        evaluator.centre()
    found = [quick(point) for point in POINTS]
    for one, point in zip(found, POINTS, strict=True):
        assert_same(one, plain(point), 1e-6)
    assert quick.reason == "recording the pass fails: called a synchronizing CUDA operation"
    assert quick.name == plain.name
    assert (recorder.asked, quick.batch_size) == (1, 30)
    losses = [evaluator.losses(POINTS[1], "fp32")["test"] for evaluator in (quick, plain)]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=1e-5)


class Refusing(Recorder):
    """Refuses what asks for a number of a tensor, as CUDA does."""

    def record(self, compute):
        with Transfers() as seen:
            compute()
        if seen.scalars:
            raise RuntimeError("operation not permitted when stream is capturing")
        return super().record(compute)


def looks(output: Tensor, target: Tensor) -> Tensor:
    """A metric that branches on a value."""
    return (output.argmax(1) == target).float() * (2.0 if output.sum().item() > 0 else 1.0)


def test_a_metric_that_looks_at_values_is_evaluated_as_usual():
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    task = make_task({"test": data(20, images.shape[1:])}, "cross-entropy", [looks])
    _, subspace = subspace_of(net)
    quick = Captured(Plain(net, subspace), task, 16, Statistics(net), Refusing(), CORNER)
    plain = Evaluator(Plain(net, subspace), task, 16, Statistics(net))
    for evaluator in (quick, plain):
        evaluator.centre()
    assert quick(POINTS[1]) == plain(POINTS[1])
    assert quick.reason == "recording the pass fails: operation not permitted when stream is capturing"


class Stale(Recorder):
    """Returns what it returned first."""

    def record(self, compute):
        outputs = compute().clone()
        return lambda: outputs


class Moving(Recorder):
    """Leaves other weights behind."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self._net = net

    def record(self, compute):
        again = super().record(compute)

        def moved() -> Tensor:
            outputs = again()
            next(self._net.parameters()).mul_(1.5)
            return outputs

        return moved


def test_a_recording_that_gives_something_else_is_not_used():
    quick, plain, net = pair(kind="plain", recorder=Stale())
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for evaluator in (quick, plain):
        evaluator.centre()
    assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
    assert quick.reason == "the recorded pass gives another test loss at (-1.0, 1.0)"
    quick, plain, net = pair(kind="plain")
    quick._recorder = Moving(net)
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.centre()
        assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
    assert "recorded pass" in quick.reason
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def lack_of_memory(hidden: bool) -> BaseException:
    """As it is raised, or as the end of a recording by force hides it."""
    lack = torch.OutOfMemoryError("CUDA out of memory")
    if not hidden:
        return lack
    error = RuntimeError("operation failed due to a previous error during capture")
    error.__context__ = lack
    return error


@pytest.mark.parametrize("hidden", [False, True])
def test_batches_are_halved_where_memory_runs_out(hidden):
    quick, plain, _ = pair(recorder=Recorder(lack_of_memory(hidden), until=2))
    for evaluator in (quick, plain):
        evaluator.centre()
    assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
    assert (quick.batch_size, quick.reason) == (4, "")
    assert (quick._recorder.asked, quick._recorder.recorded) == (3, 1)


def test_without_any_memory_batches_are_what_they_were():
    quick, plain, _ = pair(recorder=Recorder(lack_of_memory(hidden=True)))
    for evaluator in (quick, plain):
        evaluator.centre()
    assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
    assert quick.batch_size == 16
    assert quick.reason == "recording the pass fails: operation failed due to a previous error during capture"
    assert quick._recorder.asked == 4  # 16, 8, 4, 2


def test_too_many_batches_are_not_recorded(monkeypatch):
    monkeypatch.setattr(module, "MOST_BATCHES", 4)
    quick, plain, _ = pair()  # 3 and 2 batches
    for evaluator in (quick, plain):
        evaluator.centre()
    assert quick(POINTS[1]) == plain(POINTS[1])
    assert quick.reason == "5 batches are too many for one recording"


def test_points_out_of_range_are_left_to_the_ordinary_evaluator():
    quick, plain, _ = pair("resnet(depth=8, width=4, norm='none')")
    for evaluator in (quick, plain):
        evaluator.centre()
    for far, finite in (((0.5, 0.5), True), ((1e12, -1e12), False)):
        found, expected = (one(far).sums["test"]["frozen"].mean("loss") for one in (quick, plain))
        assert math.isfinite(found) is math.isfinite(expected) is finite
    assert quick.reason == ""
    assert quick.losses((1e12, -1e12), "fp32")["test"].isnan().all()


def test_where_the_corner_is_out_of_range_so_is_the_recording_made():
    quick, plain, _ = pair("resnet(depth=8, width=4, norm='none')")
    quick._corner = (1e12, -1e12)
    with strict_arithmetic():
        for evaluator in (quick, plain):
            evaluator.centre()
        assert quick._recorder.recorded == 0
        for far, finite in (((0.5, 0.5), True), ((1e12, -1e12), False)):
            before = len(quick._recorder.outputs)
            found, expected = (one(far).sums["test"]["frozen"].mean("loss") for one in (quick, plain))
            assert math.isfinite(found) is math.isfinite(expected) is finite
            assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)
            assert len(quick._recorder.outputs) > before
    assert (quick._keeps_nan, quick.reason) == (True, "")
    assert quick._recorder.recorded == 1


def test_several_policies_of_a_network_without_statistics_are_one():
    net, images = network("resnet(depth=8, width=4, norm='none')", torch.float32)
    task = make_task({"test": data(20, images.shape[1:])}, "cross-entropy")
    statistics = Statistics(net, ("frozen", "batch"))
    assert cannot_capture(net, statistics, task) == ""
    _, subspace = subspace_of(net)
    quick = Captured(Plain(net, subspace), task, 16, statistics, Recorder(), CORNER)
    plain = Evaluator(Plain(net, subspace), task, 16, statistics)
    for evaluator in (quick, plain):
        evaluator.centre()
    assert_same(quick(POINTS[1]), plain(POINTS[1]), 1e-6)
    assert list(quick(POINTS[1]).sums["test"]) == ["frozen", "batch"]


def test_what_stands_against_a_recording_is_known_before():
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    batches = data(20, images.shape[1:])
    task = make_task({"test": batches}, "cross-entropy")
    assert cannot_capture(net, Statistics(net), task) == ""
    assert cannot_capture(net.double(), Statistics(net), task) == ""
    assert "other statistics" in cannot_capture(net, Statistics(net, ("frozen", "batch")), task)
    assert cannot_capture(net.half(), Statistics(net), task) == "its parameters are float16"
    there = Deferred(Resident(batches.inputs), torch.float32)
    elsewhere = dataclasses.replace(there, device=torch.device("meta"))
    for inputs, reason in ((there, ""), (elsewhere, "the data are not in the memory of the GPU")):
        deferred = make_task({"test": dataclasses.replace(batches, inputs=inputs)}, "cross-entropy")
        assert cannot_capture(net.float(), Statistics(net), deferred) == reason


def test_data_that_are_prepared_at_every_point_are_recorded_too():
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    batches = data(37, images.shape[1:])
    deferred = dataclasses.replace(batches, inputs=Deferred(Resident(batches.inputs), torch.float32))
    space, subspace = subspace_of(net)
    found = []
    for one in (batches, deferred):
        moving = Fused(net, space, subspace, images[:2])
        task = make_task({"test": one}, "cross-entropy")
        evaluator = Captured(moving, task, 16, Statistics(net), Recorder(), CORNER)
        evaluator.network.precision, evaluator.corrects = "bf16", True
        evaluator.centre()
        found.append(evaluator(POINTS[1]))
        assert evaluator.reason == ""
    assert found[0] == found[1]


def sums(loss: float, spread: float = 0.1, rise: float = 0.0, accuracy: float = 0.9, count: int = 1000) -> Sums:
    """Sums of a thousand examples with these means."""
    square = count * (loss**2 + spread**2)
    pairs = {"loss": (count * loss, square), "accuracy": (count * accuracy, count * accuracy)}
    rise = rise if math.isfinite(loss) else loss
    return Sums(count, {**pairs, "loss_rise": (count * rise, count * rise**2)})


@pytest.mark.parametrize(
    ("found", "expected", "precision", "what"),
    [
        (sums(1.0), sums(1.0), "fp32", ""),
        (sums(1.0 + 5e-6), sums(1.0), "fp32", ""),
        (sums(1.0 + 5e-5), sums(1.0), "fp32", "test loss"),
        (sums(1.0 + 5e-5), sums(1.0), "bf16", ""),
        (sums(1.0, rise=5e-5), sums(1.0), "fp32", "test loss rise"),
        (sums(5.0 + 5e-3, rise=4.0), sums(5.0, rise=4.0), "fp32", ""),
        (sums(1.0, rise=0.0), sums(1.0, rise=1e-3), "fp32", "test loss rise"),
        (sums(1.0, accuracy=0.901), sums(1.0), "fp32", ""),
        (sums(1.0, accuracy=0.95), sums(1.0), "fp32", "test accuracy"),
        (sums(math.nan), sums(math.nan), "fp32", ""),
        (sums(math.nan), sums(1.0), "fp32", "test loss"),
        (sums(1.0), sums(math.nan), "fp32", "test loss"),
        (sums(math.inf), sums(math.inf), "fp32", ""),
        (sums(math.inf), sums(-math.inf), "fp32", "test loss"),
    ],
)
def test_evaluations_agree_up_to_rounding(found, expected, precision, what):
    assert differing({"test": found}, {"test": expected}, precision) == what


@pytest.mark.parametrize(
    ("example", "cache", "size"),
    [
        (192 << 10, 50 << 20, 133),  # the first stage of a ResNet-20 in float32, an H200
        (96 << 10, 50 << 20, 266),
        (1 << 20, 6 << 20, 64),
        (4, 50 << 20, 4096),
        (0, 50 << 20, 4096),
    ],
)
def test_activations_fit_into_half_of_the_cache(example, cache, size):
    assert batch_size_in_cache(example, cache) == size


def test_the_largest_working_set_is_found():
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 10))
    inputs = torch.randn(2, 3, 32, 32)
    assert working_set(net, lambda: net(inputs)) == 2 * 4 * (2 * 16 * 32 * 32)
    assert not any(one._forward_hooks for one in net.modules())
    fused, _, _ = pair()
    examples = fused._batches["test"].inputs[:2]
    with torch.inference_mode():
        # relu(conv(x) + other) at 4 channels of 8 x 8: it reads two of them and writes one
        assert working_set(fused.network.module, lambda: fused.network(examples)) == 2 * 4 * 3 * (4 * 8 * 8)


def surface(net: nn.Module, shape: tuple[int, ...], number: int = 40, **options: object) -> landscape.Surface:
    batches = data(number, shape)
    options = {"x": (-1, 1, 3), "y": (-1, 1, 3), "progress": False, **options}
    return landscape.compute(net, [(batches.inputs, batches.targets)], **options)


@pytest.fixture
def recorder(monkeypatch) -> Recorder:
    """What records on this CPU as if it were a GPU with a small cache."""
    recorder = Recorder()
    monkeypatch.setattr("landscape.execution.evaluators.recorder_for", lambda device: recorder)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(L2_cache_size=1 << 16))
    return recorder


def test_a_surface_is_the_same_with_recordings_and_says_so(recorder):
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    shape = tuple(images.shape[1:])
    quick = surface(net, shape, repeats=2)
    assert quick.provenance["evaluator"] == "fused, captured"
    assert "capture_reason" not in quick.provenance
    assert quick.provenance["batch_size"] == 64
    assert recorder.recorded == 2  # one for each draw of the directions
    with pytest.MonkeyPatch.context() as told:
        told.setattr("landscape.execution.evaluators.recorder_for", lambda device: None)
        plain = surface(net, shape, repeats=2, batch_size=64)
    assert plain.provenance["evaluator"] == "fused"
    for name in plain:
        np.testing.assert_allclose(quick[name], plain[name], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(quick["test/loss"], plain["test/loss"], rtol=1e-6)


@contextlib.contextmanager
def interrupted(monkeypatch):
    """Interrupt what runs in the block at its fifth point."""
    original, calls = Captured.__call__, itertools.count()

    def stopping(self, point):
        if next(calls) == 4:
            raise KeyboardInterrupt
        return original(self, point)

    with monkeypatch.context() as told:
        told.setattr(Captured, "__call__", stopping)
        with pytest.raises(Interrupted):
            yield


def test_a_run_goes_on_as_it_began(recorder, tmp_path, monkeypatch):
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    shape = tuple(images.shape[1:])
    whole = surface(net, shape)
    path = tmp_path / "net.h5"

    with interrupted(monkeypatch):
        surface(net, shape, out=path)
    assert landscape.load(path).provenance["evaluator"] == "fused, captured"
    found = surface(net, shape, out=path)
    assert found.provenance["evaluator"] == "fused, captured"
    assert found.complete
    np.testing.assert_array_equal(found["test/loss"], whole["test/loss"])


def test_a_run_that_began_without_recordings_goes_on_so(recorder, tmp_path, monkeypatch):
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    shape, path = tuple(images.shape[1:]), tmp_path / "net.h5"
    with monkeypatch.context() as told:
        told.setattr(recorder, "record", Recorder(RuntimeError("a driver of old")).record)
        first = surface(net, shape, out=path)
    assert first.provenance["evaluator"] == "fused"
    assert first.provenance["capture_reason"] == "recording the pass fails: a driver of old"
    again = surface(net, shape, out=path)
    assert again.provenance["evaluator"] == "fused"
    assert recorder.asked == 0
    assert "not captured, because recording the pass fails: a driver of old" in described(again)


def test_the_precision_is_chosen_among_recordings(recorder):
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    found = surface(net, tuple(images.shape[1:]), 300, x=(-1, 1, 9), y=(-1, 1, 7), precision="bf16", correct=True)
    assert found.provenance["evaluator"] == "fused, captured"
    assert 0.0 < found.provenance["precision"]["error"] < 0.1
    assert found.provenance["precision"]["points"] == len(probe_points(found.grid)) + 1
    assert recorder.recorded == 3  # losses in float32 and in bf16, sums in bf16; the point compared later needs none
