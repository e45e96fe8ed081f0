"""How surfaces bend and how rough they are: the paraboloid, the Hessian, the smooth fit, the basins."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_field import EVEN, UNEVEN, field, over

from landscape.analysis import roughness as module
from landscape.analysis.bending import curvatures, nonconvex_share
from landscape.analysis.field import Field
from landscape.analysis.roughness import basins, persistence_threshold, roughness, unavailable
from landscape.analysis.symmetry import asymmetry, largest_asymmetry

FINE = np.linspace(-1, 1, 41)
ELEVEN = np.sort(np.append(np.linspace(-1, 1, 9), [0.3, 0.9]))


def turned(values, degrees):
    """A symmetric matrix with these eigenvalues."""
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ np.diag(values) @ turn.T


@pytest.mark.parametrize("axes", [(FINE, FINE), (UNEVEN, EVEN), (np.linspace(-1, 1, 3),) * 2, (FINE, UNEVEN)])
@pytest.mark.parametrize("eigenvalues", [(1.0, 2.0), (-3.0, 0.5), (1e-3, 1e3)])
def test_the_paraboloid_of_a_quadratic_is_exact(axes, eigenvalues):
    h = turned(eigenvalues, 33)
    plane = over(lambda x, y: 7 + x - 2 * y + (h[0, 0] * x**2 + h[1, 1] * y**2) / 2 + h[0, 1] * x * y, *axes)
    assert curvatures(plane, 0.25) == pytest.approx(np.sort(eigenvalues), abs=1e-10 * max(map(abs, eigenvalues)))


@pytest.mark.parametrize("axis", [FINE, UNEVEN, np.linspace(-0.1, 0.1, 4), np.linspace(0, 1, 11)])
def test_the_parabola_of_a_quadratic_is_exact(axis):
    assert curvatures(field(3 - axis + 2.5 * axis**2, axis), 0.25) == pytest.approx([5.0])


def test_the_fit_uses_the_points_within_the_radius_alone():
    inside = np.abs(FINE) <= 0.25 + 1e-9
    line = field(np.where(inside, np.cos(FINE), 99.0), FINE)
    expected = 2 * np.polynomial.Polynomial.fit(FINE[inside], np.cos(FINE[inside]), 2).convert().coef[2]
    assert curvatures(line, 0.25) == pytest.approx([expected])


def test_points_that_are_not_measured_are_left_out_of_the_fit():
    plane = over(lambda x, y: x**2 + y**2, FINE, FINE)
    plane.loss[20, 20] = plane.loss[21, 19] = np.nan
    assert curvatures(plane, 0.25) == pytest.approx([2.0, 2.0])


def nothing_measured(plane):
    plane.loss[:] = np.nan


def inf_at_the_centre(plane):
    plane.loss[20, 20] = np.inf


def one_row(plane):
    plane.loss[:20] = plane.loss[21:] = np.nan


@pytest.mark.parametrize("spoil", [nothing_measured, inf_at_the_centre, one_row])
def test_too_little_around_the_centre_gives_no_curvature(spoil):
    plane = over(lambda x, y: x**2 + y**2, FINE, FINE)
    spoil(plane)
    assert np.isnan(curvatures(plane, 0.25)).all()


def test_a_grid_beside_the_centre_has_no_curvature():
    assert np.isnan(curvatures(over(np.add, FINE + 1.5, FINE), 0.25)).all()
    assert np.isnan(curvatures(field(np.ones((2, 9))), 0.25)).all()


@pytest.mark.parametrize(
    ("function", "share"),
    [
        (lambda x, y: x**2 + y**2, 0.0),
        (lambda x, y: x**2 - y**2, 1.0),
        (lambda x, y: -(x**2) - y**2, 1.0),
        (lambda x, y: x * y, 1.0),
        (lambda x, y: 1e3 + 7 * x - y / 3, 0.0),
        (lambda x, y: 0 * x + 1 / 3, 0.0),
        (lambda x, y: x**2 - 0.009 * y**2, 0.0),
        (lambda x, y: x**2 - 0.011 * y**2, 1.0),
        (lambda x, y: x**3 + y**2, 19 / 39),
    ],
    ids=["bowl", "saddle", "hill", "product", "slope", "flat", "within", "beyond", "inflection"],
)
def test_the_share_of_nonconvex_points(function, share):
    assert nonconvex_share(over(function, FINE, FINE)) == pytest.approx(share)


def test_the_share_on_a_line():
    assert nonconvex_share(field(np.cos(np.pi * FINE), FINE)) == pytest.approx(19 / 39)
    assert nonconvex_share(field(UNEVEN**2, UNEVEN)) == 0.0


def hessian_by_interpolation(loss, x, y):
    """Second derivatives at the middle of nine points, of the one polynomial of degree 2 in each variable there."""
    powers = list(itertools.product(range(3), repeat=2))
    points = [(a - x[1], b - y[1]) for a in x for b in y]
    coefficients = np.linalg.solve([[a**i * b**j for i, j in powers] for a, b in points], loss.ravel())
    c = dict(zip(powers, coefficients, strict=True))
    return np.array([[2 * c[2, 0], c[1, 1]], [c[1, 1], 2 * c[0, 2]]])


@pytest.mark.parametrize("seed", range(5))
def test_the_discrete_hessian_is_that_of_the_interpolating_polynomial(seed):
    plane = field(np.random.default_rng(seed).normal(size=(7, 9)) + 3 * np.add.outer(UNEVEN**2, EVEN**2), UNEVEN, EVEN)
    found = []
    for i, j in itertools.product(range(1, 6), range(1, 8)):
        near = (slice(i - 1, i + 2), slice(j - 1, j + 2))
        values = np.linalg.eigvalsh(hessian_by_interpolation(plane.loss[near], UNEVEN[near[0]], EVEN[near[1]]))
        found.append(values[0] < -0.01 * np.abs(values).max())
    assert nonconvex_share(plane) == pytest.approx(np.mean(found))


def test_only_points_with_finite_neighbours_are_judged():
    plane = over(lambda x, y: np.where(x < 0, x**2 + y**2, np.nan), FINE, FINE)
    assert nonconvex_share(plane) == 0.0
    plane.loss[:20, :] = np.inf
    assert math.isnan(nonconvex_share(plane))
    assert math.isnan(nonconvex_share(field(np.ones((2, 5)))))


@pytest.mark.parametrize("axes", [(FINE,), (ELEVEN,), (FINE, FINE), (ELEVEN, EVEN)])
def test_polynomials_up_to_degree_six_are_smooth(axes):
    assert roughness(over(lambda *x: 1 + sum(x) + sum(x) ** 2 + 3 * sum(x) ** 6 - x[0] ** 3, *axes)) == 0.0
    assert roughness(over(lambda *x: sum(x) ** 7, *axes)) > 1e-3


def test_the_fit_is_that_of_the_normal_equations():
    plane = field(np.random.default_rng(3).normal(size=(9, 11)), origin=0.2)
    x, y = plane.coordinates().reshape(2, -1)
    rise = plane.loss.ravel() - 0.2
    weights = 1 / (np.median(np.abs(rise)) + np.abs(rise))
    columns = np.stack([x**i * y**j for i in range(7) for j in range(7 - i)], axis=1) * weights[:, None]
    left = weights * rise - columns @ np.linalg.solve(columns.T @ columns, columns.T @ (weights * rise))
    assert roughness(plane) == pytest.approx(np.sqrt((left**2).sum() / (99 - 28)), rel=1e-9)


@pytest.mark.parametrize(
    ("shape", "left"),
    [
        (lambda r: r, 0.015),
        (lambda r: np.sqrt(1 + 25 * r**2) - 1, 0.015),
        (lambda r: 1 - np.exp(-4 * r**2), 0.03),
        (lambda r: 1 - np.exp(-30 * r**2), 0.06),
        (lambda r: np.cosh(5 * r) - 1, 0.03),
    ],
    ids=["cone", "hyperboloid", "plateau", "pit", "cosh"],
)
def test_what_smooth_shapes_leave_is_as_stated(shape, left):
    assert roughness(over(lambda x, y: shape(np.hypot(x, 1.3 * y)), FINE, FINE)) < left


def test_ripples_are_measured_by_their_share_of_the_height():
    """A ripple of amplitude A on a plateau of height 1: A / sqrt(2) of the height 1 + s = 2."""
    x, y = np.meshgrid(FINE, FINE, indexing="ij")
    plateau = field(1 + 0.02 * np.sin(17 * x) * np.sqrt(2) * np.sin(19 * y), FINE, FINE)
    assert roughness(plateau) == pytest.approx(0.02 / np.sqrt(2) / 2, rel=0.1)


def test_steep_corners_do_not_hide_ripples_further_in():
    """Ripples of a fifth of the height, where that is less than a tenth of the corners'."""
    x, y = np.meshgrid(FINE, FINE, indexing="ij")
    steep = np.cosh(5 * np.hypot(x, y)) - 1
    rippled = steep * (1 + 0.2 * np.sin(20 * x) * (np.hypot(x, y) < 0.9))
    assert roughness(field(rippled, FINE, FINE)) > 2 * roughness(field(steep, FINE, FINE))


