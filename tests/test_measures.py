"""The numbers of one surface, all together: names, definitions, invariances, and what must not exist."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import broken, rugged, surface, valley

from landscape.analysis.catalogue import catalogue
from landscape.analysis.measures import MEASURES, measures
from landscape.errors import LandscapeError
from landscape.types import Axis, Grid

AXIS = np.linspace(-1, 1, 21)
ORIGIN = 0.5
SHIFT_FREE = [measure.name for measure in MEASURES if not measure.name.startswith("test/centre")]
POWERS = {
    "mean_rise_0.5": 1,
    "mean_rise_1": 1,
    "largest_rise": 1,
    "curvature_mean": 1,
    "curvature_largest": 1,
    "curvature_smallest": 1,
    "asymmetry_largest": 1,
}


def random_plane(seed, nx=11, ny=9):
    """A bowl with noise and a slope; the centre is on the grid."""
    x, y = np.meshgrid(np.linspace(-1, 1, nx), np.linspace(-1, 1, ny), indexing="ij")
    noise = np.random.default_rng(seed).normal(size=x.shape)
    values = ORIGIN + 2 * x**2 + y**2 + 0.5 * x * y + 0.3 * x + 0.2 * noise
    values[nx // 2, ny // 2] = ORIGIN
    return surface(values)


def same(found, expected, **tolerance):
    assert list(found) == list(expected)
    assert found == {name: pytest.approx(value, nan_ok=True, **tolerance) for name, value in expected.items()}


def with_noise(source, error):
    return dataclasses.replace(
        source, quantities={**source.quantities, "test/loss_rise_stderr": np.full(source.grid.shape, error)}
    )


def test_the_numbers_of_a_paraboloid():
    a, b, tau = 3.0, 1.0, 0.1
    x, y = np.meshgrid(np.linspace(-1, 1, 101), np.linspace(-1, 1, 101), indexing="ij")
    found = measures(surface(ORIGIN + (a * x**2 + b * y**2) / 2))
    assert found["width_0.1"] == pytest.approx(2 * math.pi * tau / math.sqrt(a * b), rel=2e-3)
    assert found["width_0.1_censored"] == 0.0
    assert found["width_1_censored"] == 1.0
    assert found["mean_rise_0.5"] == pytest.approx((a + b) * 0.5**2 / 4, rel=1e-3)
    assert found["mean_rise_1"] == pytest.approx((a + b) / 4, rel=1e-3)
    assert found["largest_rise"] == pytest.approx(2.0)
    assert found["curvature_mean"] == pytest.approx(2.0)
    assert (found["curvature_largest"], found["curvature_smallest"]) == pytest.approx((a, b))
    exact = {"nonconvex_share": 0, "roughness": 0, "basins": 1, "asymmetry": 0, "asymmetry_largest": 0}
    assert {name: found[name] for name in exact} == pytest.approx(exact, abs=1e-12)
    assert found["measured_share"] == 1.0


def test_the_numbers_of_a_parabola():
    found = measures(surface(ORIGIN + AXIS**2))
    assert found["width_0.1"] == pytest.approx(2 * (0.3 + 0.1 * (0.1 - 0.09) / 0.07))
    assert found["mean_rise_0.5"] == pytest.approx(0.25)
    assert found["largest_rise"] == pytest.approx(1.0)
    assert found["curvature_mean"] == pytest.approx(2.0)
    assert math.isnan(found["curvature_largest"])
    assert math.isnan(found["curvature_smallest"])


@pytest.mark.parametrize("minimum", [0.0, 0.13])
@pytest.mark.parametrize("values", [AXIS**2, np.add.outer(AXIS**2, AXIS**2)], ids=["line", "plane"])
def test_twice_the_curvature_is_twice_the_number(values, minimum):
    one, two = (measures(surface(minimum + factor * values / 2)) for factor in (1, 2))
    assert one["curvature_mean"] == pytest.approx(1.0, rel=1e-12)
    assert two["curvature_mean"] / one["curvature_mean"] == pytest.approx(2.0, rel=1e-12)


@given(st.integers(0, 10**6), st.floats(0.01, 100))
@settings(max_examples=25)
def test_scaling_the_loss_scales_what_is_a_height_or_curvature(seed, factor):
    source = random_plane(seed)
    scaled = surface(factor * source["test/loss"], centre={"test": {"loss": factor * ORIGIN}})
    plain = measures(source)
    found = measures(scaled, thresholds=(0.1 * factor, 1.0 * factor))
    expected = [plain[name] * factor ** POWERS.get(name, 0) for name in SHIFT_FREE]
    values = list(found.values())[-len(SHIFT_FREE) :]
    assert values == pytest.approx(expected, rel=1e-6, abs=1e-9 * factor)


@given(st.integers(0, 10**6), st.floats(-10, 10))
@settings(max_examples=25)
def test_adding_a_constant_changes_nothing_but_the_loss_at_the_centre(seed, constant):
    source = random_plane(seed)
    shifted = surface(source["test/loss"] + constant, centre={"test": {"loss": ORIGIN + constant}})
    found, expected = measures(shifted), measures(source)
    assert found["test/centre_loss"] == ORIGIN + constant
    same({name: found[name] for name in SHIFT_FREE}, {name: expected[name] for name in SHIFT_FREE}, abs=1e-9)


@given(st.integers(0, 10**6))
@settings(max_examples=25)
def test_exchanging_the_axes_changes_nothing(seed):
    source = random_plane(seed)
    exchanged = surface(source["test/loss"].T)
    found, expected = measures(exchanged), measures(source)
    # The sign of the largest asymmetry belongs to the half-plane with a positive first coordinate.
    found["asymmetry_largest"], expected["asymmetry_largest"] = (
        abs(each["asymmetry_largest"]) for each in (found, expected)
    )
    same(found, {**expected, "test/centre_accuracy": 0.9}, abs=1e-9)


@given(st.integers(0, 10**6), st.sampled_from([0.1, 3.0]))
@settings(max_examples=25)
def test_longer_directions_change_the_unit_of_length(seed, factor):
    source = random_plane(seed)
    axes = tuple(Axis(tuple(factor * axis.array())) for axis in source.grid.axes)
    found = measures(
        dataclasses.replace(source, grid=Grid(axes)), radii=(0.5 * factor, 1.0 * factor), neighbourhood=0.25 * factor
    )
    powers = {name: -2 for name in found if name.startswith("curvature")}
    powers |= {"width_0.1": 2, "width_1": 2}
    expected = [value * factor ** powers.get(name, 0) for name, value in measures(source).items()]
    assert list(found.values()) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_the_centre_is_given_for_every_split_with_its_errors():
    centre = {
        "test": {"loss": 0.4, "loss_stderr": 0.02, "accuracy": 0.9, "accuracy_stderr": 0.01},
        "train": {"loss": 0.1, "loss_stderr": 0.01},
    }
    source = surface(AXIS**2, centre=centre, data_digest={"test": "1", "train": "2"})
    found = measures(source)
    assert list(found.items())[:6] == [
        ("test/centre_loss", 0.4),
        ("test/centre_loss_stderr", 0.02),
        ("test/centre_accuracy", 0.9),
        ("test/centre_accuracy_stderr", 0.01),
        ("train/centre_loss", 0.1),
        ("train/centre_loss_stderr", 0.01),
    ]
    assert math.isnan(found["train/centre_accuracy"])


def test_the_shape_is_that_of_the_split_that_is_asked_for():
    source = surface(
        AXIS**2, centre={"test": {"loss": 0.0}, "train": {"loss": 1.0}}, data_digest={"test": "1", "train": "2"}
    )
    more = {"train/loss": 1 + 3 * AXIS**2, "train/count": source["test/count"]}
    source = dataclasses.replace(source, quantities={**source.quantities, **more})
    assert measures(source)["largest_rise"] == pytest.approx(1.0)
    assert measures(source, "train")["largest_rise"] == pytest.approx(3.0)


def test_what_is_infinite_or_missing_is_honoured():
    found = measures(broken(valley(), nan=[(0, 0)], inf=[(12, 8)]))
    whole = measures(valley())
    assert found["largest_rise"] == math.inf
    assert found["measured_share"] == pytest.approx(1 - 1 / 96)
    assert found["width_0.1"] == whole["width_0.1"]
    assert found["curvature_mean"] == whole["curvature_mean"]
    assert found["nonconvex_share"] == 0.0


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 1), (2, 2), (5, 1), (1, 5), (3, 3)])
@pytest.mark.parametrize("value", [1.0, np.nan, np.inf])
def test_every_grid_has_all_names_and_no_accident(shape, value):
    axes = [Axis(tuple(np.linspace(-1, 1, n).tolist() if n > 1 else [0.0])) for n in shape]
    source = surface(np.full(shape, value), *axes)
    names = [measure.name for measure in catalogue(("test",), len(shape))]
    assert list(measures(source)) == names


def test_a_run_that_has_not_begun_has_no_numbers():
    found = measures(surface(np.ones((5, 5)), count=np.zeros((5, 5))))
    numbers = {name for name, value in found.items() if not math.isnan(value)}
    assert numbers == {"test/centre_loss", "test/centre_accuracy", "measured_share"}
    assert found["measured_share"] == 0.0


def test_a_centre_that_is_not_finite_leaves_what_needs_no_origin():
    found = measures(rugged(centre={"test": {"loss": math.nan}}))
    numbers = {name for name in SHIFT_FREE if not math.isnan(found[name])}
    curvature = {"curvature_mean", "curvature_largest", "curvature_smallest"}
    assert numbers == {"measured_share", *curvature, "nonconvex_share", "asymmetry_largest"}


def test_sampling_noise_raises_the_threshold_of_basins_and_nothing_else():
    source = random_plane(2)
    known, noisy = measures(with_noise(source, 1e-6)), measures(with_noise(source, 1.0))
    assert known["basins"] > noisy["basins"] == 1
    assert {**known, "basins": 1.0} == pytest.approx(noisy, nan_ok=True)
    assert measures(source, persistence=0.001)["basins"] >= known["basins"]


def test_names_and_definitions_follow_the_settings():
    listing = catalogue(("val",), 1, thresholds=(0.25,), radii=(0.1,), neighbourhood=0.05, persistence=0.3)
    texts = {measure.name: measure.definition for measure in listing}
    assert "{loss <= L0 + 0.25}" in texts["width_0.25"]
    assert "x = -0.1 and x = 0.1" in texts["mean_rise_0.1"]
    assert "|x| <= 0.05 (on a coarse grid, up to the nearest 3 points)" in texts["curvature_mean"]
    assert "above 0.3," in texts["basins"]
    assert list(measures(surface(AXIS**2), thresholds=(0.25,), radii=(0.1,)))[5:8] == [
        "width_0.25",
        "width_0.25_censored",
        "mean_rise_0.1",
    ]


@pytest.mark.parametrize("axes", [1, 2])
def test_definitions_are_sentences_and_qualifiers_name_their_number(axes):
    listing = catalogue(("test", "train"), axes)
    names = [measure.name for measure in listing]
    assert len(set(names)) == len(names)
    for measure in listing:
        assert measure.definition.endswith(".")
        assert measure.definition[0].isupper() or measure.definition.startswith(("1 where", "tr(H)", "sqrt("))
        assert measure.of in ("", measure.name.removesuffix("_stderr").removesuffix("_censored"))


def test_what_is_positive_by_nature_is_compared_by_ratios():
    assert {measure.name for measure in MEASURES if measure.positive} == {
        "width_0.1",
        "width_1",
        "mean_rise_0.5",
        "mean_rise_1",
        "largest_rise",
        "curvature_mean",
        "curvature_largest",
        "roughness",
    }


def test_what_repeats_do_not_change_is_said():
    assert {each.name for each in MEASURES if not each.replicated} == {
        "test/centre_loss",
        "test/centre_loss_stderr",
        "test/centre_accuracy",
        "test/centre_accuracy_stderr",
    }


def test_no_definition_calls_anything_convex():
    assert not [
        each.name for each in MEASURES if "convex" in f"{each.label} {each.definition}".replace("non-convex", "")
    ]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"thresholds": (0.0,)}, "a threshold of the width must be a positive number, for example 0.5, not 0.0"),
        ({"radii": (-1,)}, "the radius of a mean rise must be a positive number, for example 0.5, not -1"),
        ({"neighbourhood": math.inf}, "the radius of the paraboloid must be a positive number, .* not inf"),
        ({"persistence": math.nan}, "the persistence of a basin must be a positive number, .* not nan"),
    ],
)
def test_settings_that_are_not_positive_are_refused(setting, message):
    with pytest.raises(LandscapeError, match=message):
        measures(valley(), **setting)
