"""The command line as a user meets it: results, files, and one sentence for every wrong input."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import landscape
from landscape.commands.main import COMMANDS, main
from landscape.models import build_model
from landscape.storage import sole_writer

MODEL = "mlp(inputs=36, hidden=(8,), classes=3)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a checkpoint that says what it is, and data for it."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    state = build_model(MODEL).state_dict()
    torch.save({"state_dict": state, "landscape": {"model": MODEL, "data": "set.npz"}}, "net.pt")
    torch.save(state, "bare.pt")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 1, 6, 6), dtype=np.uint8)
    np.savez("set.npz", images=images, labels=rng.integers(0, 3, 20))
    np.savez("many.npz", images=images, labels=rng.integers(0, 30, 20))
    np.savez("large.npz", images=rng.integers(0, 256, (20, 1, 7, 7), dtype=np.uint8), labels=np.zeros(20, int))
    np.savez("empty.npz", images=images[:0], labels=np.zeros(0, int))
    return tmp_path


@pytest.fixture
def run(capsys):
    """Call the command line; gives exit code, stdout and stderr."""

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main(list(words))
        printed = capsys.readouterr()
        return stop.value.code, printed.out, printed.err

    return call


SMALL = ("--x", "-1:1:3", "--y", "-1:1:3")


def test_compute_plot_check_info(folder, run):
    code, out, err = run("compute", "--ckpt", "net.pt", *SMALL)
    assert code == 0
    assert out.splitlines()[0] == "net.h5"
    assert "landscape plot net.h5" in out
    assert "trained weights: test loss" in err
    surface = landscape.load("net.h5")
    assert surface.complete
    assert surface["test/loss"][1, 1] == surface.centre["test"]["loss"]
    assert run("plot")[1].strip() == "net_2d.png"
    assert Path("net_2d.png").read_bytes().startswith(b"\x89PNG")
    assert run("plot", "net.h5", "--3d", "-o", "a.html")[0] == 0
    assert run("check", "net.h5")[0] == 0
    assert json.loads(run("info", "--json")[1])["centre"]["test"]["loss"] == surface.centre["test"]["loss"]


def test_info_tells_what_is_perturbed_and_what_is_fixed(folder, run):
    run("compute", "--ckpt", "net.pt", *SMALL)
    out = run("info", "net.h5")[1]
    assert "weight      perturbed" in out
    assert "bias        fixed" in out
    rows = landscape.load("net.h5").provenance["parameters"]
    weights = [t for n, t in torch.load("bare.pt").items() if n.endswith("weight")]
    square = sum(float(t.double().square().sum()) for t in weights)
    assert rows[0]["norm"] == pytest.approx(square**0.5, rel=1e-12)


def test_the_same_command_resumes_and_another_is_refused(folder, run):
    first = ("compute", "--ckpt", "net.pt", *SMALL)
    run(*first)
    before = landscape.load("net.h5")
    assert run(*first)[0] == 0
    after = landscape.load("net.h5")
    assert all(np.array_equal(before[name], after[name], equal_nan=True) for name in before)
    code, _, err = run(*first, "--seed", "1")
    assert code == 2
    assert "differs in seed (1 here, 0 there)" in err
    assert run(*first, "--seed", "1", "--overwrite")[0] == 0
    assert landscape.load("net.h5").job.seed == 1


def test_the_command_line_and_python_give_the_same_numbers(folder, run):
    run("compute", "--ckpt", "net.pt", *SMALL)
    surface = landscape.compute(ckpt="net.pt", x=(-1, 1, 3), y=(-1, 1, 3), progress=False)
    assert np.array_equal(surface["test/loss"], landscape.load("net.h5")["test/loss"])
    assert surface.job == landscape.load("net.h5").job


def test_a_line_and_several_splits(folder, run):
    shutil.copy("set.npz", "train.npz")
    spec = "set.npz(train='train.npz')"
    splits = ("--split", "test", "--split", "train", "--metric", "top-k-accuracy(k=2)")
    line = ("--x", "0:1:4", "--y", "none", "--out", "new/line.h5")
    code, _, _ = run("compute", "--ckpt", "net.pt", "--data", spec, *splits, *line)
    assert code == 0
    surface = landscape.load("new/line.h5")
    assert surface["train/loss"].shape == (4,)
    assert np.array_equal(surface["train/loss"], surface["test/loss"])
    assert (surface["test/top_k_accuracy"] >= surface["test/accuracy"]).all()


def test_a_bare_checkpoint_asks_for_the_data_and_says_what_it_recognised(folder, run):
    code, _, err = run("compute", "--ckpt", "bare.pt")
    assert code == 2
    assert "recognised as mlp(" in err
    assert "pass them with --data" in err
    assert "fashion-mnist-mini" in err


def test_an_unrecognisable_checkpoint_asks_for_the_model(folder, run):
    torch.save({"alpha": torch.zeros(3, 4)}, "odd.pt")
    code, _, err = run("compute", "--ckpt", "odd.pt")
    assert code == 2
    assert "cannot tell which model odd.pt belongs to (its tensors begin alpha (3, 4))" in err
    assert "--model" in err
    assert "resnet20" in err


class Runner:
    """A pickle that would run code."""

    def __reduce__(self):
        return (open, ("ran.txt", "w"))


def newer_version() -> None:
    main_file = Path("net.h5")
    with h5py.File(main_file, "w") as file:
        file.attrs["format"] = "landscape"
        file.attrs["format_version"] = 99


def other_directions() -> None:
    with h5py.File("d.h5", "w") as file:
        file["xdirection/0"] = np.zeros((2, 2), "f4")
        file["ydirection/0"] = np.zeros((2, 2), "f4")


def nan_weights() -> None:
    state = torch.load("bare.pt")
    next(iter(state.values()))[0] = torch.nan
    torch.save(state, "nan.pt")


WRONG = {
    "no such file": (None, ["--ckpt", "none.pt"], 2, "no checkpoint file 'none.pt'"),
    "not a checkpoint": (lambda: Path("a.pt").write_text("hello"), ["--ckpt", "a.pt"], 2, "a.pt"),
    "truncated": (lambda: Path("t.pt").write_bytes(Path("net.pt").read_bytes()[:900]), ["--ckpt", "t.pt"], 2, "t.pt"),
    "needs trust": (lambda: torch.save(build_model(MODEL), "whole.pt"), ["--ckpt", "whole.pt"], 2, "--trust"),
    "runs code": (lambda: Path("p.pt").write_bytes(pickle.dumps(Runner())), ["--ckpt", "p.pt"], 2, "p.pt"),
    "wrong model": (None, ["--ckpt", "net.pt", "--model", "lenet"], 2, "mlp("),
    "unknown model": (None, ["--ckpt", "net.pt", "--model", "resnet21"], 2, "or resnet20"),
    "unknown data": (None, ["--ckpt", "net.pt", "--data", "cifar11"], 2, "did you mean cifar10"),
    "not hdf5": (None, ["--ckpt", "net.pt", "--out", "fig.png"], 2, "a name that ends in .h5, not 'fig.png'"),
    "no split": (
        lambda: Path("d.py").write_text("def loader():\n    return []\n"),
        ["--ckpt", "net.pt", "--data", "d.py:loader", "--split", "train"],
        2,
        "takes no split=, so it cannot give the 'train' split",
    ),
    "labels": (None, ["--ckpt", "net.pt", "--data", "many.npz"], 2, "the model has 3 outputs (classes 0 to 2)"),
    "image shape": (None, ["--ckpt", "net.pt", "--data", "large.npz"], 2, "of shape (1, 7, 7)"),
    "empty data": (None, ["--ckpt", "net.pt", "--data", "empty.npz"], 2, "at least one"),
    "no such data": (None, ["--ckpt", "net.pt", "--data", "gone.npz"], 2, "gone.npz"),
    "nan weights": (nan_weights, ["--ckpt", "nan.pt", "--model", MODEL, "--data", "set.npz"], 2, "NaN"),
    "backwards": (None, ["--ckpt", "net.pt", "--x", "1:-1:5"], 2, "'1:-1:5' is empty or runs backwards"),
    "no points": (None, ["--ckpt", "net.pt", "--x", "-1:1:0"], 2, "at least 2 are needed"),
    "no numbers": (None, ["--ckpt", "net.pt", "--y", "a:b:c"], 2, "cannot read the range 'a:b:c'"),
    "directions": (other_directions, ["--ckpt", "net.pt", "--directions", "d.h5"], 2, "belong to another model"),
    "folder as file": (lambda: Path("out").mkdir(), ["--ckpt", "net.pt", "--out", "out"], 2, "is a folder"),
    "not writable": (
        lambda: Path("f").touch(),
        ["--ckpt", "net.pt", "--out", "f/run.h5"],
        1,
        "cannot write 'f/run.h5'",
    ),
    "not ours": (lambda: h5py.File("net.h5", "w").close(), ["--ckpt", "net.pt"], 2, "not one of landscape's"),
    "text file": (lambda: Path("net.h5").write_text("a"), ["--ckpt", "net.pt", "--overwrite"], 2, "leaves it alone"),
    "newer": (newer_version, ["--ckpt", "net.pt"], 2, "format version 99"),
    "no cuda": (None, ["--ckpt", "net.pt", "--device", "cuda"], 2, "finds no CUDA GPU"),
    "no device": (None, ["--ckpt", "net.pt", "--device", "tpu9"], 2, "unknown device 'tpu9'"),
    "batch size": (
        None,
        ["--ckpt", "net.pt", "--batch-size", "0"],
        2,
        "the batch size is 'auto' or a positive whole number, not 0",
    ),
    "samples": (None, ["--ckpt", "net.pt", "--samples", "many"], 2, "samples"),
    "too many samples": (None, ["--ckpt", "net.pt", "--samples", "21"], 2, "20"),
    "loss": (None, ["--ckpt", "net.pt", "--loss", "crossentropy"], 2, "did you mean cross-entropy"),
    "no checkpoint": (None, [], 2, "--ckpt"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence(folder, run, case):
    prepare, words, expected, sentence = WRONG[case]
    if case == "no cuda" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    if prepare:
        prepare()
    code, out, err = run("compute", *words, *(() if "--x" in words or "--y" in words else SMALL))
    assert code == expected, err
    assert sentence in err
    assert "Traceback" not in err
    assert out == ""
    assert not Path("ran.txt").exists()
    assert not list(folder.glob(".*.part"))


def test_a_truncated_file_is_refused_and_overwrite_mends_it(folder, run):
    run("compute", "--ckpt", "net.pt", *SMALL)
    Path("net.h5").write_bytes(Path("net.h5").read_bytes()[:3000])
    code, _, err = run("compute", "--ckpt", "net.pt", *SMALL)
    assert code == 2
    assert "truncated" in err
    assert run("plot", "net.h5")[0] == 2
    assert run("compute", "--ckpt", "net.pt", *SMALL, "--overwrite")[0] == 0


def test_a_full_disk_is_a_failure_of_the_surroundings(folder, run, monkeypatch):
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    code, _, err = run("compute", "--ckpt", "net.pt", *SMALL)
    assert code == 1
    assert "No space left on device" in err
    assert not list(folder.glob(".*.part"))


def test_plot_and_check_without_a_run_say_what_to_do(folder, run):
    for words in (["plot"], ["check"], ["info"]):
        code, _, err = run(*words)
        assert code == 2
        assert "landscape compute --ckpt model.pt" in err


def test_plot_refuses_what_it_cannot_draw(folder, run):
    run("compute", "--ckpt", "net.pt", *SMALL)
    assert "png, pdf, svg, html" in run("plot", "net.h5", "-o", "a.bmp")[2]
    assert "did you mean test/accuracy" in run("plot", "net.h5", "--metric", "test/acuracy")[2]
    assert "no file" in run("plot", "gone.h5")[2]


def test_check_exits_with_3_on_an_error(folder, run):
    run("compute", "--ckpt", "net.pt", *SMALL)
    with h5py.File("net.h5", "r+") as file:
        file["test"].attrs["centre"] = '{"loss": NaN}'
    code, out, _ = run("check", "net.h5")
    assert code == 3
    assert out.startswith("error   NON-FINITE-CENTRE")


def test_debug_shows_the_traceback(folder):
    with pytest.raises(landscape.LandscapeError):
        main(["--debug", "compute", "--ckpt", "gone.pt"])


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_has_help(run, command):
    code, out, _ = run(*command, "--help")
    assert code == 0
    assert "Usage: landscape" in out
    assert "\b" not in out


def test_an_unknown_command_is_refused(run):
    code, _, err = run("comptue")
    assert code == 2
    assert "comptue" in err


def test_the_launcher_and_the_module_run():
    root = Path(__file__).parents[1]
    for words in (["-m", "landscape"], ["cli.py"]):
        done = subprocess.run(
            [sys.executable, *words, "--version"], cwd=root, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == f"landscape, version {landscape.__version__}"


def test_models_lists_the_names(run):
    out = run("models")[1]
    assert all(
        name in out for name in ("resnet56", "lenet", "batch", "group", "fashion-mnist-mini", "torchvision:NAME")
    )


def test_plot_takes_the_kind_that_suits_the_number_of_directions(folder, run):
    run("compute", "--ckpt", "net.pt", "--x", "-1:1:5", "--y", "none")
    assert run("plot", "net.h5")[1].strip() == "net_1d.png"
    code, _, err = run("plot", "net.h5", "--3d")
    assert code == 2
    assert "draw it with --1d" in err


@pytest.mark.parametrize(
    ("split", "said"), [("x", "none of x, y"), ("a/b", "letters, digits"), ("", "letters, digits")]
)
def test_names_of_splits_that_the_file_cannot_hold_are_refused(folder, run, split, said):
    code, _, err = run("compute", "--ckpt", "net.pt", "--split", split)
    assert code == 2
    assert said in err


def test_another_file_in_the_place_of_the_directions_is_left_alone(folder, run):
    Path("net.directions.h5").write_text("mine")
    code, _, err = run("compute", "--ckpt", "net.pt", *SMALL, "--save-directions")
    assert code == 2
    assert "'net.directions.h5' would hold the directions, but it is another file" in err
    assert Path("net.directions.h5").read_text() == "mine"


def test_saved_directions_give_the_same_surface(folder, run):
    run("compute", "--ckpt", "net.pt", *SMALL, "--save-directions")
    run("compute", "--ckpt", "net.pt", *SMALL, "--directions", "net.directions.h5", "--out", "again.h5")
    first, again = landscape.load("net.h5"), landscape.load("again.h5")
    assert np.array_equal(first["test/loss"], again["test/loss"])
    assert [one.digest for one in first.directions] == [one.digest for one in again.directions]


def test_settings_of_random_directions_are_not_ignored_with_a_file(folder, run):
    run("compute", "--ckpt", "net.pt", *SMALL, "--save-directions")
    words = ("compute", "--ckpt", "net.pt", *SMALL, "--directions", "net.directions.h5", "--out", "again.h5")
    code, _, err = run(*words, "--seed", "3", "--normalize", "layer")
    assert code == 2
    assert "leave out --normalize layer and --seed 3" in err


def test_info_counts_what_an_imported_direction_moves(folder, run):
    state = torch.load("bare.pt")
    with h5py.File("d.h5", "w") as file:
        for index, tensor in enumerate(state.values()):
            file[f"xdirection/{index}"] = tensor.numpy() * (index != 1)
    run("compute", "--ckpt", "net.pt", "--x", "-1:1:3", "--y", "none", "--directions", "d.h5")
    out = run("info", "net.h5")[1]
    assert "weight      perturbed" in out
    assert "bias        1 moved" in out


def test_the_demonstration_refuses_what_it_cannot_do(folder, run):
    Path("file").touch()
    code, _, err = run("demo", "--out", "file/demo")
    assert code == 1
    assert "cannot write" in err
    assert "Traceback" not in err
    assert run("demo", "--out", "a b", "--points", "3", "--samples", "20")[0] == 0
    code, _, err = run("demo", "--out", "a b", "--points", "4", "--samples", "20")
    assert code == 2
    assert "--overwrite" in err
    code, out, _ = run("demo", "--out", "a b", "--points", "4", "--samples", "20", "--overwrite")
    assert code == 0
    assert "--ckpt 'a b/lenet_batch.pt'" in out


def test_two_runs_do_not_write_one_file(folder, run):
    with sole_writer("net.h5"):
        code, _, err = run("compute", "--ckpt", "net.pt", *SMALL)
    assert code == 2
    assert "another run is writing 'net.h5' at this moment" in err
    assert run("compute", "--ckpt", "net.pt", *SMALL)[0] == 0
    assert not list(folder.glob(".*.lock"))


def test_a_complete_file_is_left_as_it_is(folder, run):
    run("compute", "--ckpt", "net.pt", *SMALL)
    before = Path("net.h5").read_bytes()
    code, _, err = run("compute", "--ckpt", "net.pt", *SMALL)
    assert code == 0
    assert "net.h5 is complete: nothing is left to compute" in err
    assert Path("net.h5").read_bytes() == before
    assert repr(landscape.load("net.h5")).startswith("Surface('net.h5', net.pt, 3 x 3 points, 9 of 9 done: test/")
