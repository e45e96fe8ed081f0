"""The notebook and the report among the examples run, and show what they say."""

import base64
import importlib.util
import json
import re
import shlex
import warnings
from pathlib import Path

import matplotlib.pyplot
import pytest

from landscape.commands.main import main

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "notebook" / "landscape.ipynb"
REPORT = EXAMPLES / "quarto" / "report.qmd"
PLOTLY = "application/vnd.plotly.v1+json"


def refresher():
    spec = importlib.util.spec_from_file_location("refresh", NOTEBOOK.with_name("refresh.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def executed():
    pytest.importorskip("nbclient", reason="needs nbclient")
    pytest.importorskip("ipykernel", reason="needs ipykernel")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of Jupyter's own machinery
        return refresher().executed(NOTEBOOK)


def outputs(notebook):
    """The data of every output, cell by cell."""
    return [
        [one.get("data", {}) for one in cell["outputs"]] for cell in notebook["cells"] if cell["cell_type"] == "code"
    ]


def test_the_notebook_runs_and_its_surfaces_are_interactive_pictures_and_words(executed):
    shown = [data for cell in outputs(executed) for data in cell if PLOTLY in data and "image/png" in data]
    assert len(shown) == 2  # a surface and a comparison
    assert shown[0]["text/plain"].startswith("Surface(")
    assert shown[1]["text/plain"].startswith("cross-entropy on 200 test examples")
    assert all(base64.b64decode(data["image/png"])[:4] == b"\x89PNG" for data in shown)
    assert max(len(json.dumps(data)) for data in shown) < 2e6


def test_the_notebook_tells_of_nothing_that_went_wrong(executed):
    streams = [one for cell in executed["cells"] for one in cell.get("outputs", []) if one["output_type"] == "stream"]
    assert not [one["text"] for one in streams if one["name"] == "stderr"]
    assert "the loss without normalization rises" in "".join(one["text"] for one in streams)


def test_the_notebook_is_kept_with_still_pictures_of_its_own_cells(executed):
    kept = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert NOTEBOOK.stat().st_size < 1e6
    assert {kind for cell in outputs(kept) for data in cell for kind in data} <= {"text/plain", "image/png"}
    pictures = [sum("image/png" in data for data in cell) for cell in outputs(kept)]
    assert pictures == [sum("image/png" in data for data in cell) for cell in outputs(executed)]
    assert sum(pictures) == 4
    assert "/tmp" not in json.dumps(outputs(kept))


@pytest.fixture
def chunks():
    return re.findall(r"^```\{python\}\n(.*?)^```", REPORT.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_chunks_of_the_report_run_and_its_numbers_are_those_of_the_files(chunks, monkeypatch):
    monkeypatch.chdir(REPORT.parent)
    monkeypatch.setattr(matplotlib.pyplot, "show", lambda: None)
    names = {}
    for chunk in chunks:
        body, _, last = chunk.strip().rpartition("\n\n") if "figure(" in chunk.splitlines()[-1] else (chunk, "", "None")
        exec(body, names)
        names["last"] = eval(last, names)
    said = [eval(code, names) for code in re.findall(r"`\{python\} (.*?)`", REPORT.read_text(encoding="utf-8"))]
    figure = matplotlib.pyplot.gcf()
    assert [ax.get_title() for ax in figure.axes] == ["with skip connections", "without"]
    assert names["last"].data[0].type in {"scatter3d", "surface"}
    assert len(said) == 2
    assert float(said[0]) == pytest.approx(names["rise"]["with"], abs=0.05)
    matplotlib.pyplot.close(figure)


def test_figures_of_the_report_are_named_as_they_are_called(chunks):
    text = REPORT.read_text(encoding="utf-8")
    labels = re.findall(r"^#\| label: (.*)$", text, re.MULTILINE)
    assert set(re.findall(r"\(@([a-z-]+)\)", text)) <= set(labels)
    assert text.startswith("---\ntitle:")


def test_the_commands_without_quarto_write_what_they_say(tmp_path, monkeypatch, capsys):
    text = (EXAMPLES / "quarto" / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^ {4}landscape (.*)$", text, re.MULTILINE)
    assert len(commands) == 2
    monkeypatch.chdir(tmp_path)
    for command in commands:
        words = shlex.split(command.replace("../figure1", str(EXAMPLES / "figure1")))
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0
        assert Path(words[-1]).stat().st_size > 10_000
    assert Path("plotly.min.js").exists()
    assert "planes.png)" in text
    capsys.readouterr()
