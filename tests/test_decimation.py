"""Thinning for the screen: what stays is measured, extremes stay, gaps are never bridged, lines keep their place."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import surface, valley

from landscape.rendering import decimation, save
from landscape.rendering.comparison import comparison
from landscape.rendering.decimation import decimated, simplified, thinned
from landscape.rendering.embed import fragment
from landscape.rendering.figures import contour, surface3d
from landscape.rendering.film import film
from landscape.rendering.film.page import film_page
from landscape.rendering.isolines import Isoline, isolines
from landscape.rendering.scene import Contour, Heat, Mesh


def field(seed, n, m, gaps=0):
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((n, m)).cumsum(axis=0).cumsum(axis=1)
    for _ in range(gaps):
        values[generator.integers(n), generator.integers(m)] = generator.choice([np.nan, np.inf])
    return values


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 90), st.integers(2, 90), st.integers(0, 25), st.integers(8, 40))
def test_what_stays_is_measured_and_extremes_are_among_it(seed, n, m, gaps, lines):
    values = field(seed, n, m, gaps)
    keep = (n // 2, m // 2)
    thin = thinned(values, lines, [keep])
    rest = thin.of(values)
    assert (np.diff(thin.rows) > 0).all()
    assert (np.diff(thin.columns) > 0).all()
    assert thin.rows[0] == thin.columns[0] == 0
    assert (thin.rows[-1], thin.columns[-1]) == (n - 1, m - 1)
    assert len(thin.rows) <= max(lines, round(0.75 * lines) + 9)
    i, j = np.nonzero(np.isfinite(rest))
    np.testing.assert_array_equal(rest[i, j], values[thin.rows[i], thin.columns[j]])
    finite = values[np.isfinite(values)]
    if finite.size:
        assert (np.nanmin(rest), np.nanmax(rest)) == (finite.min(), finite.max())
    place = np.searchsorted(thin.rows, keep[0]), np.searchsorted(thin.columns, keep[1])
    np.testing.assert_array_equal(rest[place], values[keep] if np.isfinite(values[keep]) else np.nan)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(10, 70), st.integers(10, 70), st.integers(1, 25))
def test_no_square_of_the_thinned_grid_bridges_a_gap(seed, n, m, gaps):
    values = field(seed, n, m, gaps)
    thin = thinned(values, 9)
    rest = thin.of(values)
    for i, j in np.argwhere(~np.isfinite(values)):
        r = np.clip(np.searchsorted(thin.rows, i, side="right") - 1, 0, len(thin.rows) - 2)
        c = np.clip(np.searchsorted(thin.columns, j, side="right") - 1, 0, len(thin.columns) - 2)
        assert not np.isfinite(rest[r : r + 2, c : c + 2]).all()


def test_small_grids_stay_as_they_are():
    scene = comparison([valley(51, 31), valley(51, 31, steep=2.0, name="b.pt")])
    assert decimated(scene) is scene


def test_a_spike_between_even_lines_stays():
    values = np.ones((400, 400))
    values[201, 77], values[33, 302] = 5.0, 4.0
    rest = thinned(values, 100).of(values)
    assert {4.0, 5.0} <= set(np.unique(rest))


def test_a_large_surface_in_space_is_thinned_and_the_caption_says_so():
    values = 1.5 + field(0, 401, 301) / 1e4
    scene = surface3d(surface(values - values.min() + 0.1))
    cut = decimated(scene)
    (mesh,) = (mark for mark in cut.panels[0].marks if isinstance(mark, Mesh))
    (lines,) = (mark for mark in cut.panels[0].marks if isinstance(mark, Contour))
    assert lines.values.shape == (401, 301)
    assert max(mesh.values.shape) <= 251
    assert mesh.values.shape == (len(mesh.x), len(mesh.y))
    assert f"{len(mesh.x)} of 401 x {len(mesh.y)} of 301 in space" in cut.caption
    assert cut.caption.startswith(scene.caption)


def test_pages_say_what_was_thinned(monkeypatch):
    monkeypatch.setattr(decimation, "LINES", 11)
    pair = surface3d([valley(31, 21), valley(31, 21, steep=2.0, name="b.pt")])
    for text in (fragment(pair), film_page(film(pair))):
        shown = text[text.index("<figcaption") : text.index("</figcaption>")]
        assert re.search(r"drawn for the screen with \d+ of 31 x \d+ of 21 in space", shown)


def test_the_points_of_all_panels_together_are_bounded(monkeypatch):
    monkeypatch.setattr(decimation, "POINTS", 5000)
    cut = decimated(contour([valley(81, 81), valley(81, 81, steep=2.0, name="b.pt")]))
    heats = [mark for panel in cut.panels for mark in panel.marks if isinstance(mark, Heat)]
    assert sum(mark.values.size for mark in heats) <= 5000


def test_simplified_lines_stay_within_the_tolerance_of_the_full_ones(monkeypatch):
    monkeypatch.setattr(decimation, "VERTICES", 100)
    axis = np.linspace(-1, 1, 301)
    values = np.add.outer(axis**2, axis**2)
    lines = isolines(Contour(axis, axis, values, contour(surface(values), levels=[0.5]).bar.scale))
    ((short,),) = (line.pieces for line in simplified(lines, (2.0, 2.0)))
    assert len(short) < len(lines[0].pieces[0]) / 5
    middles = (short[1:] + short[:-1]) / 2
    np.testing.assert_allclose(np.hypot(*middles.T), np.sqrt(0.5), atol=2 * 2 / 3000)


def test_few_vertices_stay_and_specks_go(monkeypatch):
    straight = Isoline(1.0, (np.array([[0.0, 0.0], [0.1, 0.0], [0.2, 0.0]]),))
    assert simplified([straight], (1.0, 1.0)) == (straight,)
    monkeypatch.setattr(decimation, "VERTICES", 2)
    (short,) = simplified([straight], (1.0, 1.0))
    np.testing.assert_array_equal(short.pieces, [[[0.0, 0.0], [0.2, 0.0]]])
    speck = np.array([[0.5, 0.5], [0.50001, 0.5], [0.50001, 0.50001], [0.5, 0.5]])
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    (rest,) = simplified([Isoline(1.0, (speck, square))], (1.0, 1.0))
    np.testing.assert_array_equal(rest.pieces, [square])


def test_lines_through_noise_get_no_more_vertices_than_a_panel_can_carry(monkeypatch):
    monkeypatch.setattr(decimation, "VERTICES", 100)
    monkeypatch.setattr(decimation, "MOST_VERTICES", 2000)
    monkeypatch.setattr(decimation, "COARSEST", 0.05)
    values = 1 + np.random.default_rng(0).random((60, 60))
    mark = next(mark for mark in contour(surface(values)).panels[0].marks if isinstance(mark, Contour))
    full = isolines(mark)
    short = simplified(full, (2.0, 2.0))
    assert sum(len(piece) for line in full for piece in line.pieces) > 10_000
    assert sum(len(piece) for line in short for piece in line.pieces) < 3_000
    assert [line.level for line in short] == [line.level for line in full]


@pytest.mark.parametrize("shape", [(2, 400), (400, 2), (300, 300)])
def test_surfaces_without_a_finite_value_are_thinned_too(shape):
    thin = thinned(np.full(shape, np.nan), 50)
    assert thin.open.all()


def test_a_page_with_a_grid_of_501_lines_is_one_that_can_be_mailed(tmp_path):
    axis = np.linspace(-1, 1, 501)
    values = 0.3 * 10 ** np.add.outer(axis**2, 2 * axis**2) * np.exp(0.02 * field(0, 501, 501) / 500)
    for figure in (contour, surface3d):
        assert save(figure(surface(values)), tmp_path / "figure.html").stat().st_size < 12e6
