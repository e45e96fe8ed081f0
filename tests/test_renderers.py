"""Renderers: marks are drawn the right way round, and nothing that was not measured."""

import json
import re
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from marks import SIGNED, VALUES, alone
from surfaces import broken, rugged, stacked, surface, valley

from landscape.analysis.comparison import compared
from landscape.analysis.scales import choose_scale
from landscape.errors import LandscapeError, SurroundingsError
from landscape.rendering import FIGURES, RENDERERS, embed, matplotlib, plotly, save
from landscape.rendering.comparison import comparison, comparison_grid
from landscape.rendering.difference import difference
from landscape.rendering.figures import contour, surface3d
from landscape.rendering.isolines import bands, isolines, labels, parted
from landscape.rendering.layout import arrange
from landscape.rendering.numbers import numbers
from landscape.rendering.profiles import profile
from landscape.rendering.relief import floor, relief
from landscape.rendering.scene import (
    ColourBar,
    Contour,
    Heat,
    Mesh,
    Panel,
    RowLabel,
    Scene,
    cell_edges,
)
from landscape.rendering.style import DEFAULT

# A difference takes two surfaces on one grid, numbers a comparison, a trajectory a path, and others what is measured of
# losses and statistics beside their values.
APART = {"difference", "numbers", "trajectory", "uncertainty", "uncertainty-rise", "drift"}
KINDS = [name for name in FIGURES.names() if name not in APART]
SLOPE = surface(np.ones((9, 9))), surface(1 + np.add.outer(np.linspace(-1, 1, 9), np.zeros(9)), name="b.pt")


@pytest.fixture(autouse=True)
def coarse_relief(monkeypatch):
    """Surfaces in space are cut into fewer pieces: what is tested does not hang on their number."""
    monkeypatch.setattr("landscape.rendering.relief.PIECES", 24)


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3] / 255


def colour_at(figure, x, y):
    """The colour that a matplotlib figure shows at a place of its first axes."""
    image = pixels(figure)
    column, row = figure.axes[0].transData.transform((x, y))
    return image[image.shape[0] - 1 - int(row), int(column)]


@pytest.mark.parametrize("corner", [(0, 0), (0, 8), (12, 0), (12, 8)])
def test_matplotlib_shows_a_peak_where_it_was_measured(corner):
    values = np.ones((13, 9))
    values[corner] = 2.0
    source = surface(values)
    figure = matplotlib.render(contour(source))
    x, y = (0.985 * axis.values[i] for axis, i in zip(source.grid.axes, corner, strict=True))
    bright = {(i, j): colour_at(figure, i * x, j * y) @ [0.2126, 0.7152, 0.0722] for i in (1, -1) for j in (1, -1)}
    assert bright[1, 1] > 0.6
    assert max(bright[1, -1], bright[-1, 1], bright[-1, -1]) < 0.2


def test_plotly_gets_values_as_rows_of_y():
    source = valley(13, 9)
    heat = next(trace for trace in plotly.render(contour(source)).data if trace.type == "heatmap")
    mesh = next(trace for trace in plotly.render(surface3d(source)).data if trace.type == "surface")
    np.testing.assert_array_equal(heat.customdata, source["test/loss"].T)
    np.testing.assert_array_equal(mesh.z, source["test/loss"].T)
    for trace in (heat, mesh):
        assert (len(trace.x), len(trace.y)) == (13, 9)


def test_filled_areas_lie_where_the_values_are():
    source = valley(41, 31)
    (heat,) = (mark for mark in contour(source).panels[0].marks if isinstance(mark, Heat))
    for low, rings in zip(heat.scale.boundaries[1:-1], bands(heat)[1:], strict=True):
        outline = np.concatenate(rings)
        rim = outline[(np.abs(outline) < 1 - 1e-9).all(axis=1)]
        values = 0.5 + rim[:, 0] ** 2 + 2 * rim[:, 1] ** 2 + 0.3 * rim[:, 0]
        np.testing.assert_allclose(values, low, atol=0.004)


def test_contour_lines_of_a_round_bowl_are_circles():
    axis = np.linspace(-1, 1, 81)
    values = np.add.outer(axis**2, axis**2)
    for line in isolines(Contour(axis, axis, values, choose_scale([values], levels=[0.1, 0.3, 0.6]))):
        radius = np.hypot(*np.concatenate(line.pieces).T)
        np.testing.assert_allclose(radius, np.sqrt(line.level), atol=2e-3)


