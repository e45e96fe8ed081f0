"""Each verdict on a surface made to deserve it, and on none that does not."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from surfaces import broken, surface

from landscape.analysis.checks import check
from landscape.types import Axis

X = np.linspace(-1, 1, 9)


def bowl(values=None, n=10_000, error=0.001, centre=None, provenance=None, **more):
    """A bowl with small errors, of which nothing is to be said."""
    values = 0.5 + 3 * (X[:, None] ** 2 + X**2) if values is None else np.asarray(values)
    measured = {"loss": 0.5, "accuracy": 0.9, "accuracy_stderr": 0.003, "chance_accuracy": 0.1, "count": n}
    accuracy = more.pop("accuracy", np.clip(0.9 - 0.1 * (values - 0.5), 0, 1))
    made = surface(values, accuracy=accuracy, centre={"test": measured | (centre or {})}, **more)
    quantities = {
        **made.quantities,
        "test/count": np.where(made["test/count"] > 0, n, 0),
        "test/loss_rise_stderr": np.full(values.shape, error),
    }
    return dataclasses.replace(made, quantities=quantities, provenance={"cosine": 0.01, **(provenance or {})})


def codes(judged):
    return [finding.code for finding in check(judged)]


LINE = 0.5 + 3 * X**2


@pytest.mark.parametrize("good", [bowl(), bowl(LINE, provenance={"cosine": None})], ids=["plane", "line"])
def test_nothing_is_said_of_a_good_surface(good):
    (finding,) = check(good)
    assert (finding.code, finding.level) == ("ALL-WELL", "ok")


def dipped(depth, error):
    values = LINE.copy()
    values[5] = 0.5 - depth
    return bowl(values, error=error)


DESERVED = {
    "INCOMPLETE": (
        lambda: broken(bowl(), undone=[(0, 0), (3, 2)]),
        "note",
        "2 of 81 points of the test split are not computed yet",
        {"missing": 2},
    ),
    "NON-FINITE": (
        lambda: broken(bowl(), nan=[(0, 0)], inf=[(1, 1), (2, 2)]),
        "warning",
        "3 of 81 points have no finite test loss; they are hatched",
        {"points": 3},
    ),
    "NON-FINITE-CENTRE": (
        lambda: bowl(centre={"loss": float("nan")}),
        "error",
        "the test loss at the trained weights is not finite",
        {},
    ),
    "CENTRE-NOT-MINIMUM": (
        lambda: dipped(0.05, 0.01),
        "warning",
        r"the test loss at \(0\.25\) is 0\.05 \+- 0\.01 below that of the trained weights \(0\.5\)",
        {"drop": pytest.approx(0.05), "stderr": 0.01},
    ),
    "RANGE-SMALL": (
        lambda: bowl(0.5 + 0.01 * X**2, error=1e-6),
        "warning",
        "the test loss rises by 0.01 at most over the grid .* the range is too small to show a shape; try --x -2:2:9",
        {"rise": pytest.approx(0.01)},
    ),
    "SATURATED": (
        lambda: bowl(accuracy=np.where(np.arange(81).reshape(9, 9) < 50, 0.101, 0.9)),
        "warning",
        r"at 62% of the points the test accuracy is not above chance .* try --x -0\.5:0\.5:9",
        {"share": pytest.approx(50 / 81)},
    ),
    "SAMPLING-ERROR": (
        lambda: bowl(error=1.0, n=50),
        "warning",
        "at 100% of the points the standard error of the rise of the test loss exceeds the step .* with 50 examples",
        {"share": 1.0, "examples": 50},
    ),
    "CENTRE-OFF-GRID": (
        lambda: bowl(LINE[:8] + 0.0, x=Axis.regular(-1, 1, 8)),
        "note",
        "the trained weights are not a point of the grid: use an odd number of points",
        {},
    ),
    "STATED-ACCURACY": (
        lambda: bowl(provenance={"stated": {"acc": 0.95}}),
        "warning",
        r"the checkpoint states acc 95\.00%, but 90\.00% \+- 0\.30% was measured on test: check the model",
        {"stated": 0.95, "measured": 0.9},
    ),
    "NOT-ORTHOGONAL": (
        lambda: bowl(provenance={"cosine": -0.4}),
        "warning",
        r"the cosine between the two directions is -0\.400: the axes are not near orthogonal",
        {"cosine": -0.4},
    ),
}


@pytest.mark.parametrize("code", DESERVED)
def test_each_verdict_falls_where_it_is_deserved(code):
    make, level, text, values = DESERVED[code]
    (finding,) = check(make())
    assert (finding.code, finding.level) == (code, level)
    assert finding.values == values
    assert re.search(text, finding.text)


@pytest.mark.parametrize(
    "spared",
    [
        dipped(0.05, 0.04),
        dipped(1e-8, 1e-12),
        bowl(provenance={"stated": {"acc": 0.904}}),
        bowl(provenance={"cosine": 0.099}),
        bowl(accuracy=np.where(np.arange(81).reshape(9, 9) < 40, 0.1, 0.9)),
    ],
    ids=["within two errors", "rounding", "as stated", "nearly orthogonal", "half saturated"],
)
def test_what_is_within_the_noise_is_no_verdict(spared):
    assert codes(spared) == ["ALL-WELL"]


def test_a_surface_of_one_example_is_judged_without_errors():
    assert codes(bowl(n=1, error=np.nan, accuracy=np.ones((9, 9)))) == ["ALL-WELL"]


@pytest.mark.parametrize(("n", "chance"), [(1, 0.1), (10_000, 1.0)], ids=["one example", "one class"])
def test_where_no_accuracy_can_beat_chance_none_is_said_to_be_saturated(n, chance):
    nowhere = bowl(n=n, accuracy=np.zeros((9, 9)), centre={"chance_accuracy": chance, "accuracy": np.nan})
    assert codes(nowhere) == ["ALL-WELL"]


def test_a_surface_with_nothing_done_is_incomplete_alone():
    empty = broken(bowl(LINE), undone=[(i,) for i in range(9)])
    assert codes(empty) == ["INCOMPLETE"]


def test_a_surface_that_is_nowhere_finite():
    assert codes(broken(bowl(LINE), nan=[(i,) for i in range(9)])) == ["NON-FINITE"]


def test_without_accuracy_nothing_is_said_of_it():
    plain = bowl(provenance={"stated": {"acc": 0.5}}, centre={"accuracy": np.nan, "accuracy_stderr": np.nan})
    names = [name for name in plain.quantities if "accuracy" not in name]
    assert codes(dataclasses.replace(plain, quantities={n: plain[n] for n in names})) == ["ALL-WELL"]


def test_every_split_is_judged_and_named():
    one = bowl(provenance={"stated": {"acc": 0.5}})
    train = {name.replace("test/", "train/"): values for name, values in broken(one, nan=[(0, 0)]).quantities.items()}
    job = dataclasses.replace(one.job, data_digest={"test": "1", "train": "2"})
    centre = {**one.centre, "train": {**one.centre["test"], "accuracy": 0.7}}
    both = dataclasses.replace(one, quantities={**one.quantities, **train}, job=job, centre=centre)
    assert codes(both) == ["NON-FINITE", "STATED-ACCURACY"]
    assert "no finite train loss" in check(both)[0].text
    assert "measured on test" in check(both)[1].text


def test_a_net_at_chance_is_told_and_no_range_is_advised():
    judged = check(bowl(accuracy=np.full((9, 9), 0.1), centre={"accuracy": 0.1}))
    assert [finding.code for finding in judged] == ["CENTRE-AT-CHANCE"]


def test_a_coarse_grid_is_told():
    x = np.linspace(-1, 1, 5)
    (finding,) = check(bowl(0.5 + 3 * (x[:, None] ** 2 + x**2)))
    assert (finding.code, finding.level) == ("GRID-COARSE", "note")
    assert "5 x 5 points" in finding.text


def test_advice_names_every_axis():
    small = bowl(0.5 + 1e-3 * (X[:, None] ** 2 + X**2))
    assert any("--x -2:2:9 --y -2:2:9" in finding.text for finding in check(small))


def recalibrated(apart, error, bn_stats="recalibrate", halves=None):
    centre = {"loss_minus_frozen": apart, "loss_minus_frozen_stderr": error}
    noise = {} if halves is None else {"calibration": {"half_difference": {"test": {"centre": halves, "ends": 9.0}}}}
    return bowl(centre=centre, bn_stats=bn_stats, provenance={"statistics_layers": 3, **noise})


def bn_centre(judged):
    return next(one for one in check(judged) if one.code == "BN-CENTRE")


@pytest.mark.parametrize(
    ("apart", "error", "halves", "level"),
    [
        (0.0015, 0.0024, None, "ok"),
        (-0.0299, 0.01, None, "ok"),
        (0.0301, 0.01, None, "warning"),
        (-0.0301, 0.01, 0.0, "warning"),
        (0, 0, None, "ok"),
        (0.0499 * 3, 0.04, 0.06, "ok"),
        (-0.0501 * 3, 0.04, -0.06, "warning"),
    ],
)
def test_the_centre_with_recalibrated_statistics_is_judged_against_three_standard_errors(apart, error, halves, level):
    """3, 4 and 5: half of the difference between the halves of the calibration set is added in quadrature."""
    finding = bn_centre(recalibrated(apart, error, halves=halves))
    noise = abs(halves or 0) / 2
    total = pytest.approx((error**2 + noise**2) ** 0.5)
    assert finding.level == level
    assert finding.values == {"difference": apart, "error": total, "stderr": error, "calibration": noise}
    assert ("augment= of --bn-data" in finding.text) == (level == "warning")
    assert ("the running averages of the checkpoint lag behind its weights" in finding.text) == (level == "warning")


@pytest.mark.parametrize(("apart", "halves", "noise"), [(0.2, 0.06, "0.03"), (-0.2, None, "not recorded")])
def test_the_centre_is_said_to_be_higher_or_lower_and_why_it_is_uncertain(apart, halves, noise):
    total, way = (0.04, "lower") if halves is None else (0.05, "higher")
    assert bn_centre(recalibrated(apart, 0.04, halves=halves)).text.startswith(
        f"the test loss at the trained weights is 0.2 +- {total} {way} than with the checkpoint's own statistics "
        f"(errors: 0.04 over the examples, paired; {noise} over the calibration images)"
    )


@pytest.mark.parametrize("numbers", [(np.nan, 0.1, 0.1), (np.inf, 0.1, 0.1), (0.0, np.nan, 0.1), (0.0, 0.1, np.nan)])
def test_a_centre_that_is_not_finite_is_never_ok(numbers):
    apart, error, halves = numbers
    finding = bn_centre(recalibrated(apart, error, halves=halves))
    assert finding.level == "warning"
    assert finding.text.endswith(": not finite")


def test_no_centre_check_without_recalibration():
    assert codes(recalibrated(1.0, 0.01, "frozen")) == ["ALL-WELL"]


def stack(per_policy, repeats=1):
    """One surface of plain ones, given policy by policy, each repeated."""
    first = per_policy[0]
    names = list(first.quantities)
    arrays = {name: np.stack([one[name] for one in per_policy]) for name in names}
    if repeats > 1:
        arrays = {name: np.stack([values] * repeats) for name, values in arrays.items()}
    centre = {
        "test": {
            name: [one.centre["test"].get(name, 0.0) for one in per_policy] for name in per_policy[-1].centre["test"]
        }
    }
    job = dataclasses.replace(first.job, bn_stats="all", repeats=repeats)
    provenance = {**per_policy[-1].provenance, "cosines": [0.01] * repeats}
    return dataclasses.replace(first, quantities=arrays, centre=centre, job=job, provenance=provenance)


def test_of_several_policies_each_is_judged_and_what_they_share_is_said_once():
    odd = [broken(bowl(), undone=[(0, 0)]) for _ in range(2)]
    judged = check(stack([*odd, broken(recalibrated(1.0, 0.1), undone=[(0, 0)])]))
    assert [finding.code for finding in judged] == ["INCOMPLETE", "BN-CENTRE"]
    assert judged[0].text.startswith("1 of 81 points")
    assert judged[1].text.startswith("with recalibrated statistics, the test loss")


def test_of_several_repeats_it_is_said_in_how_many():
    judged = stack([bowl(), bowl(), recalibrated(0.0, 0.1)], repeats=4)
    dented = judged["test/loss"].copy()
    dented[1:3, 0, 4, 5] = 0.1
    judged = dataclasses.replace(judged, quantities={**judged.quantities, "test/loss": dented})
    texts = {finding.code: finding.text for finding in check(judged)}
    assert set(texts) == {"CENTRE-NOT-MINIMUM", "BN-CENTRE"}
    found = texts["CENTRE-NOT-MINIMUM"]
    assert found.startswith("with frozen statistics, in draw 1 of the directions, the test loss at (0, 0.25) is 0.4")
    assert found.endswith("(so in 2 of 4 draws)")


def test_two_stated_accuracies_are_two_findings_in_every_draw():
    plain = bowl(provenance={"stated": {"acc": 0.5, "top1": 0.6}, "cosines": [0.01] * 3})
    arrays = {name: np.stack([values] * 3) for name, values in plain.quantities.items()}
    judged = dataclasses.replace(plain, quantities=arrays, job=dataclasses.replace(plain.job, repeats=3))
    texts = [finding.text for finding in check(judged)]
    assert [text.split(",")[0] for text in texts] == [
        "the checkpoint states acc 50.00%",
        "the checkpoint states top1 60.00%",
    ]


def test_what_differs_from_draw_to_draw_is_said_of_its_own():
    plain = bowl(provenance={"cosines": [0.01, -0.4, 0.3]})
    arrays = {name: np.stack([values] * 3) for name, values in plain.quantities.items()}
    (finding,) = check(dataclasses.replace(plain, quantities=arrays, job=dataclasses.replace(plain.job, repeats=3)))
    assert finding.text.startswith("in draw 1 of the directions, the cosine between the two directions is -0.400")
    assert finding.text.endswith("(so in 2 of 3 draws)")
