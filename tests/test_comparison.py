"""Comparing surfaces: what is refused, what is said, and numbers against closed forms."""

from __future__ import annotations

import csv
import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from surfaces import surface
from torch import nn

import landscape
from landscape.analysis.comparison import compared
from landscape.analysis.geometry import stacked
from landscape.errors import LandscapeError
from landscape.reports.comparison import WRITERS, number, save_table, text

LINE = np.linspace(-1, 1, 21)


def line(curvature=1.0, name="a.h5", repeats=4, wobble=0.0, **more):
    """Parabolas of this curvature, one per draw, a little apart from one another."""
    draws = []
    for repeat in range(repeats):
        own = curvature * (1 + 0.1 * repeat) * (1 + wobble * (-1) ** repeat)
        plain = surface(0.5 + own * LINE**2 / 2, **more)
        quantities = {**plain.quantities, "test/loss_rise_stderr": np.full(21, 1e-3)}
        centre = {"test": {"loss": 0.5, "loss_stderr": 0.02, "accuracy": 0.9, "accuracy_stderr": 0.01, "count": 200.0}}
        draws.append(dataclasses.replace(plain, quantities=quantities, centre=centre, path=name))
    return stacked(draws)


def effect(comparison, name, index=1):
    return comparison.effect(name, index)


class Quadratic(nn.Module):
    """Half the curvature times the squared distance from the weights it begins with, for every example."""

    def __init__(self, curvature):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, 4, bias=False).double()
        self.curvature = curvature
        self.best = self.layer.weight.detach().clone()

    def forward(self, inputs):
        distance = (self.layer.weight - self.best).square().sum()
        return (0.5 * self.curvature * distance).expand(len(inputs), 1)


def quadratic(curvature):
    data = (torch.zeros(5, 6, dtype=torch.float64), torch.zeros(5))
    options = {"x": "-1:1:21", "y": None, "repeats": 8, "loss": lambda output, _: output[:, 0], "progress": False}
    return landscape.compute(Quadratic(curvature), data, **options)


def test_of_two_quadratics_the_ratio_is_that_of_their_curvatures():
    """theta* is not 0, and both are perturbed along the same directions, so that every ratio is 2 up to rounding."""
    one, two = quadratic(1.0), quadratic(2.0)
    assert len({record.digest for record in one.directions}) == 8
    comparison = landscape.compare(one, two)
    for name in ("mean_rise_0.5", "mean_rise_1", "largest_rise", "curvature_mean"):
        found = effect(comparison, name)
        assert found.over == "directions"
        assert found.number == 8
        assert found.estimate == pytest.approx(2, rel=1e-5)
        assert math.log(found.low) - 1e-5 <= math.log(2) <= math.log(found.high) + 1e-5
        assert found.p == 2 / 256


def test_identical_inputs_give_exact_zeros_ratio_one_and_p_one():
    comparison = compared([[line()], [line(name="b.h5")]])
    for found in comparison.effects:
        expected = 1.0 if found.kind == "ratio" else 0.0
        assert (found.estimate, found.low, found.high) == (expected, expected, expected), found.measure
        assert found.p == 1 or found.over == "examples"


def test_medians_and_intervals_are_over_the_draws():
    comparison = compared([[line()], [line(3.0, name="b.h5")]])
    first, second = comparison.contenders
    np.testing.assert_allclose(first.values["mean_rise_1"], [0.5 * np.array([1.0, 1.1, 1.2, 1.3])])
    middle, low, high = second.summary("mean_rise_1")
    assert (middle, low, high) == pytest.approx((1.725, 1.5, 1.95))
    found = effect(comparison, "mean_rise_1")
    assert (found.estimate, found.p) == pytest.approx((3.0, 2 / 16))


def test_the_numbers_of_the_trained_weights_are_not_tested_over_directions():
    other = line(name="b.h5")
    centre = {"test": {**other.centre["test"], "loss": 0.7}}
    other = dataclasses.replace(other, centre=centre, job=dataclasses.replace(other.job, checkpoint_sha256="f" * 64))
    found = effect(compared([[line()], [other]]), "test/centre_loss")
    assert found.over == "examples"
    assert math.isnan(found.p)
    reach = 1.96 * math.hypot(0.02, 0.02)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.2, 0.2 - reach, 0.2 + reach))