def test_logarithmic_lines_are_interpolated_in_the_logarithm():
    axis = np.linspace(0, 4, 5)
    values = np.tile(10.0**axis, (2, 1)).T
    mark = Contour(axis, np.array([0.0, 1.0]), values, choose_scale([values], levels=[10**0.5, 10**2.25]))
    places = [line.pieces[0][:, 0] for line in isolines(mark)]
    np.testing.assert_allclose(places, [[0.5, 0.5], [2.25, 2.25]])


def test_the_surface_in_space_passes_through_the_values():
    source = rugged()
    (mesh,) = (mark for mark in surface3d(source).panels[0].marks if isinstance(mark, Mesh))
    corners = relief(mesh).corners.reshape(-1, 3)
    known = {(round(x, 9), round(y, 9)): z for x, y, z in corners}
    for i, x in enumerate(mesh.x):
        for j, y in enumerate(mesh.y):
            assert known[round(x, 9), round(y, 9)] == pytest.approx(np.log10(source["test/loss"][i, j]))


def test_nothing_of_the_surface_in_space_stands_above_the_clip():
    scene = surface3d(rugged(), clip=20.0)
    (mesh,) = (mark for mark in scene.panels[0].marks if isinstance(mark, Mesh))
    assert relief(mesh).corners[..., 2].max() == pytest.approx(np.log10(20))
    axis = plotly.render(scene).layout.scene.zaxis
    assert axis.type == "log"
    assert list(axis.range) == pytest.approx([floor(mesh.scale), np.log10(20)])
    assert [float(text) for text in axis.ticktext] == pytest.approx(list(axis.tickvals))


GAPS = {"nan": [(0, 0), (5, 5)], "inf": [(7, 1)], "undone": [(3, 3), (3, 4), (12, 8)]}


def test_gaps_are_neither_painted_over_nor_interpolated():
    source = broken(valley(), **GAPS)
    figure = matplotlib.render(contour(source))
    x, y = (axis.array() for axis in source.grid.axes)
    np.testing.assert_allclose(colour_at(figure, x[3], (y[3] + y[4]) / 2), 1.0)
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatched) == 3
    assert colour_at(figure, x[4], y[3]).max() < 0.95


def test_plotly_hatches_each_cell_that_is_not_finite():
    figure = plotly.render(contour(broken(valley(), **GAPS)))
    (hatch,) = (trace for trace in figure.data if trace.type == "scatter" and trace.fillpattern.shape)
    assert np.isnan(np.asarray(hatch.x)).sum() + 1 == 3
    heat = next(trace for trace in figure.data if trace.type == "heatmap")
    assert np.isnan(np.asarray(heat.z)).sum() == 6


def test_holes_in_space_stay_open():
    axis = np.linspace(-1, 1, 5)
    values = 1 + np.add.outer(axis**2, axis**2)
    whole = relief(Mesh(axis, axis, values, choose_scale([values])))
    values[2, 2] = np.nan
    open_ = relief(Mesh(axis, axis, values, choose_scale([values])))
    assert len(open_.corners) / len(whole.corners) == pytest.approx(12 / 16)
    assert np.isfinite(open_.corners).all()


def test_level_labels_sit_on_their_lines_apart_from_each_other_and_the_star():
    panel = contour(valley(41, 31)).panels[0]
    (mark,) = (mark for mark in panel.marks if isinstance(mark, Contour))
    lines = isolines(mark)
    written = labels(panel, lines)
    places = np.array([[label.x, label.y] for label in written])
    values = 0.5 + places[:, 0] ** 2 + 2 * places[:, 1] ** 2 + 0.3 * places[:, 0]
    assert len(written) >= 5
    np.testing.assert_allclose(values, [label.level for label in written], atol=0.01)
    distances = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) + 9 * np.eye(len(places))
    assert distances.min() > 0.2
    assert np.hypot(*places.T).min() > 0.15
    for line, label in ((line, label) for line in lines for label in written if label.level == line.level):
        shown = np.concatenate(parted(line, written, panel, mark.scale.text(line.level)).pieces)
        assert np.hypot(*(shown - [label.x, label.y]).T).min() > 0.03


def test_both_renderers_write_the_same_levels_and_ticks():
    scene = contour(rugged())
    allowed = {scene.bar.scale.text(level) for level in scene.bar.scale.levels}
    drawn = matplotlib.render(scene)
    first = {text.get_text() for text in drawn.axes[0].texts}
    second = {note.text for note in plotly.render(scene).layout.annotations if note.xref == "x"}
    assert first == second
    assert first <= allowed
    bar = plotly.render(scene).layout.coloraxis.colorbar
    assert list(bar.ticktext) == [tick.get_text() for tick in drawn.axes[-1].get_yticklabels()]


