"""Figures for other people's pages, notebooks and axes: they show the surface, and nothing else changes."""

import base64
import dataclasses
import json
import re
import sys

import chromium
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest
from matplotlib.figure import Figure
from surfaces import broken, rugged, stacked, surface, valley

import landscape
from landscape.api import bundle, figure
from landscape.commands.main import main
from landscape.errors import LandscapeError
from landscape.rendering import notebook
from landscape.rendering.plotly import library
from landscape.rendering.profiles import cut
from landscape.storage import save
from landscape.types import Surface

PLOTLY, PNG, HTML, TEXT = notebook.PLOTLY, notebook.PNG, notebook.HTML, notebook.TEXT
KINDS = ("2d", "3d", "1d")


@pytest.fixture(autouse=True)
def coarse_relief(monkeypatch):
    monkeypatch.setattr("landscape.rendering.relief.PIECES", 16)


@pytest.fixture
def axes():
    made, (flat, other) = plt.subplots(1, 2, figsize=(7, 3))
    yield flat, other
    plt.close(made)


def line(**more):
    return cut(valley(**more), 0)


def numbers(held):
    """An array of a plotly figure, from its JSON."""
    shape = [int(side) for side in str(held["shape"]).split(",")]
    return np.frombuffer(base64.b64decode(held["bdata"]), dtype=f"<{held['dtype']}").reshape(shape)


# What notebooks show.


def test_a_notebook_gets_the_values_of_the_surface_a_picture_and_words():
    source = valley()
    shown, known = source._repr_mimebundle_()
    assert set(shown) == {PLOTLY, PNG, TEXT}
    assert shown[TEXT] == repr(source)
    assert base64.b64decode(shown[PNG])[:4] == b"\x89PNG"
    assert known[PNG]["width"] == shown[PLOTLY]["layout"]["width"]
    (heat,) = (trace for trace in shown[PLOTLY]["data"] if trace["type"] == "heatmap")
    np.testing.assert_array_equal(numbers(heat["customdata"]), source["test/loss"].T)
    assert json.loads(json.dumps(shown[PLOTLY]))["config"]["showSendToCloud"] is False
    assert go.Figure(shown[PLOTLY]["data"], shown[PLOTLY]["layout"]).layout.width == shown[PLOTLY]["layout"]["width"]


def test_a_line_and_a_comparison_are_shown_too():
    assert {PLOTLY, PNG, TEXT} == set(bundle(line())[0])
    compared = landscape.compare(valley(name="a.pt"), valley(name="b.pt", steep=2.0))
    shown, _ = compared._repr_mimebundle_()
    assert set(shown) == {PLOTLY, PNG, TEXT}
    assert shown[TEXT] == str(compared)
    assert repr(compared).startswith("Comparison(a.pt (frozen), b.pt (frozen): ")
    assert len(repr(compared)) < 200


def test_only_what_is_asked_for_is_made():
    source = valley()
    assert set(source._repr_mimebundle_(include={PNG})[0]) == {PNG, TEXT}
    assert set(source._repr_mimebundle_(exclude={PNG, PLOTLY})[0]) == {TEXT}


class Unreadable(Surface):
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.mark.parametrize(
    "source",
    [
        broken(valley(), undone=[(i, j) for i in range(13) for j in range(9)]),
        broken(valley(), nan=[(0, 0)], inf=[(3, 4)], undone=[(2, 2)]),
        surface(np.full((5, 5), np.nan)),
        surface(np.ones((2, 5))),
        dataclasses.replace(valley(), quantities={}),
        dataclasses.replace(valley(), quantities={"test/loss": np.ones(3), "test/count": np.ones(3)}),
        dataclasses.replace(valley(), job=dataclasses.replace(valley().job, data_digest={})),
        dataclasses.replace(valley(), centre={"test": {}}, provenance={}),
        Unreadable(**{field.name: getattr(valley(), field.name) for field in dataclasses.fields(Surface)}),
        stacked(rugged(9), repeats=2, policies=True, drift=True),
    ],
    ids=lambda source: repr(source)[:40] if type(source) is Surface else "unreadable",
)
def test_showing_a_surface_never_raises(source):
    shown, known = source._repr_mimebundle_()
    assert shown[TEXT]
    assert set(known) == set(shown) - {TEXT}
    assert PNG in shown or "no picture: " in shown[TEXT]
    json.dumps(shown, allow_nan=False)


