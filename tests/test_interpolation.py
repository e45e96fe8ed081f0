"""Lines and planes to other checkpoints, against networks averaged by hand; what is refused; and resuming."""

from __future__ import annotations

import copy
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import network
from test_resume import Stopping, assert_same
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import landscape
from landscape.data import Batches
from landscape.directions import Interpolation, default_policy
from landscape.errors import LandscapeError
from landscape.execution import Silent
from landscape.execution.preparation import Settings
from landscape.execution.session import compute_surface
from landscape.inputs import from_objects
from landscape.parameters import Direction, effective
from landscape.types import Axis, Grid

LINE = {"x": "-0.5:1.5:5", "y": None}
PLANE = {"x": "-0.5:1:4", "y": "0:1:3"}
# Two roundings per weight, of the difference and of the sum, in float64.
EXACT = {"rel": 1e-12}


def another(net: nn.Module, seed: int) -> nn.Module:
    """A network of the same kind with other parameters, and other buffers."""
    generator = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype))
        for name, buffer in other.named_buffers():
            if buffer.is_floating_point():
                buffer.copy_(torch.rand(buffer.shape, generator=generator, dtype=buffer.dtype) + ("var" in name))
    return other


@pytest.fixture
def nets(small_net, tmp_path, monkeypatch) -> list[nn.Module]:
    """Three networks a, b, c in float64; b.pt and c.pt are in this folder."""
    monkeypatch.chdir(tmp_path)
    a = small_net.double()
    b, c = another(a, 1), another(a, 2)
    torch.save(b.state_dict(), "b.pt")
    torch.save({"state_dict": c.state_dict()}, "c.pt")
    return [a, b, c]


def mixed(nets: list[nn.Module], x: float, y: float = 0.0) -> nn.Module:
    """The network at (x, y) by hand: parameters averaged with weights 1 - x - y, x and y, buffers of the first."""
    found = copy.deepcopy(nets[0])
    weights = [1 - x - y, x, y][: len(nets)]
    with torch.no_grad():
        for parameter, *sources in zip(found.parameters(), *(net.parameters() for net in nets), strict=True):
            parameter.copy_(sum(weight * source for weight, source in zip(weights, sources, strict=True)))
    return found


def loss_of(net: nn.Module, data: Batches) -> float:
    with torch.no_grad():
        return float(functional.cross_entropy(net.eval()(data.inputs.double()), data.targets))


def compute(net, data, directions, **options):
    options = {**LINE, "bn_stats": "frozen", "progress": False, **options}
    return landscape.compute(net, {"test": data}, directions=directions, **options)


@pytest.mark.parametrize(
    ("text", "files", "spec"),
    [
        ("to(b.pt)", ["b.pt"], "to(b.pt)"),
        ("to(run/b.pt)", ["run/b.pt"], "to(b.pt)"),
        ("to('run/b.pt')", ["run/b.pt"], "to(b.pt)"),
        (' to ( "run/b, or c.pt" ) ', ["run/b, or c.pt"], "to(b, or c.pt)"),
        ("to(run (1)/b.pt)", ["run (1)/b.pt"], "to(b.pt)"),
        ("to(C:\\new\\b.pt)", ["C:\\new\\b.pt"], None),
        ("to(o'brien/b.pt)", ["o'brien/b.pt"], "to(b.pt)"),
        ("plane(b.pt, run/c.pt)", ["b.pt", "run/c.pt"], "plane(b.pt, c.pt)"),
        ("plane('b, 1.pt',c.pt)", ["b, 1.pt", "c.pt"], "plane(b, 1.pt, c.pt)"),
    ],
)
def test_checkpoints_are_named_bare_or_in_quotes(text, files, spec):
    found = Interpolation.parse(text)
    assert found == Interpolation(tuple(map(Path, files)))
    assert spec is None or found.spec == spec


@given(names=st.lists(st.text(st.characters(exclude_characters='"'), min_size=1), min_size=1, max_size=2))
def test_any_name_in_quotes_is_read_as_it_is(names):
    text = "plane" if len(names) == 2 else "to"
    found = Interpolation.parse(f"{text}({', '.join(f'{chr(34)}{name}{chr(34)}' for name in names)})")
    assert found == Interpolation(tuple(map(Path, names)))


