"""Options for BatchNorm's statistics: what is loaded for whom, what is refused, and what is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from test_resume import Stopping
from torch import nn

import landscape
from landscape.api import check_rescaling
from landscape.commands.main import main
from landscape.data import Batches, ImageSet, load_examples
from landscape.errors import LandscapeError
from landscape.inputs import from_checkpoint, from_objects
from landscape.models import build_model

ASSETS = Path(landscape.__file__).parent / "assets"
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (30, 1, 6, 6), dtype=np.uint8)
LABELS = np.arange(30) % 3
LINE = {"x": "-1:1:3", "y": None, "progress": False}
NO_BN = "resnet(depth=8, width=4, norm='none')"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder with a set without splits, and one with two."""
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", images=IMAGES, labels=LABELS)
    np.savez("same.npz", images=IMAGES[::-1], labels=LABELS[::-1])
    np.savez(
        "parts.npz", test_images=IMAGES[:5], test_labels=LABELS[:5], train_images=IMAGES[5:], train_labels=LABELS[5:]
    )


@pytest.fixture
def plain():
    """A network without running statistics; another one's weights are in b.pt."""
    torch.manual_seed(0)
    a, b = (
        nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3)) for _ in range(2)
    )
    torch.save(b.state_dict(), "b.pt")
    return a


@pytest.fixture
def run(capsys):
    """Run the command line; gives the exit code and what was printed."""

    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        return stopped.value.code, *capsys.readouterr()

    return call


def refused(message):
    return pytest.raises(LandscapeError, match=message)


# A network without running statistics


@pytest.mark.parametrize("options", [{"bn_stats": "all"}, {"bn_stats": "recalibrate"}, {"directions": "to(b.pt)"}])
def test_without_statistics_no_training_images_are_needed(plain, options):
    surface = landscape.compute(plain, "one.npz", **LINE, **options)
    frozen = landscape.compute(plain, "one.npz", **LINE, **{**options, "bn_stats": "frozen"})
    for policy in surface.policies:
        np.testing.assert_array_equal(surface.sel(bn=policy)["loss"], frozen["loss"])
    assert (surface.job.bn_data, surface.job.bn_digest, surface.job.bn_samples) == ("", "", "")


def test_a_checkpoint_without_statistics_needs_no_training_images(run):
    data = np.load(ASSETS / "fashion_mnist_mini.npz")
    images, labels = (next(data[name] for name in data.files if name.endswith(end)) for end in ("images", "labels"))
    np.savez("grey.npz", images=images[:20], labels=labels[:20])
    words = ("--model", "lenet", "--data", "grey.npz", "--x", "-1:1:3", "--y", "none")
    code, _, err = run("compute", "--ckpt", str(ASSETS / "lenet_none.pt"), *words, "--bn-stats", "all")
    assert code == 0, err
    assert landscape.load("lenet_none.h5").policies == ("frozen", "batch", "recalibrate")


def test_rescaling_a_network_without_statistics_needs_no_training_images():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    data = Batches(torch.randn(20, 36, dtype=torch.float64), torch.arange(20) % 3, "d", "d", "as it is")
    findings = check_rescaling(3.0, net, data, samples="all", progress=False)
    assert [finding.level for finding in findings] == ["ok"] * 3


def test_with_statistics_it_says_what_else_to_do(small_net):
    with refused(r"needs training images, .*: pass --bn-data SPEC, .*, or keep .* with --bn-stats frozen \("):
        landscape.compute(small_net, "one.npz", bn_stats="all", **LINE)


@pytest.mark.parametrize("form", ["object", "checkpoint"])
def test_calibration_data_that_are_of_no_use_are_not_loaded_and_that_is_said(form):
    net, options = build_model(NO_BN), {"bn_data": "absent.npz", "bn_samples": "10"}
    data = (torch.randn(6, 3, 8, 8), torch.arange(6) % 10)
    torch.save(net.state_dict(), "net.pt")
    if form == "object":
        inputs = from_objects(net, data, ["test"], "all", **options)
    else:
        inputs = from_checkpoint("net.pt", NO_BN, data, ["test"], "all", **options)
    said = "the network keeps no running statistics, so that nothing is recalibrated: --bn-data is not loaded"
    assert inputs.calibration is None
    assert inputs.notes[-1] == said