@pytest.mark.parametrize("renderer", [matplotlib, plotly])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "values",
    [np.full((4, 6), 2.3), np.full((4, 6), np.nan), np.ones((4, 6)) + 1e-13, -VALUES, 1e-6 * VALUES, np.eye(5) * 1e30],
    ids=["constant", "all NaN", "noise", "negative", "tiny", "huge"],
)
def test_odd_surfaces_are_drawn_without_a_warning(renderer, kind, values):
    scene = FIGURES.get(kind)([surface(values), surface(values[:3], name="b.pt")])
    drawn = renderer.render(scene)
    assert len(pixels(drawn) if renderer is matplotlib else drawn.layout.to_plotly_json())


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_has_just_begun_is_drawn(kind):
    count = np.zeros((9, 9), dtype=int)
    count[4, 4] = count[0, 0] = 200
    scene = FIGURES.get(kind)(surface(VALUES[4, 2] * np.ones((9, 9)), count=count))
    assert matplotlib.encode(scene)[:4] == b"\x89PNG"
    assert "blank:" in scene.caption


@pytest.mark.parametrize("kind", KINDS)
def test_files_hold_what_their_names_say(kind, tmp_path):
    scene = FIGURES.get(kind)([valley(name="first.pt"), rugged(name="second.pt")])
    files = {suffix: save(scene, tmp_path / f"figure.{suffix}").read_bytes() for suffix in RENDERERS.names()}
    assert files["png"].startswith(b"\x89PNG\r\n")
    assert files["pdf"].startswith(b"%PDF-")
    assert b"/Type3" not in files["pdf"]
    assert re.search(rb"<text[^>]*>second</text>", files["svg"])
    assert b"<!DOCTYPE html>" in files["html"]
    assert b"second" in files["html"]


def test_html_asks_no_network_and_offers_no_upload(tmp_path):
    text = save(contour(valley()), tmp_path / "figure.html").read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)\s*=\s*[\"']?(https?:)?//", text)
    assert '"showSendToCloud": false' in text
    assert text.count("plotly.js v") == 1


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_scene_gives_the_same_bytes(suffix):
    assert matplotlib.encode(contour(valley()), suffix) == matplotlib.encode(contour(valley()), suffix)


def test_the_size_of_a_png_is_that_of_its_layout(tmp_path):
    scene = contour(valley())
    header = save(scene, tmp_path / "figure.png").read_bytes()[16:24]
    layout = arrange(scene)
    expected = [layout.width * scene.style.dpi, layout.height * scene.style.dpi]
    assert [int.from_bytes(header[:4]), int.from_bytes(header[4:])] == pytest.approx(expected, abs=1)


def test_equal_ranges_get_equal_lengths():
    for scene in (contour(valley()), contour([valley(), rugged()])):
        assert scene.size[0] == scene.size[1]
        assert plotly.render(scene).layout.yaxis.scaleanchor == "x"


def test_settings_of_matplotlib_stay_as_they_were():
    before = dict(mpl.rcParams)
    matplotlib.encode(contour(valley()))
    assert dict(mpl.rcParams) == before


