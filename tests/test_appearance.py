"""What is asked of a figure's looks is what is drawn, and what cannot be drawn is refused in one sentence."""

import json
import re
import shutil
import struct
import subprocess

import matplotlib as mpl
import numpy as np
import pytest
from surfaces import rugged, stacked, surface, valley

import landscape
from landscape import storage
from landscape.commands.main import main
from landscape.errors import LandscapeError
from landscape.rendering import FIGURES, appearance, embed, matplotlib, plotly, save
from landscape.rendering.appearance import Appearance
from landscape.rendering.layout import arrange
from landscape.rendering.relief import relief
from landscape.rendering.scene import Mesh
from landscape.rendering.style import STYLES

FIGURE = {kind: FIGURES.get(kind)(valley()) for kind in ("1d", "2d", "3d", "comparison")}
FIGURE["grid"] = FIGURES.get("grid")(stacked(valley(), policies=True))


def pixels_of(path):
    return struct.unpack(">II", path.read_bytes()[16:24])


@pytest.mark.parametrize(
    ("kind", "size", "dpi"),
    [("1d", (7.0, 5.0), 100), ("2d", (6.3, 6.1), 70), ("3d", (3.3, 3.3), 90), ("comparison", (9.99, 4.57), 72.5)],
)
def test_a_png_has_size_times_dpi_pixels(kind, size, dpi, tmp_path):
    scene = Appearance(size=size, dpi=dpi, caption=False).applied(FIGURE[kind])
    assert pixels_of(save(scene, tmp_path / "a.png")) == tuple(round(side * dpi) for side in size)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("kind", FIGURE)
def test_everything_lies_inside_a_figure_of_a_given_size(kind, style):
    scene = Appearance(style, size=(7.5, 7.0)).applied(FIGURE[kind])
    layout = arrange(scene)
    assert (layout.width, layout.height) == pytest.approx((7.5, 7.0))
    for box in (*layout.panels, *([layout.bar] if layout.bar else []), *(box for _, box in layout.rows)):
        assert 0 < box.left < box.right < 7.5
        assert layout.caption_top < box.bottom < box.top < 7.0


def test_planes_keep_their_proportions_in_a_wide_figure_and_lines_fill_it():
    wide = {kind: arrange(Appearance(size=(9, 4)).applied(FIGURE[kind])).panels[0] for kind in ("1d", "2d")}
    natural = arrange(FIGURE["2d"]).panels[0]
    assert wide["2d"].width / wide["2d"].height == pytest.approx(natural.width / natural.height)
    lines = arrange(Appearance(size=(9, 4)).applied(FIGURE["1d"])).panels
    assert lines[-1].right == pytest.approx(9 - 0.18)


def test_a_figure_without_room_for_its_panels_is_refused(tmp_path):
    with pytest.raises(LandscapeError, match=r"a figure of 1x1 inches has no room for its panels"):
        save(Appearance(size=(1, 1)).applied(FIGURE["2d"]), tmp_path / "a.png")


def test_the_dpi_alone_changes_the_pixels_alone(tmp_path):
    layout = arrange(FIGURE["2d"])
    scene = Appearance(dpi=50).applied(FIGURE["2d"])
    assert pixels_of(save(scene, tmp_path / "a.png")) == pytest.approx([50 * layout.width, 50 * layout.height], abs=1)
    assert arrange(scene) == layout


@pytest.mark.parametrize("view", [(10, 20), (60, -150), (-20, 300)])
def test_the_view_is_that_of_both_renderers(view):
    scene = Appearance(view=view).applied(FIGURE["3d"])
    (axes, *_) = matplotlib.render(scene).axes
    assert (axes.elev, axes.azim) == view
    eye = plotly.render(scene).layout.scene.camera.eye
    around = np.degrees(np.arctan2(eye.y, eye.x))
    over = np.degrees(np.arctan2(eye.z, np.hypot(eye.x, eye.y)))
    assert (around - view[1] + 180) % 360 == pytest.approx(180)
    assert over == pytest.approx(view[0], abs=2)  # near things look larger


def test_every_panel_in_space_has_the_view_that_was_asked_for():
    scene = Appearance(view=(15, 40)).applied(FIGURES.get("comparison")([valley(), rugged(name="b.pt")]))
    views = {(axes.elev, axes.azim) for axes in matplotlib.render(scene).axes if hasattr(axes, "elev")}
    assert views == {(15, 40)}


