"""Figures: what the functions from Surfaces to Scenes claim and draw."""

import dataclasses

import numpy as np
import pytest
from surfaces import broken, rugged, surface, valley

from landscape.errors import LandscapeError
from landscape.rendering import FIGURES
from landscape.rendering.captions import caption, facts
from landscape.rendering.figures import contour, surface3d
from landscape.rendering.names import axis_label, quantity_label, titles
from landscape.rendering.profiles import cut, profile
from landscape.rendering.scene import Band, Contour, Hatch, Heat, Line, Mesh, Note, Points
from landscape.types import Axis

PLANES = [contour, surface3d]


def marks(scene, kind):
    return [mark for panel in scene.panels for mark in panel.marks if isinstance(mark, kind)]


@pytest.mark.parametrize("name", ["1d", "2d", "3d"])
def test_a_kind_of_figure_has_panels_of_its_kind(name):
    assert {panel.kind for panel in FIGURES.get(name)(valley()).panels} == {name}


@pytest.mark.parametrize("figure", PLANES)
def test_values_are_handed_on_as_measured(figure):
    source = valley(13, 9)
    for mark in marks(figure(source), (Heat, Mesh, Contour)):
        assert mark.values.shape == (13, 9)
        np.testing.assert_array_equal(mark.values, source["test/loss"])


@pytest.mark.parametrize("figure", PLANES)
def test_surfaces_compared_share_scale_range_and_bar(figure):
    wide = valley(11, 11, x=Axis.regular(-2, 2, 11), name="b.pt")
    scene = figure([valley(), wide])
    scales = {id(mark.scale) for mark in marks(scene, (Heat, Mesh, Contour))}
    assert scales == {id(scene.bar.scale)}
    assert {panel.x_range for panel in scene.panels} == {(-2, 2)}
    assert [panel.title for panel in scene.panels] == ["net", "b"]


@pytest.mark.parametrize("figure", PLANES)
def test_gaps_are_open_and_told_apart_and_counted(figure):
    scene = figure(broken(valley(), nan=[(0, 0), (5, 5)], inf=[(7, 1)], undone=[(3, 3), (3, 4), (12, 8)]))
    (hatch,) = marks(scene, Hatch)
    assert hatch.mask.sum() == 3
    assert all(np.isnan(mark.values).sum() == 6 for mark in marks(scene, (Heat, Mesh, Contour)))
    assert "3 of 117 cells not finite" in scene.caption
    assert "blank: 3 of 117 cells not yet computed" in scene.caption


@pytest.mark.parametrize("figure", PLANES)
def test_the_caption_says_what_the_scale_does(figure):
    source = rugged()
    scene = figure(source, clip=20.0, levels=[0.5, 1, 5, 10])
    above = int((source["test/loss"] > 20).sum())
    assert above > 0
    assert f"clipped at 20: {above} of 225 cells lie above" in scene.caption
    assert "log scale; 4 contour levels, 0.5 to 10" in scene.caption
    assert scene.bar.scale.levels == (0.5, 1, 5, 10)
    assert scene.bar.clipped
    assert scene.bar.label == "test loss (log scale, clipped at 20)"


@pytest.mark.parametrize("figure", PLANES)
def test_an_unclipped_figure_does_not_speak_of_clips(figure):
    scene = figure(valley())
    assert "clip" not in scene.caption + scene.bar.label
    assert "linear scale" in scene.caption
    assert not scene.bar.clipped


@pytest.mark.parametrize("figure", PLANES)
def test_the_trained_weights_are_marked_only_inside_the_range(figure):
    inside = figure(valley())
    stars = marks(inside, Points)
    assert [mark.z is None for mark in stars] == [True, False][: len(stars)]
    assert all((mark.x, mark.y) == (0, 0) for mark in stars)
    assert len(stars) == (2 if figure is surface3d else 1)
    assert "star: trained weights" in inside.caption
    outside = figure(valley(x=Axis.regular(0.5, 1, 13)))
    assert not marks(outside, Points)
    assert "star" not in outside.caption


def test_the_star_in_space_stands_at_the_loss_of_the_trained_weights():
    surface = valley()
    standing = marks(surface3d(surface), Points)[1]
    assert standing.z.tolist() == [surface["loss"].flat[surface.grid.centre()]]


def test_a_net_without_statistics_has_no_policy_for_them():
    plain = dataclasses.replace(valley(), provenance={"statistics_layers": 0})
    assert "no BatchNorm statistics" in caption(plain)
    assert "lenet" not in caption([plain, plain])


def test_the_caption_names_how_it_was_made():
    words = caption(valley(bn_stats="batch", bn_batch_size=128, seed=7))
    assert words == (
        "Test split, n = 200; BatchNorm statistics of each batch of 128; filter-normalised random directions, seed 7; "
        "1 on an axis: every filter moves by its own norm."
    )


