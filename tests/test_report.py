"""Reports: everything is in them, nothing beside them, and no text of a file is taken for markup."""

import base64
import dataclasses
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from surfaces import broken, rugged, stacked, surface, valley

import landscape
from landscape.api.reporting import assembled
from landscape.commands.main import cli, main
from landscape.errors import LandscapeError
from landscape.rendering.escaping import latex_code, latex_text, markdown_text
from landscape.reports.report_panels import content
from landscape.reports.report_pictures import pictures
from landscape.storage import save
from landscape.types import Axis

EVIL = "<script>alert(1)</script>"


class Elements(HTMLParser):
    """The elements of a page with their text, as a browser would read them."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.words, self.scripts, self.inside = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data):
        if "script" in self.inside:
            self.scripts.append(data)
        elif "style" not in self.inside:
            self.words.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def content(self):
        return json.loads(next(each for each in self.scripts if each.startswith("{")))


def with_errors(source, share=0.1):
    """The same surface with standard errors of its losses."""
    quantities = {**source.quantities, "test/loss_stderr": share * source["test/loss"]}
    return dataclasses.replace(source, quantities=quantities)


def stored(source, folder, name):
    """The same surface, as it comes out of a file; each from a checkpoint of its own."""
    job = dataclasses.replace(source.job, checkpoint_sha256=name.ljust(64, "0")[:64])
    path = folder / f"{name}.h5"
    save(dataclasses.replace(source, job=job), path)
    return path


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def no_pictures(monkeypatch):
    """A dot in place of every still picture, which take longest."""
    monkeypatch.setattr("landscape.reports.report_page.encode", lambda scene, suffix: DOT)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    first = with_errors(valley(name="a.pt"))
    return [stored(first, folder, "a"), stored(broken(rugged(11), nan=[(0, 1)]), folder, "b")]


@pytest.fixture(scope="module")
def page(pair):
    (path,) = landscape.report(*pair, out=pair[0].parent / "report.html")
    return Elements(path)


def test_every_part_is_there(page, pair):
    for part in (
        "The loss around a and b",
        "NON-FINITE",
        "ALL-WELL",
        "mean rise at r = 0.5 (loss)",
        "Mean of loss - L0 over the circle",
        "COMPARE-GRID",
        "fingerprint",
        "a.pt sha256",
        "landscape report",
        "Visualizing the Loss Landscape of Neural Nets",
    ):
        assert part in page.text, part
    assert {each["id"] for each in page.named("section")} == {each["href"][1:] for each in page.named("a")[1:7]}


def test_the_page_stands_alone(page, pair):
    text = (pair[0].parent / "report.html").read_text(encoding="utf-8")
    assert text.count("plotly.js v") == 1
    assert all("src" not in each for each in page.named("script"))
    assert all(each["href"] == "data:," for each in page.named("link"))
    pictures = [each["src"].removeprefix("data:image/png;base64,") for each in page.named("img")]
    assert all(base64.b64decode(each)[:4] == b"\x89PNG" for each in pictures)
    assert all(each["alt"] for each in page.named("img"))


def test_only_the_scripts_of_the_page_may_run(page):
    policy = next(each["content"] for each in page.named("meta") if "http-equiv" in each)
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert "script-src 'unsafe-eval' 'sha256-" in policy


def test_the_panels_hold_the_values_in_the_order_of_the_file(page):
    panel = page.content["panels"][0]
    wanted = valley()
    assert (panel["x"], panel["y"]) == tuple(list(axis.values) for axis in wanted.grid.axes)
    np.testing.assert_allclose(floats(panel["values"]["test/loss"]).reshape(13, 9), wanted["test/loss"], rtol=1e-6)
    accuracy = floats(panel["values"]["test/accuracy"]).reshape(13, 9)
    np.testing.assert_allclose(accuracy, 100 * wanted["test/accuracy"], rtol=1e-6)


def test_every_scale_suits_what_it_is_called(page):
    (quantity,) = (one for one in page.content["quantities"] if one["name"] == "test/loss")
    scales = quantity["scales"]
    assert {key.split("/")[0] for key in scales} == {"linear", "log"}
    assert all(scale["log"] == key.startswith("log") for key, scale in scales.items())
    assert all(len(scale["edges"]) == len(scale["colours"]) + 1 for scale in scales.values())
    assert not scales["log/none"]["above"]
    for clip in quantity["clips"][2:]:
        assert scales[f"log/{clip}"]["edges"][-1] == pytest.approx(float(clip))
        assert scales[f"log/{clip}"]["above"]


def test_what_is_asked_for_is_what_is_shown_first(pair):
    data = content(assembled(*pair, quantity="loss", log=False, clip=2.0, view=(50, 10)))
    (quantity,) = (one for one in data["quantities"] if one["name"] == data["chosen"])
    assert quantity["automatic"] == "linear"
    assert quantity["scales"]["linear/automatic"]["edges"][-1] == 2.0
    assert data["view"] == [50, 10]


def test_a_static_page_has_no_scripts(pair, tmp_path):
    (path,) = landscape.report(*pair, out=tmp_path / "r.html", static=True)
    page = Elements(path)
    assert not page.named("script")
    assert not page.named("select")
    assert "plotly" not in page.text
    assert "mean rise at r = 0.5 (loss)" in page.text
    assert path.stat().st_size < 2e6


def test_four_surfaces_make_a_page_below_8_megabytes(tmp_path):
    four = [with_errors(rugged(51, accuracy=np.full((51, 51), 0.5))) for _ in range(4)]
    files = [stored(one, tmp_path, name) for one, name in zip(four, "abcd", strict=True)]
    (path,) = landscape.report(*files, out=tmp_path / "r.html")
    assert path.stat().st_size < 8e6


def test_texts_from_files_are_text_everywhere(tmp_path, no_pictures):
    evil = stored(valley(name=f"{EVIL}.pt", model=EVIL, data=f"{EVIL} & 'x' $_{{}}"), tmp_path, "a")
    evil = evil.rename(tmp_path / "<script>alert(1)<_script>.h5")
    for suffix in (".html", ".md", ".tex"):
        path, *_ = landscape.report(evil, out=tmp_path / f"r{suffix}", names=[EVIL], title=EVIL)
        text = re.sub(r"^(```+)text\n.*?^\1$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        assert "<script>alert" not in text
    page = Elements(tmp_path / "r.html")
    assert page.text.count(EVIL) > 6
    assert page.content["panels"][0]["name"] == EVIL
    assert len(page.named("script")) == 3


def test_markdown_says_it_all_beside_its_pictures(pair, tmp_path):
    path, *pictures = landscape.report(*pair, out=tmp_path / "r.md")
    text = path.read_text(encoding="utf-8")
    assert [one.name for one in pictures] == ["r_surfaces.png", "r_profiles.png"]
    assert all(f"]({one.name})" in text and one.read_bytes()[:4] == b"\x89PNG" for one in pictures)
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {4}
    assert "compared with a" in table[0]
    assert "```text\nfile" in text
    assert "(`NON-FINITE`)" in text


DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,graphicx}
\begin{document}
\input{%s}
\end{document}
"""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (apt install texlive-latex-recommended)")
def test_latex_can_be_put_into_a_document(tmp_path):
    names = [f"{EVIL} 50 % #_{{}}~^\\", "ﬁ ∂ 日本 É α"]
    files = [stored(stacked(valley(name=f"{EVIL}.pt"), repeats=3), tmp_path, name) for name in "ab"]
    landscape.report(*files, out=tmp_path / "my_report.tex", names=names)
    (tmp_path / "paper.tex").write_text(DOCUMENT % "my_report")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 50_000


