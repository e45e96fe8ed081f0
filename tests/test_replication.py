"""Intervals and tests over repeats, against enumeration by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import surface

from landscape.analysis.groups import MOST_LABELLINGS, over_seeds
from landscape.analysis.measures import MEASURES, measures
from landscape.analysis.replication import (
    DRAWS,
    ROUNDING,
    bootstrap_interval,
    paired,
    sign_flip_test,
    smallest_sign_flip_p,
)
from landscape.errors import LandscapeError

EIGHT = np.array([0.3, 1.2, 0.7, 2.5, 0.1, 0.9, 1.1, 0.4])
whole = st.integers(-20, 20)
numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


def test_the_interval_is_that_of_all_samples():
    """With three values there are 27 samples; quantiles of 10,000 draws are theirs but for a probability near one."""
    values = [1.0, 2.0, 10.0]
    means = sorted(np.mean(sample) for sample in itertools.product(values, repeat=3))
    low, high = bootstrap_interval(values, np.mean, level=0.8)
    assert (low, high) == pytest.approx((means[math.ceil(2.7) - 1], means[math.ceil(24.3) - 1]))


def test_the_interval_of_the_median_of_few_values_spans_them():
    assert bootstrap_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_the_interval_is_the_same_every_time_and_for_every_order():
    assert bootstrap_interval(EIGHT) == bootstrap_interval(EIGHT[::-1]) == bootstrap_interval(EIGHT)
    assert bootstrap_interval(EIGHT, np.mean) != bootstrap_interval(EIGHT, np.mean, seed=1)


@pytest.mark.parametrize("values", [[], [2.0], [1.0, math.nan, 3.0]])
def test_no_interval_without_values(values):
    assert all(map(math.isnan, bootstrap_interval(values)))


def test_infinite_values_count_as_large():
    assert bootstrap_interval([1.0, 2.0, 3.0, 4.0, math.inf]) == (1.0, math.inf)
    assert bootstrap_interval([5.0] * 6) == (5.0, 5.0)


def test_the_interval_covers_about_what_its_docstring_says():
    """The median of 8 normal values: 0.93, give or take three standard errors of 400 trials."""
    generator = np.random.default_rng(0)
    intervals = [bootstrap_interval(generator.normal(size=8), draws=1000) for _ in range(400)]
    assert np.mean([low <= 0 <= high for low, high in intervals]) == pytest.approx(0.93, abs=0.04)


@given(st.lists(whole, min_size=1, max_size=9))
def test_the_sign_flip_test_equals_a_count_by_hand(values):
    """Whole numbers: sums by hand are exact, and so are ties."""
    observed = abs(sum(values))
    flips = itertools.product((1, -1), repeat=len(values))
    count = sum(abs(sum(s * v for s, v in zip(signs, values, strict=True))) >= observed for signs in flips)
    assert sign_flip_test(values) == count / 2 ** len(values)
    assert sign_flip_test(np.array(values) * 0.1) == count / 2 ** len(values)


@given(st.permutations(list(range(10))), st.lists(numbers, min_size=10, max_size=10))
def test_the_order_of_repeats_does_not_matter(order, values):
    values = np.array(values)
    assert sign_flip_test(values[order]) == sign_flip_test(values)
    assert sign_flip_test(-values) == sign_flip_test(values)


def test_sums_that_tie_but_for_rounding_tie():
    """0.1 + 0.2 - 0.3 is 5.6e-17 in floats, and 0.3 - 0.2 - 0.1 is not."""
    assert sign_flip_test([0.1, 0.2, -0.3]) == 1.0
    assert sign_flip_test([0.1, 0.2, 0.3]) == 2 / 8
    assert sign_flip_test([0.3, -0.1, -0.1]) == sign_flip_test([3, -1, -1])


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e200, 1e308])
def test_the_scale_does_not_matter(scale):
    assert sign_flip_test(scale * np.ones(8)) == 2 / 256


def test_the_smallest_p():
    assert sign_flip_test(EIGHT) == smallest_sign_flip_p(8) == 2 / 256
    assert sign_flip_test([1.0]) == smallest_sign_flip_p(1) == 1.0
    assert sign_flip_test(np.ones(12)) == smallest_sign_flip_p(12) == 2 / 4096
    assert smallest_sign_flip_p(13) == 2 / 8192
    assert sign_flip_test(np.ones(40)) == smallest_sign_flip_p(40) == 1 / (1 + DRAWS)
    assert math.isnan(smallest_sign_flip_p(0))


@pytest.mark.parametrize("number", [1, 5, 12, 20])
def test_zeros_give_one(number):
    assert sign_flip_test(np.zeros(number)) == 1.0


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 2.0]])
def test_no_test_without_finite_differences(values):
    assert math.isnan(sign_flip_test(values))


def test_beyond_twelve_the_random_patterns_agree_with_all_of_them():
    """Thirteen, against 8,192 patterns: within five standard errors of 99,999 draws."""
    values = np.append(EIGHT - 0.5, [0.2, -0.4, 0.6, -0.1, 0.3])
    signs = np.array(list(itertools.product((1, -1), repeat=13)))
    exact = (np.abs(signs @ values) >= abs(values.sum()) - 1e-12).mean()
    assert sign_flip_test(values) == pytest.approx(exact, abs=5 * math.sqrt(exact / DRAWS))
    assert sign_flip_test(values) == sign_flip_test(values[::-1])


def test_p_is_uniform_where_there_is_no_difference():
    """At most alpha of such tests have p <= alpha, and with many patterns about alpha (here + 4 standard errors)."""
    generator = np.random.default_rng(0)
    ps = np.array([sign_flip_test(generator.normal(size=8)) for _ in range(1000)])
    for alpha in (0.01, 0.05, 0.2):
        assert (ps <= alpha).mean() <= alpha + 4 * math.sqrt(alpha / 1000)


@pytest.mark.parametrize("values", [EIGHT, [0.0] * 8, [-1.0, 0.0, 2.0], [0.1]])
def test_equal_numbers_give_ratio_one_difference_zero_and_p_one(values):
    ratio, difference = paired(values, values), paired(values, values, "difference")
    assert (ratio.estimate, ratio.p, ratio.left_out) == (1.0, 1.0, 0)
    assert (difference.estimate, difference.p, difference.left_out) == (0.0, 1.0, 0)
    assert set(ratio.effects) == set(difference.effects) == {0.0}
    if len(values) > 1:
        assert (ratio.low, ratio.high, difference.low, difference.high) == (1.0, 1.0, 0.0, 0.0)


def test_a_ratio_is_the_median_of_ratios():
    found = paired([1, 1, 2, 4, 5], [2, 3, 2, 8, 50])
    assert (found.kind, found.number, found.left_out) == ("ratio", 5, 0)
    assert found.estimate == pytest.approx(2.0)
    assert found.effects == pytest.approx(np.log([2, 3, 1, 2, 10]))
    assert (math.log(found.low), math.log(found.high)) == pytest.approx(bootstrap_interval(found.effects))
    assert found.p == sign_flip_test(found.effects) == 4 / 32
    assert found.smallest_p == 2 / 32


def test_a_difference_is_the_median_of_differences():
    found = paired([1.0, -2.0, 0.0, 3.0], [2.0, -2.5, 0.75, 3.25], "difference")
    assert found.estimate == pytest.approx(0.5)
    assert found.effects == (1.0, -0.5, 0.75, 0.25)
    assert (found.low, found.high) == bootstrap_interval(found.effects)


@settings(max_examples=25)
@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=8), st.floats(0.01, 100))
def test_exchanging_the_groups_inverts_the_ratio(values, factor):
    one, two = paired(values, EIGHT[: len(values)] * factor), paired(EIGHT[: len(values)] * factor, values)
    assert one.estimate * two.estimate == pytest.approx(1.0)
    assert one.p == two.p


def test_pairs_without_an_effect_are_left_out_and_counted():
    a = [1.0, 0.0, -1.0, math.nan, math.inf, math.inf, 2.0]
    b = [2.0, 1.0, 3.0, 1.00, math.inf, 1.000000, 4.0]
    ratio, difference = paired(a, b), paired(a, b, "difference")
    assert (ratio.number, ratio.left_out) == (2, 5)
    assert ratio.estimate == pytest.approx(2.0)
    assert difference.effects == (1.0, 1.0, 4.0, 2.0)
    assert difference.left_out == 3


def test_without_pairs_there_are_no_numbers():
    found = paired([math.nan], [1.0])
    assert (found.number, found.left_out) == (0, 1)
    assert all(map(math.isnan, (found.estimate, found.low, found.high, found.p, found.smallest_p)))


def test_one_pair_has_no_interval():
    found = paired([1.0], [2.0])
    assert (found.estimate, found.p) == (pytest.approx(2.0), 1.0)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


def test_ratios_beyond_floats_are_infinite():
    assert paired([1e-300] * 2, [1e300] * 2).estimate == math.inf


def test_groups_of_different_sizes_are_no_pairs():
    with pytest.raises(
        LandscapeError, match="there are 3 of one and 2 of the other: use the same --repeats and --seed"
    ):
        paired([1, 2, 3], [1, 2])


@pytest.mark.parametrize("name", ["curvature_mean", "curvature_largest"])
def test_of_quadratics_with_curvatures_one_and_two_the_ratio_is_two(name):
    """Eight pairs of planes: forms that differ from plane to plane, one twice the other."""
    x, y = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 9), indexing="ij")
    forms = np.random.default_rng(0).uniform(0.5, 1.5, size=(8, 3)) * [1, 1, 0.2]
    one, two = (
        [measures(surface(0.5 + c * (a * x**2 + b * y**2 + d * x * y) / 2))[name] for a, b, d in forms] for c in (1, 2)
    )
    found = paired(one, two)
    assert found.estimate == pytest.approx(2.0, abs=1e-5)
    assert math.log(found.low) - 1e-5 <= math.log(2) <= math.log(found.high) + 1e-5
    assert found.effects == pytest.approx([math.log(2)] * 8)
    assert found.p == 2 / 256


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
def test_a_surface_compared_with_itself_differs_in_nothing(measure):
    values = [
        measures(surface(0.5 + k * np.add.outer(np.linspace(-1, 1, 9) ** 2, np.zeros(9))))[measure.name] for k in (1, 2)
    ]
    found = paired(values, values, "ratio" if measure.positive else "difference")
    known = np.isfinite(values).sum()
    assert found.left_out == 2 - known
    assert found.p == 1.0 or not known


@settings(max_examples=50)
@given(st.lists(whole, min_size=1, max_size=4), st.lists(whole, min_size=1, max_size=4))
def test_the_permutation_test_equals_a_count_by_hand(a, b):
    """In whole numbers: |m sum(a) - n sum(b)| is the difference of the means times n m."""
    pooled, n, m = a + b, len(a), len(b)
    places = list(itertools.combinations(range(n + m), n))
    sums = [sum(pooled[i] for i in chosen) for chosen in places]
    distances = [abs(m * first - n * (sum(pooled) - first)) for first in sums]
    found = over_seeds(np.array(a) * 0.1, np.array(b) * 0.1, "difference")
    assert found.p == sum(each >= distances[0] for each in distances) / len(places)
    assert found.estimate == pytest.approx(0.1 * (sum(b) / m - sum(a) / n))
    assert found.exact


def test_seeds_are_compared_by_the_ratio_of_geometric_means():
    found = over_seeds([1.0, 4.0, 2.0], [8.0, 16.0, 32.0])
    assert found.estimate == pytest.approx(8.0)
    assert (found.p, found.smallest_p) == (2 / 20, 2 / 20)
    assert (found.numbers, found.left_out) == ((3, 3), (0, 0))


def test_groups_of_different_sizes_have_a_smaller_least_p():
    found = over_seeds([1.0, 2.0], [30.0, 40.0, 50.0])
    assert (found.p, found.smallest_p) == (1 / 10, 1 / 10)


def test_equal_groups_of_seeds_give_one():
    assert over_seeds([0.1, 0.2, 0.4], [0.1, 0.2, 0.4]).p == 1.0
    assert over_seeds([0.1] * 3, [0.1] * 4).p == 1.0
    assert over_seeds([0.1] * 3, [0.1] * 3).estimate == 1.0


@settings(max_examples=25)
@given(st.permutations(list(range(8))), st.floats(0.1, 10))
def test_neither_order_nor_scale_of_seeds_matters(order, factor):
    a, b = EIGHT, EIGHT[::-1][:5] * 1.7
    found, expected = over_seeds(factor * a[order], factor * b), over_seeds(a, b)
    assert found.p == expected.p
    assert found.estimate == pytest.approx(expected.estimate)


def test_many_seeds_are_relabelled_at_random():
    """Nine and nine, 48,620 labellings, against all of them: within five standard errors."""
    generator = np.random.default_rng(3)
    a, b = generator.normal(size=9), generator.normal(size=9) + 1.0
    pooled = np.concatenate([a, b])
    sums = pooled[np.array(list(itertools.combinations(range(18), 9)))].sum(axis=1)
    exact = (np.abs(sums - pooled.sum() / 2) >= abs(a.sum() - pooled.sum() / 2) - 1e-12).mean()
    found = over_seeds(a, b, "difference")
    assert math.comb(18, 9) > MOST_LABELLINGS
    assert not found.exact
    assert found.p == pytest.approx(exact, abs=5 * math.sqrt(exact / DRAWS))
    assert found.smallest_p == 2 / 48620


def test_seeds_without_a_logarithm_are_left_out_and_counted():
    found = over_seeds([1.0, 0.0, math.nan], [math.e, -1.0, math.inf, math.e])
    assert (found.numbers, found.left_out) == ((1, 2), (2, 2))
    assert found.estimate == pytest.approx(math.e)
    assert over_seeds([1.0, 0.0], [0.0, -1.0], "difference").left_out == (0, 0)


def test_an_empty_group_of_seeds_has_no_numbers():
    found = over_seeds([], [1.0])
    assert all(map(math.isnan, (found.estimate, found.p, found.smallest_p)))


@pytest.mark.parametrize("kind", ["ratio", "difference"])
def test_rounding_is_no_effect(kind):
    """All eight pairs differ the same way, by less than one part in a million: the smallest p, were it counted."""
    found = paired(EIGHT, EIGHT * (1 + 0.9 * ROUNDING), kind)
    assert set(found.effects) == {0.0}
    assert (found.estimate, found.low, found.high) == ((1.0,) * 3 if kind == "ratio" else (0.0,) * 3)
    assert found.p == 1.0
    assert paired(EIGHT, EIGHT * (1 + 1.1 * ROUNDING), kind).p == 2 / 256


@pytest.mark.parametrize(("kind", "nothing"), [("ratio", 1.0), ("difference", 0.0)])
def test_rounding_does_not_tell_groups_apart(kind, nothing):
    found = over_seeds([0.1] * 3, [0.1 * (1 + 0.9 * ROUNDING)] * 3, kind)
    assert (found.estimate, found.p) == (nothing, 1.0)
    assert over_seeds([0.1] * 3, [0.1 * (1 + 1.1 * ROUNDING)] * 3, kind).p == 2 / 20


def test_the_rounding_of_a_difference_is_that_of_its_own_pair():
    assert paired([0.0, 1e6], [1e-9, 1e6 + 0.5], "difference").effects == (1e-9, 0.0)