def test_pyplot_is_not_touched_and_drawing_libraries_load_only_for_drawing():
    code = (
        "import sys, landscape.rendering, landscape.rendering.figures, landscape.rendering.profiles\n"
        "print([name for name in ('matplotlib', 'plotly', 'torch') if name in sys.modules])\n"
        "import landscape.rendering.matplotlib as drawing\n"
        "from landscape.rendering.scene import Panel, Scene\n"
        "drawing.encode(Scene((Panel('2d', (), y_range=(0, 1)),)))\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "False"]


@pytest.mark.parametrize(
    "name", ["a$b_1$.pt", "<script>alert(1)</script>.pt", "名\U0001f600.pt", "a\udcff.pt", "50%.pt"]
)
def test_names_from_files_are_shown_and_never_run(name, tmp_path):
    scene = profile([valley(name=name), valley(name="b.pt")])
    for suffix in RENDERERS.names():
        text = save(scene, tmp_path / f"figure.{suffix}").read_bytes()
        assert b"<script>alert" not in text
    if name.startswith("a$"):
        assert b"a$b_1$" in (tmp_path / "figure.svg").read_bytes()


def test_json_of_a_fragment_cannot_end_its_script():
    text = embed.fragment(contour(valley(name="</script><b>x.pt")))
    assert text.count("</script>") == 1
    data = re.search(r"wide=(\{.*?\}), narrow=\{", text, re.DOTALL)
    assert data
    assert json.loads(data[1])["layout"]["template"]


@pytest.mark.parametrize("name", ["figure.jpg", "figure", "figure.png.gz"])
def test_an_unknown_suffix_is_told_with_those_that_work(name, tmp_path):
    with pytest.raises(LandscapeError, match=f"must end in one of png, pdf, svg, html, and '{name}' does not"):
        save(contour(valley()), tmp_path / name)


@pytest.mark.parametrize("suffix", ["png", "html"])
def test_a_folder_that_cannot_be_made_is_a_failure_of_the_surroundings(suffix, tmp_path):
    assert save(contour(valley()), tmp_path / "new" / f"figure.{suffix}").exists()
    (tmp_path / "file").touch()
    with pytest.raises(SurroundingsError, match=r"cannot write the figure .*Not a directory") as caught:
        save(contour(valley()), tmp_path / "file" / "in" / f"figure.{suffix}")
    assert caught.value.exit_code == 1


def test_signed_colours_are_equally_light_on_both_sides_of_zero():
    places = np.linspace(0, 1, 201)
    ours = DEFAULT.colours(places, diverging=True)
    np.testing.assert_allclose(ours, mpl.colormaps["RdBu_r"](places)[:, :3], atol=0.03)
    linear = np.where(ours <= 0.04045, ours / 12.92, ((ours + 0.055) / 1.055) ** 2.4)
    lightness = 116 * np.cbrt(linear @ [0.2126, 0.7152, 0.0722]) - 16
    assert (np.diff(lightness[:101]) > 0).all()
    np.testing.assert_allclose(lightness, lightness[::-1], atol=6)  # of 77: less than the step between two levels


def test_contour_lines_of_differences_tell_the_sign_without_colour():
    scene = difference(*SLOPE)
    scale = scene.bar.scale
    drawn = matplotlib.render(scene).axes[0].collections
    dashes = {line.get_linestyle()[0][1] is not None for line in drawn if hasattr(line, "get_segments")}
    assert dashes == {True, False}
    widths = [float(line.get_linewidth()[0]) for line in drawn if hasattr(line, "get_segments")]
    assert np.argmax(widths) == scale.levels.index(0.0)
    traces = [trace for trace in plotly.render(scene).data if trace.type == "scatter" and trace.line.dash]
    assert {(trace.line.dash, trace.line.width) for trace in traces} == {("dash", 1), ("solid", 1), ("solid", 2)}


def test_matplotlib_shows_each_sign_in_its_colour():
    figure = matplotlib.render(difference(*SLOPE))
    low, high = colour_at(figure, -0.93, 0.55), colour_at(figure, 0.93, 0.55)
    assert low[2] > low[0] + 0.2
    assert high[0] > high[2] + 0.2


def test_the_colour_bar_of_a_difference_points_to_where_values_were_cut():
    for clipped, below in ((False, False), (True, False), (True, True)):
        bar = ColourBar(SIGNED, "b - a", clipped=clipped, clipped_below=below)
        (panel,) = alone("2d").panels
        figure = matplotlib.render(Scene((panel,), size=(2, 2), bar=bar))
        tips = [patch for patch in figure.axes[-1].patches if patch.get_clip_on() is False]
        assert len(tips) == clipped + below


def test_bands_and_surfaces_have_their_own_colours_in_one_figure():
    figure = plotly.render(comparison(PAIR))
    axes = {trace.type: trace.coloraxis for trace in figure.data if trace.type in {"heatmap", "surface"}}
    assert len(set(axes.values())) == 2
    layout = figure.layout.to_plotly_json()
    shown = {kind: layout[axis]["showscale"] for kind, axis in axes.items()}
    assert shown == {"heatmap": True, "surface": False}
    steps = {kind: layout[axis]["colorscale"] for kind, axis in axes.items()}
    assert len({place for place, _ in steps["heatmap"]}) < len(steps["heatmap"])
    assert len({place for place, _ in steps["surface"]}) == len(steps["surface"])


def test_a_figure_with_flat_panels_and_panels_in_space_has_one_viewpoint():
    scene = comparison(MANY)
    spaces = [axes for axes in matplotlib.render(scene).axes if axes.name == "3d"]
    assert len(spaces) == 6
    assert len({(axes.elev, axes.azim, axes.get_zlim()) for axes in spaces}) == 1
    layout = plotly.render(scene).layout.to_plotly_json()
    cameras = [json.dumps(value["camera"]) for name, value in layout.items() if name.startswith("scene")]
    assert len(cameras) == 6
    assert len(set(cameras)) == 1


def test_panels_in_space_turn_together():
    assert 'place.on("plotly_relayout",turn)' in embed.fragment(comparison(PAIR))


def test_labels_of_rows_become_titles_in_one_column():
    scene = comparison_grid(MANY)
    wide, narrow = (plotly.render(scene, stacked) for stacked in (False, True))
    upwards = [note.text for note in wide.layout.annotations if note.textangle == -90]
    assert upwards == ["<b>a</b>", "<b>a-much-longer-n…of-a-checkpoint</b>"]
    titles = [note.text for note in narrow.layout.annotations if note.text.startswith("<b>")]
    assert titles[0] == "<b>a, BatchNorm frozen</b>"
    assert len(set(titles)) == 6


def test_stacking_changes_the_layout_alone():
    wide, narrow = (json.loads(plotly.render(comparison(PAIR), stacked).to_json()) for stacked in (False, True))
    assert wide["data"] == narrow["data"]


def test_both_renderers_list_the_same_lines_once():
    scene = profile(MANY)
    (legend,) = matplotlib.render(scene).legends
    words = [text.get_text() for text in legend.get_texts()]
    assert len(words) == 6
    assert words == [trace.name for trace in plotly.render(scene).data if trace.showlegend]


def test_small_panels_in_space_have_fewer_round_ticks():
    ticks = [
        [text.get_text() for text in matplotlib.render(comparison(sources)).axes[1].get_zticklabels()]
        for sources in ([valley(steep=2)], MANY)
    ]
    assert len(ticks[0]) > len(ticks[1]) >= 3


def test_a_scene_tells_its_panels_by_row_and_title():
    panels = tuple(Panel("2d", (), y_range=(0, 1), title=title) for title in ("x", "y", "", ""))
    scene = Scene(panels, title="t", columns=2, rows=(RowLabel("a", "b"), RowLabel("c")))
    assert [scene.name_of(index) for index in range(4)] == ["a, b, x", "a, b, y", "c, x", "c, y"]
    assert scene.summary == "t; a, b, x; a, b, y; c, x; c, y"


def test_colours_are_viridis_and_rise_in_lightness():
    places = np.linspace(0, 1, 200)
    ours = DEFAULT.colours(places)
    np.testing.assert_allclose(ours, mpl.colormaps["viridis"](places)[:, :3], atol=0.025)
    assert (np.diff(ours @ [0.2126, 0.7152, 0.0722]) > 0).all()


PAIR = [valley(), rugged(name="b.pt")]
MANY = [stacked(valley(name=name), policies=True) for name in ("a.pt", "a-much-longer-name-of-a-checkpoint.pt")]
SCENES = {
    "contour": contour(PAIR),
    "surface": surface3d(valley()),
    "profile": profile(PAIR),
    "comparison": comparison(PAIR),
    "many rows": comparison(MANY),
    "grid": comparison_grid(MANY),
    "grid in space": comparison_grid(MANY, kind="3d"),
    "difference": difference(valley(), valley(steep=3)),
    "drift": profile(stacked(valley(), policies=True, drift=True), "drift"),
    "long legend": profile(MANY),
    "numbers": numbers(compared([[stacked(source, repeats=3)] for source in PAIR])),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_panels_and_words_do_not_leave_the_figure(scene):
    layout = arrange(scene)
    for box in layout.panels:
        assert 0 < box.left < box.right < layout.width
        assert layout.caption_top < box.bottom < box.top < layout.height
    for _, box in layout.rows:
        assert 0 < box.left < box.right < layout.panels[0].left


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("size", [None, (2.75, 2.75)], ids=["wide", "stacked"])
def test_panels_bar_and_legend_stand_apart(scene, size):
    layout = arrange(scene, size)
    boxes = [box for box in (*layout.panels, layout.bar, layout.legend) if box]
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            apart = one.right <= other.left or other.right <= one.left
            assert apart or one.top <= other.bottom or other.top <= one.bottom


LONG = "a-very-long-name-of-a-checkpoint-that-goes-on-and-on.pt"


@pytest.mark.parametrize("kind", [contour, comparison, comparison_grid, profile])
def test_words_of_a_figure_do_not_leave_it(kind):
    figure = matplotlib.render(kind([valley(name=LONG), rugged(name="b.pt", seed=3)]))
    pixels(figure)
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height for box in boxes)


def test_cells_meet_midway_between_points():
    assert cell_edges(np.array([0.0, 1.0, 3.0])).tolist() == [-0.5, 0.5, 2.0, 4.0]
    assert cell_edges(np.array([2.0])).tolist() == [1.5, 2.5]
