import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from landscape.data import load_data
from landscape.data.idx import DEBIAN_FASHION_MNIST
from landscape.models import build_model
from landscape.registry import load

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "landscape" / "assets"
LENET = f"{ROOT / 'examples' / 'train_lenet.py'}"
MINI = f"{ROOT / 'examples' / 'make_fashion_mnist_mini.py'}"


@pytest.fixture(scope="module", params=["batch", "none"])
def checkpoint(request):
    return torch.load(ASSETS / f"lenet_{request.param}.pt", weights_only=True)


def measured(checkpoint, split):
    """Loss and accuracy, in float64 and in one batch."""
    model = build_model(checkpoint["landscape"]["model"]).double().eval()
    model.load_state_dict(checkpoint["state_dict"])
    images, labels = load_data(checkpoint["landscape"]["data"], split).tensors()
    with torch.no_grad():
        output = model(images.double())
    return cross_entropy(output, labels).item(), (output.argmax(1) == labels).double().mean().item()


def test_shipped_checkpoints_have_the_accuracy_that_they_state(checkpoint):
    accuracy = measured(checkpoint, "test")[1]
    assert accuracy == pytest.approx(checkpoint["accuracy"], abs=0.6 / 2000)  # one image may sit on the fence
    assert accuracy > 0.8


def test_shipped_checkpoints_have_the_training_loss_that_they_state(checkpoint):
    loss, accuracy = measured(checkpoint, "train")
    assert loss == pytest.approx(checkpoint["train_loss"], rel=1e-5)
    assert accuracy == pytest.approx(checkpoint["curve"][-1]["train_accuracy"], abs=0.6 / 6000)


def test_shipped_checkpoints_are_a_matched_pair():
    batch, none = (torch.load(ASSETS / f"lenet_{norm}.pt", weights_only=True) for norm in ("batch", "none"))
    assert batch["train_loss"] == pytest.approx(none["train_loss"], rel=0.01)
    assert batch["command"] == none["command"]
    assert set(none["state_dict"]) < set(batch["state_dict"])


def test_shipped_checkpoints_state_what_made_them(checkpoint):
    assert checkpoint["curve"][-1]["epoch"] == checkpoint["epochs"]
    assert checkpoint["curve"][-1]["train_loss"] == checkpoint["train_loss"]
    assert f"{checkpoint['learning_rate']:g}" in checkpoint["command"].split()
    assert checkpoint["command"] in (ROOT / "examples" / "README.md").read_text()


def test_common_tensors_of_both_nets_start_equal():
    nets = {norm: build_model(f"lenet(norm={norm!r})") for norm in ("batch", "none")}
    for net in nets.values():
        load(f"{LENET}:initialise")(net, 3)
    states = {norm: net.state_dict() for norm, net in nets.items()}
    assert all(torch.equal(tensor, states["batch"][name]) for name, tensor in states["none"].items())
    assert states["none"]["conv1.weight"].abs().max() <= 1 / 5  # fan in 25
    assert states["none"]["fc3.bias"].unique().numel() == 10


@pytest.fixture
def train(monkeypatch, tmp_path, capsys):
    """Run the script on 80 easy images (the brightness tells the class); give its files and what it printed."""
    labels = np.arange(80) % 2
    images = (60 + 120 * labels[:, None, None] + np.arange(28)).astype(np.uint8).repeat(28, 1)
    arrays = {
        f"{split}_{kind}": a for split in ("test", "train") for kind, a in (("images", images), ("labels", labels))
    }
    np.savez(tmp_path / "easy.npz", **arrays)

    def run(*arguments):
        out = tmp_path / "out"
        argv = ["x", "--data", str(tmp_path / "easy.npz"), "--batch-size", "20", "--out", str(out), *arguments]
        monkeypatch.setattr(sys, "argv", argv)
        load(f"{LENET}:main")()
        return {path.stem: torch.load(path, weights_only=True) for path in out.iterdir()}, capsys.readouterr().out

    threads = torch.get_num_threads()
    yield run
    torch.set_num_threads(threads)  # the script chooses them for a process of its own


def test_training_repeats_bit_for_bit(train):
    first, second = train("--epochs", "2")[0], train("--epochs", "2")[0]
    assert set(first) == {"lenet_batch", "lenet_none"}
    for name, checkpoint in first.items():
        assert len(checkpoint["curve"]) == checkpoint["epochs"] == 2
        assert checkpoint["curve"] == second[name]["curve"]
        assert all(torch.equal(t, second[name]["state_dict"][key]) for key, t in checkpoint["state_dict"].items())


def test_the_search_keeps_the_learning_rate_with_the_lowest_loss(train):
    checkpoints, printed = train("--epochs", "1", "--learning-rates", "0.0001", "0.003", "--norms", "batch")
    assert list(checkpoints) == ["lenet_batch"]
    assert checkpoints["lenet_batch"]["learning_rate"] == 0.003
    assert "batch lr 0.0001 epoch 1.00" in printed


def test_a_goal_that_is_not_reached_saves_nothing(train, tmp_path):
    with pytest.raises(SystemExit, match=r"not every net reached the training loss 0.01; nothing is saved"):
        train("--epochs", "1", "--match-loss", "0.01")
    assert not (tmp_path / "out").exists()


def test_curves_are_drawn(train, tmp_path):
    train("--epochs", "1", "--figure", str(tmp_path / "curves.png"), "--norms", "none")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_stratified_choice_is_balanced_sorted_and_fixed():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 50))
    index = load(f"{MINI}:stratified")(labels, 200, 0)
    assert np.bincount(labels[index]).tolist() == [20] * 10
    assert (np.diff(index) > 0).all()
    assert np.array_equal(index, load(f"{MINI}:stratified")(labels, 200, 0))
    assert not np.array_equal(index, load(f"{MINI}:stratified")(labels, 200, 1))


def test_equal_arrays_give_equal_files(tmp_path):
    arrays = {"a": np.arange(5), "b": np.zeros((2, 3), np.uint8)}
    for name in ("one.npz", "two.npz"):
        load(f"{MINI}:write_npz")(tmp_path / name, arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as file:
        assert all(np.array_equal(file[key], array) for key, array in arrays.items())


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
@pytest.mark.parametrize(("split", "number"), [("test", 2000), ("train", 6000)])
def test_the_script_makes_the_embedded_set(split, number):
    full, mini = load_data("fashion-mnist", split), load_data("fashion-mnist-mini", split)
    index = load(f"{MINI}:stratified")(full.labels, number, 0)
    assert np.array_equal(full.images[index], mini.images)
    assert np.array_equal(full.labels[index], mini.labels)


def test_the_licence_beside_the_set_is_what_the_script_writes():
    assert (ASSETS / "FASHION-MNIST-LICENSE").read_text() == load(f"{MINI}:LICENCE")
