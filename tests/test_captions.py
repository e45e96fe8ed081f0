"""Captions: what every figure has to say of what it shows, whatever the job."""

import dataclasses
import itertools

import numpy as np
import pytest
from surfaces import stacked, surface, valley

from landscape.rendering import FIGURES
from landscape.rendering.captions import caption, levels_phrase, unit_of_axes
from landscape.rendering.figures import contour, heat, lines, surface3d
from landscape.rendering.isolines import WIDTH, isolines, labels
from landscape.rendering.marks import Contour
from landscape.rendering.matplotlib import render
from landscape.rendering.scene import Panel, Points
from landscape.rendering.style import STYLES
from landscape.types.job import UNKNOWN

POLICIES = {
    "frozen": ({}, "BatchNorm statistics frozen (the checkpoint's)"),
    "batch": ({"bn_batch_size": 64}, "BatchNorm statistics of each batch of 64"),
    "recalibrate": (
        {"bn_samples": "first:500", "bn_data": "set.npz", "bn_preprocessing": "as stored"},
        "BatchNorm statistics recalibrated on the first 500 training images (not augmented)",
    ),
}
UNITS = {
    "filter": "1 on an axis: every filter moves by its own norm",
    "layer": "1 on an axis: every layer moves by its own norm",
    "weight": "1 on an axis: every weight moves by a standard normal multiple of itself",
    "dfilter": "1 on an axis: every filter moves by a vector of norm 1",
    "dlayer": "1 on an axis: every layer moves by a vector of norm 1",
    "none": "1 on an axis: every weight moves by a standard normal number",
    "mine.py:scaled": "1 on an axis: the direction normalised by mine.py:scaled",
}
JOBS = list(itertools.product(POLICIES, UNITS, (0, 41), (200, 12_345)))


@pytest.mark.parametrize("kind", ["1d", "2d", "lines", "filled", "heat", "3d", "comparison", "grid"])
@pytest.mark.parametrize("number", range(0, len(JOBS), 11))
def test_every_figure_says_split_number_policy_seed_normalization_and_unit(kind, number):
    policy, normalize, seed, count = JOBS[number]
    settings, words = POLICIES[policy]
    counts = np.full((5, 5), count)
    source = surface(valley(5, 5)["loss"], count=counts, bn_stats=policy, normalize=normalize, seed=seed, **settings)
    said = " ".join(FIGURES.get(kind)(source).caption.split())
    normalised = "unnormalised" if normalize == "none" else f"{normalize}-normalised"
    for phrase in (
        "test split".capitalize(),
        f"n = {count:,}",
        words,
        f"{normalised} random directions, seed {seed}",
        UNITS[normalize],
    ):
        assert phrase in said


@pytest.mark.parametrize(
    ("directions", "phrase"),
    [
        ("plane(b.pt, c.pt)", ["1 on an axis: the other network"]),
        ("other.directions.h5", ["1 on an axis: the direction as it is in that file"]),
        (UNKNOWN, []),
    ],
)
def test_the_unit_of_directions_that_were_not_drawn(directions, phrase):
    assert unit_of_axes(valley(directions=directions)) == phrase


def test_surfaces_with_different_units_each_have_theirs():
    said = caption([valley(), valley(normalize="layer", name="b.pt")])
    assert "net: filter-normalised random directions, seed 0; 1 on an axis: every filter moves by its own norm." in said
    assert "b: layer-normalised random directions, seed 0; 1 on an axis: every layer moves by its own norm." in said


def test_a_caption_of_several_policies_names_each_once():
    said = contour(stacked(valley(), policies=True)).caption
    assert said.count("1 on an axis") == 1
    assert said.count("recalibrated on 1,000 training images (crop4-flip)") == 1


def test_levels_in_words():
    scale = contour(valley(), levels=[1.0, 1.5, 3.0]).bar.scale
    assert levels_phrase(scale) == "3 contour levels, 1 to 3, unevenly spaced"
    assert levels_phrase(contour(valley(), levels=[1.0, 2.0, 3.0]).bar.scale) == "3 contour levels, 1 to 3"


