"""What the documents say is what the package does."""

from __future__ import annotations

import doctest
import html
import json
import re
import shlex
from pathlib import Path

import click
import h5py
import pytest

import landscape.api
from landscape.commands.main import COMMANDS, cli, main
from landscape.demo import demonstrate
from landscape.registry import load
from landscape.types import Job

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    return demonstrate(
        tmp_path_factory.mktemp("demo") / "out", points=3, samples="40", say=lambda text: None, progress=False
    )


def commands_of(page: Path) -> list[list[str]]:
    lines = re.findall(r"^ {4}(landscape .*)$", page.read_text(), re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_on_the_pages_are_commands(page):
    for words in commands_of(page):
        command = cli.get_command(click.Context(cli), words[0])
        assert command is not None, words
        command.make_context(words[0], words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_on_the_pages_exist(page):
    known = {
        option
        for name in COMMANDS
        for parameter in load(COMMANDS[name]).params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text()))
    assert named <= known | {"--help", "--debug", "--upgrade"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_make_targets_exist(page):
    text = page.read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert all((page.parent / link).exists() for link in links), links
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^ {4}make ([a-z-]+)", text, re.MULTILINE)) <= targets


def test_python_on_the_readme_runs(monkeypatch, tmp_path, small_net, small_data):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {"model": small_net, "loader": small_data.split(16)}
    exec(block.replace("25)", "3)"), names)
    assert names["surface"]["test/loss"].shape == (3, 3)


@pytest.mark.parametrize(
    "module", [landscape.api.computing, landscape.api.drawing, landscape.api.reading, landscape.api.reporting]
)
def test_docstring_examples_run(module):
    assert doctest.testmod(module).failed == 0


def test_the_format_page_names_everything_in_a_file(demonstration):
    page = (ROOT / "docs" / "format.md").read_text()
    with h5py.File(demonstration.surfaces[0].path) as file:
        names = [*file.attrs, *file["test"].attrs, *file["test"], *file["directions/first"].attrs]
        names += [*json.loads(file.attrs["job"]), *json.loads(file.attrs["provenance"])]
        names += list(json.loads(file["test"].attrs["centre"]))
    missing = [name for name in names if f"`{name}`" not in page and name not in page]
    assert not [name for name in missing if name not in ("DIMENSION_LIST", "CLASS", "NAME")]
    assert all(f"`{field}`" in page for field in Job.__dataclass_fields__)


def test_the_demonstration_makes_what_it_says(demonstration):
    made = [*demonstration.pictures, demonstration.page, *(Path(s.path) for s in demonstration.surfaces)]
    assert all(path.stat().st_size > 1000 for path in made)
    page = demonstration.page.read_text()
    assert "LeNet with BatchNorm" in page
    redo = [command for command in demonstration.commands if command.split()[1] in ("compute", "report")]
    assert len(redo) == 3
    assert all(command in html.unescape(page) for command in redo)
    first, second = (surface.directions for surface in demonstration.surfaces)
    assert first[0].digest != second[0].digest  # the same draws, scaled to the weights of each net
    assert demonstration.surfaces[0].job.data_digest == demonstration.surfaces[1].job.data_digest


def test_the_commands_of_the_demonstration_do_the_same(demonstration, capsys):
    for command in demonstration.commands:
        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command)[1:])
        assert stop.value.code == 0
    # compute found its own finished run: nothing differed.
    assert "is complete: nothing is left to compute" in capsys.readouterr().err
