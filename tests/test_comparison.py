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
from landscape.analysis.groups import over_seeds
from landscape.commands.main import main
from landscape.errors import LandscapeError
from landscape.reports.comparison import WRITERS, number, save_table, text
from landscape.storage import save
from landscape.types import POLICIES

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
    job = dataclasses.replace(first.job, bn_stats="all", bn_batch_size=50, bn_digest="2" * 64)
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
        [line(c, name=f"{kind}{i}.h5", checkpoint_sha256=f"{kind}{i}") for i, c in enumerate(curvatures)]
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
        r"these files share the coordinates 1 to 1, which leaves fewer than 3 points of one of them",
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
    "COMPARE-ROLES": {"roles": ("fc.*=head:0",)},
    "COMPARE-DIRECTIONS": {"directions": "d.pt", "directions_sha256": "4" * 64},
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


@pytest.mark.parametrize(
    ("code", "field", "others"),
    [
        ("COMPARE-BN-BATCH", {"bn_batch_size": 64}, ("batch", "recalibrate")),
        ("COMPARE-CALIBRATION", {"bn_digest": "3" * 64}, ("recalibrate",)),
        ("COMPARE-CALIBRATION", {"bn_preprocessing": "scaled"}, ("recalibrate",)),
    ],
)
def test_settings_of_statistics_are_said_where_they_bear_on_what_is_compared(code, field, others):
    one, two = policies(), policies(name="b.h5")
    two = dataclasses.replace(two, job=dataclasses.replace(two.job, **field))
    for policy in POLICIES:
        said = [finding.code for finding in compared([[one], [two]], policies=[policy]).findings]
        assert said == [code] * (policy in others)
    plain = [dataclasses.replace(each, provenance={**each.provenance, "statistics_layers": 0}) for each in (one, two)]
    assert not compared([[each] for each in plain]).findings


def test_what_is_not_compared_is_no_caution():
    every, frozen = policies(), line(name="frozen.h5")
    assert not compared([[every], [frozen]], policies=["frozen"]).findings
    assert not compared([[every], [frozen]]).findings
    assert not compared([[every]]).findings
    (finding,) = compared([[frozen], [every]]).findings
    assert finding.code == "COMPARE-BN"
    assert "(frozen in frozen.h5; frozen and batch and recalibrate in a.h5)" in finding.text


def test_a_draw_unfinished_under_a_policy_that_is_not_compared_is_used():
    source = policies()
    count = source["test/count"].copy()
    count[2, 2, 3] = 0
    source = dataclasses.replace(source, quantities={**source.quantities, "test/count": count})
    assert not compared([[source]], policies=["frozen", "batch"]).findings
    assert [finding.code for finding in compared([[source]]).findings] == ["COMPARE-INCOMPLETE"]


def test_one_checkpoint_is_not_two_networks():
    message = (
        r"a group's files are different trained networks, and a\.h5 and b\.h5 hold the same checkpoint: draws of the "
        "directions of one network come with --repeats"
    )
    with pytest.raises(LandscapeError, match=message):
        compared([[line(checkpoint_sha256="1")], [line(), line(name="b.h5", seed=1)]])


def test_other_directions_are_not_paired():
    """Pairs would all differ the same way: p = 2/16. As groups of four most labellings are as far apart."""
    one, two = line(), line(1.05, name="b.h5", seed=1)
    comparison = compared([[one], [two]])
    found = effect(comparison, "mean_rise_1")
    expected = over_seeds(*(each.values["mean_rise_1"][0] for each in comparison.contenders))
    assert (found.over, found.paired, found.number) == ("directions", False, 8)
    assert (found.estimate, found.p, found.smallest_p) == (expected.estimate, expected.p, 2 / 70)
    assert found.p > 0.5
    assert math.isnan(found.low)
    told = " ".join(text(comparison).split())
    assert f"p={found.p:.3g} (unpaired)" in told
    assert "draws of the directions (unpaired: their directions differ) are compared by the ratio of the" in told
    assert "sign-flip" not in told


def test_other_draws_of_one_seed_are_not_paired():
    one, two = line(), line(2.0, name="b.h5")
    assert effect(compared([[one.sel(repeat=1)], [two.sel(repeat=1)]]), "mean_rise_1").paired
    assert not effect(compared([[one.sel(repeat=1)], [two.sel(repeat=2)]]), "mean_rise_1").paired


def at_centre(one, two, name="test/centre_loss", **more):
    """Estimate and half width of the interval of a number of the trained weights."""
    found = compared([[one], [two]], **more).effect(name, 1)
    return found.estimate, pytest.approx((found.high - found.low) / 2 / 1.96), found.paired


def only(policy, name="b.h5"):
    return dataclasses.replace(policies(name=name).sel(bn=policy), path=name)


@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
def test_of_one_checkpoint_the_loss_differs_from_the_frozen_one_by_a_paired_error(policy):
    apart, error = {"batch": (0.1, 0.02), "recalibrate": (0.01, 0.003)}[policy]
    frozen, other = line(), only(policy)
    assert at_centre(frozen, other) == (pytest.approx(apart), error, True)
    assert at_centre(other, frozen) == (pytest.approx(-apart), error, True)
    assert at_centre(frozen, other, "test/centre_accuracy") == (0.0, math.hypot(0.01, 0.01), False)