def policies(**more):
    """One file with all three policies; recalibrated statistics halve every rise."""
    plain = {
        policy: line(curvature, **more) for policy, curvature in (("frozen", 2.0), ("batch", 1.5), ("recalibrate", 1.0))
    }
    first = plain["frozen"]
    quantities = {name: np.stack([one[name] for one in plain.values()], axis=1) for name in first.quantities}
    quantities["test/loss"] += np.array([0.0, 0.1, 0.01])[:, None]
    centre = {name: [value] * 3 for name, value in first.centre["test"].items()}
    centre |= {
        "loss": [0.5, 0.6, 0.51],
        "loss_minus_frozen": [0.0, 0.1, 0.01],
        "loss_minus_frozen_stderr": [0.0, 0.02, 0.003],
    }
    job = dataclasses.replace(first.job, bn_stats="all", bn_batch_size=50)
    return dataclasses.replace(first, quantities=quantities, centre={"test": centre}, job=job)


def test_policies_of_one_file_are_compared_with_its_first_and_across_files_with_their_own():
    comparison = compared([[policies()], [policies(name="b.h5")]])
    titles = [contender.title for contender in comparison.contenders]
    assert titles[:2] == ["a, frozen", "a, batch"]
    assert titles[-1] == "b, recalibrate"
    references = {titles[found.contender]: titles[found.reference] for found in comparison.effects}
    assert references == {
        "a, batch": "a, frozen",
        "a, recalibrate": "a, frozen",
        "b, frozen": "a, frozen",
        "b, batch": "a, batch",
        "b, recalibrate": "a, recalibrate",
    }
    assert effect(comparison, "mean_rise_1", 2).estimate == pytest.approx(0.5)
    assert effect(comparison, "mean_rise_1", 5).estimate == 1.0
    centre = effect(comparison, "test/centre_loss", 2)
    assert (centre.estimate, centre.high) == pytest.approx((0.01, 0.01 + 1.96 * 0.003))


def test_only_the_policies_that_are_asked_for():
    comparison = compared([[policies()]], policies=("recalibrate", "frozen"))
    assert [contender.policy for contender in comparison.contenders] == ["frozen", "recalibrate"]
    with pytest.raises(
        LandscapeError, match=r"a\.h5: there is no surface with the BatchNorm statistics recalibrate in"
    ):
        compared([[line()]], policies=("recalibrate",))


def test_groups_of_training_seeds_are_compared_over_networks():
    groups = [
        [line(c, name=f"{kind}{i}.h5") for i, c in enumerate(curvatures)]
        for kind, curvatures in (("a", (1.0, 1.1, 1.2)), ("b", (2.0, 2.2, 2.4)))
    ]
    comparison = compared(groups)
    found = effect(comparison, "mean_rise_1")
    assert (found.over, found.number) == ("networks", 6)
    assert found.estimate == pytest.approx(2)
    assert found.p == found.smallest_p == 2 / 20
    assert comparison.contenders[0].values["mean_rise_1"].shape == (3, 4)
    assert "the unit of replication is the trained network" in " ".join(text(comparison).split())


def changed(**job):
    other = line(name="b.h5")
    return dataclasses.replace(other, job=dataclasses.replace(other.job, **job))


