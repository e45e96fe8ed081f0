"""`landscape models`: what it lists, and the settings that it explains."""

import inspect
import re

import pytest

from landscape.commands.main import main
from landscape.models import MODELS, NORMS
from landscape.models.offers import families, offered


@pytest.fixture
def models(capsys, monkeypatch):
    """Call the command in a terminal of some width; gives what it prints, joined where wrapped, and the lines."""

    def call(*words, columns=110):
        monkeypatch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit) as stop:
            main(["models", *words])
        printed = capsys.readouterr()
        assert stop.value.code == (2 if printed.err else 0)
        return " ".join((printed.out + printed.err).split()), printed.out.splitlines()

    return call


def test_every_model_and_norm_is_listed_with_what_it_is(models):
    text, lines = models()
    entries = [line.split() for line in lines if re.match("  [a-z]", line)]
    starts = {name: f"{first} {second}" for name, first, second, *_ in reversed(entries)}
    for first, names in families().items():
        assert starts[first][0].isupper()
        assert all(name in text for name in names)
    for norm in NORMS.table:
        assert (inspect.getdoc(NORMS.get(norm)) or "").startswith(starts[norm])
    assert all(name in text for name in ("torchvision:NAME", "fashion-mnist-mini", "cross-entropy", "top-k-accuracy"))


def test_the_norms_that_models_take_are_listed(models):
    text, _ = models()
    for model in families():
        names = re.search(rf"[\w, -]*\b{model}\b[\w, -]*", text.partition("norms that each model takes")[2])
        assert names is not None
        assert ", ".join(offered(model)) in names[0]


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("words", [(), ("nf-resnet",), ("batch",)])
def test_lines_fit_the_terminal(models, words, columns):
    assert max(len(line) for line in models(*words, columns=columns)[1]) <= min(max(columns, 80), 110)


def test_a_model_is_listed_with_its_settings(models):
    text, _ = models("resnet20")
    assert "width=16 Channels of the first stage" in text
    assert "depth" not in text.partition("width")[0].partition("norm=")[2]
    assert "norms it takes none, " in text
    assert "depth Number of layers with weights, 6n + 2" in models("resnet")[0]


def test_a_norm_is_listed_with_its_settings(models):
    text, _ = models("batch")
    assert "momentum=0.1 Weight of the newest batch" in text
    assert "norms it takes" not in text


@pytest.mark.parametrize("name", [*families(), *NORMS.table])
def test_every_setting_is_explained(models, name):
    _, lines = models(name)
    registry = MODELS if name in MODELS.table else NORMS
    for setting in inspect.signature(registry.get(name)).parameters:
        place = next(i for i, line in enumerate(lines) if re.match(rf"    {setting}(=|\s|$)", line))
        assert len(" ".join(lines[place : place + 2]).split()) > 2


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnett", "unknown model or norm 'resnett'; did you mean resnet"),
        ("grop", "unknown model or norm 'grop'; did you mean group?"),
        ("torchvision:resnet18", "the settings of torchvision:resnet18 are those of torchvision, and explained there"),
    ],
)
def test_a_name_without_settings_is_told_in_a_sentence(models, name, sentence):
    assert models(name)[0].startswith(f"landscape: {sentence}")