@pytest.mark.parametrize("plane", [field(np.ones((6, 9))), field(np.zeros((9, 9))), field(np.full((9, 9), np.nan))])
def test_no_roughness_without_points_or_height(plane):
    assert math.isnan(roughness(plane))


@pytest.mark.parametrize("number", [1, 2, 5])
def test_basins_of_a_wave(number):
    line = field(1 - np.cos(2 * np.pi * number * (np.linspace(0, 1, 401))))
    assert basins(line, 1.9) == number + 1
    assert basins(line, 2.1) == 1


def test_basins_of_an_egg_box():
    x = np.linspace(0, 2, 41)
    assert basins(field(np.add.outer(-np.sin(2 * np.pi * x), -np.sin(2 * np.pi * x))), 1.0) == 4


def test_an_oblique_valley_is_one_basin():
    assert basins(field(1 - np.eye(9)), 0.5) == 1


def test_walls_separate_basins():
    plane = field(np.zeros((5, 5)))
    plane.loss[:, 2] = np.nan
    assert basins(plane, 0.1) == 2
    plane.loss[:, 2] = np.inf
    assert basins(plane, 0.1) == 2
    plane.loss[:, 2] = 0.05
    assert basins(plane, 0.1) == 1


def union_find(loss, threshold):
    """Persistence by hand: add the points in order of height, let the younger component die where two meet."""
    parent, number = {}, 0
    for point in sorted(np.argwhere(np.isfinite(loss)).tolist(), key=lambda point: loss[tuple(point)]):
        point = tuple(point)
        parent[point] = point
        for step in itertools.product((-1, 0, 1), repeat=loss.ndim):
            other = tuple(np.add(point, step).tolist())
            if other not in parent:
                continue
            roots = []
            for root in (point, other):
                while parent[root] != root:
                    root = parent[root]
                roots.append(root)
            low, high = sorted(roots, key=lambda root: loss[root])
            number += low != high and loss[point] - loss[high] > threshold
            parent[high] = low
    return number + sum(parent[point] == point for point in parent)


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.sampled_from([(12,), (5, 6)]), st.floats(0.01, 2.0))
def test_basins_equal_a_count_by_hand(seed, shape, threshold):
    generator = np.random.default_rng(seed)
    loss = generator.normal(size=shape)
    loss[generator.random(shape) < 0.1] = np.nan
    loss[generator.random(shape) < 0.1] = np.inf
    expected = union_find(loss, threshold)
    assert basins(field(loss), threshold) == (expected or pytest.approx(math.nan, nan_ok=True))


