"""What lies between the points of a grid: widths, means over circles, borders."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.tri import LinearTriInterpolator, Triangulation
from surfaces import broken, surface, valley

from landscape.analysis.field import (
    Field,
    field_of,
    interpolated,
    mean_rise,
    measured_share,
    reaches_border,
    sublevel_size,
)
from landscape.errors import LandscapeError

UNEVEN = np.array([-1.0, -0.7, -0.25, 0.0, 0.1, 0.55, 1.0])
EVEN = np.linspace(-1, 1, 9)


def field(loss, *axes, origin=0.0):
    """A field of these losses; without axes from -1 to 1."""
    loss = np.asarray(loss, dtype=np.float64)
    axes = axes or [np.linspace(-1, 1, n) for n in loss.shape]
    return Field(tuple(np.asarray(axis) for axis in axes), loss, origin, np.full(loss.shape, np.nan), {})


def over(function, *axes):
    """A field of this function on these axes."""
    return field(function(*np.meshgrid(*axes, indexing="ij")), *axes)


def random_plane(seed=0):
    return field(np.random.default_rng(seed).normal(size=(7, 9)), UNEVEN, EVEN)


def triangulated(plane):
    """The same interpolation by matplotlib: cells cut into four triangles."""
    x, y = np.meshgrid(*plane.axes, indexing="ij")
    index = np.arange(x.size).reshape(x.shape)
    corners = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    middle = x.size + np.arange(len(corners))
    triangles = [
        (cell[k], cell[(k + 1) % 4], centre) for cell, centre in zip(corners, middle, strict=True) for k in range(4)
    ]
    every = [np.append(values.ravel(), values.ravel()[corners].mean(axis=1)) for values in (x, y, plane.loss)]
    return LinearTriInterpolator(Triangulation(every[0], every[1], triangles), every[2])


def test_planes_are_interpolated_in_the_four_triangles_of_each_cell():
    plane, points = random_plane(), np.random.default_rng(1).uniform(-1, 1, size=(2, 500))
    assert interpolated(plane, points) == pytest.approx(np.asarray(triangulated(plane)(*points)), abs=1e-12)


def test_lines_are_interpolated_from_point_to_point():
    line, points = field(UNEVEN**3 - UNEVEN, UNEVEN), np.linspace(-1, 1, 101)
    assert interpolated(line, points[None]) == pytest.approx(np.interp(points, UNEVEN, line.loss), abs=1e-15)


def test_points_of_the_grid_keep_their_values_whatever_is_beside_them():
    plane = random_plane()
    plane.loss[3, 4], plane.loss[0, 0] = np.inf, np.nan
    points = plane.coordinates().reshape(2, -1)
    assert np.array_equal(interpolated(plane, points), plane.loss.ravel(), equal_nan=True)
    assert np.isnan(interpolated(plane, np.array([[1.1, 0.0], [0.0, -1.01]]))).all()


@pytest.mark.parametrize("level", [-2.0, -0.6, 0.0, 0.3, 1.1, 4.0])
def test_the_area_is_that_of_the_interpolation(level):
    """Against counting on a fine lattice: 1,600 x 1,600 cells, of which those at the contour may be wrong by half."""
    plane = random_plane()
    fine = (np.arange(1600) + 0.5) / 800 - 1
    below = np.asarray(triangulated(plane)(*np.meshgrid(fine, fine, indexing="ij"))) <= level
    assert sublevel_size(plane, level) == pytest.approx(4 * below.mean(), abs=2e-4)


@pytest.mark.parametrize(
    ("function", "level", "area"),
    [
        (lambda x, y: x, 0.3, 1.3 * 2),
        (lambda x, y: y, -0.85, 0.15 * 2),
        (lambda x, y: x + y, -1.0, 0.5),
        (lambda x, y: x + y, 1.0, 4 - 0.5),
        (lambda x, y: x - y, 0.0, 2.0),
        (lambda x, y: 0 * x, 0.0, 4.0),
        (lambda x, y: 0 * x, -1e-9, 0.0),
    ],
)
def test_the_area_is_exact_for_linear_losses(function, level, area):
    assert sublevel_size(over(function, UNEVEN, EVEN), level) == pytest.approx(area, rel=1e-12)


@pytest.mark.parametrize(("a", "b", "tau"), [(1.0, 1.0, 0.1), (1.0, 4.0, 0.3), (20.0, 3.0, 1.0)])
def test_the_area_of_a_paraboloid(a, b, tau):
    """2 pi tau / sqrt(ab); chords lie above a convex function, by at most (a + b) h^2 / 8 of its height."""
    axis = np.linspace(-1, 1, 201)
    plane = over(lambda x, y: (a * x**2 + b * y**2) / 2, axis, axis)
    exact = 2 * math.pi * tau / math.sqrt(a * b)
    assert exact * (1 - (a + b) * 0.01**2 / 8 / tau) <= sublevel_size(plane, tau) <= exact


def test_the_length_is_exact_on_a_line():
    line = field(np.abs(UNEVEN), UNEVEN)
    assert sublevel_size(line, 0.3) == pytest.approx(0.6)
    assert sublevel_size(line, 5.0) == pytest.approx(2.0)
    assert sublevel_size(line, -0.1) == 0.0
    assert sublevel_size(field([0.0, 0.0, 3.0]), 0.0) == pytest.approx(1.0)


def test_inf_is_above_every_level_and_is_measured():
    assert sublevel_size(field([0.0, 0.0, np.inf]), 1e300) == pytest.approx(1.0)
    plane = field(np.zeros((5, 5)))
    plane.loss[0, 0] = np.inf
    assert sublevel_size(plane, 1.0) == pytest.approx(4 - 0.25)
    assert measured_share(plane) == 1.0
    assert sublevel_size(field(np.full((3, 3), np.inf)), 1.0) == 0.0


@given(st.floats(1e3, 1e200))
def test_inf_is_the_limit_of_a_growing_loss(height):
    plane, limit = random_plane(), random_plane()
    plane.loss[2, 2], limit.loss[2, 2] = height, np.inf
    assert sublevel_size(limit, 0.5) == pytest.approx(sublevel_size(plane, 0.5), abs=4 / math.sqrt(height))


def test_what_is_not_measured_is_left_out_and_said():
    plane = field(np.zeros((5, 5)))
    plane.loss[2, 2] = np.nan
    assert sublevel_size(plane, 1.0) == pytest.approx(4 - 4 * 0.25)
    assert measured_share(plane) == pytest.approx(12 / 16)
    assert math.isnan(sublevel_size(field(np.full((3, 3), np.nan)), 1.0))
    assert math.isnan(sublevel_size(plane, math.nan))
    assert math.isnan(measured_share(field(np.zeros((5, 1)))))


@pytest.mark.parametrize(
    ("changes", "reaches"),
    [
        ({}, False),
        ({(0, 3): -1.0}, True),
        ({(4, 4): -1.0}, True),
        ({(1, 1): np.nan}, True),
        ({(0, 0): np.nan}, False),
        ({(1, 2): np.inf}, False),
    ],
    ids=["inside", "edge", "corner", "beside a hole", "far from a hole", "beside inf"],
)
def test_a_set_that_meets_a_border_is_known(changes, reaches):
    plane = field(np.ones((5, 5)))
    plane.loss[2, 2] = 0.0
    for cell, value in changes.items():
        plane.loss[cell] = value
    assert reaches_border(plane, 0.5) is reaches


def test_a_line_from_the_centre_outwards_has_a_border_at_the_centre():
    axis = np.linspace(0, 1, 5)
    assert reaches_border(field(axis, axis), 0.1)
    assert not reaches_border(field(np.abs(EVEN), EVEN), 0.1)


@pytest.mark.parametrize("radius", [0.2, 0.5, 1.0])
def test_the_mean_rise_of_a_paraboloid(radius):
    """(a + b) r^2 / 4 - L0; linear pieces are at most (a + b) h^2 / 8 above."""
    axis = np.linspace(-1, 1, 101)
    plane = dataclasses.replace(over(lambda x, y: x**2 + 2 * y**2 + 0.3 * x, axis, axis), origin=-0.5)
    exact = 6 * radius**2 / 4 + 0.5
    assert exact <= mean_rise(plane, radius) <= exact + 6 * 0.02**2 / 8


def test_the_mean_rise_on_a_line_is_that_of_both_ends():
    line = field(2 + UNEVEN + UNEVEN**2, UNEVEN, origin=2.0)
    assert mean_rise(line, 1.0) == pytest.approx(1.0)
    assert mean_rise(line, 0.7) == pytest.approx((-0.7 + 0.49 + np.interp(0.7, [0.55, 1], [0.8525, 2])) / 2)


def test_a_circle_that_is_not_all_measured_has_no_mean():
    plane = field(np.ones((9, 9)))
    assert math.isnan(mean_rise(plane, 1.01))
    plane.loss[4, 0] = np.inf
    assert mean_rise(plane, 1.0) == math.inf
    plane.loss[4, 0] = np.nan
    assert math.isnan(mean_rise(plane, 1.0))
    assert mean_rise(plane, 0.5) == pytest.approx(1.0)
    assert math.isnan(mean_rise(field(np.ones(5), np.linspace(0, 1, 5)), 0.5))


@pytest.mark.parametrize("shape", [(1,), (1, 1), (5, 1), (1, 5)])
def test_grids_without_cells_have_no_sizes(shape):
    line = field(np.zeros(shape), *[np.arange(float(n)) for n in shape])
    assert math.isnan(sublevel_size(line, 1.0))
    assert math.isnan(mean_rise(line, 0.5))


@given(st.integers(0, 10**6), st.floats(-1.5, 1.5))
def test_no_direction_is_favoured(seed, level):
    plane = random_plane(seed)
    for flip_x, flip_y, exchange in itertools.product((1, -1), (1, -1), (False, True)):
        axes = (plane.axes[0][::flip_x] * flip_x, plane.axes[1][::flip_y] * flip_y)
        loss = plane.loss[::flip_x, ::flip_y]
        other = field(loss.T, *axes[::-1]) if exchange else field(loss, *axes)
        assert sublevel_size(other, level) == pytest.approx(sublevel_size(plane, level), abs=1e-12)
        assert mean_rise(other, 0.6) == pytest.approx(mean_rise(plane, 0.6), abs=1e-12)


def test_what_is_not_done_nan_or_minus_inf_is_not_measured():
    source = broken(valley(), nan=[(0, 0)], inf=[(1, 1)], undone=[(2, 2)])
    source["test/loss"][3, 3] = -np.inf
    loss = field_of(source).loss
    assert np.argwhere(np.isnan(loss)).tolist() == [[0, 0], [2, 2], [3, 3]]
    assert loss[1, 1] == np.inf


def test_the_origin_is_the_stored_loss_or_that_of_the_grid():
    values = np.array([3.0, 1.0, 2.0])
    assert field_of(surface(values)).origin == 0.5
    assert field_of(surface(values, centre={})).origin == 1.0
    assert math.isnan(field_of(surface(values, centre={"test": {"loss": math.inf}})).origin)
    assert math.isnan(field_of(surface(values[:2], centre={})).origin)


def test_only_a_plain_surface_is_measured():
    stacked = dataclasses.replace(valley(), job=dataclasses.replace(valley().job, repeats=3, bn_stats="all"))
    with pytest.raises(LandscapeError, match=r"holds 3 repeats and 3 policies: choose with surface.sel\(repeat=..."):
        field_of(stacked)


def test_an_unknown_split_is_refused():
    with pytest.raises(LandscapeError, match=r"this surface has no split 'tset'; did you mean test\?"):
        field_of(valley(), "tset")
