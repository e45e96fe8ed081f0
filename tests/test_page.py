"""The page: everything on it, nothing beside it, and no text of a file taken for markup."""

import base64
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from surfaces import rugged, valley

from landscape.errors import SurroundingsError
from landscape.rendering.figures import contour, surface3d
from landscape.reports.page import Figure, Table, write_page
from landscape.types import Finding

EVIL = "<script>alert(1)</script>"
OPTIONS = {
    "table": Table(("network", "loss"), [("net", "0.50 ± 0.01"), (EVIL, "0.60")]),
    "findings": [("net", Finding("CENTRE-NOT-MINIMUM", "warning", f"{EVIL} & more")), (EVIL, Finding("A", "ok", "b"))],
    "commands": [f"landscape plot '{EVIL}.h5'", "landscape check a.h5"],
    "provenance": ["checkpoint abc", EVIL],
}


class Elements(HTMLParser):
    """Counts elements and collects the text outside scripts, as a browser would read them."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.inside = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data):
        if not {"script", "style"} & set(self.inside):
            self.words.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    pair = [valley(name=f"{EVIL}.pt"), rugged(name="b.pt")]
    figures = [Figure("From above", contour(pair)), Figure("In space", surface3d(pair))]
    path = tmp_path_factory.mktemp("page") / "page.html"
    return write_page(path, f"Two nets {EVIL}", figures, **OPTIONS)


@pytest.fixture(scope="module")
def parsed(page):
    return Elements(page.read_text(encoding="utf-8"))


def test_every_part_is_there(parsed):
    words = " ".join(parsed.words)
    for part in (
        "From above",
        "In space",
        "0.50 ± 0.01",
        "CENTRE-NOT-MINIMUM",
        "landscape check a.h5",
        "checkpoint abc",
    ):
        assert part in words
    assert len(parsed.named("figure")) == 2
    assert [each["id"] for each in parsed.named("div") if "id" in each] == ["figure-1", "figure-2"]


def test_texts_from_files_are_shown_and_never_run(page, parsed):
    assert " ".join(parsed.words).count(EVIL) >= 7
    assert len(parsed.named("script")) == 3
    assert "<script>alert" not in page.read_text(encoding="utf-8")


def test_the_page_stands_alone(page, parsed):
    assert page.read_text(encoding="utf-8").count("plotly.js v") == 1
    assert not parsed.named("link")
    assert all("src" not in each for each in parsed.named("script"))
    assert all(each["src"].startswith("data:image/png;base64,") for each in parsed.named("img"))
    assert "default-src 'none'" in next(each["content"] for each in parsed.named("meta") if "http-equiv" in each)


def test_a_picture_stands_in_where_scripts_do_not_run(page):
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r"<noscript><img alt=\"[^\"]*\" src=\"data:image/png;base64,([^\"]+)\"></noscript>", text)
    assert [base64.b64decode(each)[:4] for each in pictures] == [b"\x89PNG"] * 2


def test_captions_are_text_of_the_page(parsed):
    assert sum("BatchNorm statistics frozen" in part for part in parsed.words) == 2


def test_a_page_needs_only_a_title_and_a_figure(tmp_path):
    path = write_page(tmp_path / "page.html", "One", [Figure("Loss", contour(valley()))])
    words = " ".join(Elements(path.read_text(encoding="utf-8")).words)
    assert "Numbers" not in words
    assert "Findings" not in words
    assert "no verdict on how well the network generalises" in words


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SurroundingsError, match=r"cannot write the page .*No such file or directory"):
        write_page(tmp_path / "none" / "page.html", "One", [])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("width", [1400, 500])
def test_a_browser_draws_it_all_and_nothing_overflows(page, tmp_path, width):
    probe = (
        "<script>setTimeout(function(){document.title='DRAWN '+document.querySelectorAll('.main-svg').length"
        "+' '+document.querySelectorAll('canvas').length+' '"
        "+(document.documentElement.scrollWidth<=window.innerWidth)},3000)</script>"
    )
    copy = tmp_path / "page.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", probe + "</body>"), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    flags += [f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000"]
    done = subprocess.run(
        ["chromium", *flags, "--dump-dom", copy.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    drawn = re.search(r"<title>DRAWN (\d+) (\d+) (\w+)</title>", done.stdout)
    assert drawn, done.stdout[:500]
    assert int(drawn[1]) >= 2
    assert int(drawn[2]) >= 2
    assert drawn[3] == "true"
