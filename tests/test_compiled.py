"""The network as torch compiles it, against the network itself and float64; and when a run compiles it."""

from __future__ import annotations

import json
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from networks import unsettled
from test_fused import assert_same, in_float64, outputs, subspace_of
from torch import nn

import landscape
from landscape.commands.compute import compute
from landscape.data import Batches
from landscape.errors import Interrupted, LandscapeError
from landscape.evaluation import Compiled, Plain
from landscape.execution import compiling
from landscape.execution.memories import MOST, Memories, folder
from landscape.models import build_model
from landscape.storage.text import described

POINTS = [(0.0, 0.0), (0.6, -0.9), (-1.0, 1.0)]
LINE = {"x": (-1, 1, 5), "y": None}
compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")


class Norms(nn.Module):
    """A convolution, a norm, and a sum, which torch computes in one go behind the convolution."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1), norm
        self.head = nn.Linear(64, 3)

    def forward(self, images):
        hidden = torch.relu(self.first(images))
        return self.head((hidden + torch.relu(self.norm(self.second(hidden)))).flatten(1))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Norms(nn.InstanceNorm2d(4, affine=True)).eval()


@pytest.fixture
def traced(monkeypatch):
    """Compile without a compiler: torch traces the network and runs what it traced; counts what is compiled."""
    graphs = []

    def backend(graph, _examples):
        graphs.append(graph)
        return graph.forward

    usual = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **how: usual(function, backend=backend, **how))
    return graphs


@pytest.fixture
def told():
    """Something that is told what goes on, and remembers it in `lines`."""
    lines = []
    silent = type("Teller", (landscape.execution.Silent,), {"say": lambda self, text: lines.append(text)})()
    return SimpleNamespace(progress=silent, lines=lines)


@pytest.fixture
def long_run(monkeypatch):
    """Every run is long enough, and the seconds that networks take are given: first the other, then the compiled."""

    def given(seconds):
        def paces(calls, _device):
            with torch.inference_mode():
                assert all(call().shape == (37, 3) for call in calls)
            return list(seconds)

        monkeypatch.setattr(compiling, "WORTH", 1e-9)
        monkeypatch.setattr(compiling, "_paces", paces)

    return given


def ratios():
    """What is remembered of compiling; the seconds of batches left out."""
    kept = json.loads((folder() / "compiled.json").read_text())
    return [value for key, value in kept.items() if not key.endswith("seconds")]


def evaluator(surface):
    return surface.provenance["evaluator"], surface.provenance["evaluator_reason"]


@compiler
@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        ("resnet(depth=8, width=4, norm='instance')", (3, 8, 8)),
        ("resnet(depth=8, width=4, norm='rms')", (3, 8, 8)),
        ("resnet(depth=8, width=4, norm='layer')", (3, 8, 8)),
        ("resnet(depth=8, width=4)", (3, 8, 8)),
    ],
)
def test_compiled_networks_compute_what_they_did(spec, shape):
    torch.manual_seed(0)
    inputs = torch.randn(13, *shape)
    net = unsettled(build_model(spec), inputs).eval().to(memory_format=torch.channels_last)
    _, subspace = subspace_of(net)
    network = Compiled(net, subspace, 5)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for point in POINTS:
        found = outputs(network, inputs, point)
        assert found.shape == (13, 10)
        assert_same(found, in_float64(net, inputs, point))
        assert_same(found, outputs(Plain(net, subspace), inputs, point).double())
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


@compiler
def test_compiled_networks_keep_what_is_not_a_number(net):
    inputs = torch.randn(6, 1, 6, 6)
    inputs[2, 0, 1, 1] = torch.nan
    _, subspace = subspace_of(net)
    found = outputs(Compiled(net, subspace, 4), inputs, (0.3, -0.2))
    assert found.isnan().all(1).tolist() == [number == 2 for number in range(6)]
    far = outputs(Compiled(net, subspace, 4), torch.randn(6, 1, 6, 6), (1e38, -1e38))
    assert not far.isfinite().any()


@compiler
def test_half_precision_is_that_of_autocast(net):
    inputs = torch.randn(6, 1, 6, 6)
    _, subspace = subspace_of(net)
    compiled, plain = Compiled(net, subspace, 4), Plain(net, subspace)
    for network in (compiled, plain):
        network.precision = "bf16"
    exact = in_float64(net, inputs, (0.3, -0.2))
    errors = [float((outputs(one, inputs, (0.3, -0.2)).double() - exact).abs().max()) for one in (compiled, plain)]
    # Eight bits of the factors of three layers in a row.
    assert all(1e-5 < error < 3e-2 * float(exact.abs().max()) for error in errors)


def test_one_size_is_compiled_and_filled_up_or_cut(net, traced):
    _, subspace = subspace_of(net)
    network, plain = Compiled(net, subspace, 4), Plain(net, subspace)
    for number in (4, 1, 3, 9, 4):
        inputs = torch.randn(number, 1, 6, 6)
        torch.testing.assert_close(outputs(network, inputs, (0.5, 0.5)), outputs(plain, inputs, (0.5, 0.5)))
    assert len(traced) == 1
    (batch,) = [node for node in traced[0].graph.nodes if node.op == "placeholder" and node.name.endswith("inputs_")]
    assert batch.meta["example_value"].shape == (4, 1, 6, 6)


def test_many_networks_of_a_class_are_compiled_each(traced):
    for width in range(2, 14):
        net = nn.Sequential(nn.Linear(3, width), nn.LayerNorm(width), nn.Linear(width, 2)).eval()
        _, subspace = subspace_of(net)
        outputs(Compiled(net, subspace, 4), torch.randn(4, 3), (0.1, 0.1))
    assert len(traced) == 12


def test_where_memory_runs_out_the_size_is_halved_and_the_caller_told(net, monkeypatch):
    sizes = []

    def compile_(function, **how):
        def limited(inputs):
            sizes.append(len(inputs))
            if len(inputs) > 5:
                raise torch.OutOfMemoryError("out of memory")
            return function(inputs)

        return limited

    monkeypatch.setattr(torch, "compile", compile_)
    data = Batches(torch.randn(20, 1, 6, 6), torch.zeros(20, dtype=torch.long), "few", "digest", "")
    _, subspace = subspace_of(net)
    network = Compiled(net, subspace, 20)
    for expected in (10, 5):
        with pytest.raises(torch.OutOfMemoryError):
            outputs(network, data.inputs, (0.0, 0.0))
        assert network.size == expected
    assert_same(outputs(network, data.inputs, (0.2, 0.2)), in_float64(net, data.inputs, (0.2, 0.2)))
    assert sizes == [20, 10, 5, 5, 5, 5]


@compiler
def test_it_is_compiled_where_that_is_asked_for_and_goes_on_so_to_the_bit(net, small_data, tmp_path):
    whole = landscape.compute(
        net, small_data, evaluator="compiled", batch_size=10, out=tmp_path / "a.h5", progress=False, **LINE
    )
    assert evaluator(whole) == ("compiled", "")
    assert whole.provenance["batch_size"] == 10
    plain = landscape.compute(net, small_data, evaluator="eager", progress=False, **LINE)
    np.testing.assert_allclose(whole["loss"], plain["loss"], rtol=1e-6)
    assert whole.job == plain.job
    assert "compiled evaluator" in described(whole)


def stopped_after(points, progress):
    """Something to tell that stops the run after so many points."""
    seen = []

    def advance(_self, _seconds):
        seen.append(1)
        if len(seen) == points:
            raise KeyboardInterrupt

    return type("Stopper", (type(progress),), {"advance": advance})()


@compiler
def test_a_run_that_was_stopped_goes_on_compiled(net, small_data, tmp_path, told):
    again = partial(landscape.compute, net, small_data, out=tmp_path / "a.h5", **LINE)
    with pytest.raises(Interrupted):
        again(evaluator="compiled", progress=stopped_after(2, told.progress))
    assert 0 < (landscape.load(tmp_path / "a.h5")["count"] > 0).sum() < 5
    resumed = again(progress=told.progress)
    assert resumed.complete
    assert evaluator(resumed) == ("compiled", "")
    whole = landscape.compute(net, small_data, evaluator="compiled", progress=False, **LINE)
    assert whole.provenance["batch_size"] == resumed.provenance["batch_size"] == 37
    np.testing.assert_array_equal(resumed["loss"], whole["loss"])
    assert not any("last bits" in note for note in resumed.provenance["notes"])


def test_files_that_were_begun_otherwise_are_not_mixed_where_that_rounds_otherwise(net, small_data, tmp_path, traced):
    again = partial(landscape.compute, net, small_data, out=tmp_path / "a.h5", progress=False, **LINE)
    again()
    surface = again(evaluator="compiled")
    assert evaluator(surface)[0] == "compiled"
    assert any("begun with the fused network: with the compiled one" in note for note in surface.provenance["notes"])
    low = partial(again, out=tmp_path / "b.h5", precision="bf16")
    low(evaluator="compiled")
    with pytest.raises(LandscapeError, match="begun in bf16 without --evaluator eager, and with it"):
        low(evaluator="eager")
    assert evaluator(low())[0] == "compiled"
    other = partial(again, out=tmp_path / "c.h5", precision="bf16")
    other()
    with pytest.raises(LandscapeError, match="begun in bf16 without --evaluator compiled, and with it"):
        other(evaluator="compiled")


def test_what_cannot_be_compiled_is_refused_in_a_sentence(net, small_net, small_data, monkeypatch):
    asked = partial(landscape.compute, data=small_data, evaluator="compiled", progress=False, **LINE)
    with pytest.raises(
        LandscapeError, match=r"^--evaluator compiled: BatchNorm takes other statistics.*; leave it out$"
    ):
        asked(small_net, bn_stats="batch", bn_batch_size=8)
    with pytest.raises(LandscapeError, match=r"^--evaluator compiled: the network is compiled already; leave it out$"):
        asked(torch.compile(net, backend="eager"))

    def fail(function, **how):
        def compiling_(inputs):
            raise RuntimeError("backend raised:\nInvalidCxxCompiler: No working C++ compiler found\n\ntraces")

        return compiling_

    monkeypatch.setattr(torch, "compile", fail)
    with pytest.raises(
        LandscapeError, match=r"torch.compile fails: InvalidCxxCompiler: No working C\+\+ compiler found; leave it out$"
    ):
        asked(net)


def test_a_network_that_comes_out_otherwise_is_refused(net, small_data, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **how: lambda inputs: function(inputs) * 1.001)
    with pytest.raises(LandscapeError, match=r"the compiled network differs by 1\.0e-03 relative; leave it out"):
        landscape.compute(net, small_data, evaluator="compiled", progress=False, **LINE)


def test_short_runs_are_not_compiled(net, small_data, traced, told):
    surface = landscape.compute(net, small_data, progress=told.progress, **LINE)
    assert evaluator(surface) == ("fused", "")
    assert not traced
    assert not any("compil" in line for line in told.lines)


@pytest.mark.parametrize(
    ("seconds", "name", "said"),
    [
        ((3.0, 1.0), "compiled", "compiled, the network is 3 times as quick"),
        ((1.1, 1.0), "fused", "compiled, the network is 1.1 times as quick, which is too little: it stays as it is"),
        ((1.0, 2.0), "fused", "compiled, the network is 0.5 times as quick, which is too little: it stays as it is"),
    ],
)
def test_long_runs_take_what_was_quicker_and_remember_it(net, small_data, traced, told, long_run, seconds, name, said):
    long_run(seconds)
    surface = landscape.compute(net, small_data, progress=told.progress, **LINE)
    assert evaluator(surface) == (name, "")
    assert said in told.lines
    assert surface.provenance["evaluator_gain"] == pytest.approx(seconds[0] / seconds[1])
    plain = landscape.compute(net, small_data, evaluator="eager", progress=False, **LINE)
    np.testing.assert_allclose(surface["loss"], plain["loss"], rtol=1e-5)

    compiled_once = len(traced)
    long_run((seconds[1], seconds[0]))  # the other way round: not asked again
    again = landscape.compute(net, small_data, progress=False, **LINE)
    assert evaluator(again) == (name, "")
    assert (len(traced) > compiled_once) == (name == "compiled")
    np.testing.assert_array_equal(again["loss"], surface["loss"])
    landscape.compute(net, small_data, precision="bf16", progress=False, **LINE)
    assert len(ratios()) == 2, "another precision is another question"


def test_a_failing_compiler_leaves_a_long_run_as_it_was(net, small_data, told, long_run, monkeypatch):
    long_run((2.0, 1.0))

    def fail(function, **how):
        raise RuntimeError("Python 4 is not supported")

    monkeypatch.setattr(torch, "compile", fail)
    surface = landscape.compute(net, small_data, progress=told.progress, **LINE)
    assert evaluator(surface) == ("fused", "")
    assert "not compiled: torch.compile fails: Python 4 is not supported" in told.lines
    assert not ratios()


def test_what_was_begun_compiled_and_cannot_be_here_goes_on_and_says_so(
    net, small_data, tmp_path, traced, monkeypatch, told
):
    again = partial(landscape.compute, net, small_data, out=tmp_path / "a.h5", **LINE)
    with pytest.raises(Interrupted):
        again(evaluator="compiled", progress=stopped_after(2, told.progress))
    monkeypatch.setattr(compiling, "cannot_compile", lambda model, device: "torch.compile is not used on mps")
    surface = again(progress=told.progress)
    assert surface.complete
    assert evaluator(surface) == ("eager", "it cannot be compiled here: torch.compile is not used on mps")
    assert any(
        "begun with the compiled network: with the eager one the last bits" in one
        for one in surface.provenance["notes"]
    )


def test_how_long_a_run_lasts_is_points_times_batches_times_seconds(net, small_data, monkeypatch):
    found = []
    monkeypatch.setattr(compiling, "_seconds", lambda call, device: 2.0)
    monkeypatch.setattr(compiling, "_made", lambda *parts: found.append(1) or pytest.fail("compiled"))
    layers = 4  # first, second, norm, head
    seconds = 5 * 4 * 2.0  # 37 examples in batches of 10
    for worth, compiled in ((seconds / (5.0 + 0.15 * layers) * 1.01, 0), (seconds / (5.0 + 0.15 * layers) * 0.99, 1)):
        monkeypatch.setattr(compiling, "WORTH", worth)
        if compiled:
            with pytest.raises(pytest.fail.Exception):
                landscape.compute(net, small_data, batch_size=10, progress=False, **LINE)
        else:
            landscape.compute(net, small_data, batch_size=10, progress=False, **LINE)
        assert len(found) == compiled


def test_what_rules_it_out_in_long_runs(net, small_net, small_data, traced, long_run):
    long_run((2.0, 1.0))
    for how in ({"evaluator": "eager"}, {"low_memory": True}):
        assert evaluator(landscape.compute(net, small_data, progress=False, **how, **LINE))[0] == "eager"
    surface = landscape.compute(small_net, small_data, bn_stats="batch", bn_batch_size=8, progress=False, **LINE)
    assert evaluator(surface)[0] == "eager"
    assert not traced


def test_the_command_line_has_it():
    result = CliRunner().invoke(compute, ["--help"])
    assert "[auto|eager|compiled]" in result.output


def test_memories_are_kept_by_key_and_lost_without_harm(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    assert Memories("ratios").recall("a") is None
    Memories("ratios").keep("a", 2.5)
    Memories("ratios").keep("b", 0.5)
    assert [Memories("ratios").recall(key) for key in "abc"] == [2.5, 0.5, None]
    assert Memories("others").recall("a") is None
    path = tmp_path / "there" / "landscape" / "ratios.json"
    assert sorted(one.name for one in path.parent.iterdir()) == ["ratios.json"]
    for spoiled in ("", "[1, 2]", "{", '{"a": "2.5"}'):
        path.write_text(spoiled)
        assert Memories("ratios").recall("a") is None
    Memories("ratios").keep("a", 3.0)
    assert Memories("ratios").recall("a") == 3.0
    path.unlink()
    path.mkdir()  # nothing can be read or written
    Memories("ratios").keep("a", 4.0)
    assert Memories("ratios").recall("a") is None
    assert list(path.parent.iterdir()) == [path]


def test_the_oldest_memories_go_first(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    memories = Memories("ratios")
    (tmp_path / "landscape").mkdir()
    (tmp_path / "landscape" / "ratios.json").write_text(json.dumps({str(n): 1.0 for n in range(MOST)}))
    memories.keep("new", 2.0)
    assert memories.recall("0") is None
    assert memories.recall("1") == 1.0
    assert memories.recall("new") == 2.0


class Branching(nn.Module):
    """A forward pass that looks at a number: torch cannot compile it as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(36, 3)

    def forward(self, images):
        outputs = self.layer(images.flatten(1))
        return outputs / 2 if float(outputs.detach().abs().max()) > 1e9 else outputs