def test_the_model_is_known_before_calibration_images_are_looked_for():
    torch.save({"odd": torch.zeros(3)}, "net.pt")
    with refused("cannot tell which model net.pt belongs to"):
        from_checkpoint("net.pt", None, "one.npz", ["test"], "all", bn_samples="10")
    torch.save(build_model("resnet20").state_dict(), "net.pt")
    with refused("missing in the file|do not fit"):
        from_checkpoint("net.pt", NO_BN, "one.npz", ["test"], "all", bn_samples="10")


def test_the_data_are_read_once(small_net, monkeypatch):
    seen = []
    from landscape.data import loading

    original = loading.npz
    monkeypatch.setattr(loading, "npz", lambda path, split, **given: seen.append(split) or original(path, split))
    inputs = from_objects(small_net, "parts.npz", ["train", "test"], "all", bn_samples="10")
    assert seen == ["train", "test"]
    assert len(inputs.calibration) == 10


def costs(net, **options):
    told = Stopping()
    landscape.compute(net, "parts.npz", **{**LINE, "progress": told}, **options)
    return [line for line in told.said if "examples through the network" in line]


def test_the_cost_counts_calibration_only_where_there_is_some(plain, small_net):
    said = "examples through the network at every point: 5 for each of 3 policies; 3 times the cost of frozen"
    assert costs(plain, bn_stats="all") == [f"{said} statistics alone"]
    assert costs(plain, bn_stats="recalibrate") == []
    (cost,) = costs(small_net, bn_stats="all", bn_samples=20)
    assert "frozen 5, batch 5, recalibrate 25" in cost


# Calibration images that are evaluated, too


def overlap(data, splits, samples, bn_data, bn_samples):
    examples = load_examples(data, splits, samples, keep_training=bn_data is None).calibrated(bn_data, bn_samples)
    return [note for note in examples.notes if "favoured" in note]


def said(count, number, split="train", what="images"):
    verb = "is" if count == 1 else "are"
    return (
        f"{count} of the {number} calibration {what} {verb} among the {split} {what} that are evaluated: the {split} "
        "loss with recalibrated statistics is slightly favoured"
    )


def pair():
    return (torch.from_numpy(IMAGES).float(), torch.from_numpy(LABELS))


OVERLAPS = {
    "the same choice": (("parts.npz", ["train"], "10", None, "10"), [said(10, 10)]),
    "a smaller one": (("parts.npz", ["train"], "7", None, "10"), [said(7, 10)]),
    "first": (("one.npz", ["test"], "first:1", "one.npz", "all"), [said(1, 30, "test")]),
    "augmented": (("one.npz", ["test"], "all", "one.npz(augment='crop4-flip')", "8"), [said(8, 8, "test")]),
    "another mean": (("one.npz(mean=0.5, std=0.5)", ["test"], "all", "one.npz", "8"), [said(8, 8, "test")]),
    "a copy in another order": (("one.npz", ["test"], "all", "same.npz", "9"), [said(9, 9, "test")]),
    "apart": (("parts.npz", ["test"], "all", None, "all"), []),
    "an object": (({"train": pair()}, ["train"], "all", None, "6"), [said(6, 6, what="examples")]),
    "of another type": (("one.npz", ["test"], "all", pair(), "6"), []),
}


@pytest.mark.parametrize("case", OVERLAPS)
def test_calibration_images_that_are_evaluated_are_counted(case):
    arguments, expected = OVERLAPS[case]
    assert overlap(*arguments) == expected


def test_the_note_reaches_the_file(small_net):
    surface = landscape.compute(
        small_net, "parts.npz", split="train", samples=20, bn_stats="recalibrate", bn_samples=25, **LINE
    )
    assert said(20, 25) in surface.provenance["notes"]


# Options that would be ignored


UNUSED = {
    "data": ({"bn_data": "one.npz"}, "--bn-data has no effect with --bn-stats frozen: leave it out, or choose"),
    "samples": ({"bn_samples": 1000}, "--bn-samples has no effect with --bn-stats frozen: .* --bn-stats recalibrate$"),
    "layers": ({"bn_layers": True}, "--bn-layers has no effect with --bn-stats frozen"),
    "size": ({"bn_batch_size": 128}, "--bn-batch-size has no effect .* --bn-stats batch or recalibrate$"),
    "explicit": ({"bn_stats": "frozen", "bn_samples": "5"}, "--bn-samples has no effect with --bn-stats frozen"),
    "on the way": ({"directions": "to(b.pt)", "bn_stats": "frozen", "bn_samples": "5"}, "--bn-samples has no effect"),
    "batch": (
        {"bn_stats": "batch", "bn_data": "one.npz", "bn_layers": True, "bn_batch_size": 8},
        "^--bn-data and --bn-layers have no effect with --bn-stats batch: leave them out, or choose --bn-stats rec",
    ),
}