@pytest.mark.parametrize(
    "change", [{"checkpoint_sha256": "1"}, {"weights": "ema"}, {"preprocessing": {"test": "scaled"}}]
)
def test_of_other_networks_or_images_the_loss_differs_by_an_unpaired_error(change):
    other = only("batch")
    other = dataclasses.replace(other, job=dataclasses.replace(other.job, **change))
    assert at_centre(line(), other) == (pytest.approx(0.1), math.hypot(0.02, 0.02), False)


def test_without_a_stored_error_none_is_paired():
    other = only("batch")
    centre = {name: value for name, value in other.centre["test"].items() if "minus_frozen" not in name}
    other = dataclasses.replace(other, centre={"test": centre})
    assert at_centre(line(), other) == (pytest.approx(0.1), math.hypot(0.02, 0.02), False)
    bare = [dataclasses.replace(each, centre={"test": {"loss": 0.5, "count": 1.0}}) for each in (line(), other)]
    assert math.isnan(
        effect(compared([[bare[0]], [dataclasses.replace(bare[1], path="c.h5")]]), "test/centre_loss").low
    )


def test_a_network_without_statistics_is_exactly_itself_under_every_policy():
    frozen, batch = (
        dataclasses.replace(
            each, provenance={"statistics_layers": 0}, centre={"test": {**line().centre["test"], "loss": loss}}
        )
        for each, loss in ((line(), 0.5), (only("batch"), 0.5 + 1e-8))
    )
    for name in ("test/centre_loss", "test/centre_accuracy"):
        assert at_centre(frozen, batch, name) == (0.0, 0.0, True)


def regular(curvature, start, stop, number, name="b.h5"):
    x = np.linspace(start, stop, number)
    axis = landscape.Axis(tuple(x.tolist()))
    return dataclasses.replace(surface(0.5 + curvature * x**2 / 2, x=axis), path=name)


@pytest.mark.parametrize(("start", "stop", "number"), [(-0.85, 1.1, 40), (-1.2, 0.9, 22), (-2, 2, 21)])
def test_a_range_ends_at_coordinates_that_every_file_has(start, stop, number):
    one, two = (c.surfaces[0][0] for c in compared([[line(repeats=1)], [regular(1, start, stop, number)]]).contenders)
    ends = [(each.grid.axes[0].values[0], each.grid.axes[0].values[-1]) for each in (one, two)]
    assert ends[0] == pytest.approx(ends[1])


def test_other_points_within_the_range_are_said():
    (finding,) = compared([[line(repeats=1)], [regular(1, -1, 1, 41)]]).findings
    assert (finding.code, finding.level) == ("COMPARE-GRID", "warning")
    assert finding.text == (
        "the points differ (21 points at most 0.1 apart in a.h5; 41 points at most 0.05 apart in b.h5): widths, "
        "curvatures, roughness and shares depend on them"
    )


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
        "medians over 4 draws of the directions; [..] are 95 % bootstrap intervals over them; with few of them these "
        "cover less than 95 %, 75 % at three compared in pairs (the same draws of the directions): the median ratio or "
        "difference with its bootstrap interval over the pairs, p of a two-sided sign-flip test, of which the smallest "
        "possible is 0.12",
        "± of the trained weights' own loss and accuracy is one standard error over the examples, and the [..] of how "
        "these differ is 1.96 standard errors either way, of a difference taken example by example",
        "the unit of replication is directions of one training run: a claim about an architecture needs "
        "several training seeds",
        "mean rise at r = 1 (loss) 0.575 [0.5, 0.65] 1.725 [1.5, 1.95] ×3 [3, 3] p=0.125",
        "test accuracy (%) 90 ± 1 90 ± 1",
        "mean rise at r = 1: Mean of loss - L0 over x = -1 and x = 1",
    ):
        assert expected in words
    assert str(comparison) == text(comparison)


def test_one_draw_has_no_intervals_but_over_the_examples():
    words = text(compared([[line(repeats=1)], [line(3.0, name="b.h5", repeats=1, checkpoint_sha256="1")]]))
    told = " ".join(words.split())
    assert "one draw of the directions: no intervals over directions; use --repeats 8 for them" in told
    assert "1.96 standard errors either way, as if the examples of the two were independent, which errs on" in told
    assert "×3\n" in words
    assert "sign-flip" not in told
    assert "p values" not in told


def test_of_one_network_nothing_is_said_of_tests():
    told = " ".join(text(compared([[line(repeats=8)]])).split())
    assert "medians over 8 draws of the directions; [..] are 95 % bootstrap intervals over them ± of" in told
    assert not any(word in told for word in ("sign-flip", "p values", "how these differ", "75 %"))