def test_latex_is_balanced(pair, tmp_path):
    path, *pictures = landscape.report(*pair, out=tmp_path / "r.tex")
    text = path.read_text(encoding="utf-8")
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert sorted(re.findall(r"\\begin{(\w+)}", text)) == sorted(re.findall(r"\\end{(\w+)}", text))
    assert all(one.suffix == ".pdf" and one.name in text for one in pictures)
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {re.sub(r"\\&", "", row).count("&") for row in rows} == {2}


def test_escaping_leaves_nothing_that_means_something():
    assert latex_text("a_b & 50 % #1 {x} ~ ^ \\ <q> -0.5") == (
        r"a\_b \& 50 \% \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} \textless{}q\textgreater{} "
        "$-$0.5"
    )
    assert latex_code("--x -1:1 'q'") == r"-{}-{}x -{}1:1 \textquotesingle{}q\textquotesingle{}"
    assert markdown_text("a|b *c* [d](e) <f>\n# g") == r"a\|b \*c\* \[d\]\(e\) &lt;f&gt; \# g"
    assert markdown_text("- a") == r"\- a"
    assert markdown_text("1. a") == r"1\. a"


def test_policies_are_side_by_side_and_can_be_chosen(tmp_path, no_pictures):
    files = [
        stored(stacked(valley(), policies=True, drift=True), tmp_path, "a"),
        stored(valley(9, 9, name="plain.pt"), tmp_path, "b"),
    ]
    (path,) = landscape.report(*files, out=tmp_path / "r.html")
    page = Elements(path)
    assert [panel["policy"] for panel in page.content["panels"]] == ["frozen", "batch", "recalibrate", "frozen"]
    assert [panel["group"] for panel in page.content["panels"]] == ["a", "a", "a", "b"]
    drift = [("statistics/drift" in panel["values"]) for panel in page.content["panels"]]
    assert drift == [False, False, True, False]
    assert "all, side by side" in page.text
    assert "BatchNorm recalibrated" in page.text