def test_the_colour_map_is_that_of_levels_bar_surface_and_page():
    chosen = Appearance(cmap="magma")
    flat, space = chosen.applied(FIGURE["2d"]), chosen.applied(FIGURE["3d"])
    expected = {mpl.colors.to_hex(colour) for colour in flat.style.colours(flat.bar.scale.bands)}
    axes, bar = matplotlib.render(flat).axes
    for drawn in (axes.patches, bar.patches):
        assert expected <= {mpl.colors.to_hex(patch.get_facecolor()) for patch in drawn}
    steps = {code for _, code in plotly.render(flat).layout.coloraxis.colorscale}
    assert steps == expected
    mesh = next(mark for mark in space.panels[0].marks if isinstance(mark, Mesh))
    lit, usual = relief(mesh, space.style).colours, relief(mesh).colours
    assert np.abs(lit - usual).max() > 0.3
    assert space.style.sequential == "magma"


def test_a_diverging_map_is_for_differences_and_another_for_values():
    difference = FIGURES.get("difference")(valley(), valley(steep=2.0, name="b.pt"))
    both = Appearance(cmap="vik"), Appearance(cmap="magma")
    assert both[0].applied(difference).style.diverging == "vik"
    assert both[0].applied(difference).style.sequential == "viridis"
    both[0].check(difference)
    both[1].check(FIGURE["2d"])
    with pytest.raises(LandscapeError, match="parts at a middle, which these values do not have"):
        both[0].check(FIGURE["2d"])
    with pytest.raises(LandscapeError, match="a difference needs a colour map with a middle"):
        both[1].check(difference)
    with pytest.raises(LandscapeError, match="has lines alone"):
        both[1].check(FIGURE["1d"])


def words_of(figure):
    return [text.get_text() for text in figure.findobj(mpl.text.Text)]


def test_title_and_caption_are_those_that_were_asked_for():
    assert "trained weights: loss 0.5" in " ".join(words_of(matplotlib.render(FIGURE["2d"])))
    scene = Appearance(title="My $net$ <b>", caption=False).applied(FIGURE["2d"])
    words = words_of(matplotlib.render(scene))
    assert "My $net$ <b>" in words
    assert not any("Test split" in word for word in words)
    assert "net" not in words  # the name of the checkpoint: the title stands in its place
    notes = [note.text for note in plotly.render(scene).layout.annotations]
    assert "<b>My $net$ &lt;b&gt;</b>" in notes
    assert not any("Test split" in note for note in notes)
    assert arrange(scene).height < arrange(FIGURE["2d"]).height


def test_several_panels_get_one_title_above_them_all():
    several = FIGURES.get("2d")([valley(), rugged(name="b.pt")])
    scene = Appearance(title="Both").applied(several)
    assert scene.title == "Both"
    assert [panel.title for panel in scene.panels] == [panel.title for panel in several.panels]
    assert Appearance(title="").applied(scene).title == ""


def test_a_transparent_picture_shows_what_lies_behind(tmp_path):
    for kind in ("2d", "3d"):
        path = save(Appearance(transparent=True, dpi=60).applied(FIGURE[kind]), tmp_path / f"{kind}.png")
        solid = save(Appearance(dpi=60).applied(FIGURE[kind]), tmp_path / f"{kind}_solid.png")
        through, page = mpl.image.imread(path)[..., 3], mpl.image.imread(solid)[..., 3]
        assert through[2, 2] == 0
        assert (through == 0).mean() > 0.2
        assert (through > 0.9).mean() > 0.1
        assert (page == 1).all()
    drawn = plotly.render(Appearance(transparent=True).applied(FIGURE["2d"])).layout
    assert (drawn.paper_bgcolor, drawn.plot_bgcolor) == ("rgba(0,0,0,0)",) * 2


def test_transparent_vector_files_have_no_page(tmp_path):
    solid = save(FIGURE["2d"], tmp_path / "a.svg").read_text()
    clear = save(Appearance(transparent=True).applied(FIGURE["2d"]), tmp_path / "b.svg").read_text()
    patch = re.compile(r'<g id="patch_1">\s*<path [^>]*style="([^"]*)"')
    assert "fill: #ffffff" in patch.search(solid)[1]
    assert (
        patch.search(clear) is None or "fill: none" in patch.search(clear)[1] or "opacity: 0" in patch.search(clear)[1]
    )


@pytest.mark.parametrize("style", ["default", "paper"])
def test_letters_of_an_svg_are_letters(style):
    text = matplotlib.encode(Appearance(style, title="Läbel").applied(FIGURE["2d"]), "svg").decode()
    assert re.search(r"<text[^>]*>Läbel</text>", text)
    assert re.search(r"<text[^>]*>α", text)