def test_over_networks_the_intervals_are_said_to_be_over_networks():
    groups = [[line(1 + i / 10, name=f"{k}{i}.h5", checkpoint_sha256=f"{k}{i}") for i in range(3)] for k in "ab"]
    told = " ".join(text(compared(groups)).split())
    assert (
        "[..] are 95 % bootstrap intervals over networks: with few of them these cover less than 95 %, 75 % at" in told
    )
    assert (
        "networks of different kinds are compared by the ratio of the geometric means (or the difference of the means) "
        "without an interval, p of a two-sided permutation test, of which the smallest possible is 0.1 " in told
    )
    assert "sign-flip" not in told
    assert "over the examples" not in told
    mixed = " ".join(text(compared([groups[0], [line(name="c.h5")]])).split())
    assert "of a single network the median and its [..] are over the draws of the directions" in mixed


def test_policies_of_the_same_networks_are_compared_in_pairs():
    two = [policies(name=f"{i}.h5", checkpoint_sha256=str(i)) for i in range(2)]
    told = " ".join(text(compared([two])).split())
    assert "compared in pairs (the same networks): the median ratio or difference" in told
    assert "permutation" not in told


def test_a_number_that_no_pair_has_does_not_hide_the_smallest_p():
    comparison = compared([[line()], [line(3.0, name="b.h5")]])
    first = dataclasses.replace(effect(comparison, "mean_rise_1"), smallest_p=math.nan)
    told = text(dataclasses.replace(comparison, effects=(first, *comparison.effects)))
    assert "of which the smallest possible is 0.12" in " ".join(told.split())


def test_more_than_two_stand_one_below_the_other():
    words = text(compared([[policies()]]))
    rows = [row.split() for row in words.splitlines()]
    assert ["a,", "recalibrate", "0.575", "[0.5,", "0.65]", "×0.5", "[0.5,", "0.5]", "p=0.125", "a,", "frozen"] in rows


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
    assert r"$\times$3 [3, 3] p=0.125 \\" in tex
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


def test_json_tells_what_was_measured_as_infinite_from_what_is_not_there(tmp_path):
    steep = regular(1, -1, 1, 21, name="a.h5")
    loss = steep["test/loss"].copy()
    loss[0] = np.inf
    steep = dataclasses.replace(steep, quantities={**steep.quantities, "test/loss": loss})
    content = json.loads(save_table(compared([[steep]]), tmp_path / "t.json").read_text())
    values = content["contenders"][0]["values"]
    assert values["largest_rise"] == [["inf"]]
    assert values["test/centre_loss_stderr"] == [[None]]


def test_what_is_counted_and_divided_is_said_as_it_is():
    shown = {measure.name: measure for measure in compared([[line()]]).measures}
    assert shown["nonconvex_share"].label == "share of non-convex inner points"
    assert shown["nonconvex_share"].definition.startswith("Share of the inner points (those with neighbours on every")
    assert "Mean of |f(x) - f(-x)| / (mean of (f(x) + f(-x)) / 2 - L0)," in shown["asymmetry"].definition


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """The command `landscape compare` in a folder with two files of lines; gives the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)
    for name, curvature in (("a.h5", 1.0), ("b.h5", 2.0)):
        save(line(curvature, repeats=1), name)

    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(["compare", *words])
        return stopped.value.code, *capsys.readouterr()

    return call


REFUSED_WORDS = {
    "comma": (
        ("a.h5,",),
        "a file name is missing beside a comma in 'a.h5,': write the files of one kind without spaces",
    ),
    "policy": (("a.h5", "--bn", "frozn"), "'frozn' is not one of 'frozen', 'batch', 'recalibrate'"),
    "layout": (
        ("a.h5", "--layout", "grid"),
        "the layout grid is one of planes, and these are lines: take the layout rows",
    ),
    "metric": (("a.h5", "--metric", "acuracy"), "has no quantity 'test/acuracy'"),
    "clip": (("a.h5", "--clip", "-3"), "the clip must lie above the smallest value"),
}


@pytest.mark.parametrize("case", REFUSED_WORDS)
def test_what_cannot_be_compared_or_drawn_is_refused_before_the_table(command, case):
    words, message = REFUSED_WORDS[case]
    code, out, told = command(*words, "b.h5")
    assert code != 0
    assert message in " ".join(told.split())
    assert not out
    assert "--1d" not in told


def test_a_network_without_statistics_serves_under_every_policy_of_the_others():
    """Computed the usual way, frozen, it is the same under all: what matters is the comparison with each."""
    plain = line(1.0, name="none.h5")
    plain = dataclasses.replace(plain, provenance={**plain.provenance, "statistics_layers": 0})
    comparison = compared([[policies()], [plain]])
    titles = [contender.title for contender in comparison.contenders]
    references = {titles[found.contender]: titles[found.reference] for found in comparison.effects}
    assert references["none, recalibrate"] == "a, recalibrate"
    assert effect(comparison, "mean_rise_1", titles.index("none, recalibrate")).estimate == pytest.approx(1.0)
    alone = compared([[policies()], [plain]], policies=("recalibrate",))
    assert [contender.title for contender in alone.contenders] == ["a", "none"]
    assert [contender.title for contender in compared([[plain]]).contenders] == ["none"]