REFUSED = {
    "loss": (lambda: changed(loss="mse"), r"a\.h5 holds the loss cross-entropy, b\.h5 the loss mse: compute both with"),
    "data": (
        lambda: changed(data_digest={"test": "2" * 64}),
        r"a\.h5 and b\.h5 were not measured on the same test examples: compute both with the same --data, --split",
    ),
    "samples": (
        lambda: dataclasses.replace(
            changed(data_digest={"test": "2" * 64}), centre={"test": {**line().centre["test"], "count": 1000.0}}
        ),
        r"not measured on the same test examples \(200 and 1,000 of them\)",
    ),
    "split": (
        lambda: dataclasses.replace(changed(data_digest={"train": "1" * 64}), path="b.h5"),
        r"these files have no split in common \(a\.h5: test; b\.h5: train\)",
    ),
    "axes": (lambda: dataclasses.replace(surface(np.ones((5, 5))), path="b.h5"), r"a\.h5 holds a line, b\.h5 a plane"),
    "range": (
        lambda: dataclasses.replace(surface(np.ones(5), x=landscape.Axis.parse("1:2:5")), path="b.h5"),
        r"have only 1 to 1 in common, with fewer than 3 points of one of them",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_was_not_measured_alike_is_refused(case):
    make, message = REFUSED[case]
    with pytest.raises(LandscapeError, match=message):
        compared([[line(repeats=1)], [make()]])


def test_nothing_to_compare_and_unknown_splits_are_refused():
    with pytest.raises(LandscapeError, match="there is nothing to compare: name at least one surface file"):
        compared([])
    with pytest.raises(LandscapeError, match="not all of these files have the split 'tset'; did you mean test"):
        compared([[line()]], split="tset")
    with pytest.raises(LandscapeError, match="give one name for each of the 1 groups, not 2"):
        compared([[line()]], names=["a", "b"])


CAUTIONS = {
    "COMPARE-NORMALIZER": {"normalize": "layer"},
    "COMPARE-PERTURBED": {"perturb": "all"},
    "COMPARE-SEED": {"seed": 1},
    "COMPARE-BN": {"bn_stats": "batch"},
    "COMPARE-BN-BATCH": {"bn_batch_size": 64},
    "COMPARE-CALIBRATION": {"bn_digest": "3" * 64},
    "COMPARE-PRECISION": {"precision": "bf16"},
    "COMPARE-FOLDED": {"fold_bn": True},
    "COMPARE-PREPROCESSING": {"preprocessing": {"test": "scaled to [0, 1]"}},
}


@pytest.mark.parametrize("code", CAUTIONS)
def test_what_differs_is_said_with_its_code(code):
    (finding,) = compared([[line()], [changed(**CAUTIONS[code])]]).findings
    assert (finding.code, finding.level) == (code, "warning")
    assert "in a.h5" in finding.text
    assert "in b.h5" in finding.text


def test_ranges_are_cut_to_what_all_cover():
    x = np.linspace(-2, 2, 41)
    wide = dataclasses.replace(surface(0.5 + x**2, x=landscape.Axis.regular(-2, 2, 41)), path="b.h5")
    comparison = compared([[line(2.0, repeats=1)], [wide]])
    (note,) = comparison.findings
    assert (note.code, note.text) == (
        "COMPARE-RANGE",
        "the ranges differ: all are cut to -1 to 1, which every file covers",
    )
    assert effect(comparison, "largest_rise").estimate == pytest.approx(1.0)
    assert comparison.contenders[1].surfaces[0][0].grid.axes[0].values[0] == -1


def undone(source, repeat):
    count, loss = source["test/count"].copy(), source["test/loss"].copy()
    count[repeat, 3], loss[repeat, 3] = 0, np.nan
    return dataclasses.replace(source, quantities={**source.quantities, "test/count": count, "test/loss": loss})


def test_draws_that_are_not_finished_are_left_out_of_all():
    comparison = compared([[line()], [undone(line(name="b.h5"), 2)]])
    (finding,) = comparison.findings
    assert finding.code == "COMPARE-INCOMPLETE"
    assert finding.text == "draw 2 of the directions is not finished in b.h5: it is not used"
    assert comparison.contenders[0].values["mean_rise_1"].shape == (1, 3)


def test_different_numbers_of_draws_are_said():
    comparison = compared([[line()], [line(name="b.h5", repeats=2)]])
    assert [finding.code for finding in comparison.findings] == ["COMPARE-REPEATS"]
    assert effect(comparison, "mean_rise_1").number == 2


def test_files_of_one_name_are_told_apart():
    comparison = compared([[line(name="x/a.h5")], [line(name="y/a.h5")]])
    assert [contender.title for contender in comparison.contenders] == ["a", "a (2)"]


def test_all_surfaces_count_basins_above_one_depth():
    """The deepest of the depths that suit each: the second alone would count more basins."""
    shallow = dataclasses.replace(surface(0.5 + 0.001 * LINE**2 + 0.01 * np.sin(12 * LINE) ** 2), path="b.h5")
    alone, together = (compared(groups) for groups in ([[shallow]], [[line(10.0, repeats=1)], [shallow]]))
    assert alone.contenders[0].values["basins"].item() > 1
    assert together.contenders[1].values["basins"].item() == 1


def test_the_text_says_what_was_measured_on_how_much():
    comparison = compared([[line()], [line(3.0, name="b.h5")]], names=["one", "other"])
    words = " ".join(text(comparison).split())
    for expected in (
        "cross-entropy on 200 test examples; 4 lines through the trained weights, x from -1 to 1; random directions",
        "medians over 4 draws of the directions with 95 % bootstrap intervals; p of a two-sided sign-flip test on "
        "paired draws, of which the smallest possible is 0.12",
        "the unit of replication is directions of one training run: a claim about an architecture needs "
        "several training seeds",
        "mean rise at r = 1 (loss) 0.575 [0.5, 0.65] 1.725 [1.5, 1.95] ×3 [3, 3] p=0.12",
        "test accuracy (%) 90 ± 1 90 ± 1",
        "mean rise at r = 1: Mean of loss - L0 over x = -1 and x = 1",
    ):
        assert expected in words
    assert str(comparison) == text(comparison)


def test_one_draw_has_no_intervals():
    words = text(compared([[line(repeats=1)], [line(3.0, name="b.h5", repeats=1)]]))
    assert "one draw of the directions: no intervals; use --repeats 8 for them" in words
    assert "×3\n" in words


def test_more_than_two_stand_one_below_the_other():
    words = text(compared([[policies()]]))
    rows = [row.split() for row in words.splitlines()]
    assert ["a,", "recalibrate", "0.575", "[0.5,", "0.65]", "×0.5", "[0.5,", "0.5]", "p=0.12", "a,", "frozen"] in rows


def test_the_tables_hold_the_numbers(tmp_path):
    comparison = compared([[line()], [line(3.0, name="b_1%.h5")]])
    paths = {suffix: save_table(comparison, tmp_path / f"t{suffix}") for suffix in WRITERS}
    with paths[".csv"].open(newline="") as stream:
        rows = {(row["measure"], row["contender"]): row for row in csv.DictReader(stream)}
    assert float(rows["mean_rise_1", "b_1%"]["median"]) == pytest.approx(1.725)
    assert float(rows["mean_rise_1", "b_1%"]["effect"]) == pytest.approx(3)
    assert rows["mean_rise_1", "a"]["effect"] == ""
    content = json.loads(paths[".json"].read_text())
    np.testing.assert_allclose(content["contenders"][1]["values"]["mean_rise_1"], [[1.5, 1.65, 1.8, 1.95]])
    assert content["contenders"][0]["files"] == ["a.h5"]
    tex = paths[".tex"].read_text()
    assert r"b\_1\% & second : first \\" in tex
    assert r"$\times$3 [3, 3] p=0.12 \\" in tex
    assert paths[".txt"].read_text() == text(comparison) + "\n"
    with pytest.raises(
        LandscapeError, match=r"a table's name must end in one of \.txt, \.csv, \.json, \.tex, and 'a\.xls'"
    ):
        save_table(comparison, "a.xls")


@pytest.mark.parametrize(
    ("value", "said"),
    [(math.nan, "-"), (0.0, "0"), (1.23456, "1.235"), (1e-7, "1.000e-07"), (math.inf, "inf"), (-2.5e7, "-2.500e+07")],
)
def test_numbers_have_four_digits(value, said):
    assert number(value) == said