@pytest.mark.skipif(shutil.which("pdffonts") is None, reason="needs pdffonts")
@pytest.mark.parametrize("kind", ["1d", "2d"])
def test_fonts_of_a_pdf_are_in_it(kind, tmp_path):
    path = save(Appearance("paper").applied(FIGURE[kind]), tmp_path / "a.pdf")
    said = subprocess.run(["pdffonts", path], capture_output=True, text=True, check=True).stdout.splitlines()[2:]
    assert said
    assert all(re.search(r"(CID TrueType|TrueType|Type 3)\s+\S+\s+yes yes", line) for line in said)


def test_the_style_of_the_paper_shows_losses_up_to_ten_as_logarithms_of_the_loss_plus_a_tenth(tmp_path):
    chosen = Appearance("paper")
    scale = FIGURES.get("3d")(rugged(), **chosen.values("loss", {})).panels[0].scale
    assert (scale.upper, scale.offset, scale.log) == (10, 0.1, True)
    measured = rugged()["test/loss"]
    expected = np.log10(np.minimum(measured, 10) + 0.1)
    np.testing.assert_allclose(scale.transform(measured), expected, rtol=1e-12)
    low = FIGURES.get("3d")(valley(), **chosen.values("test/loss", {})).panels[0].scale
    assert low.upper == pytest.approx(valley()["test/loss"].max())  # not stretched to ten


@pytest.mark.parametrize(
    ("quantity", "asked", "expected"),
    [
        ("loss", {}, {"limit": 10.0, "offset": 0.1}),
        ("loss", {"clip": 3.0, "vmax": None}, {"clip": 3.0, "vmax": None, "offset": 0.1}),
        ("loss", {"vmax": 3.0}, {"vmax": 3.0, "offset": 0.1}),
        ("test/loss", {"log": False}, {"log": False, "limit": 10.0}),
        ("accuracy", {"log": None}, {"log": None}),
        ("test/loss_stderr", {}, {}),
    ],
)
def test_a_style_decides_only_what_is_not_asked_for(quantity, asked, expected):
    assert Appearance("paper").values(quantity, asked) == expected


def test_other_styles_change_no_values():
    for style in set(STYLES) - {"paper"}:
        assert Appearance(style).values("loss", {"log": None}) == {"log": None, "limit": None, "offset": 0.0}


def test_pages_have_the_colours_of_their_style(tmp_path):
    page = save(Appearance("dark").applied(FIGURE["2d"]), tmp_path / "a.html").read_text()
    dark = STYLES["dark"]
    assert f"background:{dark.page}" in page.split("</style>")[0]
    assert f'<figcaption style="color:{dark.muted}">' in page
    shown = plotly.render(Appearance("dark").applied(FIGURE["1d"]))
    assert (shown.layout.paper_bgcolor, shown.layout.font.color) == (dark.page, dark.ink)
    assert shown.data[0].line.color == dark.series[0]
    piece = embed.fragment(Appearance("dark").applied(FIGURE["2d"]))
    assert f"background:{dark.page}" in piece[:200]


def test_a_plot_takes_the_looks(tmp_path):
    path = landscape.plot(valley(), "3d", out=tmp_path / "a.png", size=(4, 3), dpi=60, style="dark", view=(50, 10))
    assert pixels_of(path) == (240, 180)
    np.testing.assert_allclose(mpl.image.imread(path)[1, 1, :3], np.array([13, 17, 23]) / 255, atol=1e-6)
    figure = landscape.plot(valley(), "3d", view=(50, 10), title="T")
    assert (figure.axes[0].elev, figure.axes[0].azim) == (50, 10)
    with pytest.raises(LandscapeError, match="--view turns a picture in space"):
        landscape.plot(valley(), "2d", view=(50, 10))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"style": "pape"}, r"unknown style 'pape'; did you mean paper\?"),
        ({"style": None}, "unknown style None"),
        ({"cmap": "viridi"}, r"unknown colour map 'viridi'; did you mean viridis"),
        ({"cmap": "jet"}, "is a rainbow"),
        ({"view": 30}, "a view is the height over the floor.*not 30"),
        ({"view": (100, 0)}, "a view is the height over the floor.*not 100,0"),
        ({"view": (0, float("nan"))}, "a view is the height over the floor"),
        ({"size": (0, 3)}, "a size is width x height in inches.*not 0x3"),
        ({"size": "3x3"}, "a size is width x height in inches.*not '3x3'"),
        ({"size": (3, 1e9)}, "a size is width x height in inches"),
        ({"dpi": -1}, "pixels per inch .* is positive.*not -1"),
        ({"dpi": "fine"}, "pixels per inch .* is positive"),
        ({"dpi": 1e6}, "more than 20,000 pixels along a side"),
        ({"size": (150, 150)}, "more than 20,000 pixels along a side"),
        ({"transparent": "no"}, "transparent is True or False, not 'no'"),
    ],
)
def test_looks_that_cannot_be_drawn_are_refused_in_one_sentence(given, said):
    with pytest.raises(LandscapeError, match=said) as caught:
        Appearance(**given)
    assert "\n" not in str(caught.value)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    storage.save(valley(), "net.h5")

    def call(*words):
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    return call