def smooth(seed, n=21):
    """A random landscape of a few bumps."""
    random = np.random.default_rng(seed)
    x = np.linspace(-1, 1, n)
    field = np.add.outer(x**2, random.uniform(0.2, 3) * x**2)
    for _ in range(random.integers(0, 5)):
        at, width = random.uniform(-1, 1, 2), random.uniform(0.1, 0.6)
        field += random.normal() * np.exp(-np.add.outer((x - at[0]) ** 2, (x - at[1]) ** 2) / width**2)
    return surface(10 ** random.uniform(-2, 3) * (field - field.min() + 0.1))


def overlap(one, other):
    """Whether two convex outlines, shape (4, 2), have a point in common: no side of either parts them."""
    for outline in (one, other):
        for side in np.roll(outline, -1, axis=0) - outline:
            normal = np.array([-side[1], side[0]])
            first, second = one @ normal, other @ normal
            if first.max() < second.min() or second.max() < first.min():
                return False
    return True


def outlines(figure):
    """The rectangle of every level written in the first axes of a matplotlib figure, in pixels."""
    figure.canvas.draw()
    found = []
    for text in figure.axes[0].texts:
        angle = np.radians(text.get_transform_rotates_text() and text.get_rotation())
        text.set_rotation(0)
        box = text.get_window_extent()
        text.set_rotation(np.degrees(angle))
        middle = figure.axes[0].transData.transform(text.get_position())
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [box.width / 2, box.height / 2]
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        found.append(corners @ turn + middle)
    return found


@pytest.mark.parametrize("style", ["default", "paper", "talk"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("figure", [contour, lines])
def test_levels_written_on_lines_collide_with_nothing(figure, seed, style):
    scene = figure(smooth(seed))
    drawn = render(dataclasses.replace(scene, style=STYLES[style]))
    written = outlines(drawn)
    assert written
    for one, other in itertools.combinations(written, 2):
        assert not overlap(one, other)
    frame = drawn.axes[0].get_window_extent()
    star = drawn.axes[0].transData.transform((0, 0))
    radius = 0.5 * np.sqrt(95) * STYLES[style].letters * drawn.dpi / 72
    ring = star + 0.7 * radius * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    for one in written:
        assert (one.min(axis=0) >= [frame.x0, frame.y0]).all()
        assert (one.max(axis=0) <= [frame.x1, frame.y1]).all()
        assert not overlap(one, ring)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("width", [1.6, 2.4, WIDTH, 4.6])
def test_places_of_levels_lie_on_their_lines_apart_and_away_from_marks(seed, width):
    source = smooth(seed)
    x, y = (axis.array() for axis in source.grid.axes)
    scale = contour(source).bar.scale
    mark = Contour(x, y, np.asarray(source["loss"]), scale)
    panel = Panel("2d", (mark, Points(np.array([0.0, 0.5]), np.array([0.0, -0.5]))), y_range=(-1.0, 1.0))
    found = isolines(mark)
    written = labels(panel, found, width)
    places = np.array([(label.x, label.y) for label in written]).reshape(-1, 2)
    small = max(1.0, WIDTH / width)
    for label, place in zip(written, places, strict=True):
        (line,) = (one for one in found if one.level == label.level)
        nearest = min(np.hypot(*(piece - place).T).min() for piece in line.pieces)
        assert nearest <= 2 * (x[1] - x[0])
        assert np.hypot(*(place - np.array([[0.0, 0.0], [0.5, -0.5]])).T).min() > 2 * 0.09 * small
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    assert (apart[~np.eye(len(places), dtype=bool)] > 2 * 0.13 * small).all()


def test_heat_and_space_need_no_levels_written():
    assert not [text for text in render(heat(valley())).axes[0].texts if text.get_text()]
    assert not [text for text in render(surface3d(valley(5, 5))).axes[0].texts if text.get_text()]
