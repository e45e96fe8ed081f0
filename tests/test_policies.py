"""Policies, calibration and repeats through the whole run: one file, the same numbers as apart, resumed bit for bit."""

from __future__ import annotations

import copy
import dataclasses
import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from test_resume import Stopping, assert_same
from torch import nn

import landscape
from landscape.api import check_rescaling
from landscape.commands.main import main
from landscape.data import Batches
from landscape.directions import Gaussian
from landscape.errors import LandscapeError
from landscape.parameters import ParameterSpace

ASSETS = Path(landscape.__file__).parent / "assets"
OPTIONS = {"x": "-1:1:5", "y": "-1:1:3", "progress": False}
BATCHES = {"bn_batch_size": 8}
SETTINGS = {"batch": BATCHES, "recalibrate": {**BATCHES, "bn_samples": 50}, "all": {**BATCHES, "bn_samples": 50}}


@pytest.fixture
def data(small_data):
    """Test and training images; the latter calibrate."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(60, 1, 6, 6, generator=generator)
    train = Batches(inputs, torch.randint(0, 3, (60,), generator=generator), "train", "calibration", "as it is")
    return {"test": small_data, "train": train}


def compute(net, data, **options):
    return landscape.compute(net, data, **{**OPTIONS, **SETTINGS.get(options.get("bn_stats"), {}), **options})


def test_one_run_of_all_policies_holds_what_three_runs_give(small_net, data):
    together = compute(small_net, data, bn_stats="all")
    assert together.dimensions == ("bn", "x", "y")
    for policy in together.policies:
        alone, part = compute(small_net, data, bn_stats=policy), together.sel(bn=policy)
        assert set(alone) == set(part)
        # Frozen statistics alone are folded into the weights: the last bits are others. None of the rest is.
        tolerance = {"rtol": 1e-5, "atol": 1e-7} if policy == "frozen" else {"rtol": 0.0}
        for name in alone:
            np.testing.assert_allclose(alone[name], part[name], err_msg=f"{policy} {name}", **tolerance)
        centre = {key: part.centre["test"][key] for key in alone.centre["test"]}
        assert alone.centre["test"] == pytest.approx(centre, rel=tolerance["rtol"])
        assert part.job.bn_stats == policy
    assert "statistics/drift" in together.sel(bn="recalibrate")
    assert "statistics/drift" not in together.sel(bn="frozen")


def test_each_repeat_is_a_run_of_its_own_directions(small_net, data):
    together = compute(small_net, data, repeats=3)
    assert together.dimensions == ("repeat", "x", "y")
    first = compute(small_net, data)
    for name in first:
        np.testing.assert_array_equal(together.sel(repeat=0)[name], first[name])
    space = ParameterSpace(small_net)
    expected = [Gaussian(0, axis, repeat)(space).digest() for repeat in range(3) for axis in range(2)]
    assert [record.digest for record in together.directions] == expected
    last = together.sel(repeat=2)
    assert [record.digest for record in last.directions] == expected[4:]
    assert last.provenance["cosine"] == together.provenance["cosines"][2]
    assert not np.array_equal(last["loss"], first["loss"])


def test_the_centre_is_the_trained_weights_in_every_repeat(small_net, data):
    surface = compute(small_net, data, bn_stats="all", repeats=2)
    np.testing.assert_array_equal(surface["loss"][:, :, 2, 1], [surface.centre["test"]["loss"]] * 2)
    assert surface["count"].shape == (2, 3, 5, 3)
    assert surface["statistics/drift"].shape == (2, 5, 3)


@pytest.mark.parametrize("after", [3, 14, 20])
def test_a_run_of_policies_and_repeats_is_resumed_bit_for_bit(small_net, data, tmp_path, after):
    options = {"bn_stats": "all", "repeats": 2, "bn_layers": True}
    with pytest.raises(RuntimeError, match="the power went"):
        compute(small_net, data, out=tmp_path / "a.h5", **options, **{"progress": Stopping(after)})
    assert not landscape.load(tmp_path / "a.h5").complete
    said = Stopping()
    compute(small_net, data, out=tmp_path / "a.h5", **options, **{"progress": said})
    compute(small_net, data, out=tmp_path / "b.h5", **options)
    assert_same(tmp_path / "a.h5", tmp_path / "b.h5")
    first, second = (landscape.load(tmp_path / name) for name in ("a.h5", "b.h5"))
    assert first.provenance["calibration"] == second.provenance["calibration"]


@pytest.mark.parametrize(("then", "now", "said"), [(True, False, "with"), (False, True, "without")])
def test_the_layers_drift_is_kept_from_the_first_point_or_not_at_all(small_net, data, tmp_path, then, now, said):
    compute(small_net, data, out=tmp_path / "a.h5", bn_stats="recalibrate", bn_layers=then)
    with pytest.raises(LandscapeError, match=f"was begun {said} statistics/drift:1: give or leave out --bn-layers"):
        compute(small_net, data, out=tmp_path / "a.h5", bn_stats="recalibrate", bn_layers=now)


def test_what_is_selected_is_a_job_of_its_own(small_net, data):
    surface = compute(small_net, data, bn_stats="all", repeats=2)
    jobs = [surface.sel(repeat=repeat, bn=policy).job for repeat in range(2) for policy in surface.policies]
    assert len({job.fingerprint() for job in jobs}) == 6
    assert jobs[0] == compute(small_net, data).job
    assert jobs[2] == compute(small_net, data, bn_stats="recalibrate").job


def test_layers_that_depend_on_the_batch_need_batches_of_the_job(data):
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(LandscapeError, match="the layer 1 normalises by each batch even in eval mode"):
        compute(net, data, batch_size=10)
    one, other = (compute(net, data, bn_stats="batch", batch_size=size) for size in (10, 37))
    np.testing.assert_array_equal(one["loss"], other["loss"])
    assert one.provenance["statistics_layers"] == 1


class Sequences(nn.Module):
    """BatchNorm over positions, of which there are as many as features: shapes alone do not tell."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.norm, self.last = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(36, 3)

    def forward(self, inputs):
        return self.last(self.norm(self.linear(inputs[:, 0])).flatten(1))


