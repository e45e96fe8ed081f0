"""Scales: ranges, clips and levels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landscape.analysis.levels import steps
from landscape.analysis.scales import centred_scale, choose_scale
from landscape.errors import LandscapeError

BOWL = np.add.outer(np.linspace(-1, 1, 51) ** 2, np.linspace(-1, 1, 51) ** 2)


@pytest.mark.parametrize(
    ("values", "log"),
    [
        (np.geomspace(0.01, 100, 300), True),
        (np.geomspace(0.3, 300, 300), True),
        (np.linspace(0.4, 2.5, 300), False),
        (np.linspace(0.0, 500, 300), False),
        (np.linspace(-3.0, 4.0, 300), False),
        (np.linspace(1e-9, 2e-9, 300), False),
    ],
)
def test_log_only_where_positive_values_span_decades(values, log):
    scale = choose_scale([values])
    assert scale.log is log
    assert (scale.lower, scale.upper) == pytest.approx((values.min(), values.max()))
    assert 8 <= len(scale.levels) <= 24


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1.0, 1e3, 1e6])
@pytest.mark.parametrize("offset", [0.0, 0.37])
def test_levels_follow_the_values_and_are_never_fixed(factor, offset):
    scale = choose_scale([factor * (BOWL + offset)])
    assert len(scale.levels) >= 8
    assert all(scale.lower <= level <= scale.upper for level in scale.levels)
    assert list(scale.levels) == sorted(set(scale.levels))


def test_surfaces_compared_get_one_scale_with_levels_in_each():
    low, high = 0.3 + 0.2 * BOWL, 0.3 + 3.0 * BOWL
    scale = choose_scale([low, high])
    assert (scale.lower, scale.upper) == pytest.approx((0.3, 6.3))
    assert sum(low.min() < level < low.max() for level in scale.levels) >= 4


def test_levels_stand_close_near_the_minimum_of_a_steep_bowl():
    steep = 0.3 + 8 * BOWL**3 / 8
    quarter = np.percentile(steep, 25)
    assert sum(level < quarter for level in choose_scale([steep]).levels) >= 2


def test_not_finite_values_do_not_count():
    plain = choose_scale([BOWL])
    with_gaps = np.append(BOWL.ravel(), [np.nan, np.inf, -np.inf])
    assert choose_scale([with_gaps]) == plain
    assert choose_scale([with_gaps, np.full(5, np.nan)]) == plain


@pytest.mark.parametrize("values", [[], [np.full((3, 3), np.nan)], [np.array([np.inf])]])
def test_nothing_finite_still_gives_a_scale(values):
    scale = choose_scale(values)
    assert scale.lower < scale.upper
    assert np.isnan(scale.position(np.nan))


@pytest.mark.parametrize("value", [0.0, 2.3, -1.5, 1e-12, 1e20])
def test_a_constant_surface_lies_inside_its_scale(value):
    scale = choose_scale([np.full((4, 4), value)])
    assert scale.lower < value < scale.upper
    assert scale.position(value) == pytest.approx(0.5)


def test_a_few_spikes_are_clipped_and_nothing_else():
    spiked = np.append(BOWL.ravel() + 0.5, [1e9, 1e12])
    scale = choose_scale([spiked])
    assert (spiked > scale.upper).sum() <= 0.02 * spiked.size + 1
    assert scale.upper < 4
    assert choose_scale([BOWL]).upper == BOWL.max()


PEAK = np.pad(np.full((5, 5), 92.0), 23, constant_values=10.0) + BOWL / 2


@pytest.mark.parametrize("values", [PEAK, np.geomspace(1.0, 70.0, 300)], ids=["peak", "decades"])
def test_accuracies_are_shown_whole_and_linear_unless_asked_for(values):
    assert choose_scale([values]) != choose_scale([values], bounded=True)
    scale = choose_scale([values], bounded=True)
    assert (scale.lower, scale.upper, scale.log) == (values.min(), values.max(), False)
    asked = choose_scale([values], log=True, clip=50.0, bounded=True)
    assert (asked.upper, asked.log) == (50.0, True)


def test_heights_colours_and_bands_agree():
    scale = choose_scale([np.geomspace(0.1, 1000, 100)])
    assert scale.transform([0.1, 10, 1000, 1e5]) == pytest.approx([-1, 1, 3, 3])
    assert scale.heights([1e5, 0.0]) == pytest.approx([5, -1])
    assert scale.position([0.1, 10, 1000, 1e5]) == pytest.approx([0, 0.5, 1, 1])
    assert len(scale.bands) == len(scale.boundaries) - 1
    assert (np.diff(scale.bands) > 0).all()


@pytest.mark.parametrize(
    ("lower", "upper", "number", "log", "expected"),
    [
        (-1, 1, 5, False, (-1, -0.5, 0, 0.5, 1)),
        (0, 0.7, 7, False, (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)),
        (0.3, 300, 10, True, (0.5, 1, 2, 5, 10, 20, 50, 100, 200)),
        (1e-8, 1e8, 6, True, (1e-6, 1e-3, 1, 1e3, 1e6)),
        (5, 6, 5, True, (5, 5.25, 5.5, 5.75, 6)),
    ],
)
def test_steps_are_round_and_exact(lower, upper, number, log, expected):
    assert steps(lower, upper, number, log) == expected


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.5"), (1.5, "1.5"), (200.0, "200"), (0.0, "0"), (1e-5, "1e-5"), (2e6, "2e6")]
)
def test_texts_of_round_values(value, text):
    scale = choose_scale([np.geomspace(1e-6, 1e7, 50)])
    assert scale.text(value) == text


def test_texts_tell_neighbouring_levels_apart():
    scale = choose_scale([np.linspace(0.37270, 0.37275, 200)])
    texts = [scale.text(level) for level in scale.levels]
    assert len(set(texts)) == len(texts)
    assert [float(text) for text in texts] == pytest.approx(scale.levels, abs=1e-9)


def test_what_is_asked_for_is_taken():
    scale = choose_scale([BOWL + 1], log=True, clip=2.0, levels=[2.5, 1.5, 1.5, 1.2])
    assert (scale.log, scale.upper, scale.levels) == (True, 2.0, (1.2, 1.5))
    assert 4 <= len(choose_scale([BOWL], levels=5).levels) <= 7


def test_a_forced_log_shows_what_is_not_positive_at_the_lower_end():
    scale = choose_scale([np.array([-1.0, 0.0, 0.01, 10.0])], log=True)
    assert scale.lower == 0.01
    assert scale.position([-1.0, 0.0, 0.01]) == pytest.approx([0, 0, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 0.1}, "the clip must lie above the smallest value, 1, not at 0.1"),
        ({"clip": math.nan}, "the clip must lie above"),
        ({"levels": []}, "levels must be finite numbers"),
        ({"levels": [math.inf]}, "levels must be finite numbers"),
        ({"levels": [50, 60]}, "none of the levels 50, 60 lies inside the values, 1 to 3"),
        ({"levels": 1}, "the number of levels must be between 2 and 100, not 1"),
    ],
)
def test_wrong_options_are_told_in_one_sentence(options, message):
    with pytest.raises(LandscapeError, match=message):
        choose_scale([BOWL + 1], **options)


def test_a_log_of_nothing_positive_is_refused():
    with pytest.raises(LandscapeError, match="a log scale needs positive values"):
        choose_scale([-BOWL], log=True)


@settings(max_examples=150)
@given(
    st.lists(st.floats(-1e30, 1e30) | st.sampled_from([math.nan, math.inf, -math.inf]), min_size=1, max_size=40),
    st.sampled_from([None, False]),
)
def test_any_values_get_a_usable_scale(values, log):
    scale = choose_scale([np.array(values)], log=log)
    positions = scale.position(np.array([value for value in values if math.isfinite(value)]))
    assert scale.lower < scale.upper
    assert ((positions >= 0) & (positions <= 1)).all()
    assert list(scale.boundaries) == sorted(set(scale.boundaries))
    assert all(scale.lower <= value <= scale.upper for value in (*scale.levels, *scale.ticks))


@settings(max_examples=100)
@given(st.lists(st.floats(-1e30, 1e30) | st.sampled_from([math.nan, math.inf]), min_size=1, max_size=40))
def test_differences_get_a_scale_as_far_below_zero_as_above(values):
    scale = centred_scale(np.array(values))
    finite = np.array([value for value in values if math.isfinite(value)])
    assert (scale.lower, scale.diverging, scale.log) == (-scale.upper, True, False)
    assert 0.0 in scale.levels
    assert float(scale.position(0.0)) == 0.5
    np.testing.assert_allclose(scale.position(finite) + scale.position(-finite), 1, atol=1e-12)


def test_a_scale_of_differences_ends_where_it_is_told():
    assert centred_scale(np.array([-3.0, 1.0]), clip=2.0).upper == 2.0
    assert centred_scale(np.array([-3.0, 1.0]), levels=[-1, 0, 9]).levels == (-1, 0)
    assert centred_scale(np.zeros(5)).upper == 1.0
    with pytest.raises(LandscapeError, match="the clip of a difference is a positive number, not -1"):
        centred_scale(np.ones(3), clip=-1)
    with pytest.raises(LandscapeError, match="the number of levels must be between 2 and 100, not 0"):
        centred_scale(np.ones(3), levels=0)


def test_differences_keep_their_heights_beyond_both_ends():
    scale = centred_scale(np.array([-3.0, 3.0]), clip=1.0)
    assert scale.heights([-3, -1, 0, 3]).tolist() == [-3, -1, 0, 3]
    assert scale.position([-3, -1, 0, 3]).tolist() == [0, 0, 0.5, 1]


@pytest.mark.parametrize("log", [None, True, False])
@pytest.mark.parametrize(("vmin", "vmax"), [(0.2, 7.0), (1.5, 2.5), (0.2, 1.2), (2.9, 40.0)])
def test_the_ends_are_exactly_those_that_were_asked_for(vmin, vmax, log):
    scale = choose_scale([BOWL + 1], log, vmin=vmin, vmax=vmax)
    assert (scale.lower, scale.upper) == (vmin, vmax)
    assert all(vmin <= value <= vmax for value in (*scale.levels, *scale.ticks))
    assert scale.position([vmin - 0.1, vmin, vmax, vmax + 9]).tolist() == [0, 0, 1, 1]
    assert scale.log is (log or (log is None and vmax / vmin > 10**1.5))


def test_one_end_alone_leaves_the_other_to_the_values():
    assert choose_scale([BOWL + 1], vmin=-3.0).upper == 3.0
    assert choose_scale([BOWL + 1], vmax=2.5).lower == 1.0
    assert choose_scale([np.full(4, np.nan)], vmin=5.0, vmax=6.0).upper == 6.0
    assert choose_scale([np.full(4, np.nan)], vmin=5.0).lower == 5.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vmin": 2, "vmax": 2}, "vmin must lie below vmax, and 2 does not lie below 2"),
        ({"vmin": math.nan}, "vmin must be a finite number, not nan"),
        ({"vmax": math.inf}, "vmax must be a finite number, not inf"),
        ({"vmin": 0, "log": True}, "vmin must lie above 0 on a log scale, not at 0"),
        ({"vmin": -0.1, "offset": 0.1}, "vmin must lie above -0.1 on a log scale, not at -0.1"),
        ({"vmax": 2, "clip": 2}, "vmax and clip both say where the scale ends; give one of them"),
        ({"vmax": 0.5}, "vmax must lie above the smallest value, 1, not at 0.5"),
        ({"vmin": 3.5}, "vmin must lie below the largest value, 3, not at 3.5"),
        ({"vmin": 2, "clip": 1.5}, "the clip must lie above vmin, 2, not at 1.5"),
        ({"vmin": 2, "vmax": 2 + 1e-12}, "the ends of the scale both lie at 2"),
        ({"offset": -1.0}, "the offset of a log scale is a number from 0 up, not -1"),
    ],
)
def test_ends_that_do_not_fit_are_told_in_one_sentence(options, message):
    with pytest.raises(LandscapeError, match=message):
        choose_scale([BOWL + 1], **options)


def test_heights_of_the_2018_renders_are_logarithms_of_the_clipped_loss_plus_a_tenth():
    loss = 5 * BOWL**3
    scale = choose_scale([loss], offset=0.1, limit=10.0)
    z = np.log(np.minimum(loss, 10.0) + 0.1)
    np.testing.assert_allclose(scale.transform(loss) * math.log(10), z, atol=1e-12)
    np.testing.assert_allclose(scale.position(loss), (z - z.min()) / (math.log(10.1) - z.min()), atol=1e-12)
    assert (scale.log, scale.upper, scale.offset) == (True, 10.0, 0.1)
    assert 0.0 in scale.ticks
    heights = scale.transform(scale.levels)
    assert np.diff(heights).max() < 4 * np.median(np.diff(heights))


def test_a_limit_cuts_only_what_lies_above_it():
    assert choose_scale([BOWL], limit=10.0).upper == 2.0
    assert choose_scale([BOWL + 20], limit=10.0).upper == 22.0
    assert choose_scale([20 * BOWL], limit=10.0).upper == 10.0
    assert choose_scale([20 * BOWL], limit=10.0, clip=15.0).upper == 15.0
    assert choose_scale([20 * BOWL], limit=10.0, bounded=True).upper == 40.0
    assert choose_scale([BOWL], log=False, offset=0.1).offset == 0.0


@settings(max_examples=200)
@given(
    st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0]), min_size=1, max_size=30),
    st.floats(1e-3, 10),
    st.none() | st.floats(-1e5, 1e5),
    st.none() | st.floats(-1e5, 1e5),
    st.sampled_from([None, True, False]),
    st.none() | st.integers(2, 100),
)
def test_whatever_is_asked_for_gives_a_usable_scale_or_one_sentence(values, offset, vmin, vmax, log, levels):
    try:
        scale = choose_scale([np.array(values)], log, vmin=vmin, vmax=vmax, offset=offset, levels=levels)
    except LandscapeError:
        return  # refused, in one sentence
    assert vmin in {None, scale.lower}
    assert vmax in {None, scale.upper}
    drawn = np.array([scale.lower, *scale.levels, scale.upper])
    assert list(scale.levels) == sorted(set(scale.levels))
    assert ((drawn >= scale.lower) & (drawn <= scale.upper)).all()
    positions = scale.position(drawn)
    assert positions[[0, -1]].tolist() == [0, 1]
    assert (np.diff(positions) >= 0).all()
    assert len(scale.ticks) >= 1


def test_the_scale_of_a_difference_takes_one_end_for_both():
    values = np.array([-3.0, 1.0])
    assert centred_scale(values, vmax=2.0).lower == -2.0
    assert centred_scale(values, vmin=-2.0).upper == 2.0
    assert centred_scale(values, vmin=-2.0, vmax=2.0).upper == 2.0
    for options in ({"vmin": -1.0, "vmax": 2.0}, {"vmin": 0.0}, {"vmin": -1.0, "clip": 2.0}):
        with pytest.raises(LandscapeError, match="reaches as far below 0 as above"):
            centred_scale(values, **options)
    with pytest.raises(LandscapeError, match="the vmax of a difference is a positive number, not -2"):
        centred_scale(values, vmax=-2.0)