@pytest.mark.parametrize(
    ("settings", "phrase"),
    [
        ({"normalize": "none"}, "unnormalised random directions, seed 0"),
        ({"directions": "plane.h5"}, "directions: plane.h5"),
        ({"perturb": "all"}, "perturbed: all"),
        ({"precision": "bf16"}, "precision bf16"),
        ({"parametrization": "raw"}, "raw parametrization"),
    ],
)
def test_what_is_not_the_default_is_said(settings, phrase):
    assert phrase in facts(valley(**settings))


def test_differences_stand_on_lines_of_their_own():
    lines = caption([valley(seed=1), valley(seed=2, name="b.pt")]).splitlines()
    assert lines[0] == (
        "Test split, n = 200; BatchNorm statistics frozen (the checkpoint's); "
        "1 on an axis: every filter moves by its own norm."
    )
    assert lines[1:] == [
        "net: filter-normalised random directions, seed 1.",
        "b: filter-normalised random directions, seed 2.",
    ]


def test_uneven_counts_are_given_as_a_range():
    count = np.full((3, 2), 200)
    count[0, 0] = 190
    assert "n = 190 to 200" in caption(surface(np.ones((3, 2)), count=count))


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([{}, {"name": "b.pt"}], ("net", "b")),
        ([{"bn_stats": "frozen"}, {"bn_stats": "batch"}], ("net (BatchNorm frozen)", "net (BatchNorm of each batch)")),
        ([{"seed": 0}, {"seed": 1}], ("net (seed 0)", "net (seed 1)")),
        ([{}, {}], ("net (1)", "net (2)")),
        ([{"name": "object"}], ("lenet",)),
        ([{"name": "a" * 80 + "z.pt"}], ("a" * 19 + "…" + "a" * 18 + "z",)),
        ([{"name": "a\nb\x00.pt"}], ("a?b?",)),
    ],
)
def test_titles_are_short_and_tell_apart(jobs, expected):
    assert titles([valley(**job) for job in jobs]) == expected


@pytest.mark.parametrize(
    ("quantity", "label"),
    [
        ("test/loss", "test loss"),
        ("test/accuracy", "test accuracy (%)"),
        ("train/loss_stderr", "train loss, standard error"),
        ("test/loss_rise_stderr", "test loss rise, standard error"),
    ],
)
def test_labels_of_quantities(quantity, label):
    assert quantity_label(quantity) == label


@pytest.mark.parametrize(
    ("settings", "label"),
    [
        ({}, "α  (filter-normalised direction 1)"),
        ({"normalize": "none"}, "α  (random direction 1)"),
        ({"directions": "to.h5"}, "α  (imported direction 1)"),
        ({"directions": "plane(b.pt, c.pt)"}, "α  (direction 1 of plane(b.pt, c.pt))"),
    ],
)
def test_labels_of_axes_say_their_unit(settings, label):
    assert axis_label(valley(**settings), 0) == label


def test_accuracy_is_in_percent_in_the_picture_alone():
    source = valley()
    (heat,) = marks(contour(source, "accuracy"), Heat)
    np.testing.assert_allclose(heat.values, 100 * source["test/accuracy"])
    assert contour(source, "accuracy").bar.label == "test accuracy (%)"


@pytest.mark.parametrize("quantity", ["accuracy", "accuracy_stderr"])
def test_the_star_of_a_profile_is_in_percent_where_the_line_is(quantity):
    source = surface(np.linspace(-1, 1, 9) ** 2, centre={"test": {quantity: 0.25}})
    source = dataclasses.replace(source, quantities={**source.quantities, f"test/{quantity}": np.full(9, 0.25)})
    scene = profile(source, quantity)
    ((line,), (star,)) = marks(scene, Line), marks(scene, Points)
    assert star.y.tolist() == [line.y[4]] == [25.0]


def test_the_centre_is_written_beside_the_figure():
    (note,) = marks(contour(valley()), Note)
    assert note == Note("trained weights: loss 0.5, accuracy 90.00 %")


@pytest.mark.parametrize("figure", [*PLANES, profile])
@pytest.mark.parametrize("plateau", [0.1, 0.01])
def test_a_peak_of_the_accuracy_is_neither_clipped_nor_logarithmic(figure, plateau):
    source = valley(31, 31)
    accuracy = np.pad(np.full((3, 3), 0.92), 14, constant_values=plateau) + 0.001 * source["test/loss"]
    source = dataclasses.replace(source, quantities={**source.quantities, "test/accuracy": accuracy})
    scene = figure(source, "accuracy")
    scale = scene.panels[0].scale or scene.bar.scale
    assert (scale.log, scale.upper) == (False, pytest.approx(92, abs=0.1))
    assert "clipped" not in scene.caption