def test_a_folded_network_that_computes_something_else_is_refused(data):
    net = Sequences()
    with torch.no_grad():
        net(3 * torch.randn(64, 1, 6, 6) + 1)
    with pytest.raises(LandscapeError, match="with BatchNorm folded into its weights Sequences computes something els"):
        compute(net, data, fold_bn=True, normalize="layer")


def test_names_that_mean_something_in_the_file_are_refused_or_changed(small_net, data, tmp_path):
    def repeat(output, target):
        return output[:, 0]

    with pytest.raises(LandscapeError, match="need different names, other than"):
        compute(small_net, data, metric=[repeat], repeats=2)
    small_net.add_module("a/b", nn.BatchNorm1d(3))
    with torch.no_grad():
        small_net.train()(torch.randn(64, 1, 6, 6))
    compute(small_net, data, bn_stats="recalibrate", bn_layers=True, out=tmp_path / "a.h5")
    assert "statistics/drift:a|b" in landscape.load(tmp_path / "a.h5")


def test_another_policy_or_calibration_is_another_run(small_net, data, tmp_path):
    compute(small_net, data, out=tmp_path / "a.h5", bn_stats="recalibrate")
    for other in ({"bn_stats": "all"}, {"bn_samples": 40}, {"bn_batch_size": 9}, {"repeats": 2}):
        (name,) = (key for key in other)
        with pytest.raises(LandscapeError, match=rf"holds another run, which differs in .*{name}"):
            compute(small_net, data, out=tmp_path / "a.h5", **{"bn_stats": "recalibrate", **other})


