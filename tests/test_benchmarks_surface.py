"""What is counted and multiplied is what a hand counts, and several points at once have the losses of each alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from networks import network
from torch import nn
from torch.nn import functional

from benchmarks import several_points
from benchmarks.cases import Case
from benchmarks.ceilings import Ceilings, Sizes, last_cache, measure, precisions_on, seconds_of, sizes_for
from benchmarks.full_surface import Plan, Size, compute, row, seconds, side_of
from benchmarks.planes import at_once, build, one_after_the_other, replayed
from benchmarks.roofline import Bound, Work, bound, counted
from benchmarks.several_points import ALONE, WHOLE, contenders, difference
from benchmarks.surface_tables import full_surface_table, several_points_table
from benchmarks.timing import Run
from landscape.evaluation import Repetition
from landscape.models import build_model

CPU = torch.device("cpu")
CEILINGS = Ceilings(100.0, {"fp32": 10.0, "bf16": 40.0}, {"copy": 100.0, "fp32 product": 10.0, "bf16 product": 40.0})
SMALL = {"mlp(inputs=3, hidden=(5, 4), classes=2)": (3,), "lenet": (1, 28, 28)}


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 2, 3, padding=1, bias=False), nn.Conv2d(2, 2, 1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, inputs):
        between = torch.relu(self.norm(self.first(inputs)))
        outputs = self.second(between)
        outputs += inputs
        return torch.relu(outputs) + 1


@pytest.mark.parametrize(
    ("layers", "shape", "operations", "numbers"),
    [
        (nn.Conv2d(2, 4, 3, padding=1), (2, 6, 6), 2 * 4 * 36 * 18, 72 + 144),
        (nn.Conv2d(4, 6, 3, stride=2, groups=2), (4, 7, 7), 2 * 6 * 9 * 18, 196 + 54),
        (nn.ConvTranspose2d(2, 3, 2, stride=2), (2, 5, 5), 2 * 2 * 25 * 12, 50 + 300),
        (nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2, bias=False)), (7,), 2 * (35 + 10), 7 + 5 + 5 + 2),
        (nn.Sequential(nn.Linear(7, 5), nn.GELU()), (3, 7), 2 * 3 * 35, 21 + 15),
        (Residual(), (2, 4, 4), 2 * 32 * (18 + 2), 4 * 32 + 32),
    ],
    ids=["convolution", "groups", "transposed", "linear", "tokens", "residual"],
)
def test_operations_and_activations_are_those_that_a_hand_counts(layers, shape, operations, numbers):
    before = {name: tensor.clone() for name, tensor in layers.state_dict().items()}
    assert counted(layers, shape) == Work(operations, numbers)
    assert all(torch.equal(tensor, before[name]) for name, tensor in layers.state_dict().items())


def stages(blocks: int, shortcut: bool) -> tuple[float, float]:
    """Operations and activations of a ResNet for CIFAR with three stages."""
    operations, numbers = 2 * 16 * 1024 * 27.0, 3 * 1024 + 16 * 1024.0
    channels, pixels = 16, 1024
    for width, area in ((16, 1024), (32, 256), (64, 64)):
        for _ in range(blocks):
            out = width * area
            operations += 2 * out * 9 * (channels + width)
            numbers += channels * pixels + out + 2 * out + out
            if shortcut and channels != width:
                operations += 2 * out * channels
                numbers += channels * pixels + out
            channels, pixels = width, area
    return operations + 2 * 640, numbers + 64 + 10


@pytest.mark.parametrize(
    ("spec", "blocks", "shortcut", "floors"),
    [("resnet20", 3, False, (4.6, 9.1)), ("resnet(depth=56, shortcut='conv')", 9, True, (12.9, 25.8))],
)
def test_the_resnets_have_the_floors_of_the_paper_estimate(spec, blocks, shortcut, floors):
    work = counted(build_model(spec), (3, 32, 32))
    assert (work.operations, work.numbers) == stages(blocks, shortcut)
    h200 = Ceilings(4.8e12, {"bf16": 1e30, "fp32": 1e30}, {})
    found = [bound(work, h200, precision, 51 * 51 * 10_000).memory for precision in ("bf16", "fp32")]
    np.testing.assert_allclose(found, floors, rtol=0.2)


def test_what_binds_is_what_takes_longer():
    arithmetic = bound(Work(50.0, 10.0), CEILINGS, "fp32", 2)
    assert (arithmetic.arithmetic, arithmetic.memory) == (10.0, 0.8)
    assert (arithmetic.seconds, arithmetic.binds) == (10.0, "arithmetic")
    memory = bound(Work(50.0, 100.0), CEILINGS, "bf16", 2)
    assert (memory.arithmetic, memory.memory, memory.seconds, memory.binds) == (2.5, 4.0, 4.0, "memory")
    corrected = bound(Work(50.0, 100.0), CEILINGS, "bf16", 2, corrected=0.5)
    assert (corrected.arithmetic, corrected.memory) == (2.5 + 5.0, 4.0 + 4.0)
    assert corrected.plain()["binds"] == "memory"


def test_ceilings_are_the_best_of_each_precision():
    sizes = Sizes(1 << 20, (8, 16), 2, 4, pixels=8)
    benchmark = torch.backends.cudnn.benchmark
    found = measure(CPU, precisions_on(CPU), sizes)
    assert torch.backends.cudnn.benchmark == benchmark
    assert len(found.measured) == 1 + 2 * 3
    assert found.bandwidth == found.measured["copy"] > 0
    for precision, rate in found.rates.items():
        assert rate == max(speed for name, speed in found.measured.items() if name.split()[0] == precision) > 0


def test_what_is_copied_is_far_beyond_the_caches():
    sizes = sizes_for(CPU)
    assert sizes.copied >= min(2 * last_cache(), 1 << 28)


def test_a_call_is_timed_as_often_as_is_said():
    calls = []
    assert seconds_of(lambda: calls.append(1), CPU, 3) > 0
    assert len(calls) == 3


def test_the_trained_weights_are_in_the_middle_of_what_is_measured():
    assert [side_of(points) for points in (1, 9, 24, 25, 30, 48, 49, 2601)] == [3, 3, 3, 5, 5, 5, 7, 51]


def test_seconds_are_multiplied_by_points_and_images():
    run = Run(10.0, [4.0, 5.0, 6.0, 9.0])  # median 1, set-up: 10 - 5 - 1
    found = seconds(run, Size(3, 100), Size(51, 1000))
    assert found == {"seconds_per_point": 1.0, "setup": 4.0, "multiplied": True, "whole": 2601 * 10 + 4.0}
    assert seconds(run, Size(3, 100), Size(3, 100))["whole"] == 10.0


@pytest.fixture(scope="module")
def case() -> Case:
    spec = "resnet(depth=8, width=4)"
    net, _ = network(spec, torch.float32)
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(256, (40, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (40,), generator=generator)
    return Case("small", "Small, so small", spec, net.state_dict(), images, labels, (0.5,) * 3, (0.25,) * 3, {}, {})


def test_a_surface_is_measured_beside_its_roofline(case):
    plan = Plan(Size(3, 20), Size(5, 40), CEILINGS, CPU)
    work = counted(case.model(), (3, 8, 8))
    rows = [row(case, work, precision, plan) for precision in ("fp32", "bf16", "tf32")]
    exact, low, refused = rows
    assert exact["ran"].endswith(" fp32")
    assert exact["error"] is None
    assert exact["roofline"]["arithmetic"] == pytest.approx(work.operations * 25 * 40 / 10)
    assert exact["whole"] == pytest.approx(exact["seconds_per_point"] * 25 * 2 + exact["setup"])
    assert 0 < low["error"] < 0.1
    assert low["roofline"]["memory"] == pytest.approx(work.numbers * 2 * 25 * 40 / 100)
    assert "TF32" in refused["reason"]
    size = {"whole": dataclasses.asdict(plan.whole), "measured": dataclasses.asdict(plan.part)}
    networks = {"small": {"about": case.about, **dataclasses.asdict(work), "rows": rows}}
    results = {"ceilings": dataclasses.asdict(CEILINGS), "networks": networks}
    page = "\n".join(full_surface_table({"settings": size, "results": results}))
    assert "multiplied by 25 and by 2;" in page
    assert page.count("(multiplied)") == 2
    assert "| Small | bf16 | " in page
    assert "by arithmetic)" not in page
    low["whole"], low["roofline"] = 12.0, Bound(2.0, 4.0).plain()
    page = "\n".join(full_surface_table({"settings": size, "results": results}))
    assert "| memory | 3.00 (6.00 by arithmetic) |" in page
    size["measured"] = size["whole"]
    assert "all of them measured" in full_surface_table({"settings": size, "results": results})[0]


def test_the_images_that_are_asked_for_are_evaluated(case):
    surface, run = compute(case, "fp32", Size(3, 20), CPU)
    inputs, labels = case.first_images(20).tensors()
    with torch.no_grad():
        expected = functional.cross_entropy(case.model()(inputs), labels)
    assert surface["test/loss"].shape == (3, 3)
    assert surface["test/loss"][1, 1] == pytest.approx(float(expected), rel=1e-5)
    assert (surface["test/count"] == 20).all()
    assert len(run.stamps) in (8, 9)


@pytest.mark.parametrize("spec", SMALL)
def test_points_at_once_have_the_losses_of_each_alone(spec):
    small = build(spec, SMALL[spec], 2 if "mlp" in spec else 10, 12, CPU, torch.float64)
    points = torch.rand(5, 2, dtype=torch.float64) * 2 - 1
    expected = []
    for a, b in points.tolist():
        net = build_model(spec).double().eval()
        net.load_state_dict(small.model.state_dict())
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                for factor, direction in zip((a, b), small.directions, strict=True):
                    parameter.add_(factor * direction.get(name, torch.zeros(())))
            expected.append(float(functional.cross_entropy(net(small.inputs), small.labels)))
    assert np.ptp(expected) > 1e-3
    with torch.inference_mode():
        ways = [one_after_the_other(small), replayed(small, Repetition())]
        ways += [at_once(small, 5), at_once(small, 5, Repetition())]
        for way in ways:
            np.testing.assert_allclose(way(points), expected, rtol=1e-12)
            np.testing.assert_allclose(way(points.flip(0)), expected[::-1], rtol=1e-12)


def test_ways_of_evaluating_are_measured_and_compared(monkeypatch):
    monkeypatch.setattr(several_points, "LASTS", 1e-4)
    monkeypatch.setattr(several_points, "SIDE", 3)
    small = build("mlp(inputs=3, hidden=4, classes=2)", (3,), 2, 8, CPU)
    found = several_points.measured(small, [2, 4, 10**12], 2, CPU)
    assert list(found["rows"]) == [ALONE, "2 at once", "4 at once", WHOLE]
    assert all(0 < row["minimum"] <= row["median"] for row in found["rows"].values())
    assert found["left_out"] == [10**12]
    assert found["largest_difference"] < 1e-5
    page = "\n".join(several_points_table({"settings": {"rounds": 2}, "results": {"a net": found}}))
    assert "a net, 1000000000000 at once" in page
    assert f"| {WHOLE} | " in page


def test_recordings_that_cannot_be_made_are_left_out_with_the_reason():
    class Refusing(Repetition):
        def record(self, compute):
            if compute().ndim:
                raise RuntimeError("the driver refuses\nfor many reasons")
            return super().record(compute)

    small = build("mlp(inputs=3, hidden=4, classes=2)", (3,), 2, 8, CPU)
    with torch.inference_mode():
        ways, reasons = contenders(small, [2], Refusing())
        assert difference(ways) < 1e-5
    assert list(ways) == [ALONE, "2 at once", f"{ALONE}, replayed"]
    assert reasons == {"2 at once, replayed": "the driver refuses"}


def test_a_way_that_gives_other_losses_is_found_out():
    ways = {ALONE: (2, lambda points: [1.0] * len(points)), "wrong": (3, lambda points: [1.0, 1.0, 1.5])}
    assert difference(ways) == pytest.approx(0.5)


def test_what_is_saved_is_told_beside_a_whole_point():
    rows = {ALONE: 10e-6, "4 at once": 4e-6, "16 at once": 7e-6, WHOLE: 60e-6}
    found = {
        "rows": {name: {"median": one, "minimum": one} for name, one in rows.items()},
        "left_out": [],
        "reasons": {"4 at once, replayed": "no memory"},
        "largest_difference": 0.0,
    }
    content = {"settings": {"rounds": 1}, "results": {"a net": found}}
    assert several_points_table(content)[-1] == "- a net, 4 at once, replayed: no memory."
    assert several_points_table(content)[-2] == (
        "- a net: 4 at once takes 0.40 times as long as one after the other; "
        "the 6 us saved are 10% of a whole point of `landscape`."
    )
    found["rows"][WHOLE]["median"] = 5e-6
    assert several_points_table(content)[-2].endswith("takes 0.50 times as long as that already.")
    found["rows"]["4 at once"] = found["rows"]["16 at once"] = {"median": 1.0, "minimum": 1.0}
    assert several_points_table(content)[-2].endswith("nothing is saved.")