def test_a_large_surface_does_not_fill_the_notebook():
    n = 501
    x, y = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    shown, _ = surface(1 + x**2 + 2 * y**2 + 0.1 * np.sin(40 * x * y))._repr_mimebundle_()
    assert len(json.dumps(shown)) < 6e6
    said = " ".join(note["text"] for note in shown[PLOTLY]["layout"]["annotations"])
    assert PNG in shown
    assert "501" in said or numbers(shown[PLOTLY]["data"][0]["customdata"]).shape == (n, n)


def test_many_panels_in_space_are_a_picture_alone():
    many = [valley(5, 5, name=f"net{number}.pt") for number in range(9)]
    scene = landscape.api.embedding.scene_of_any(many, "3d")
    assert notebook.output(scene, PLOTLY) is None
    assert notebook.output(scene, PNG) is not None


def test_a_notebook_that_is_a_website_gets_html_with_the_picture_in_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    shown, _ = valley()._repr_mimebundle_()
    assert set(shown) == {HTML, PNG, TEXT}
    assert re.search(r'<noscript><img alt="[^"]+" src="data:image/png;base64,', shown[HTML])
    assert re.search(
        r'source=\{"src": "https://cdn\.plot\.ly/plotly-[\d.]+\.min\.js", "integrity": "sha256-', shown[HTML]
    )
    monkeypatch.delitem(sys.modules, "google.colab")
    assert "cdn.plot.ly" not in json.dumps(valley()._repr_mimebundle_()[0])


# Native figures and the user's own axes.


def test_figures_are_those_of_their_library():
    source = valley()
    assert isinstance(source.figure(), Figure)
    assert isinstance(source.figure("plotly", "3d"), go.Figure)
    edited = source.figure("plotly", title="mine", clip=2.0).update_layout(width=400)
    assert edited.layout.width == 400
    compared = landscape.compare(valley(name="a.pt"), valley(name="b.pt", steep=2.0))
    assert isinstance(compared.figure("plotly", layout="grid"), go.Figure)
    assert isinstance(figure([source, rugged(9)], "plotly", "2d"), go.Figure)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"renderer": "matplotlip"}, "unknown renderer 'matplotlip'; did you mean matplotlib"),
        ({"kind": "4d"}, "unknown kind of figure '4d'"),
        ({"colour": "red"}, "a figure has no option 'colour'"),
        ({"out": "a.png"}, "a figure has no option 'out'"),
        ({"renderer": "plotly", "ax": object()}, "ax is for the renderer matplotlib, not plotly"),
        ({"ax": "axes"}, "ax is one pair of matplotlib axes, as plt.subplots"),
        ({"style": "nice"}, "unknown style 'nice'"),
    ],
)
def test_what_no_figure_is_made_of_is_told(asked, said):
    with pytest.raises(LandscapeError, match=re.escape(said)):
        valley().figure(**asked)


def test_axes_must_suit_the_picture(axes):
    made = plt.figure()
    in_space = made.add_subplot(projection="3d")
    with pytest.raises(LandscapeError, match=r"a picture in space needs axes in space: plt\.subplots"):
        valley().plot("3d", ax=axes[0])
    with pytest.raises(LandscapeError, match="these axes are in space, and the picture is flat"):
        valley().plot("2d", ax=in_space)
    with pytest.raises(LandscapeError, match="this figure has 3 panels and ax is for one"):
        stacked(valley(), policies=True).plot(ax=axes[0])
    with pytest.raises(LandscapeError, match="not both"):
        valley().plot(ax=axes[0], out="a.png")
    with pytest.raises(LandscapeError, match="a comparison has no kinds of figure but a layout"):
        figure(landscape.compare(valley()), kind="2d")
    plt.close(made)


@pytest.mark.parametrize("kind", KINDS)
def test_axes_of_the_user_are_drawn_into_and_all_else_stays(kind):
    before = dict(mpl.rcParams)
    made = plt.figure(figsize=(6, 3))
    ax, other = made.add_subplot(121, projection="3d" if kind == "3d" else None), made.add_subplot(122)
    other.plot([0, 1], [5, 6])
    limits, size = other.get_xlim(), made.get_size_inches()
    returned = (line() if kind == "1d" else valley()).plot(kind, ax=ax)
    made.canvas.draw()
    assert returned is ax
    assert made.axes == [ax, other]
    assert dict(mpl.rcParams) == before
    assert other.get_xlim() == limits
    assert tuple(made.get_size_inches()) == tuple(size)
    assert ax.get_xlabel().startswith("α")
    assert ax.get_title() == "net"
    assert len(ax.child_axes) == (0 if kind == "1d" else 1)
    plt.close(made)