def test_the_file_has_the_dimensions_and_xarray_reads_them(small_net, data, tmp_path):
    surface = compute(small_net, data, bn_stats="all", repeats=2, bn_layers=True, out=tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert [dimension[0].name for dimension in file["test/loss"].dims] == ["/repeat", "/bn", "/x", "/y"]
        assert [dimension[0].name for dimension in file["statistics/drift"].dims] == ["/repeat", "/x", "/y"]
        assert [name.decode() for name in file["bn"][()]] == ["frozen", "batch", "recalibrate"]
        assert file["directions/repeat_1/second"].attrs["spec"].startswith("random(seed=0, axis=1, repeat=1")
        assert "drift:1" in file["statistics"]
    loaded = landscape.load(tmp_path / "a.h5")
    assert loaded.centre == surface.centre
    for name in surface:
        np.testing.assert_array_equal(loaded[name], surface[name])
    import xarray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = xarray.open_datatree(tmp_path / "a.h5", engine="h5netcdf")
    found = tree["test"]["loss"].sel(repeat=1, bn="batch", x=0.5, y=-1)
    assert float(found) == surface["loss"][1, 1, 3, 0]


def test_the_model_is_left_as_it_was(small_net, data):
    before = copy.deepcopy(small_net.state_dict())
    small_net.train()
    compute(small_net, data, bn_stats="all", repeats=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in small_net.state_dict().items())
    assert all(module.training for module in small_net.modules())


def test_what_recalibrating_costs_and_how_sure_it_is_are_said_before(small_net, data):
    said = Stopping()
    surface = compute(small_net, data, bn_stats="all", progress=said)
    assert (
        "examples through the network at every point: frozen 37, batch 37, recalibrate 87; "
        "4.4 times the cost of frozen statistics alone"
    ) in said.said
    apart = surface.provenance["calibration"]["half_difference"]["test"]
    assert abs(apart["ends"]) > 0
    assert any(f"differ by {abs(apart['centre']):.2g} at the trained weights" in line for line in said.said)
    assert not any("times the cost" in line for line in _said(small_net, data, bn_stats="frozen"))


def _said(net, data, **options):
    said = Stopping()
    compute(net, data, progress=said, **options)
    return said.said


def test_recalibrating_a_net_without_batchnorm_changes_exactly_nothing(data):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3))
    surface = compute(net, data, bn_stats="all")
    for name in surface:
        values = surface[name]
        np.testing.assert_array_equal(values[0], values[1])
        np.testing.assert_array_equal(values[0], values[2])
    assert surface.centre["test"]["loss_minus_frozen"] == [0, 0, 0]
    assert surface.provenance["statistics_layers"] == 0