def test_the_threshold_is_the_larger_of_height_and_noise():
    loss, error = np.abs(FINE), np.full(41, 0.02)
    known, noisy = (Field((FINE,), loss, 0.0, factor * error, {}) for factor in (0.1, 10))
    assert persistence_threshold(known) == pytest.approx(0.05 * 0.5)
    assert persistence_threshold(noisy) == pytest.approx(2 * 0.2)
    assert persistence_threshold(field(loss, FINE)) == pytest.approx(0.05 * 0.5)
    assert math.isnan(persistence_threshold(field(np.full(5, np.inf))))


def test_noise_makes_no_basins():
    generator, bowl = np.random.default_rng(0), FINE**2
    noisy = Field((FINE,), bowl + generator.normal(size=41) * 0.02, 0.0, np.full(41, 0.05), {})
    assert basins(noisy, 0.001) > 3
    assert basins(noisy) == 1


def test_without_gudhi_there_is_no_number_of_basins_and_a_way_to_get_it(monkeypatch):
    assert unavailable() == {}
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert math.isnan(basins(field(FINE**2), 0.1))
    text = "the number of basins needs the package gudhi: pip install 'landscape-viz[analysis]'"
    assert unavailable() == {"basins": text}


def test_an_even_surface_is_symmetric():
    plane = over(lambda x, y: x**2 + x * y + np.cos(y), FINE, EVEN)
    assert asymmetry(plane) == pytest.approx(0.0, abs=1e-15)
    assert largest_asymmetry(plane) == pytest.approx(0.0, abs=1e-15)


def test_a_surface_that_rises_on_one_side_has_asymmetry_two():
    assert asymmetry(field(np.maximum(EVEN, 0))) == pytest.approx(2.0)
    assert largest_asymmetry(field(np.maximum(EVEN, 0))) == pytest.approx(1.0)
    assert largest_asymmetry(field(np.maximum(-EVEN, 0))) == pytest.approx(-1.0)


def test_the_asymmetry_of_an_odd_part():
    """x^2 + y^2 + c x^3: sum |2 c x^3| / sum (x^2 + y^2), and 2 c at the side."""
    x, y = np.meshgrid(EVEN, EVEN, indexing="ij")
    plane = field(x**2 + y**2 - 0.1 * x**3)
    assert asymmetry(plane) == pytest.approx(np.abs(0.2 * x**3).sum() / (x**2 + y**2).sum())
    assert largest_asymmetry(plane) == pytest.approx(-0.2)


def test_the_second_axis_decides_where_the_first_is_zero():
    plane = field(np.zeros((5, 5)))
    plane.loss[2, 4] = 1.0
    assert largest_asymmetry(plane) == 1.0


def test_pairs_with_one_that_is_not_finite_are_left_out():
    line = field([9.0, np.inf, 1.0, 0.0, 1.0, 3.0, np.nan])
    assert asymmetry(line) == 0.0


@pytest.mark.parametrize("line", [field(FINE**2, FINE + 0.1), field(-(FINE**2)), field(np.full(5, np.nan))])
def test_without_pairs_or_rise_there_is_no_asymmetry(line):
    assert math.isnan(asymmetry(line))
