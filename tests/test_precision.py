"""Lower precisions: their measured error, the choice of one, and the correction by a part of the examples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import network
from test_fused import subspace_of
from torch import nn

import landscape
from landscape.data import Batches
from landscape.data.deferred import Deferred, Resident
from landscape.data.samples import thinned
from landscape.errors import LandscapeError
from landscape.evaluation import Evaluator, Fused, Plain, Statistics, Sums, make_task, strict_arithmetic
from landscape.evaluation.sums import EVERY
from landscape.execution import precision
from landscape.execution.comparison import Comparison, Error, Watch, probe_points
from landscape.execution.precision import settle
from landscape.execution.preparation import Settings
from landscape.models import build_model
from landscape.parameters import ParameterSpace, Subspace
from landscape.types import Axis, Grid, Job

GRID = Grid((Axis.parse("-1:1:5"), Axis.parse("-0.5:1:4")))
FINE = Grid((Axis.parse("-1:1:21"), Axis.parse("-1:1:21")))
JOB = Job("net.pt", "0", "net", "data", {"test": "0"}, "cross-entropy", "-1:1:5", "-0.5:1:4")


def evaluator_of(number: int = 200, fuse: bool = True) -> Evaluator:
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    torch.manual_seed(2)
    inputs = images.repeat(-(-number // len(images)), 1, 1, 1)[:number] + 0.1 * torch.randn(number, *images.shape[1:])
    batches = Batches(inputs, torch.randint(0, 10, (number,)), "random", "", "")
    space, subspace = subspace_of(net)
    moving = Fused(net, space, subspace, inputs[:2]) if fuse else Plain(net, subspace)
    return Evaluator(moving, make_task({"test": batches}, "cross-entropy"), 50, Statistics(net))


@given(number=st.integers(1, 3000), step=st.integers(1, 20))
def test_a_part_of_the_examples_is_fixed_ascending_and_follows_no_period(number, step):
    found = thinned(number, step)
    assert np.array_equal(found, thinned(number, step))
    assert len(found) == -(-number // step)
    assert (np.diff(found) > 0).all()
    assert 0 <= found[0] <= found[-1] < number
    if number >= 1000 and step > 1:
        # A residue modulo any period has its share, with the standard deviation of drawing without replacement.
        shares = np.bincount(found % 10, minlength=10) / len(found)
        assert np.abs(shares - 0.1).max() < 6 * math.sqrt(0.09 / len(found) * (1 - len(found) / number)) + 10 / number


@pytest.mark.parametrize("deferred", [False, True])
def test_the_part_is_the_same_of_inputs_in_memory_and_elsewhere(deferred):
    inputs = torch.arange(4000.0).reshape(50, 5, 4, 4).contiguous(memory_format=torch.channels_last)
    source = Deferred(Resident(inputs), inputs.dtype) if deferred else inputs
    part = Batches(source, torch.arange(50), "random", "", "").every(EVERY)
    index = torch.from_numpy(thinned(50, EVERY))
    assert torch.equal(part.inputs[:], inputs[index])
    assert torch.equal(part.targets, index)
    assert deferred or part.inputs.is_contiguous(memory_format=torch.channels_last)


class Biased(nn.Module):
    """A network whose error in bfloat16 belongs to one class in ten, in the order of the examples."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.layer.weight, 1.0)

    def forward(self, inputs):
        return self.layer(inputs)


def test_the_correction_of_periodic_examples_is_within_its_standard_error():
    number = 2000
    inputs = torch.ones(number, 1)
    inputs[::10] = 1 + 2**-9  # bfloat16 rounds it to 1; the others are exact
    net = Biased()
    batches = Batches(inputs, torch.zeros(number, 1), "cyclic", "", "")
    subspace = subspace_of(net)[1]
    evaluator = Evaluator(Plain(net, subspace), make_task({"test": batches}, "mse"), 500, Statistics(net))
    with strict_arithmetic():
        evaluator.centre()
        exact = evaluator((0.0, 0.0)).sums["test"]["frozen"].mean("loss")
        evaluator.network.precision, evaluator.corrects = "bf16", True
        evaluator.centre()
        sums = evaluator((0.0, 0.0)).sums["test"]["frozen"]
    residual = sums.mean("loss") - exact
    assert abs(residual) < 4 * sums.correction()[1]


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_lower_precision_is_lower_and_near(fuse, name):
    evaluator = evaluator_of(fuse=fuse)
    with strict_arithmetic():
        exact, low = (evaluator.losses((0.5, -0.5), one)["test"] for one in ("fp32", name))
    apart = float((low - exact).abs().max())
    # 8 or 11 bits of mantissa in a dozen layers: well above the rounding of float32, well below the loss itself.
    assert 1e-5 < apart < (0.3 if name == "bf16" else 0.05)
    assert evaluator.network.precision == "fp32"