@pytest.mark.parametrize("case", UNUSED)
def test_options_that_would_be_ignored_are_refused(case, small_net):
    options, message = UNUSED[case]
    with refused(message):
        landscape.compute(small_net, "one.npz", **LINE, **options)


@pytest.mark.parametrize("words", [("--bn-samples", "1000"), ("--bn-batch-size", "128"), ("--bn-layers",)])
def test_the_command_line_tells_a_default_from_what_is_typed(run, words):
    code, _, err = run("compute", "--ckpt", str(ASSETS / "lenet_batch.pt"), *words)
    assert code == 2
    assert f"{words[0]} has no effect with --bn-stats frozen" in err


def test_the_defaults_are_those_of_before(small_net):
    train = Batches(torch.randn(1100, 1, 6, 6), torch.arange(1100) % 3, "t", "t", "as it is")
    data = {"test": train.subset("20"), "train": train}
    surface = landscape.compute(small_net, data, bn_stats="recalibrate", **LINE)
    assert (surface.job.bn_samples, surface.job.bn_batch_size) == ("1000", 128)


def test_the_self_test_refuses_them_too(small_net):
    with refused("--bn-samples has no effect with --bn-stats batch"):
        check_rescaling(3.0, small_net, "one.npz", bn_stats="batch", bn_samples=10, progress=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--samples", "200"), "--samples belongs to --rescale C; a surface is checked by its file"),
        (("--bn-stats", "all"), "--bn-stats belongs to --rescale C"),
        (("--ckpt", "a.pt", "--trust", "--x", "-1:1:5"), "--ckpt and --trust and --x belong to --rescale C"),
    ],
)
def test_options_of_the_self_test_are_refused_for_a_file(run, words, message):
    code, _, err = run("check", "run.h5", *words)
    assert code == 2
    assert message in " ".join(err.split())


def test_roles_are_refused_with_directions_of_a_file(small_net):
    landscape.compute(small_net, "one.npz", out="a.h5", save_directions=True, **LINE)
    with refused(r"the directions of a file are taken as they are: leave out --role '1\.\*=weight:0'"):
        landscape.compute(small_net, "one.npz", directions="a.directions.h5", role=["1.*=weight:0"], **LINE)


# Small sets


@pytest.mark.parametrize("bn_samples", ["3", "first:1"])
def test_recalibration_needs_two_halves_of_two(small_net, bn_samples):
    number = bn_samples[-1]
    said = f"needs at least 4 images, for two halves of two, and --bn-samples takes {number} of parts.npz: ask for more"
    with refused(said):
        landscape.compute(small_net, "parts.npz", bn_stats="recalibrate", bn_samples=bn_samples, **LINE)
    surface = landscape.compute(small_net, "parts.npz", bn_stats="recalibrate", bn_samples=4, **LINE)
    assert np.isfinite(surface["loss"]).all()


@pytest.mark.parametrize("options", [{"bn_stats": "batch"}, {"bn_stats": "all", "bn_samples": 4}])
def test_a_batch_of_one_has_no_statistics(small_net, plain, options):
    said = "the statistics of a batch need two examples or more, and of test there is one: ask for more with --samples"
    with refused(said):
        landscape.compute(small_net, "parts.npz", samples=1, **options, **LINE)
    assert landscape.compute(plain, "parts.npz", samples=1, **options, **LINE).complete
    assert landscape.compute(small_net, "parts.npz", samples=2, **options, **LINE).complete


# Folding


def test_folding_filter_normalised_weights_is_said_to_change_signs_alone(small_net, run):
    said = "under frozen statistics, except for the signs of the draws (gamma's, filter by filter): leave it out"
    with pytest.raises(LandscapeError) as caught:
        landscape.compute(small_net, "one.npz", fold_bn=True, **LINE)
    assert said in str(caught.value)
    _, out, _ = run("compute", "--help")
    assert "nothing but the signs of the draws, by that of gamma in each filter" in " ".join(out.split())


def test_an_image_set_knows_its_raw_images():
    images = ImageSet(IMAGES, LABELS, (0.5,), (0.25,), augment="none")
    assert overlap({"train": images}, ["train"], "12", None, "10") == [said(10, 10)]