REFUSED = {
    "no training images": (
        lambda net, data: compute(net, data["test"], bn_stats="recalibrate"),
        "--bn-data",
    ),
    "repeats": (lambda net, data: compute(net, data, repeats=0), "--repeats is a positive whole number"),
    "batch": (lambda net, data: compute(net, data, bn_stats="batch", bn_batch_size=1), "needs two examples or more"),
    "policy": (lambda net, data: compute(net, data, bn_stats="moving"), "bn_stats is frozen or batch or recalibrate"),
    "fold": (lambda net, data: compute(net, data, fold_bn=True), "--fold-bn changes nothing where filter-normalised"),
    "fold and batch": (
        lambda net, data: compute(net, data, fold_bn=True, normalize="layer", bn_stats="batch"),
        "leave one of the two out",
    ),
    "too many": (lambda net, data: compute(net, data, bn_stats="all", bn_samples=100), "--bn-samples: '100' asks for"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_one_sentence(case, small_net, data):
    act, message = REFUSED[case]
    with pytest.raises(LandscapeError, match=message):
        act(small_net, data)


def test_repeats_of_imported_directions_are_refused(small_net, data, tmp_path):
    compute(small_net, data, out=tmp_path / "a.h5", save_directions=True)
    with pytest.raises(LandscapeError, match="--repeats 2 draws random directions anew, and those of a file are fixed"):
        compute(small_net, data, directions=tmp_path / "a.directions.h5", repeats=2)
    again = compute(small_net, data, directions=tmp_path / "a.directions.h5")
    np.testing.assert_array_equal(again["loss"], landscape.load(tmp_path / "a.h5")["loss"])


@pytest.mark.parametrize("normalize", ["layer", "filter"])
def test_folding_keeps_the_centre_and_changes_what_is_not_filter_normalised(small_net, data, normalize):
    """With biases perturbed a folded filter's bias moves, too; the loss at the centre is that of the same function."""
    options = {"normalize": normalize, "perturb": "weights+bias"}
    plain, folded = (compute(small_net, data, fold_bn=fold, **options) for fold in (False, True))
    assert folded.centre["test"]["loss"] == pytest.approx(plain.centre["test"]["loss"], rel=1e-6)
    assert not np.allclose(plain["loss"], folded["loss"], rtol=1e-3)
    assert folded.provenance["statistics_layers"] == 0
    assert "folded 1 of 1 BatchNorm layers into the layers before them" in folded.provenance["notes"]


def test_rescaling_leaves_the_surface_alone_under_every_policy(small_net, data):
    findings = check_rescaling(
        3.0,
        small_net.double(),
        {k: _double(v) for k, v in data.items()},
        progress=False,
        samples="all",
        bn_samples="all",
    )
    exact = [finding for finding in findings if finding.code == "RESCALE-EXACT"]
    weights = {f.text.split(":")[0]: f.values["difference"] for f in findings if f.code == "RESCALE-WEIGHTS"}
    assert [finding.text.split(":")[0] for finding in exact] == ["frozen", "batch", "recalibrate"]
    assert all(finding.level == "ok" and finding.values["difference"] < 1e-12 for finding in exact)
    assert weights["frozen"] > 0.05
    assert max(weights["batch"], weights["recalibrate"]) < 1e-4  # eps does not follow the weights


def _double(batches):
    return Batches(batches.inputs.double(), batches.targets, batches.name, batches.digest, batches.preprocessing)


def test_a_surface_that_depends_on_the_scale_is_an_error(small_net, data, monkeypatch):
    """As if normalisation were forgotten: directions of unit filters do not follow the scale of the weights."""
    from landscape.execution import rescaling
    from landscape.execution.session import compute_surface

    def unit(inputs, grid, settings, progress):
        return compute_surface(inputs, grid, dataclasses.replace(settings, normalize="dfilter"), progress)

    monkeypatch.setattr(rescaling, "compute_surface", unit)
    findings = check_rescaling(3.0, small_net, data["test"], bn_stats="frozen", samples="all", progress=False)
    (finding,) = (one for one in findings if one.code == "RESCALE-EXACT")
    assert finding.level == "error"
    assert "the surface depends on the scale of the weights" in finding.text


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command line in an empty folder; gives the exit code and what was printed."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        return stopped.value.code, *capsys.readouterr()

    return call


def demo(name):
    return ("compute", "--model", f"lenet(norm='{name}')", "--ckpt", str(ASSETS / f"lenet_{name}.pt"))


SMALL = ("--samples", "60", "--x", "-1:1:5", "--y", "none", "--repeats", "3", "--bn-samples", "64")


def test_the_command_line_computes_checks_and_compares(run):
    for name in ("batch", "none"):
        assert run(*demo(name), *SMALL, "--bn-stats", "all")[0] == 0
    assert landscape.load("lenet_batch.h5").dimensions == ("repeat", "bn", "x")
    code, out, _ = run("check", "lenet_batch.h5")
    assert code == 0
    assert "BN-CENTRE: with recalibrated statistics, the test loss at the trained weights is" in out
    code, out, _ = run("info", "lenet_batch.h5")
    assert "x -1:1:5, y none, 3 draws of the directions, 3 policies: 45 of 45 points done" in out
    assert "of 4 layers, frozen (the checkpoint's); of each batch of 128; recalibrated over 64 of fashion-mnist" in out
    tables = ("--table", "t.csv", "--table", "t.json", "--table", "t.tex")
    code, out, _ = run("compare", "lenet_batch.h5", "lenet_none.h5", "--bn", "frozen", "--no-figure", *tables)
    assert code == 0
    assert "lenet_batch: weight perturbed (29.5% of the squared norm" in out
    with open("t.json", encoding="utf-8") as stream:
        content = json.load(stream)
    rises = [np.array(one["values"]["mean_rise_1"]) for one in content["contenders"]]
    expected = [landscape.load(f"lenet_{name}.h5").sel(bn="frozen") for name in ("batch", "none")]
    for found, surface in zip(rises, expected, strict=True):
        loss = surface["loss"]
        np.testing.assert_allclose(found[0], (loss[:, 0] + loss[:, -1]) / 2 - surface.centre["test"]["loss"], rtol=1e-9)


WRONG = {
    "nothing": (("compare",), "there is nothing to compare"),
    "missing": (("compare", "gone.h5", "gone2.h5"), "no file"),
    "suffix": (("compare", "a.h5", "-o", "a.bmp"), "png, pdf, svg, html"),
    "table": (("compare", "a.h5", "--table", "a.xls"), ".txt, .csv, .json, .tex"),
    "rescale without a checkpoint": (("check", "--rescale", "3"), "--rescale tests a network, not a file"),
    "checkpoint without rescale": (("check", "--ckpt", "a.pt"), "--ckpt belongs to --rescale C"),
    "factor": (
        ("check", "--rescale", "0", "--ckpt", str(ASSETS / "lenet_batch.pt"), "--bn-stats", "frozen"),
        "the factor of a rescaling must be positive",
    ),
    "augmented data": (
        (*demo("batch"), "--data", "fashion-mnist-mini(augment='crop4-flip')"),
        "--bn-data",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence(run, case):
    words, message = WRONG[case]
    code, _, err = run(*words)
    assert code == 2
    assert message in err
    assert "Traceback" not in err