def test_probes_are_points_of_the_grid_close_to_the_trained_weights_and_out_to_the_ends():
    points = probe_points(FINE)
    assert points[0] == (0.0, 0.0)
    assert 15 <= len(points) == len(set(points)) <= 25
    assert all(value in axis.values for point in points for axis, value in zip(FINE.axes, point, strict=True))
    assert set(points[1:5]) == {(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)}
    nearest = (-0.1, 0.0, 0.1)
    assert {(x, y) for x in nearest for y in nearest} <= {(round(x, 9), round(y, 9)) for x, y in points}
    assert probe_points(Grid((Axis.parse("-1:1:5"),))) == [(0.0,), (-1.0,), (1.0,), (-0.5,), (0.5,)]
    assert probe_points(Grid((Axis.parse("0.5:2:4"),))) == [(0.0,), (0.5,), (2.0,), (1.0,)]


AXES = st.lists(st.floats(-3, 3), min_size=1, max_size=30, unique=True).map(lambda one: Axis(tuple(sorted(one))))


@given(grid=st.lists(AXES, min_size=1, max_size=2).map(lambda axes: Grid(tuple(axes))))
def test_probes_of_any_grid_are_few_points_of_it(grid):
    origin, *others = points = probe_points(grid)
    assert not any(origin)
    assert len(set(points)) == len(points) <= max(5, grid.size / 3)
    assert all(value in axis.values for point in others for axis, value in zip(grid.axes, point, strict=True))


@pytest.mark.parametrize("corrects", [False, True])
def test_the_error_is_that_of_the_surface(corrects):
    evaluator = evaluator_of()
    with strict_arithmetic():
        comparison = Comparison(evaluator, GRID)
        (error,) = comparison.error("bf16", [corrects])
        evaluator.centre()
        exact = [evaluator(point).sums["test"]["frozen"].mean("loss") for point in probe_points(GRID)]
        evaluator.network.precision, evaluator.corrects = "bf16", corrects
        evaluator.centre()
        found = [evaluator(point).sums["test"]["frozen"].mean("loss") for point in probe_points(GRID)]
    relative = np.abs(np.array(found) / np.array(exact) - 1)
    assert error.error == pytest.approx(relative.max(), rel=1e-6)
    assert error.centre == pytest.approx(relative[0], rel=1e-6)
    assert error.points == len(probe_points(GRID)) == 6
    assert 1e-6 < error.error < 0.1


class Slow:
    """A comparison whose measurements are given."""

    seconds = 1.0

    def __init__(self, found: dict[str, list[Error]]) -> None:
        self._found = found

    def error(self, name, corrects, tolerance):
        assert 0 < tolerance < 1
        return [one for one in self._found[name] if one.corrects in corrects]


def measured(name: str, plain: float, corrected: float, seconds: float) -> list[Error]:
    return [
        Error(name, False, plain, plain, seconds, 9, 1.0),
        Error(name, True, corrected, corrected, seconds + 0.1, 9, 1.0),
    ]


