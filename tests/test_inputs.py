"""Which model a checkpoint belongs to, which data it is given, and what is said of both."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import landscape
from landscape.data import Batches, load_examples
from landscape.errors import LandscapeError
from landscape.inputs import from_checkpoint, from_objects
from landscape.models import build_model

FACTORY = """
from torch import nn

def build(width=4):
    layers = nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(4 * width, 3))
"""
PAD, CUT = "resnet(depth=8, width=4)", "resnet(depth=8, shortcut='none', width=4)"


@pytest.fixture(scope="module")
def trained():
    """A small net with parameter-free shortcuts whose labels are its own answers, so that its accuracy is 1."""
    torch.manual_seed(0)
    net = build_model(PAD)
    images = torch.randn(300, 3, 8, 8)
    with torch.no_grad():
        net(images)
        # Without this the answers of an untrained net are all but one and the same.
        net.linear.bias -= net.eval()(images).mean(0)
        labels = net.eval()(images).argmax(1)
    return net.state_dict(), Batches(images, labels, "own", "digest", "none")


def checkpoint(path, state, **stated):
    torch.save({"state_dict": state, **stated}, path / "net.pt")
    return path / "net.pt"


@pytest.mark.parametrize("stated", [{"acc": 100.0}, {"best_acc": 1.0}, {}])
def test_where_several_models_fit_evaluating_tells(tmp_path, trained, stated):
    state, data = trained
    inputs = from_checkpoint(checkpoint(tmp_path, state, **stated), None, data, ["test"], "all")
    assert inputs.model_spec == PAD
    told = next(note for note in inputs.notes if note.startswith("recognised"))
    assert "the weights fit 2 models" in told
    assert f"{PAD} 100.0%" in told
    assert CUT in told


def test_where_none_is_near_the_stated_accuracy_it_asks(tmp_path, trained):
    state, data = trained
    with pytest.raises(LandscapeError, match=r"states 50\.00%: say which one is meant, for example --model"):
        from_checkpoint(checkpoint(tmp_path, state, acc=50.0), None, data, ["test"], "all")


def test_where_models_cannot_be_told_apart_it_asks(tmp_path, trained):
    """Random labels: no candidate is better than the others."""
    state, data = trained
    guesses = dataclasses.replace(data, targets=torch.arange(300) % 10)
    with pytest.raises(LandscapeError, match="say which one is meant"):
        from_checkpoint(checkpoint(tmp_path, state), None, guesses, ["test"], "all")


def test_a_model_that_is_given_is_not_questioned(tmp_path, trained):
    state, data = trained
    inputs = from_checkpoint(checkpoint(tmp_path, state, acc=100.0), CUT, data, ["test"], "all")
    assert inputs.model_spec == CUT
    assert inputs.stated == {"acc": 1.0}


def test_a_checkpoint_that_says_what_it_is_is_believed(tmp_path):
    net = build_model("lenet(norm='batch')")
    said = {"model": "lenet(norm='batch')", "data": "fashion-mnist-mini"}
    inputs = from_checkpoint(checkpoint(tmp_path, net.state_dict(), landscape=said), None, None, ["test"], "5")
    assert inputs.model_spec == "lenet(norm='batch')"
    assert inputs.data_spec == "fashion-mnist-mini"
    assert len(inputs.batches["test"]) == 5


def test_weights_beside_their_average_are_chosen_by_key(tmp_path):
    net = build_model("mlp(inputs=4, hidden=(3,), classes=2)")
    raw = net.state_dict()
    average = {name: tensor + 1 for name, tensor in raw.items()}
    path = tmp_path / "net.pt"
    torch.save({"state_dict": raw, "ema": average}, path)
    data = Batches(torch.randn(4, 4), torch.tensor([0, 1, 0, 1]), "d", "d", "")
    model = "mlp(inputs=4, hidden=(3,), classes=2)"
    for key, state in ((None, raw), ("ema", average)):
        inputs = from_checkpoint(path, model, data, ["test"], "all", key=key)
        assert all(torch.equal(tensor, state[name]) for name, tensor in inputs.model.state_dict().items())


def test_a_whole_module_is_used_where_it_is_trusted(tmp_path, small_net, small_data):
    torch.save(small_net, tmp_path / "net.pt")
    with pytest.raises(LandscapeError, match="--trust"):
        from_checkpoint(tmp_path / "net.pt", None, small_data, ["test"], "all")
    inputs = from_checkpoint(tmp_path / "net.pt", None, small_data, ["test"], "all", trust=True)
    assert isinstance(inputs.model, nn.Sequential)
    assert inputs.model_spec == "pickled"


def test_a_factory_in_a_file_builds_the_model(tmp_path, small_net, small_data, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(FACTORY)
    torch.save(small_net.state_dict(), "net.pt")
    inputs = from_checkpoint("net.pt", "nets.py:build(width=4)", small_data, ["test"], "all")
    assert inputs.model_spec.startswith("nets.py:build(width=4)#")
    with pytest.raises(LandscapeError, match=r"nets\.py has no 'bild'; did you mean build"):
        from_checkpoint("net.pt", "nets.py:bild", small_data, ["test"], "all")


def test_data_may_be_a_loader_a_data_set_arrays_or_a_mapping():
    inputs, targets = torch.randn(10, 3), torch.arange(10) % 2
    data_set = TensorDataset(inputs, targets)
    loader = DataLoader(data_set, batch_size=4)
    for data in (data_set, loader, (inputs, targets), (inputs.numpy(), targets.numpy()), {"test": loader}):
        examples = load_examples(data, ["test"], "all")
        assert torch.equal(examples.batches["test"].inputs, inputs)
        assert torch.equal(examples.batches["test"].targets, targets)
        assert examples.spec == "object"
    with pytest.raises(LandscapeError, match="the data have no 'val' split; there are test"):
        load_examples({"test": loader}, ["val"], "all")


def test_an_object_is_known_by_its_state(small_net, small_data):
    first, again = (from_objects(small_net, small_data, ["test"], "all").sha256 for _ in range(2))
    with torch.no_grad():
        small_net[0].weight[0, 0, 0, 0] += 1e-6
    assert first == again != from_objects(small_net, small_data, ["test"], "all").sha256


def test_a_run_on_objects_resumes_by_its_digests(tmp_path, small_net, small_data):
    options = {"x": (-1, 1, 3), "y": None, "out": tmp_path / "run.h5", "progress": False}
    before = landscape.compute(small_net, small_data, **options)
    again = landscape.compute(small_net, small_data, **options)
    assert np.array_equal(before["test/loss"], again["test/loss"])
    other = dataclasses.replace(small_data, digest="other")
    with pytest.raises(LandscapeError, match="differs in data_digest"):
        landscape.compute(small_net, other, **options)


def test_compute_without_inputs_says_what_to_give(small_net):
    with pytest.raises(LandscapeError, match="--ckpt FILE"):
        landscape.compute("resnet20")
    with pytest.raises(LandscapeError, match=r"landscape\.compute\(model, loader\)"):
        landscape.compute(small_net)
    with pytest.raises(LandscapeError, match=r"bn_stats is frozen.*, not 'moving'"):
        landscape.compute(small_net, [], bn_stats="moving")
    with pytest.raises(LandscapeError, match="did you mean filter"):
        landscape.compute(small_net, [], normalize="filters")


def test_half_precision_weights_are_converted_and_said(tmp_path, small_data, small_net):
    half = {n: t.half() if t.is_floating_point() else t for n, t in small_net.state_dict().items()}
    torch.save(half, tmp_path / "half.pt")
    (tmp_path / "nets.py").write_text(FACTORY)
    inputs = from_checkpoint(tmp_path / "half.pt", f"{tmp_path / 'nets.py'}:build", small_data, ["test"], "all")
    assert {p.dtype for p in inputs.model.parameters()} == {torch.float32}
    assert any("float32" in note for note in inputs.notes)


@pytest.mark.parametrize(
    ("file", "options", "spec"),
    [
        ("resnet20-12fca82f.th", "(mean='imagenet')", "resnet20"),
        ("li2018_resnet56.t7", "", "resnet(depth=56, shortcut='conv')"),
        ("li2018_resnet56_noshort.t7", "", "resnet(depth=56, shortcut='none')"),
    ],
)
def test_the_real_checkpoints_are_recognised(shared, file, options, spec):
    data = f"{shared / 'data' / 'cifar10_test.npz'}{options}"
    inputs = from_checkpoint(shared / "checkpoints" / file, None, data, ["test"], "100")
    assert inputs.model_spec == spec


@pytest.mark.parametrize(
    "metadata",
    [
        {"model": "os:mkdir(path='ran')", "data": "set.npz"},
        {"model": "lenet(activation=\"os:mkdir(path='ran')\")", "data": "set.npz"},
        {"model": "mlp(hidden=('os:mkdir',))", "data": "set.npz"},
        {"model": "lenet", "data": "os:mkdir(path='ran')"},
        {"model": "lenet", "data": "mnist(root='here', download=True)"},
    ],
)
@pytest.mark.parametrize("container", ["pt", "safetensors"])
def test_what_a_checkpoint_says_of_itself_never_runs_code(tmp_path, monkeypatch, metadata, container):
    monkeypatch.chdir(tmp_path)
    state = build_model("lenet").state_dict()
    if container == "pt":
        torch.save({"state_dict": state, "landscape": metadata}, "net.pt")
    else:
        save_file(state, "net.safetensors", metadata={"landscape": json.dumps(metadata)})
    with pytest.raises(LandscapeError, match=r"would run code or fetch files: pass --\w+ yourself, or --trust"):
        from_checkpoint(f"net.{container}", None, None, ["test"], "all")
    assert not (tmp_path / "ran").exists()


def test_a_network_that_is_given_with_a_checkpoint_gets_its_weights(tmp_path, small_net, small_data):
    torch.save({name: tensor + 1 for name, tensor in small_net.state_dict().items()}, tmp_path / "net.pt")
    before = small_net[0].weight.detach().clone()
    inputs = from_checkpoint(tmp_path / "net.pt", small_net, small_data, ["test"], "all")
    assert torch.equal(inputs.model[0].weight, before + 1)
    assert torch.equal(small_net[0].weight, before)


def test_one_loader_is_not_two_splits(small_net, small_data):
    with pytest.raises(LandscapeError, match="one loader cannot be the splits train, test"):
        landscape.compute(small_net, small_data, split=("train", "test"), progress=False)


def test_another_loss_or_activation_is_another_run(tmp_path, small_data):
    options = {"x": (-1, 1, 3), "y": None, "out": tmp_path / "run.h5", "progress": False}
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(36, 4), act, nn.Linear(4, 3)) for act in (nn.ReLU(), nn.Tanh())]
    nets[1].load_state_dict(nets[0].state_dict())
    landscape.compute(nets[0], small_data, **options)
    with pytest.raises(LandscapeError, match="differs in model"):
        landscape.compute(nets[1], small_data, **options)
    with pytest.raises(LandscapeError, match="differs in loss"):
        landscape.compute(nets[0], small_data, loss=lambda output, target: output.square().mean(1), **options)


def test_a_model_that_changed_without_a_trace_is_refused_by_its_centre(tmp_path, small_data):
    class Scaled(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.linear, self.factor = nn.Linear(36, 3), factor

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.factor * self.linear(inputs.flatten(1))

    options = {"x": (-1, 1, 3), "y": None, "out": tmp_path / "run.h5", "progress": False}
    landscape.compute(Scaled(1.0), small_data, **options)
    with pytest.raises(LandscapeError, match="the model, the data or the loss is another one"):
        landscape.compute(Scaled(2.0), small_data, **options)


def test_a_recognised_net_with_another_task_asks_for_the_model(tmp_path):
    torch.save(build_model("mlp(inputs=4, hidden=(3,), classes=2)").state_dict(), tmp_path / "net.pt")
    data = (torch.randn(6, 4), torch.randn(6, 2))
    with pytest.raises(LandscapeError, match=r"fit several models: pass --model, one of mlp\("):
        from_checkpoint(tmp_path / "net.pt", None, data, ["test"], "all", loss="mse")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch_size": 0}, "'auto' or a positive whole number, not 0"),
        ({"batch_size": "64"}, "not '64'"),
        ({"seed": "a"}, "the seed is a whole number, not 'a'"),
        ({"x": "-1:1:100000000000"}, "more than 1,000,000 points"),
        ({"y": "-1:1:400000"}, "3 x 400,000 points are more than 1,000,000: ask for fewer with --x and --y"),
        ({"device": "meta"}, "unknown device 'meta'"),
        ({"device": "xpu"}, "unknown device 'xpu'"),
        ({"low_memory": "no"}, "low_memory is True or False, not 'no'"),
        ({"progress": "no"}, "progress is True, False or an object to tell what goes on, not 'no'"),
        ({"overwrite": 1}, "overwrite is True or False, not 1"),
        ({"out": 5}, "out is the path of the surface's file, for example 'model.h5', not 5"),
    ],
)
def test_values_that_mean_nothing_are_refused(small_net, small_data, options, said):
    with pytest.raises(LandscapeError, match=said):
        landscape.compute(small_net, small_data, **{"x": "-1:1:3", "y": None, "progress": False, **options})