def test_of_several_draws_the_first_is_drawn_and_the_numbers_are_over_all(tmp_path, no_pictures):
    files = [stored(stacked(valley(steep=steep), repeats=3), tmp_path, name) for steep, name in ((1, "a"), (2, "b"))]
    (path,) = landscape.report(*files, out=tmp_path / "r.html", static=True)
    page = Elements(path)
    assert "repeat 0 of 3" in page.text
    assert "medians over 3 draws of the directions" in page.text
    assert len(page.named("img")) == 3


def test_lines_become_curves(tmp_path):
    x = np.linspace(-1, 1, 7)
    line = stacked(surface(0.5 + x**2, name="l.pt"), repeats=4)
    data = content(assembled(stored(line, tmp_path, "a")))
    assert data["line"]
    low, middle, high, *draws = map(floats, data["panels"][0]["curves"]["test/loss"])
    np.testing.assert_allclose(middle, np.median([one * (0.5 + x**2) for one in (1, 1.1, 1.2, 1.3)], axis=0), rtol=1e-6)
    assert (low < middle).all()
    assert (middle < high).all()
    assert len(draws) == 4


def test_an_unfinished_run_on_another_grid_is_reported_as_far_as_it_goes(tmp_path):
    undone = [(i, j) for i in range(13) for j in range(9) if i > 8]
    files = [
        stored(broken(valley(), undone=undone), tmp_path, "a"),
        stored(valley(19, 9, x=Axis.regular(-1.5, 1.5, 19)), tmp_path, "b"),
    ]
    made = assembled(*files)
    assert "COMPARE-INCOMPLETE" in [finding.code for finding in made.cautions]
    panels = content(made)["panels"]
    state = np.frombuffer(base64.b64decode(panels[0]["state"]), np.uint8).reshape(13, 9)
    np.testing.assert_array_equal(state, np.where(np.arange(13)[:, None] > 8, 0, 1) * np.ones((1, 9)))
    assert panels[1]["x"] == pytest.approx(np.linspace(-1, 1, 13))


def test_many_networks_are_cut_into_pages(tmp_path):
    files = [stored(valley(9, 9, name=f"{name}.pt"), tmp_path, name) for name in "abcdefghij"]
    made = assembled(*files)
    shown = list(pictures(made))
    assert [one.name for one in shown] == ["surfaces1", "surfaces2", "surfaces3", "profiles"]
    assert [len(one.scene.panels) // 2 for one in shown[:3]] == [3, 3, 4]
    assert [row.name for one in shown[:3] for row in one.scene.rows] == list("abcdefghij")
    assert [bool(one.caption) for one in shown] == [False, False, True, True]
    assert made.title == "The loss around 10 trained networks"


def test_a_large_grid_is_thinned_for_the_screen_and_says_so(tmp_path, monkeypatch, no_pictures):
    monkeypatch.setattr("landscape.reports.report_panels.NUMBERS", 10_000)
    (path,) = landscape.report(stored(rugged(101), tmp_path, "a"), out=tmp_path / "r.html")
    page = Elements(path)
    assert re.search(r"Drawn for the screen with \d+ x \d+ of 101 x 101 points", page.text)
    panel = page.content["panels"][0]
    assert len(panel["x"]) * len(panel["y"]) < 6_000
    assert len(panel["x"]) * len(panel["y"]) == len(floats(panel["values"]["test/loss"]))
    assert 0.0 in panel["x"]


def test_surfaces_of_other_data_are_refused_in_one_sentence(tmp_path, monkeypatch):
    other = valley(data_digest={"test": "2" * 64}, centre={"test": {"loss": 0.5, "count": 100.0}})
    files = [str(stored(valley(), tmp_path, "a")), str(stored(other, tmp_path, "b"))]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LandscapeError, match=r"a\.h5 and b\.h5 were not measured on the same test examples"):
        landscape.report(*files)
    with pytest.raises(SystemExit) as stopped:
        main(["report", *files])
    assert stopped.value.code == 2
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "r.docx"], "must end in one of .html, .md, .tex"),
        (["--format", "md", "-o", "r.html"], "do not agree"),
        (["--format", "md", "--static"], "--static leaves the scripts out of a page"),
        (["--metric", "nothing"], "has no quantity 'nothing'"),
        (["--metric", "drift"], "--bn-stats recalibrate"),
        (["--name", "one"], "give one name for each of the 2 groups"),
    ],
)
def test_what_cannot_be_reported_is_said(pair, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["report", *map(str, pair), *options])
    assert done.exit_code != 0
    assert message in (done.output + str(done.exception))


def test_the_command_writes_what_it_says(pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["report", *map(str, pair), "--format", "md", "--name", "one", "--name", "two"])
    assert done.exit_code == 0, done.output
    assert done.output.split() == ["report.md", "report_surfaces.png", "report_profiles.png"]
    assert "compared with one" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_the_same_files_give_the_same_page(pair, tmp_path, no_pictures):
    one, two = (landscape.report(*pair, out=tmp_path / name / "r.html", command="x")[0] for name in "ab")
    assert one.read_bytes() == two.read_bytes()