@pytest.mark.parametrize(
    ("found", "tolerance", "expected"),
    [
        ({"bf16": measured("bf16", 0.005, 0.001, 0.2)}, 0.01, ("bf16", 0.0)),
        ({"bf16": measured("bf16", 0.02, 0.005, 0.2)}, 0.01, ("bf16", 0.1)),
        ({"bf16": measured("bf16", 0.02, 0.015, 0.2)}, 0.01, ("fp32", 0.0)),
        ({"bf16": measured("bf16", 0.005, 0.001, 1.2)}, 0.01, ("fp32", 0.0)),
        ({"bf16": measured("bf16", math.inf, math.inf, 0.2)}, 0.01, ("fp32", 0.0)),
        ({"bf16": measured("bf16", 5e-3, 1e-3, 0.2), "fp16": measured("fp16", 1e-3, 1e-4, 0.1)}, 0.01, ("fp16", 0.0)),
    ],
)
def test_auto_takes_the_quickest_that_is_exact_enough(monkeypatch, found, tolerance, expected):
    monkeypatch.setattr(precision, "Comparison", lambda *_: Slow(found))
    monkeypatch.setattr(precision, "candidates_on", lambda _: tuple(found))
    evaluator = evaluator_of(300)
    settled = settle(
        evaluator, GRID, JOB, Settings(precision="auto", tolerance=tolerance), torch.device("cpu"), before={}
    )
    assert (settled.job.precision, settled.job.correction) == expected
    assert (evaluator.network.precision, evaluator.corrects) == (expected[0], expected[1] > 0)
    assert settled.record["tolerance"] == tolerance
    assert ("error" in settled.record) == (expected[0] != "fp32")
    assert expected[0] in settled.note


def sums_of(losses: np.ndarray, apart: np.ndarray) -> Sums:
    return Sums(len(losses), {"loss": (losses.sum(), (losses**2).sum())}, (len(apart), apart.sum(), (apart**2).sum()))


@settings(max_examples=200)
@given(
    low=st.lists(st.floats(0, 10), min_size=20, max_size=60),
    bias=st.floats(-1, 1),
    seed=st.integers(0, 100),
)
def test_the_correction_is_the_mean_difference_shrunken_by_its_noise(low, bias, seed):
    losses = np.array(low)
    exact = losses + bias + 0.1 * np.random.default_rng(seed).standard_normal(len(losses))
    apart = (exact - losses)[thinned(len(losses), EVERY)]
    sums = sums_of(losses, apart)
    mean, error = apart.mean(), apart.std(ddof=1) / np.sqrt(len(apart)) * np.sqrt(1 - len(apart) / len(losses))
    weight = max(0.0, mean**2 - error**2) / mean**2
    found, stderr = sums.correction()
    assert stderr == pytest.approx(error, rel=1e-5, abs=1e-7)
    assert found == pytest.approx(weight * mean, rel=1e-5, abs=1e-6)
    assert sums.mean("loss") == pytest.approx(losses.mean() + found)
    assert sums.values()["loss_correction"] == found
    variance = losses.var(ddof=1) / len(losses) + weight * error**2
    assert sums.stderr("loss") == pytest.approx(np.sqrt(variance), rel=1e-4, abs=1e-6)


def test_the_correction_is_continuous():
    losses, noise = np.ones(300), np.random.default_rng(0).standard_normal(30)
    noise -= noise.mean()
    found = [sums_of(losses, noise + bias).correction()[0] for bias in np.linspace(0, 2, 2001)]
    assert found[0] == 0.0
    assert found[-1] == pytest.approx(2.0, rel=0.02)
    assert 0 <= np.diff(found).min() <= np.diff(found).max() < 0.0025  # the slope is at most 2


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("bias", [0.0, 0.5, 1.0, 2.0, 4.0, 20.0])
def test_the_correction_harms_little_and_helps_much(kind, bias):
    """In standard errors of the mean difference: whatever the bias, with the fewest examples that are accepted."""
    number, trials, random = 300, 4000, np.random.default_rng(1)
    apart = random.standard_normal((trials, number)) if kind == "normal" else random.gamma(0.25, 2.0, (trials, number))
    scale = apart[:, :30].std() / np.sqrt(30) * np.sqrt(1 - 0.1)
    truth = bias * scale
    apart += truth - apart.mean(axis=1, keepdims=True)  # the mean over all examples is the bias to the bit
    found = np.array([sums_of(np.ones(number), one[:30]).correction()[0] for one in apart])
    risk = np.mean((found - truth) ** 2) / scale**2
    # Between nothing and m, what is added is never further off than the worse of the two: at most 1 more than bias^2.
    assert risk < bias**2 + 1
    if kind == "normal":
        assert risk < min(bias**2 + 0.45, 1.6)
    if bias >= 4:
        assert risk < 0.15 * bias**2