def test_the_colour_bar_is_optional_and_tells_the_colours_that_are_drawn(axes):
    source = surface(np.where(np.linspace(-1, 1, 9)[:, None] < -0.1, 1.0, 5.0) * np.ones((9, 9)))
    source.plot(ax=axes[0])
    source.plot(ax=axes[1], bar=False)
    assert [len(ax.child_axes) for ax in axes] == [1, 0]
    (bar,) = axes[0].child_axes
    assert bar.get_ylabel() == "test loss"
    image = _pixels(axes[0].figure)
    low, high = (_colour(image, axes[0], x, 0.4) for x in (-0.6, 0.6))
    assert low == _colour(image, bar, 0.5, 0.01)
    assert high == _colour(image, bar, 0.5, 0.99)
    assert low != high
    assert _colour(image, axes[1], 0.6, 0.4) == high


def _pixels(made):
    made.canvas.draw()
    return np.asarray(made.canvas.buffer_rgba())[..., :3]


def _colour(image, ax, x, y):
    column, row = ax.transData.transform((x, y))
    return tuple(int(value) for value in image[image.shape[0] - 1 - int(row), int(column)])


def test_lines_in_axes_of_the_user_show_what_was_asked_for(axes):
    source = valley()
    landscape.plot([cut(source, 0), cut(valley(steep=2.0, name="b.pt"), 0)], "1d", ax=axes[0])
    landscape.plot(cut(source, 0), "1d", ax=axes[1], quantity="accuracy")
    (drawn, *_) = (one for one in axes[0].lines if len(one.get_xdata()) == 13)
    np.testing.assert_array_equal(drawn.get_ydata(), cut(source, 0)["test/loss"])
    assert [words.get_text() for words in axes[0].get_legend().get_texts()] == ["net", "b"]
    assert axes[0].get_ylabel() == "test loss"
    assert axes[1].get_ylabel() == "test accuracy (%)"


def test_a_name_with_dollars_is_no_formula(axes):
    valley(name="a$b_{c$.pt").plot(ax=axes[0])
    axes[0].figure.canvas.draw()
    assert axes[0].get_title() == "a$b_{c$"


# Pieces of pages.


def drawn(folder, name, *words):
    with pytest.raises(SystemExit) as stop:
        main(["plot", str(folder / "s.h5"), "-o", str(folder / name), *words])
    return stop.value.code


@pytest.fixture
def folder(tmp_path):
    save(valley(name="ä<script>.pt"), tmp_path / "s.h5")
    return tmp_path


def test_a_piece_is_no_page_and_stands_in_pages_of_any_encoding(folder, capsys):
    assert drawn(folder, "piece.html", "--fragment", "--plotlyjs", "none") == 0
    text = (folder / "piece.html").read_bytes().decode("ascii")
    assert capsys.readouterr().out == f"{folder / 'piece.html'}\n"
    assert not re.search(r"<(!DOCTYPE|html|head|body|meta)", text)
    assert " id=" not in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    assert text.count("<script>") == text.count("</script>") == 1
    assert "&#228;&lt;script" in text or "&#228;" in text


@pytest.mark.parametrize("words", [(), ("--fragment",)], ids=["page", "piece"])
def test_plotlyjs_is_within_beside_or_left_out(folder, words):
    sizes = {}
    for place in ("embed", "directory", "none"):
        assert drawn(folder, f"{place}.html", *words, "--plotlyjs", place) == 0
        sizes[place] = (folder / f"{place}.html").stat().st_size
    beside = (folder / "plotly.min.js").stat().st_size
    assert sizes["embed"] - sizes["none"] == pytest.approx(beside, abs=150)
    assert 0 < sizes["directory"] - sizes["none"] < 100
    assert '<script src="plotly.min.js"' in (folder / "directory.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("a.png", ["--fragment"], "a fragment, and a place for plotly.js, are a matter of .html files"),
        ("a.svg", ["--plotlyjs", "none"], "a fragment, and a place for plotly.js, are a matter of .html files"),
        ("a.html", ["--fragment", "--plotlyjs", "cdn"], "'cdn' is not one of 'embed', 'directory', 'none'"),
    ],
)
def test_what_is_no_piece_is_told(folder, capsys, name, words, said):
    assert drawn(folder, name, *words) == 2
    assert said in capsys.readouterr().err
    assert not (folder / name).exists()