@pytest.mark.parametrize("text", ["random", "d.h5", "to.h5", "./to(b.pt)", "total(b.pt)", "runs/plane(b, c).h5"])
def test_anything_else_is_no_interpolation(text):
    assert Interpolation.parse(text) is None
    assert default_policy(text) == "frozen"


@pytest.mark.parametrize("text", ["to(b.pt)", "plane(b.pt, c.pt)"])
def test_statistics_are_recalibrated_on_the_way_by_default(text):
    assert default_policy(text) == "recalibrate"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("to(b.pt", "a parenthesis is not closed in 'to(b.pt': \"to(b.pt)\" is the line to another checkpoint"),
        ("to()", "'to()' does not name the 1 file that to(...) takes: \"to(b.pt)\" is the line to another checkpoint"),
        ("to(b.pt, c.pt)", "'to(b.pt, c.pt)' does not name the 1 file that to(...) takes: "),
        ("plane(b.pt)", "'plane(b.pt)' does not name the 2 files that plane(...) takes: "),
        ("plane(b.pt, )", "'plane(b.pt, )' does not name the 2 files that plane(...) takes: "),
        ("plane(, c.pt)", "'plane(, c.pt)' does not name the 2 files that plane(...) takes: "),
        ("plane(a, b, c)", '"plane(b.pt, c.pt)" the plane through two; put quotes around a name with a comma in it'),
    ],
)
def test_what_cannot_be_read_is_refused(text, said):
    with pytest.raises(LandscapeError, match=re.escape(said)):
        default_policy(text)


def test_a_line_passes_through_both_networks_with_the_buffers_of_the_first(nets, small_data):
    a, b, _ = nets
    surface = compute(a, small_data, "to(b.pt)")
    expected = [loss_of(mixed([a, b], x), small_data) for x in surface.grid.axes[0].values]
    assert surface["loss"].tolist() == pytest.approx(expected, **EXACT)
    assert surface["loss"][1] == surface.centre["test"]["loss"]
    b.load_state_dict({**b.state_dict(), **dict(a.named_buffers())})
    assert surface["loss"][3] == pytest.approx(loss_of(b, small_data), **EXACT)


def test_a_plane_passes_through_all_three(nets, small_data):
    surface = compute(nets[0], small_data, "plane(b.pt, c.pt)", **PLANE)
    x, y = (axis.values for axis in surface.grid.axes)
    expected = [[loss_of(mixed(nets, one, other), small_data) for other in y] for one in x]
    np.testing.assert_allclose(surface["loss"], expected, rtol=1e-11)
    assert x.index(1) == 3
    assert y.index(1) == 2
    assert surface["loss"][3, 0] == pytest.approx(compute(nets[0], small_data, "to(b.pt)")["loss"][3], **EXACT)


def test_the_other_end_is_reached_in_single_precision(nets, small_data):
    """Weights of about 1 are rounded twice by 6e-8; losses of about 3 differ by little more."""
    a, b, _ = (net.float() for net in nets)
    b.load_state_dict({**b.state_dict(), **dict(a.named_buffers())})
    surface = compute(a, small_data, "to(b.pt)")
    assert surface["loss"][3] == pytest.approx(loss_of(b.double(), small_data), rel=1e-6)


def test_with_recalibrated_statistics_the_other_end_is_the_other_network(nets, small_data):
    a, b, _ = nets
    options = {"bn_stats": "recalibrate", "bn_data": (small_data.inputs, small_data.targets), "bn_batch_size": 16}
    options["bn_samples"] = len(small_data)
    line, other = compute(a, small_data, "to(b.pt)", **options), compute(b, small_data, "random", **options)
    assert line["loss"][3] == pytest.approx(other.centre["test"]["loss"], **EXACT)