def test_a_line_breaks_at_gaps_and_hatches_them():
    source = broken(surface(np.linspace(1, 2, 9) ** 2), nan=[(2,)], undone=[(6,)])
    scene = profile(source)
    (line,) = marks(scene, Line)
    (hatch,) = marks(scene, Hatch)
    assert np.flatnonzero(np.isnan(line.y)).tolist() == [2, 6]
    assert np.flatnonzero(hatch.mask).tolist() == [2]
    assert "hatched: 1 of 9 cells not finite; blank: 1 of 9 cells not yet computed" in scene.caption


def test_the_band_is_two_standard_errors_of_the_rise():
    source = surface(np.linspace(-1, 1, 9) ** 2 + 1)
    error = np.linspace(0, 0.1, 9)
    source = dataclasses.replace(source, quantities={**source.quantities, "test/loss_rise_stderr": error})
    (band,) = marks(profile(source), Band)
    np.testing.assert_allclose(band.upper - source["loss"], 2 * error)
    np.testing.assert_allclose(source["loss"] - band.lower, 2 * error)
    assert "band: ±2 standard errors of the rise" in profile(source).caption


def test_a_plane_is_cut_through_its_centre_along_both_axes():
    source = valley(13, 9)
    first, second, *accuracies = marks(profile(source), Line)
    np.testing.assert_array_equal(first.y, source["test/loss"][:, 4])
    np.testing.assert_array_equal(second.y, source["test/loss"][6, :])
    assert len(accuracies) == 2
    assert cut(source, 1).grid.shape == (9,)


def test_a_cut_beside_the_trained_weights_says_where_and_has_no_star():
    odd, even = Axis.regular(-1, 1, 5), Axis.regular(-1, 2, 3)
    first, both = valley(5, 3, x=odd, y=even), valley(3, 3, x=even, y=even)
    other = valley(3, 5, x=even, y=odd, name="b.pt")
    scene = profile(first)
    starred = [any(isinstance(mark, Points) for mark in panel.marks) for panel in scene.panels]
    assert starred == [False, True, False, True]
    assert "star: trained weights; cut at β = 0.5." in scene.caption
    assert not marks(profile(both), Points)
    assert "cut at β = 0.5, α = 0.5." in profile(both).caption
    assert "net: cut at β = 0.5; b: cut at α = 0.5" in profile([first, other]).caption
    assert "cut at" not in profile(valley()).caption + profile(surface(np.arange(4.0))).caption


def test_profiles_of_several_surfaces_share_their_axes_and_are_listed():
    scene = profile([valley(), valley(steep=3, name="b.pt")])
    assert [panel.legend for panel in scene.panels] == [True, False, False, False]
    assert {line.label for line in marks(scene, Line)} == {"net", "b"}
    assert scene.panels[0].scale is scene.panels[1].scale
    assert [panel.inner_x for panel in scene.panels] == [True, True, False, False]


def test_all_splits_are_drawn_unless_one_is_named():
    source = surface(np.linspace(1, 2, 9))
    source = dataclasses.replace(
        source,
        job=dataclasses.replace(source.job, data_digest={"test": "1", "train": "2"}),
        quantities={**source.quantities, "train/loss": source["loss"] / 2, "train/count": source["count"]},
    )
    assert [(line.label, line.dashed) for line in marks(profile(source), Line)] == [("test", False), ("train", True)]
    assert len(marks(profile(source, "train/loss"), Line)) == 1
    assert "train split, n = 200" in profile(source, "train/loss").caption.lower()


def test_the_levels_of_a_profile_are_its_ticks():
    assert profile(valley(), levels=[1.0, 2.0]).panels[0].scale.ticks == (1.0, 2.0)


@pytest.mark.parametrize("figure", PLANES)
def test_a_line_cannot_be_drawn_as_a_plane(figure):
    with pytest.raises(LandscapeError, match="two directions, and net has 9; draw it with --1d"):
        figure(surface(np.arange(9.0)))


def test_lines_and_planes_do_not_mix_in_a_profile():
    with pytest.raises(LandscapeError, match="all have one direction or all two"):
        profile([surface(np.arange(9.0)), valley()])


@pytest.mark.parametrize("figure", [*PLANES, profile])
def test_no_surface_and_no_such_quantity_are_told(figure):
    with pytest.raises(LandscapeError, match="there is no surface to draw"):
        figure([])
    with pytest.raises(LandscapeError, match="has no quantity 'los'"):
        figure(valley(), "los")


def test_the_caption_of_a_first_picture_says_that_the_run_is_unfinished():
    whole = valley(x=Axis.regular(-1, 1, 9), y=Axis.regular(-1, 1, 5))
    part = dataclasses.replace(whole, provenance={"part_of": [17, 9]})
    assert "unfinished run: the 45 points of a coarser grid out of 153" in contour(part).caption