def test_a_piece_is_named_after_its_file(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit):
        main(["plot", "s.h5", "--fragment", "--plotlyjs", "none"])
    assert capsys.readouterr().out == "s_2d.html\n"


COUNTED = """
window.addEventListener("load",function(){
  setTimeout(function(){
    var ids=[].map.call(document.querySelectorAll("[id]"),function(one){return one.id});
    document.body.setAttribute("data-seen",JSON.stringify({
      drawn:[].map.call(document.querySelectorAll("figure.scene"),function(one){
        return [one.querySelectorAll(".main-svg").length>0,one.querySelectorAll("canvas").length,
          one.querySelectorAll("img").length]}),
      twice:ids.filter(function(one,at){return ids.indexOf(one)!==at}),
      asked:performance.getEntriesByType("resource").map(function(one){return one.name})}));
  },3000);
});"""


def seen(folder, body, probe=COUNTED):
    page = folder / "page.html"
    page.write_text(f'<html><head><meta charset="iso-8859-1"></head><body>{body}</body></html>', encoding="ascii")
    document, said = chromium.opened(page, folder, probe, wait=9000)
    from html import unescape

    return json.loads(unescape(re.search(r'data-seen="(.*?)"', document)[1])), said


@pytest.mark.slow
@chromium.needed
@pytest.mark.parametrize("place", ["embed", "directory"])
def test_pieces_pasted_into_a_page_all_draw(folder, place):
    """The first comes before plotly.js, the second brings it, and the third is the first once more."""
    drawn(folder, "a.html", "--fragment", "--plotlyjs", "none")
    drawn(folder, "b.html", "--3d", "--fragment", "--plotlyjs", place)
    first, second = ((folder / name).read_text(encoding="ascii") for name in ("a.html", "b.html"))
    told, said = seen(folder, first + second + first)
    assert said == []
    assert told["twice"] == []
    assert [one[0] for one in told["drawn"]] == [True] * 3
    assert told["drawn"][1][1] > 0
    assert [one[2] for one in told["drawn"]] == [0] * 3
    assert told["asked"] == []


@pytest.mark.slow
@chromium.needed
def test_without_plotlyjs_there_is_the_picture(folder):
    drawn(folder, "a.html", "--fragment", "--plotlyjs", "none")
    told, said = seen(folder, (folder / "a.html").read_text(encoding="ascii"))
    assert said == []
    assert told["drawn"] == [[False, 0, 1]]
    assert told["asked"] == []


# A front end puts HTML into its page late, and makes its scripts anew so that they run.
LATE = """window.addEventListener("load",function(){
  var place=document.createElement("div");
  place.innerHTML=atob("%s");
  document.body.appendChild(place);
  place.querySelectorAll("script").forEach(function(one){
    var fresh=document.createElement("script");
    fresh.textContent=one.textContent;
    one.replaceWith(fresh);
  });
});"""


@pytest.mark.slow
@chromium.needed
@pytest.mark.parametrize("reached", [True, False], ids=["online", "offline"])
def test_html_for_notebooks_on_websites_draws_or_falls_back_to_its_picture(tmp_path, monkeypatch, reached):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    html = valley()._repr_mimebundle_(include={HTML})[0][HTML]
    beside = tmp_path / "plotly.js"
    beside.write_text(library(), encoding="utf-8")
    source = beside.as_uri() if reached else (tmp_path / "missing.js").as_uri()
    html = re.sub(r'"src": "https:[^"]+", "integrity": "[^"]+"', f'"src": "{source}", "integrity": ""', html)
    html = html.replace('script.crossOrigin="anonymous";', "")  # files have no origin
    put = LATE % base64.b64encode(html.encode("ascii", "xmlcharrefreplace")).decode()
    told, said = seen(tmp_path, f"<script>{put}</script>")
    assert told["drawn"] == ([[True, 0, 0]] if reached else [[False, 0, 1]])
    assert said == []