def test_folded_networks_take_their_own_statistics_along(nets, small_data):
    a, b, _ = nets
    inputs = from_objects(a, {"test": small_data}, ["test"], "all")
    grid = Grid((Axis.parse("-0.5:1.5:5"),))
    surface = compute_surface(inputs, grid, Settings(directions="to(b.pt)", fold_bn=True), Silent())
    assert surface["loss"][3] == pytest.approx(loss_of(b, small_data), **EXACT)
    assert "b.pt: folded 1 of 1 BatchNorm layers into the layers before them" in surface.provenance["notes"]
    assert not any("buffers" in note for note in surface.provenance["notes"])


def test_the_model_is_left_bit_for_bit(nets, small_data):
    net = nets[0].train()
    before = copy.deepcopy(net.state_dict())
    compute(net, small_data, "plane(b.pt, c.pt)", **PLANE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(module.training for module in net.modules())


@pytest.mark.parametrize("norm", [parametrizations.weight_norm, parametrizations.spectral_norm])
def test_differences_are_those_of_the_effective_weights(nets, small_data, norm):
    torch.manual_seed(3)
    a, b = (nn.Sequential(nn.Flatten(), norm(nn.Linear(36, 3))).double().eval() for _ in range(2))
    torch.save(b.state_dict(), "b.pt")
    surface = compute(a, small_data, "to(b.pt)", out="s.h5")
    weight = b[1].weight.detach() - a[1].weight.detach()
    expected = Direction({"1.weight": weight, "1.bias": b[1].bias.detach() - a[1].bias.detach()}, "")
    assert surface.directions[0].digest == expected.digest()
    halfway = mixed([effective(a), effective(b)], 0.5)
    assert surface["loss"][[2, 3]].tolist() == pytest.approx(
        [loss_of(halfway, small_data), loss_of(b, small_data)], **EXACT
    )


def test_stored_parameters_move_where_asked(nets, small_data):
    torch.manual_seed(3)
    a, b = (nn.Sequential(nn.Flatten(), parametrizations.weight_norm(nn.Linear(36, 3))).double() for _ in range(2))
    torch.save(b.state_dict(), "b.pt")
    surface = compute(a, small_data, "to(b.pt)", parametrization="raw")
    expected = [loss_of(mixed([a, b], x), small_data) for x in surface.grid.axes[0].values]
    assert surface["loss"].tolist() == pytest.approx(expected, **EXACT)


class Tied(nn.Module):
    """Encodes and decodes with one matrix."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.inward, self.outward = nn.Linear(36, 36, bias=False), nn.Linear(36, 36, bias=False)
        self.outward.weight = self.inward.weight

    def forward(self, inputs):
        return self.outward(self.inward(inputs.flatten(1)))


def test_tied_weights_move_once(nets, small_data):
    a, b = Tied(0).double(), Tied(1).double()
    torch.save(b.state_dict(), "b.pt")
    surface = compute(a, small_data, "to(b.pt)")
    step = b.inward.weight.detach() - a.inward.weight.detach()
    assert surface.provenance["gram"][0][0] == pytest.approx(float(step.square().sum()))
    expected = [loss_of(mixed([a, b], x), small_data) for x in surface.grid.axes[0].values]
    assert surface["loss"].tolist() == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("spec", ["resnet(depth=8, width=4)", "vgg(depth=11, width=4)"])
def test_networks_of_the_zoo_meet_at_the_middle(spec, tmp_path):
    (a, images), (b, _) = network(spec), network(spec, seed=1)
    torch.save(b.state_dict(), tmp_path / "b.pt")
    data = Batches(images, torch.arange(24) % 10, "images", "digest", "as they are")
    surface = compute(a, data, f"to({tmp_path / 'b.pt'})")
    assert surface["loss"][2] == pytest.approx(loss_of(mixed([a, b], 0.5), data), rel=1e-10)


def test_the_job_names_files_without_folders_and_their_digest(nets, small_data):
    Path("run").mkdir()
    Path("b.pt").rename("run/b.pt")
    surface = compute(nets[0], small_data, "plane('run/b.pt', c.pt)", **PLANE)
    job, digests = surface.job, [hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in ("run/b.pt", "c.pt")]
    assert (job.directions, job.normalize, job.perturb, job.seed) == ("plane(b.pt, c.pt)", "none", "all", 0)
    assert job.directions_sha256 == hashlib.sha256("".join(digests).encode()).hexdigest()
    assert [record.spec for record in surface.directions] == ["to(b.pt)", "to(c.pt)"]
    assert set(surface.directions[0].norms) == {"weight", "norm", "bias"}


def test_norms_and_the_cosine_are_those_of_the_differences(nets, small_data):
    surface = compute(nets[0], small_data, "plane(b.pt, c.pt)", **PLANE)
    flat = [torch.cat([p.detach().flatten() for p in net.parameters()]) for net in nets]
    steps = torch.stack([flat[1] - flat[0], flat[2] - flat[0]])
    np.testing.assert_allclose(surface.provenance["gram"], steps @ steps.T, rtol=1e-12)
    assert surface.provenance["cosine"] == pytest.approx(float(functional.cosine_similarity(*steps, dim=0)))


def test_what_stays_of_the_first_checkpoint_is_said_and_stored(nets, small_data):
    progress = Stopping()
    notes = compute(nets[0], small_data, "to(b.pt)", progress=progress).provenance["notes"]
    (note,) = (note for note in notes if "buffers" in note)
    assert note == (
        "b.pt: parameters alone move; buffers in which it differs (1.running_mean, 1.running_var) stay those of the "
        "first checkpoint unless the policy for BatchNorm's statistics estimates them anew, so that the loss at its "
        "end of the path need not be that of b.pt"
    )
    assert note in progress.said


@pytest.mark.parametrize(("directions", "grid"), [("to(b.pt)", LINE), ("plane(b.pt, c.pt)", PLANE)])
def test_a_resumed_run_equals_an_uninterrupted_one(nets, small_data, directions, grid):
    with pytest.raises(RuntimeError, match="the power went"):
        compute(nets[0], small_data, directions, out="one.h5", progress=Stopping(3), **grid)
    resumed = compute(nets[0], small_data, directions, out="one.h5", **grid)
    compute(nets[0], small_data, directions, out="two.h5", **grid)
    assert resumed.provenance["resumed"] == 1
    assert_same(Path("one.h5"), Path("two.h5"))
    assert_same(Path("one.directions.h5"), Path("two.directions.h5"))


def test_a_run_does_not_go_on_to_another_checkpoint(nets, small_data):
    compute(nets[0], small_data, "to(b.pt)", out="s.h5")
    torch.save(another(nets[0], 3).state_dict(), "b.pt")
    with pytest.raises(LandscapeError, match=r"s\.h5 holds another run, which differs in directions_sha256 \("):
        compute(nets[0], small_data, "to(b.pt)", out="s.h5")


def test_the_kept_directions_give_the_same_surface_without_the_checkpoints(nets, small_data):
    """They are kept in single precision, so the network is, too."""
    net = nets[0].float()
    kept = compute(net, small_data, "plane(b.pt, c.pt)", out="s.h5", **PLANE)
    Path("b.pt").unlink()
    again = compute(net, small_data, "s.directions.h5", **PLANE)
    np.testing.assert_array_equal(again["loss"], kept["loss"])
    assert [record.digest for record in again.directions] == [record.digest for record in kept.directions]


def test_the_same_weights_are_taken_from_every_file(nets, small_data):
    """With `weights="ema"` the other file's averaged weights are meant, and not its raw ones."""
    a, b, c = nets
    torch.save({"state_dict": c.state_dict(), "ema": a.state_dict()}, "a.pt")
    torch.save({"state_dict": c.state_dict(), "ema": b.state_dict()}, "b.pt")
    surface = compute(a, small_data, "to(b.pt)", ckpt="a.pt", weights="ema")
    assert surface["loss"][3] == pytest.approx(loss_of(mixed([a, b], 1), small_data), **EXACT)


@pytest.mark.parametrize(("key", "place"), [("net", "those under 'net'"), ("", "the only ones")])
def test_other_weights_than_the_first_checkpoints_are_noted(nets, small_data, key, place):
    a, b, _ = nets
    torch.save({"model": a.state_dict(), "ema": a.state_dict()}, "a.pt")
    torch.save({key: b.half().state_dict()} if key else b.half().state_dict(), "b.pt")

    def notes(weights):
        options = {"ckpt": "a.pt", "weights": weights, **LINE}
        return compute(a, small_data, "to(b.pt)", **options).provenance["notes"]

    said = f"b.pt: the file holds no averaged weights under 'ema': {place} were taken"
    assert said in notes("ema")
    assert said not in notes("model")
    assert "b.pt: float16 weights converted to the model's float64" in notes("model")


def refusal(net, data, directions, **options) -> str:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(LandscapeError) as caught:
        compute(net, data, directions, **options)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    return str(caught.value)


@pytest.mark.parametrize(
    ("directions", "options", "said"),
    [
        (
            "to(b.pt)",
            PLANE,
            "to(b.pt) spans a line: leave out the second axis with --y none, or name two checkpoints, "
            "plane(b.pt, c.pt)",
        ),
        (
            "plane(b.pt, c.pt)",
            LINE,
            "plane(b.pt, c.pt) spans a plane: give the second axis, for example --y -0.5:1.5:51, or name one "
            "checkpoint, to(b.pt)",
        ),
        (
            "to(b.pt)",
            {"normalize": "layer", "perturb": "all", "seed": 3},
            "the directions to other checkpoints are taken as they are: leave out --normalize layer and --perturb all "
            "and --seed 3",
        ),
        (
            "to(b.pt)",
            {"role": ["1.*=weight:0", "5.bias=weight"]},
            "the directions to other checkpoints are taken as they are: leave out --role '1.*=weight:0' and --role "
            "'5.bias=weight'",
        ),
        (
            "to(b.pt)",
            {"repeats": 2},
            "--repeats 2 draws random directions anew, and those to other checkpoints are fixed: leave it out",
        ),
        ("to(none.pt)", {}, "there is no checkpoint file 'none.pt'; the folder has b.pt, c.pt"),
        (
            "plane(b.pt, ./b.pt)",
            PLANE,
            "b.pt and b.pt hold the same parameters, and one direction spans no plane: draw the line to(b.pt) with "
            "--y none",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(nets, small_data, directions, options, said):
    assert refusal(nets[0], small_data, directions, **options) == said


def test_the_checkpoint_itself_is_no_direction(nets, small_data):
    torch.save({**nets[1].state_dict(), **dict(nets[0].named_parameters())}, "same.pt")
    assert refusal(nets[0], small_data, "to(same.pt)") == (
        "all parameters of same.pt are those of the model itself, so there is no direction: give another checkpoint"
    )


def test_weights_of_another_network_are_refused(nets, small_data):
    state = nets[1].state_dict()
    state["5.weight"] = torch.zeros(2, 16)
    del state["0.bias"]
    torch.save({**state, "6.bias": torch.zeros(2)}, "other.pt")
    assert refusal(nets[0], small_data, "to(other.pt)") == (
        "the weights of other.pt do not fit the model Sequential (missing in the file: 0.bias; not in the model: "
        "6.bias; of another shape: 5.weight (2, 16) for (3, 16)): the path between two checkpoints needs two of the "
        "same network"
    )


def test_weights_that_are_not_finite_are_refused(nets, small_data):
    torch.save({**nets[1].state_dict(), "5.bias": torch.tensor([1.0, torch.nan, torch.inf])}, "b.pt")
    assert refusal(nets[0], small_data, "to(b.pt)").startswith(
        "the weights of b.pt must be finite, but there are NaN or infinite values in 5.bias (2 of 3 values)"
    )


@pytest.mark.parametrize("trust", [False, True])
def test_code_in_the_other_checkpoint_is_never_run(nets, small_data, trust):
    torch.save(nets[1], "pickled.pt")
    said = refusal(nets[0], small_data, "to(pickled.pt)", trust=trust)
    assert said.startswith("pickled.pt holds more than weights, and reading it may run code (")
    assert said.endswith("): write the weights alone with torch.save(model.state_dict(), ...)")
    assert "--trust" not in said