class Sideways(nn.Module):
    """Outputs whose first axis is not that of the examples."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(36, 3)

    def forward(self, images):
        return self.layer(images.flatten(1)).expand(2, len(images), 3)


def test_what_compiles_in_pieces_only_is_not_compiled(small_data, traced, told, long_run):
    with pytest.raises(LandscapeError, match=r"^--evaluator compiled: torch\.compile fails: .*; leave it out$"):
        landscape.compute(Branching().eval(), small_data, evaluator="compiled", progress=False, **LINE)
    long_run((3.0, 1.0))
    surface = landscape.compute(Branching().eval(), small_data, progress=told.progress, **LINE)
    assert evaluator(surface)[0] == "eager"
    assert any(line.startswith("not compiled: torch.compile fails: ") for line in told.lines)


def test_outputs_that_cannot_be_cut_are_refused(traced):
    net = Sideways().eval()
    network = Compiled(net, subspace_of(net)[1], 5)
    with pytest.raises(LandscapeError, match="the examples are not along the first axis of the network's outputs"):
        outputs(network, torch.randn(5, 1, 6, 6), (0.0, 0.0))


def test_whether_a_run_is_long_is_remembered_where_it_is_close(net, small_data, traced, monkeypatch):
    monkeypatch.setattr(compiling, "_paces", lambda calls, device: [3.0, 1.0])
    layers = 4
    needed = compiling.WORTH * (5.0 + 0.15 * layers) / 5  # seconds of the one batch at five points
    for share, kept in ((0.1, False), (1.1, True)):
        monkeypatch.setattr(compiling, "_seconds", lambda call, device, share=share: share * needed)
        surface = landscape.compute(net, small_data, progress=False, **LINE)
        assert evaluator(surface)[0] == ("compiled" if kept else "fused")
        assert (folder() / "compiled.json").exists() == kept
    monkeypatch.setattr(compiling, "_seconds", lambda call, device: 0.5 * needed)  # a quicker day
    assert evaluator(landscape.compute(net, small_data, progress=False, **LINE))[0] == "compiled"


def test_half_precision_that_was_begun_compiled_is_not_gone_on_with_otherwise(
    net, small_data, tmp_path, traced, monkeypatch, told
):
    again = partial(landscape.compute, net, small_data, out=tmp_path / "a.h5", precision="bf16", **LINE)
    with pytest.raises(Interrupted):
        again(evaluator="compiled", progress=stopped_after(2, told.progress))
    monkeypatch.setattr(compiling, "cannot_compile", lambda model, device: "torch.compile is not used on mps")
    with pytest.raises(
        LandscapeError, match=r"begun in bf16 with a compiled network.*torch\.compile is not used on mps"
    ):
        again(progress=False)


def test_a_compiler_that_fails_in_another_precision_names_the_way_out(net, small_data, monkeypatch):
    def compile_(function, **how):
        def compiled(inputs):
            if torch.is_autocast_enabled("cpu"):
                raise RuntimeError("CppCompileError: no such instruction\ntrace")
            return function(inputs)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_)
    with pytest.raises(LandscapeError, match=r"compiled network fails.*no such instruction.*--evaluator eager"):
        landscape.compute(net, small_data, evaluator="compiled", precision="bf16", progress=False, **LINE)


def test_more_than_all_examples_at_a_time_are_all_of_them(net, small_data, tmp_path, traced, told, long_run):
    long_run((3.0, 1.0))
    again = partial(landscape.compute, net, small_data, out=tmp_path / "a.h5", batch_size=1000, **LINE)
    with pytest.raises(Interrupted):
        again(progress=stopped_after(2, told.progress))
    surface = again(progress=told.progress)
    assert evaluator(surface) == ("compiled", "")
    assert surface.provenance["evaluator_gain"] == 3.0
    assert not any("last bits" in note for note in surface.provenance["notes"])


def test_nothing_is_compiled_where_torch_is_told_not_to(net, small_data, monkeypatch):
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")
    with pytest.raises(LandscapeError, match="TORCHDYNAMO_DISABLE is set; leave it out"):
        landscape.compute(net, small_data, evaluator="compiled", progress=False, **LINE)


def test_nobody_has_to_have_a_home(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "")

    def home(cls):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", classmethod(home))
    Memories("ratios").keep("a", 2.0)
    assert Memories("ratios").recall("a") is None
