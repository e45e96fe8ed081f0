"""The network itself is evaluated where that is asked for, and a backend that fails names the way out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import landscape
from landscape.commands.compute import compute
from landscape.errors import LandscapeError, SurroundingsError
from landscape.evaluation import Fused, Plain

GRID = {"x": (-1, 1, 5), "y": None, "progress": False}
BAD = "could not create a primitive"


@pytest.fixture
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3)).eval()


@pytest.fixture
def failing(monkeypatch):
    """The fused network fails at one point, as a backend may."""
    at, outputs = Fused.at, Fused.__call__

    def remember(self, point):
        self.there = tuple(float(one) for one in point)
        return at(self, point)

    def fail(self, inputs):
        if getattr(self, "there", ()) == (0.5,):
            raise RuntimeError(f"{BAD}\nand a trace of it")
        return outputs(self, inputs)

    monkeypatch.setattr(Fused, "at", remember)
    monkeypatch.setattr(Fused, "__call__", fail)


def told(surface):
    return surface.provenance["evaluator"], surface.provenance["evaluator_reason"]


def test_the_network_itself_is_evaluated_where_it_is_asked_for(net, small_data):
    quick = landscape.compute(net, small_data, **GRID)
    plain = landscape.compute(net, small_data, evaluator="eager", **GRID)
    assert told(quick) == ("fused", "")
    assert told(plain) == ("eager", "--evaluator eager")
    assert plain.job == quick.job
    np.testing.assert_allclose(plain["loss"], quick["loss"], rtol=1e-5)
    with torch.inference_mode():
        exact = nn.functional.cross_entropy(net.double()(small_data.inputs.double()), small_data.targets)
    assert plain["loss"][2] == pytest.approx(exact.item(), rel=1e-6)


def test_what_is_neither_is_refused(net, small_data):
    with pytest.raises(LandscapeError, match="evaluator is auto or eager or compiled, not 'fused'"):
        landscape.compute(net, small_data, evaluator="fused", **GRID)
    assert "'fused' is not one of" in CliRunner().invoke(compute, ["--ckpt", "a.pt", "--evaluator", "fused"]).output


def test_a_backend_that_fails_at_a_point_keeps_the_rest_and_names_the_way_out(net, small_data, tmp_path, failing):
    out = tmp_path / "a.h5"
    with pytest.raises(SurroundingsError) as caught:
        landscape.compute(net, small_data, out=out, **GRID)
    assert str(caught.value) == (
        f"the fused network fails at the point (0.5) ({BAD}): {out} keeps what was computed, and the same command with "
        "--evaluator eager goes on with the network itself"
    )
    kept = landscape.load(out)
    measured = kept["count"] > 0
    assert 0 < measured.sum() < 5
    whole = landscape.compute(net, small_data, out=out, evaluator="eager", **GRID)
    assert whole.complete
    assert told(whole) == ("eager", "--evaluator eager")
    assert any("begun with the fused network: with the eager one the last bits" in n for n in whole.provenance["notes"])
    np.testing.assert_array_equal(whole["loss"][measured], kept["loss"][measured])
    np.testing.assert_allclose(
        whole["loss"], landscape.compute(net, small_data, evaluator="eager", **GRID)["loss"], 1e-5
    )


def test_without_a_file_it_says_what_may_help(net, small_data, failing):
    with pytest.raises(SurroundingsError, match=r"what may help is --evaluator eager, the network itself$"):
        landscape.compute(net, small_data, **GRID)


def test_the_network_itself_fails_as_it_fails(net, small_data, monkeypatch):
    calls, outputs = [], Plain.__call__

    def fail(self, inputs):
        calls.append(1)
        if len(calls) > 6:
            raise RuntimeError(BAD)
        return outputs(self, inputs)

    monkeypatch.setattr(Plain, "__call__", fail)
    with pytest.raises(RuntimeError, match=f"^{BAD}$"):
        landscape.compute(net, small_data, evaluator="eager", **GRID)


def test_a_file_that_was_begun_plainly_goes_on_so_and_says_why(net, small_data, tmp_path):
    begun = landscape.compute(net, small_data, out=tmp_path / "a.h5", evaluator="eager", **GRID)
    assert told(begun) == ("eager", "--evaluator eager")
    lines = []
    teller = type("Teller", (landscape.execution.Silent,), {"say": lambda self, text: lines.append(text)})()
    landscape.compute(net, small_data, out=tmp_path / "a.h5", **{**GRID, "progress": teller})
    assert any("begun with --evaluator eager and goes on so; --overwrite begins anew" in line for line in lines)


def test_lower_precisions_are_not_mixed_in_a_file(net, small_data, tmp_path):
    out = tmp_path / "a.h5"
    landscape.compute(net, small_data, out=out, precision="bf16", **GRID)
    with pytest.raises(LandscapeError, match="begun in bf16 without --evaluator eager, and with it"):
        landscape.compute(net, small_data, out=out, precision="bf16", evaluator="eager", **GRID)