def test_parts_of_the_examples_merge_with_their_corrections():
    one = Sums(20, {"loss": (1.0, 2.0)}, (2, 0.5, 0.25))
    other = Sums(30, {"loss": (3.0, 4.0)}, (3, 0.25, 0.5))
    assert one + other == Sums(50, {"loss": (4.0, 6.0)}, (5, 0.75, 0.75))
    assert Sums(20, {"loss": (1.0, 2.0)}).values().keys() == {"loss", "loss_stderr", "count"}


def surface(tmp_path=None, number=300, **options):
    net, images = network("resnet(depth=8, width=4)", torch.float32)
    images = images.repeat(-(-number // len(images)), 1, 1, 1)[:number]
    data = [(images, torch.arange(len(images)) % 10)]
    out = tmp_path and tmp_path / "net.h5"
    return landscape.compute(net, data, x=(-1, 1, 5), y=None, out=out, progress=False, **options)


def test_the_file_keeps_the_error_and_the_correction(tmp_path):
    exact, low = surface(), surface(tmp_path, precision="bf16", correct=True)
    assert (low.job.precision, low.job.correction) == ("bf16", 0.1)
    record = landscape.load(tmp_path / "net.h5").provenance["precision"]
    relative = np.abs(low["test/loss"] / exact["test/loss"] - 1)
    assert record["error"] == pytest.approx(relative.max(), rel=1e-6)  # the probes are the five points
    assert record["points"] == 5
    assert low["test/loss_correction"].shape == low["test/loss_correction_stderr"].shape == (5,)
    again = surface(tmp_path, precision="bf16", correct=True)
    assert again.provenance["precision"] == record
    assert "precision" not in exact.provenance


def test_auto_is_settled_once_and_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "Comparison", lambda *_: Slow({"bf16": measured("bf16", 0.005, 0.001, 0.2)}))
    first = surface(tmp_path, precision="auto", tolerance=0.02)
    assert first.job.precision == "bf16"
    monkeypatch.setattr(precision, "Comparison", None)
    assert surface(tmp_path, precision="auto", tolerance=0.02).job == first.job
    told = r"differs in --precision auto with tolerance 0.01 here, settled as bf16 with tolerance 0.02 there: give"
    with pytest.raises(LandscapeError, match=told):
        surface(tmp_path, precision="auto", tolerance=0.01)
    told = r"differs in --precision auto with tolerance 0.01 here, settled as bf16 with tolerance 0.02 there; seed \("
    with pytest.raises(LandscapeError, match=told):
        surface(tmp_path, precision="auto", tolerance=0.01, seed=1)


def test_what_was_left_open_is_kept_when_the_run_goes_on_without(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "Comparison", lambda *_: Slow({"bf16": measured("bf16", 0.02, 0.001, 0.2)}))
    first = surface(tmp_path, precision="auto")
    assert (first.job.precision, first.job.correction) == ("bf16", 0.1)
    with pytest.raises(LandscapeError, match=r"settled as bf16, corrected, with tolerance 0.01 there: give"):
        surface(tmp_path, precision="auto", tolerance=0.03)
    again = surface(tmp_path, precision="bf16", correct=True)
    assert again.provenance["asked"] == first.provenance["asked"] == {"precision": "auto, tolerance 0.01"}
    assert surface(tmp_path, precision="auto").job == first.job


def test_of_a_precision_that_was_given_auto_is_another(tmp_path):
    surface(tmp_path, precision="bf16")
    with pytest.raises(LandscapeError, match=r"precision \(auto here, bf16 there\)"):
        surface(tmp_path, precision="auto")


@pytest.mark.parametrize("number", [299, 300])
def test_auto_considers_the_correction_where_there_are_enough_examples(monkeypatch, number):
    monkeypatch.setattr(precision, "Comparison", lambda *_: Slow({"bf16": measured("bf16", 0.02, 0.005, 0.2)}))
    found = surface(number=number, precision="auto")
    assert (found.job.precision, found.job.correction) == (("bf16", 0.1) if number == 300 else ("fp32", 0.0))


def test_a_precision_that_is_not_exact_enough_is_not_compared_any_further():
    with strict_arithmetic():
        comparison = Comparison(evaluator_of(), GRID)
        (all_of_them,) = comparison.error("bf16", [False])
        (first,) = comparison.error("bf16", [False], all_of_them.centre)
    assert (first.points, first.error) == (1, all_of_them.centre)
    assert all_of_them.points == 6


def far(relative: float) -> dict[str, list[float]]:
    return {"test/loss": [1.0 + relative]}


def test_the_run_goes_on_comparing():
    class Exact:
        def exact(self, point):
            return {"test": 1.0}

    record = {"error": 0.001, "points": 9, "tolerance": 0.01, "seconds_per_point": 1.0, "seconds_per_point_fp32": 2.0}
    watch = Watch(Exact(), "bf16", record)
    said = [watch((0.5, -0.25), far(relative)) for relative in [0.5] * 49 + [0.002] + [0.5] * 49 + [0.03] + [0.04] * 50]
    assert [place for place, text in enumerate(said) if text] == [99]
    assert "bf16 errs by 3.0e-02 of the loss at (0.5, -0.25), which is more than the tolerance of 0.01" in said[99]
    assert (watch.record["error"], watch.record["points"]) == (pytest.approx(0.04), 12)
    slower = Watch(Exact(), "bf16", {**record, "seconds_per_point_fp32": 10.0})
    for _ in range(200):
        slower((0.0, 0.0), far(0.0))
    assert slower.record["points"] == 10  # a check costs 10 points, so that one in 200 takes a twentieth
    assert Watch(Exact(), "fp32", {"tolerance": 0.01})((0.0,), far(1.0)) == ""


@pytest.fixture
def trained() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A network with a tiny loss on examples that it was trained on."""
    torch.manual_seed(0)
    net = build_model("mlp(inputs=36, hidden=(16, 12, 8))")
    targets = torch.arange(300) % 10
    images = torch.randn(10, 1, 6, 6)[targets] + 0.5 * torch.randn(300, 1, 6, 6)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(300):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), targets).backward()
        optimizer.step()
    return net.eval(), images, targets


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_stored_error_is_near_the_largest_one_where_the_loss_is_tiny(trained, seed):
    net, images, targets = trained
    data, plane = [(images, targets)], {"x": (-1, 1, 21), "y": (-1, 1, 21), "seed": seed, "progress": False}
    exact, low = (landscape.compute(net, data, precision=one, **plane) for one in ("fp32", "bf16"))
    assert exact["test/loss"][10, 10] < 1e-3
    relative = np.abs(low["test/loss"] / exact["test/loss"] - 1).max()
    record = low.provenance["precision"]
    assert relative / 2 < record["error"] <= relative * (1 + 1e-5)
    slower = record["seconds_per_point_fp32"] / record["seconds_per_point"]
    assert record["points"] == len(probe_points(FINE)) + 440 // max(50, math.ceil(slower / 0.05))
    assert f"at {record['points']} probe points" in low.arithmetic


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "tf32", "device": "cpu"}, "TF32 is the arithmetic of NVIDIA GPUs since Ampere, and this is cpu"),
        ({"precision": "int8"}, "precision is fp32 or tf32 or bf16 or fp16 or auto, not 'int8'"),
        ({"tolerance": 0.1}, "has no effect with --precision fp32"),
        ({"precision": "auto", "tolerance": 2.0}, "a relative error between 0 and 1, for example 0.01, not 2.0"),
        ({"correct": True}, "--precision fp32 needs none: leave it out"),
        (
            {"precision": "bf16", "correct": True, "number": 299},
            "a tenth of the examples, and of the 299 of 'test' that",
        ),
    ],
)
def test_what_means_nothing_is_refused(options, message):
    with pytest.raises(LandscapeError, match=message):
        surface(**options)


def test_networks_with_a_precision_of_their_own_are_left_alone():
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).double()
    data = [(torch.randn(8, 4), torch.zeros(8, dtype=torch.long))]
    with pytest.raises(LandscapeError, match=r"parameters are float64, .* leave out --precision bf16"):
        landscape.compute(net, data, precision="bf16", progress=False)
    space = ParameterSpace(net)
    assert Plain(net, Subspace(space, [])).precision == "fp32"