@pytest.mark.parametrize(
    "words",
    [
        ["--view", "30"],
        ["--view", "a,b"],
        ["--3d", "--view", "100,0"],
        ["--view", "20,30"],
        ["--size", "0x3"],
        ["--size", "3"],
        ["--size", "0.5x0.5"],
        ["--dpi", "-1"],
        ["--dpi", "nan"],
        ["--cmap", "jet"],
        ["--cmap", "vik"],
        ["--cmap", "blues"],
        ["--style", "foo"],
        ["--vmin", "9", "--vmax", "2"],
        ["-o", "a.html", "--tex"],
    ],
    ids=" ".join,
)
def test_bad_looks_on_the_command_line_end_in_one_sentence(run, words):
    code, out, err = run("plot", "net.h5", *words)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("landscape: ")
    assert not err.endswith(".\n")


def test_compare_refuses_bad_looks_before_it_prints_anything(run):
    for words in (
        ["--view", "30"],
        ["--size", "0x3"],
        ["--cmap", "jet"],
        ["--style", "foo"],
        ["-o", "a.html", "--tex"],
    ):
        code, out, err = run("compare", "net.h5", "net.h5", *words)
        assert (code, out, err.count("\n")) == (2, "", 1), words


def test_compare_draws_all_its_figures_in_the_looks(run, tmp_path):
    storage.save(valley(steep=2.0, name="other.pt"), "b.h5")
    words = ["--style", "dark", "--dpi", "40", "--size", "6x6", "--cmap", "vik", "--no-caption"]
    assert run("compare", "net.h5", "b.h5", "-o", "c.png", *words)[0] == 0
    page = np.array([13, 17, 23]) / 255
    for name in ("c", "c_1d", "c_difference"):
        assert pixels_of(tmp_path / f"{name}.png") == (240, 240)
        np.testing.assert_allclose(mpl.image.imread(tmp_path / f"{name}.png")[1, 1, :3], page, atol=1e-6)


def test_looks_on_the_command_line_are_drawn(run, tmp_path):
    words = ["--3d", "--style", "paper", "--size", "3.3x3", "--dpi", "100", "--view", "20,-40", "--cmap", "batlow"]
    assert run("plot", "net.h5", *words, "--title", "T", "--no-caption", "--transparent", "-o", "a.png")[0] == 0
    assert pixels_of(tmp_path / "a.png") == (330, 300)
    assert mpl.image.imread(tmp_path / "a.png")[1, 1, 3] == 0


@pytest.mark.skipif(not {None}.isdisjoint(map(shutil.which, ("latex", "dvipng"))), reason="needs LaTeX")
def test_latex_sets_the_letters_as_they_are(tmp_path):
    scene = Appearance(title=r"50% a_b $x$ \bf & é", tex=True).applied(FIGURE["2d"])
    path = save(scene, tmp_path / "a.pdf")
    assert path.read_bytes()[:4] == b"%PDF"
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", path, "-"], capture_output=True, text=True, check=True).stdout
        assert "50% a_b $x$ \\bf &" in text.replace(" _ ", "_").replace("a b", "a_b")


def test_without_latex_its_letters_are_refused(monkeypatch):
    monkeypatch.setattr(appearance, "which", lambda name: None)
    with pytest.raises(LandscapeError, match="need latex and dvipng, which this machine lacks"):
        Appearance(tex=True)


def test_an_odd_name_is_set_by_no_command():
    page = json.dumps(plotly.render(Appearance(title="</script>").applied(FIGURE["1d"])).to_plotly_json(), default=str)
    assert "</script>" not in page
    figure = matplotlib.render(Appearance(title="$\\frac").applied(FIGURES.get("1d")(surface(np.arange(5.0)))))
    assert "$\\frac" in words_of(figure)


def test_a_figure_for_a_column_is_readable_on_a_screen():
    scene = Appearance("paper").applied(FIGURE["2d"])
    shown, usual = (plotly.render(one).layout for one in (scene, FIGURE["2d"]))
    assert shown.font.size == usual.font.size
    assert shown.height == pytest.approx(usual.height, rel=0.15)
    small = plotly.render(Appearance("paper", size=(3.3, 3.3)).applied(FIGURE["2d"])).layout
    assert small.font.size == usual.font.size
    assert small.height == pytest.approx(3.3 / scene.style.letters * 104, abs=1)
