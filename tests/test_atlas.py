"""The scripts of the atlas of normalizations, on a few small images."""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

from landscape.data import Batches
from landscape.models import build_model

ATLAS = Path(__file__).parents[1] / "examples" / "normalization_atlas"
NAMES = ("recipes", "train", "collect", "surfaces", "show")


@pytest.fixture
def atlas(monkeypatch):
    """The scripts as modules; training sees 60 images of 28 x 28, the brighter the higher the class."""
    monkeypatch.syspath_prepend(str(ATLAS))
    for name in NAMES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    modules = {name: importlib.import_module(name) for name in NAMES}
    targets = torch.arange(60) % 10
    noise = torch.randn(60, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    few = Batches(targets.view(-1, 1, 1, 1) / 5 - 1 + 0.3 * noise, targets, "few", "digest", "as it is")
    monkeypatch.setattr(modules["train"], "images", lambda split, count=None: few)
    threads = torch.get_num_threads()
    yield modules
    torch.set_num_threads(threads)  # training chooses them, and denormals, for a process of its own
    torch.set_flush_denormal(False)
    for name in NAMES:
        sys.modules.pop(name, None)


def a_run(atlas, folder, net="lenet-relu", row="batch", epochs=3):
    variant = next(one for one in atlas["recipes"].NETS[net].variants if one.name == row)
    return atlas["train"].Run(net, variant, 0, 0.003, epochs, folder)


def test_every_row_has_a_network_and_a_folder_of_its_own(atlas):
    for net, about in atlas["recipes"].NETS.items():
        folders = {atlas["train"].folder_of(Path("runs"), net, variant, "seed0") for variant in about.variants}
        assert len(folders) == len(about.variants)
        headline = [variant.name for variant in about.variants if variant.headline]
        assert len(headline) >= len(atlas["recipes"].HEADLINE)
        for variant in about.variants:
            assert build_model(variant.spec)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_rows_of_a_network_begin_with_the_same_common_weights(atlas):
    net = atlas["recipes"].NETS["lenet-relu"]
    states = [
        atlas["train"].built(net, variant, 1).state_dict()
        for variant in net.variants
        if variant.name in ("none", "batch")
    ]
    common = set(states[0]) & set(states[1])
    assert {"conv1.weight", "fc3.bias"} <= common
    assert all(torch.equal(states[0][name], states[1][name]) for name in common)


@pytest.mark.parametrize(
    ("net", "row"), [("lenet-relu", "batch"), ("lenet-sigmoid", "frozen-batch"), ("vit", "layer, pre, batch-value")]
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(atlas, tmp_path, monkeypatch, net, row):
    whole = atlas["train"].train(a_run(atlas, tmp_path / "whole", net, row))
    real, calls = atlas["train"].epoch_of, []

    def stopped(*arguments):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*arguments)

    parts = a_run(atlas, tmp_path / "parts", net, row)
    monkeypatch.setattr(atlas["train"], "epoch_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        atlas["train"].train(parts)
    assert len(parts.metrics()) == 2
    assert not parts.finished()
    monkeypatch.setattr(atlas["train"], "epoch_of", real)
    atlas["train"].train(parts)
    assert parts.finished()
    one, two = (torch.load(run.folder / "model.pt", weights_only=True) for run in (whole, parts))
    assert one["state_dict"].keys() == two["state_dict"].keys()
    assert all(torch.equal(tensor, two["state_dict"][name]) for name, tensor in one["state_dict"].items())
    for first, second in zip(whole.metrics(), parts.metrics(), strict=True):
        assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_training_lowers_the_loss_and_the_rate_falls_to_nothing(atlas, tmp_path):
    run = atlas["train"].train(a_run(atlas, tmp_path, epochs=12))
    rows = run.metrics()
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    assert rows[-1]["running_loss"] < 0.7 * rows[0]["running_loss"]
    rates = [
        rate for epoch in range(12) for *_, rate in atlas["train"].steps(run, atlas["recipes"].NETS[run.net], epoch)
    ]
    assert rates[0] == run.rate
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.05 * run.rate
    content = torch.load(run.folder / "model.pt", weights_only=True)
    assert content["landscape"]["model"] == run.variant.spec
    build_model(content["landscape"]["model"]).load_state_dict(content["state_dict"])


def test_the_rate_with_the_lowest_finite_loss_is_chosen(atlas, tmp_path):
    runs = []
    for rate, loss in ((0.1, 0.5), (0.3, 0.4), (1.0, float("nan"))):
        run = dataclasses.replace(a_run(atlas, tmp_path / f"{rate}"), rate=rate)
        run.folder.mkdir()
        (run.folder / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "running_loss": loss}) + "\n")
        runs.append(run)
    assert atlas["train"].chosen_rate(runs) == 0.3


def test_results_are_those_of_the_runs(atlas, tmp_path):
    net = atlas["recipes"].NETS["lenet-relu"]
    variant = next(one for one in net.variants if one.name == "rms")
    assert atlas["collect"].row_of(tmp_path, "lenet-relu", variant) is None
    for run in atlas["train"].searches(tmp_path, "lenet-relu", variant):
        atlas["train"].train(dataclasses.replace(run, epochs=1))
    rate = atlas["train"].chosen_rate(atlas["train"].searches(tmp_path, "lenet-relu", variant))
    (final,) = atlas["train"].finals(tmp_path, "lenet-relu", variant, rate)
    last = atlas["train"].train(dataclasses.replace(final, epochs=1)).metrics()[-1]
    row = atlas["collect"].row_of(tmp_path, "lenet-relu", variant)
    assert row["rate"] == rate == float(min(row["search"], key=row["search"].get))
    assert row["seeds"]["0"]["test_accuracy"] == pytest.approx(last["test_accuracy"], rel=1e-5)
    assert row["seeds"]["0"]["running_accuracy"] == pytest.approx([last["running_accuracy"]], abs=1e-5)


def test_the_tables_of_the_readme_are_those_of_the_files(atlas):
    readme = (ATLAS / "README.md").read_text()
    asked = ("claim", "table lenet-relu", "policies lenet-relu")
    made = {name: make() for name, make in atlas["show"].sections() if name in asked or name.startswith("search")}
    assert len(made) == len(asked) + len(atlas["recipes"].NETS)
    for name, table in made.items():
        assert f"<!-- {name} -->\n{table}\n<!-- end -->" in readme
