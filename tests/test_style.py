"""Colour maps and styles: what can be seen, by readers of all kinds, on every page."""

import dataclasses

import matplotlib as mpl
import numpy as np
import pytest
from surfaces import rugged, valley

from landscape.errors import LandscapeError
from landscape.rendering import FIGURES, matplotlib, plotly
from landscape.rendering.appearance import Appearance
from landscape.rendering.colour_maps import DIVERGING, SEQUENTIAL, check_map, colours
from landscape.rendering.layout import arrange
from landscape.rendering.profiles import cut
from landscape.rendering.style import DEFAULT, STYLES, colour_of

PLACES = np.linspace(0, 1, 257)
# How dichromats see linear red, green and blue (Machado, Oliveira and Fernandes 2009, severity 1).
PROTAN = np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]])
DEUTAN = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])


def linear(rgb):
    rgb = np.asarray(rgb, dtype=float)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(light):
    """CIELAB of linear red, green and blue, D65."""
    xyz = light @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    ratio = np.maximum(xyz / np.array([0.9505, 1.0, 1.089]), 0)
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def contrast(one, other):
    """The ratio of WCAG 2, from 1 to 21."""
    low, high = sorted(float(linear(colour_of(code)) @ [0.2126, 0.7152, 0.0722]) for code in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_maps_rise_in_lightness_everywhere(name):
    lightness = lab(linear(colours(name, PLACES)))[:, 0]
    assert (np.diff(lightness) > 0).all()
    assert lightness[-1] - lightness[0] > 60


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_equal_steps_of_a_sequential_map_look_about_equal(name):
    apart = np.linalg.norm(np.diff(lab(linear(colours(name, np.linspace(0, 1, 17)))), axis=0), axis=1)
    assert apart.max() < 3.5 * apart.min()


@pytest.mark.parametrize("name", DIVERGING)
def test_diverging_maps_are_equally_light_on_both_sides(name):
    lightness = lab(linear(colours(name, PLACES)))[:, 0]
    np.testing.assert_allclose(lightness, lightness[::-1], atol=10)
    middle = np.diff(lightness[:129])
    assert (middle > 0).all() or (middle < 0).all()  # one way from the end to the middle


@pytest.mark.parametrize("name", [*SEQUENTIAL, *DIVERGING])
@pytest.mark.parametrize("sight", [PROTAN, DEUTAN], ids=["protan", "deutan"])
def test_colour_blind_readers_can_tell_the_ends_and_the_middle_apart(name, sight):
    seen = lab(np.clip(linear(colours(name, np.array([0.0, 0.5, 1.0]))) @ sight.T, 0, 1))
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert np.linalg.norm(seen[one] - seen[other]) > 20


@pytest.mark.parametrize("name", ["viridis", "cividis", "magma", "inferno", "plasma", "RdBu_r", "berlin"])
def test_maps_are_those_that_others_call_by_this_name(name):
    if name not in mpl.colormaps:
        pytest.skip("this matplotlib has no such map")
    # ColorBrewer's maps run from red to blue; ours from low, blue, to high.
    ours = colours(name.removesuffix("_r"), PLACES)
    np.testing.assert_allclose(ours, mpl.colormaps[name](PLACES)[:, :3], atol=0.045)


def test_a_map_runs_the_other_way_on_request():
    np.testing.assert_allclose(colours("magma_r", PLACES), colours("magma", PLACES)[::-1], atol=1e-12)


@pytest.mark.parametrize("name", ["jet", "hsv", "turbo", "Spectral", "rainbow_r"])
def test_rainbows_are_refused_with_the_reason(name):
    with pytest.raises(LandscapeError, match=r"is a rainbow: its lightness goes up and down.*viridis"):
        check_map(name)


def test_the_lightness_of_a_rainbow_does_go_up_and_down():
    lightness = lab(linear(mpl.colormaps["jet"](PLACES)[:, :3]))[:, 0]
    assert (np.diff(lightness) > 0).any()
    assert (np.diff(lightness) < 0).any()


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_letters_and_lines_stand_out_from_the_page(style):
    assert contrast(style.ink, style.page) >= 12
    assert contrast(style.muted, style.page) >= 4.5  # captions are small
    assert contrast(style.mark, style.page) >= 3
    others = style.series if style.name in {"dark", "mono"} else style.series[:3]
    assert min(contrast(code, style.page) for code in others) >= 2.9
    assert 1.1 < contrast(style.faint, style.page) < 2.5


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_no_two_lines_look_the_same(style):
    looks = [(style.series_colour(n), style.dash(n), style.marker(n)) for n in range(7)]
    assert len(set(looks)) == 7


def test_lines_in_grey_differ_without_colour():
    mono = STYLES["mono"]
    assert all(len({code[i : i + 2] for i in (1, 3, 5)}) == 1 for code in (*mono.series, mono.ink, mono.mark))
    for one, other in zip(range(6), range(1, 7), strict=True):
        assert (mono.dash(one), mono.marker(one)) != (mono.dash(other), mono.marker(other))
    chroma = lab(linear(mono.colours(PLACES)))[:, 1:]
    assert np.abs(chroma).max() < 0.1


def test_level_lines_can_be_seen_on_a_dark_page():
    dark = STYLES["dark"]
    page = lab(linear(colour_of(dark.page)))[0]
    assert (lab(linear(dark.on_page(PLACES)))[:, 0] - page).min() > 25
    np.testing.assert_array_equal(DEFAULT.on_page(PLACES), DEFAULT.colours(PLACES))


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_every_letter_grows_with_the_style(style):
    sizes = np.array([style.label, style.tick, style.small, style.tiny])
    np.testing.assert_allclose(sizes, style.letters * np.array([9.0, 8.0, 7.5, 6.8]))
    assert style.tiny > 5  # points, on paper


@pytest.fixture(scope="module")
def drawn():
    scene = FIGURES.get("2d")(valley())
    return {name: matplotlib.render(Appearance(name).applied(scene)) for name in STYLES}


@pytest.mark.parametrize("name", STYLES)
def test_figures_are_drawn_in_the_colours_and_letters_of_their_style(drawn, name):
    figure, style = drawn[name], STYLES[name]
    axes = figure.axes[0]
    page = mpl.colors.to_hex(figure.get_facecolor())
    assert (page, mpl.colors.to_hex(axes.get_facecolor())) == (style.page, style.page)
    assert mpl.colors.to_hex(axes.xaxis.label.get_color()) == style.ink
    assert axes.xaxis.label.get_size() == pytest.approx(style.label)
    assert axes.spines["left"].get_linewidth() == pytest.approx(0.7 * style.lines)
    shown = {mpl.colors.to_hex(patch.get_facecolor()) for patch in axes.patches}
    scale = FIGURES.get("2d")(valley()).bar.scale
    assert shown == {mpl.colors.to_hex(colour) for colour in style.colours(scale.bands)}


def test_a_column_of_a_paper_is_wide_enough_and_slides_have_large_letters():
    scene = FIGURES.get("2d")(valley())
    widths = {name: arrange(dataclasses.replace(scene, style=style)).width for name, style in STYLES.items()}
    assert widths["paper"] < 3.5
    assert STYLES["talk"].label / widths["talk"] > 1.2 * DEFAULT.label / widths["default"]


def test_mono_tells_lines_apart_by_dashes_and_shapes_in_both_renderers():
    scene = Appearance("mono").applied(FIGURES.get("comparison")([line("a.pt"), line("b.pt"), line("c.pt")]))
    figure = matplotlib.render(scene)
    found = [drawn for drawn in figure.axes[0].get_lines() if drawn.get_marker() != "None"]
    looks = {(drawn.get_marker(), tuple(drawn._dash_pattern[1] or ())) for drawn in found}
    assert len(looks) == 3
    traces = [trace for trace in plotly.render(scene).data if trace.name and trace.xaxis == "x"]
    assert len({(trace.line.dash, trace.marker.symbol) for trace in traces}) == 3


def line(name):
    return cut(rugged(name=name), 0)


def test_dashes_that_mean_a_split_are_left_to_the_splits():
    surface = valley()
    more = {"train/loss": surface["test/loss"] / 2, "train/count": surface["test/count"]}
    job = dataclasses.replace(surface.job, data_digest={"test": "1", "train": "2"})
    both = dataclasses.replace(surface, job=job, quantities={**surface.quantities, **more})
    scene = FIGURES.get("1d")(both)
    assert any(getattr(mark, "dashed", False) for mark in scene.panels[0].marks)
    assert Appearance("mono").applied(scene).style.dashes == ()
    assert Appearance("mono").applied(FIGURES.get("1d")(surface)).style.dashes == STYLES["mono"].dashes
