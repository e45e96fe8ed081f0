"""The fused network against the plain one and against float64, on random graphs and on real networks."""

from __future__ import annotations

import copy
from functools import partial

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

import landscape
from landscape.data import Batches
from landscape.directions import Gaussian
from landscape.errors import LandscapeError
from landscape.evaluation import Fused, Plain, cannot_fuse, strict_arithmetic
from landscape.models import build_model
from landscape.models.folding import fold
from landscape.models.fusing import FusedConvolution, fused
from landscape.parameters import ParameterSpace, Subspace

CPU = torch.device("cpu")
# Sums of a few hundred float32 products, in another order: a hundred times the rounding of one of them (6e-8).
ROUNDING = 1e-5


class Step(nn.Module):
    """A layer, perhaps a BatchNorm, perhaps a sum with what came before, perhaps ReLU, in one of torch's spellings."""

    def __init__(self, channels: int, norm: bool, add: str, relu: str, groups: int, kernel: int, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=groups, bias=bias)
        self.norm = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.add, self.relu = add, relu
        self.activation = nn.ReLU(inplace=relu == "in place")

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm(self.conv(x))
        if self.add == "x":
            out = out + x
        elif self.add == "itself":
            out = out + out
        elif self.add == "in place":
            out += x
        elif self.add == "pooled":  # of another shape: broadcast
            out = torch.add(out, functional.adaptive_avg_pool2d(x, 1))
        if self.relu == "function":
            return torch.relu(out)
        return out if self.relu == "none" else self.activation(out)


STEPS = st.builds(
    Step,
    channels=st.just(4),
    norm=st.booleans(),
    add=st.sampled_from(["none", "x", "itself", "in place", "pooled"]),
    relu=st.sampled_from(["none", "function", "module", "in place"]),
    groups=st.sampled_from([1, 2, 4]),
    kernel=st.sampled_from([1, 3]),
    bias=st.booleans(),
)


def trained(net: nn.Module) -> nn.Module:
    """Weights of order one, and statistics that are not those of a fresh network."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.normal_(module.bias)
    return net.eval()


def subspace_of(net: nn.Module, perturb: str = "weights") -> tuple[ParameterSpace, Subspace]:
    space = ParameterSpace(net, perturb)
    return space, Subspace(space, [Gaussian(3, axis)(space) for axis in range(2)])


def outputs(network: Plain | Fused, inputs: Tensor, point: tuple[float, float]) -> Tensor:
    batches = Batches(inputs, torch.zeros(len(inputs), dtype=torch.long), "random", "", "")
    with strict_arithmetic(), torch.inference_mode():
        prepared = network.prepared(batches).inputs
        with network.at(point):
            return network(prepared)


def in_float64(net: nn.Module, inputs: Tensor, point: tuple[float, float], perturb: str = "weights") -> Tensor:
    """The network at the point, from the definition: every moved weight plus its steps, all in float64."""
    exact, (_, subspace) = copy.deepcopy(net).double(), subspace_of(net, perturb)
    weights = dict(exact.named_parameters())
    with torch.no_grad():
        for coordinate, direction in zip(point, subspace.directions, strict=True):
            for name, tensor in direction.tensors.items():
                weights[name] += coordinate * tensor.double()
        return exact(inputs.double())


def assert_same(found: Tensor, exact: Tensor) -> None:
    error = float((found.double() - exact).abs().max() / exact.abs().max().clamp_min(1e-6))
    assert error < ROUNDING


@settings(max_examples=40)
@given(
    steps=st.lists(STEPS, min_size=1, max_size=4),
    perturb=st.sampled_from(["weights", "weights+bias", "all"]),
    point=st.tuples(*[st.floats(-1, 1, width=32)] * 2),
)
def test_random_graphs_compute_what_they_did(steps, perturb, point):
    net = trained(nn.Sequential(*steps, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)))
    inputs = torch.randn(5, 4, 6, 6)
    space, subspace = subspace_of(net, perturb)
    try:
        network = Fused(net, space, subspace, inputs[:2])
    except LandscapeError as error:  # x is added to, in place, after something else has read it
        hypothesis.assume("in place" not in str(error))
        raise
    assert_same(outputs(network, inputs, point), in_float64(net, inputs, point, perturb))
    assert_same(outputs(Plain(net, subspace), inputs, point), in_float64(net, inputs, point, perturb))


REAL = {
    "resnet20": (3, 32, 32),
    "resnet(depth=20, shortcut='conv')": (3, 32, 32),
    "resnet(depth=20, norm='none', shortcut='none')": (3, 32, 32),
    "resnet(depth=8, norm='group')": (3, 32, 32),
    "vgg11": (3, 32, 32),
    "lenet": (1, 28, 28),
    "lenet(norm='batch')": (1, 28, 28),
    "mlp": (1, 28, 28),
    "torchvision:resnet18(num_classes=10)": (3, 64, 64),
    "torchvision:mobilenet_v2(num_classes=10)": (3, 64, 64),
}


@pytest.mark.parametrize("spec", REAL)
def test_real_networks_compute_what_they_did(spec):
    torch.manual_seed(1)
    net = trained(build_model(spec))
    inputs = torch.randn(6, *REAL[spec])
    space, subspace = subspace_of(net)
    network = Fused(net, space, subspace, inputs[:2])
    for point in ((0.0, 0.0), (0.6, -0.9)):
        assert_same(outputs(network, inputs, point), in_float64(net, inputs, point))


def kinds(net: nn.Module, inputs: Tensor) -> list[str]:
    """What is called, in order."""
    program = fused(fold(net).model.eval(), inputs)
    names = []
    for node in program.graph.nodes:
        if node.op == "call_module":
            module = program.get_submodule(str(node.target))
            more = "+relu" if isinstance(module, FusedConvolution) and module.relu else ""
            names.append(type(module).__name__ + more)
        elif node.op.startswith("call"):
            names.append(getattr(node.target, "__name__", node.target))
    return names


def test_every_convolution_of_a_resnet_takes_norm_sum_and_relu_along():
    net = trained(build_model("resnet(depth=8, shortcut='conv')"))
    found = kinds(net, torch.randn(2, 3, 32, 32))
    shortcuts = ["FusedConvolution"] * 2
    assert sorted(found) == sorted(["FusedConvolution+relu"] * 7 + shortcuts + ["mean", "Linear"])


@settings(max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(2, 9), st.integers(2, 9)),
    pool=st.sampled_from(
        [
            *(nn.MaxPool2d(2), nn.MaxPool2d(2, 2), nn.MaxPool2d((2, 2), (2, 2)), nn.MaxPool2d(2, ceil_mode=True)),
            *(nn.MaxPool2d(2, 1), nn.MaxPool2d((2, 1)), nn.MaxPool2d(3, 2, padding=1), nn.MaxPool2d(2, padding=1)),
            *(lambda x: functional.max_pool2d(x, 2), lambda x: functional.max_pool2d(x, kernel_size=2, stride=(2, 2))),
            *(lambda x: functional.max_pool2d(x, 2, 1), lambda x: functional.max_pool2d(x, 2, ceil_mode=True)),
        ]
    ),
    bad=st.booleans(),
)
def test_pools_give_the_same_bits(shape, pool, bad):
    net = nn.Sequential(nn.Conv2d(shape[1], shape[1], 1), Called(pool)).eval()
    inputs = torch.randn(shape)
    if bad:
        inputs[0, 0, 0, 0] = torch.nan
    program = fused(net, inputs[:1].repeat(2, 1, 1, 1))
    with torch.inference_mode():
        # The convolution is fused in both, so that the pool alone is compared.
        before = next(one for one in program.modules() if isinstance(one, FusedConvolution))(inputs)
        assert torch.equal(program(inputs).nan_to_num(9e9), pool(before).nan_to_num(9e9))


class Called(nn.Module):
    """A function as a module."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def test_few_channels_are_pooled_in_whole_rows():
    assert "HalvingPool" in kinds(build_model("lenet").eval(), torch.randn(2, 1, 28, 28))
    wide = nn.Sequential(nn.Conv2d(3, 64, 1), nn.MaxPool2d(2)).eval()
    assert kinds(wide, torch.randn(2, 3, 8, 8)) == ["FusedConvolution", "MaxPool2d"]


class Tokens(nn.Module):
    """A perceptron on tokens with a residual around it, as transformers have."""

    def __init__(self, width: int, hidden: int, approximate: str, bias: bool, called: bool) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, hidden, bias), nn.Linear(hidden, width, bias)
        self.approximate, self.called, self.gelu = approximate, called, nn.GELU(approximate)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x)
        hidden = functional.gelu(hidden, approximate=self.approximate) if self.called else self.gelu(hidden)
        return x + self.second(hidden)


@settings(max_examples=30)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 40)),
    hidden=st.integers(1, 70),
    approximate=st.sampled_from(["none", "tanh"]),
    bias=st.booleans(),
    called=st.booleans(),
    transposed=st.booleans(),
    worst=st.sampled_from([1.0, 1e30, torch.inf, -torch.inf, torch.nan]),
)
def test_linear_layers_on_tokens_take_gelu_and_sums_along(shape, hidden, approximate, bias, called, transposed, worst):
    torch.manual_seed(0)
    net = Tokens(shape[-1], hidden, approximate, bias, called).eval()
    inputs = torch.randn(shape)
    inputs[0, 0, 0] *= worst
    if transposed:
        inputs = inputs.transpose(1, 2).contiguous().transpose(1, 2)
    program = fused(net, inputs[:1].repeat(2, 1, 1))
    assert [type(one).__name__ for one in program.children()].count("FusedLinear") == 2
    assert len([node for node in program.graph.nodes if node.op.startswith("call")]) == 2
    with torch.inference_mode():
        found, expected = program(inputs), net(inputs)
    there = expected.isfinite()  # torch's own GELU of infinity is NaN or infinity, as the size of the tensor has it
    assert torch.equal(found.isfinite(), there)
    largest = expected[there].abs().max() if there.any() else 1.0
    assert torch.allclose(found[there], expected[there], rtol=1e-5, atol=1e-5 * float(largest))


def test_linear_layers_on_rows_are_left_to_torch():
    assert kinds(nn.Sequential(nn.Linear(8, 4), nn.GELU()).eval(), torch.randn(2, 8)) == ["Linear", "GELU"]


def test_what_is_used_twice_is_not_taken_along():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.layer(x)
            return functional.gelu(hidden) * hidden

    net = Twice().eval()
    inputs = torch.randn(2, 3, 6)
    assert kinds(net, inputs) == ["FusedLinear", "gelu", "mul"]
    with torch.inference_mode():
        assert torch.allclose(fused(net, inputs)(inputs), net(inputs), rtol=1e-5, atol=1e-6)


def test_the_centre_and_the_weights_are_as_they_were():
    net = trained(build_model("resnet(depth=8)"))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    inputs = torch.randn(4, 3, 32, 32)
    space, subspace = subspace_of(net)
    network = Fused(net, space, subspace, inputs[:2])
    centre = outputs(network, inputs, (0.0, 0.0))
    outputs(network, inputs, (1.0, 1.0))
    with strict_arithmetic(), torch.inference_mode():
        assert torch.equal(network(inputs), centre)
    with pytest.raises(RuntimeError, match="midway"), network.at((1.0, 0.0)):
        raise RuntimeError("midway")
    assert torch.equal(outputs(network, inputs, (0.0, 0.0)), centre)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_other_directions_are_followed():
    net = trained(build_model("mlp"))
    inputs = torch.randn(4, 1, 28, 28)
    space, subspace = subspace_of(net)
    other = Subspace(space, [Gaussian(9, axis)(space) for axis in range(2)])
    network = Fused(net, space, subspace, inputs[:2])
    network.follow(other)
    expected = outputs(Plain(net, other), inputs, (0.5, 0.5))
    assert_same(outputs(network, inputs, (0.5, 0.5)), expected.double())
    assert not torch.allclose(outputs(Plain(net, subspace), inputs, (0.5, 0.5)), expected, rtol=1e-2)


@pytest.mark.parametrize("beginning", [nn.Flatten(), nn.Identity()])
def test_products_with_the_first_layer_are_computed_once(beginning):
    net = trained(nn.Sequential(beginning, nn.Linear(12, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3)))
    inputs = torch.randn(9, 12)
    space, subspace = subspace_of(net, "weights+bias")
    network = Fused(net, space, subspace, inputs[:2])
    batches = Batches(inputs, torch.zeros(9, dtype=torch.long), "random", "", "")
    assert network.prepared(batches).inputs.shape == (9, 3, 7)
    for point in ((0.0, 0.0), (0.3, -1.0)):
        assert_same(outputs(network, inputs, point), in_float64(net, inputs, point, "weights+bias"))


class Branching(nn.Module):
    """A forward pass that looks at values, which no graph can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        return (out if out.sum() > 0 else -out).flatten(1)


class Disagreeing(nn.Module):
    """Computes something else when its graph is taken than when it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x).flatten(1)
        return out if isinstance(x, Tensor) else 2 * out


class Patches(nn.Module):
    """A convolution, and then 1-D ones that do most of the work."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Conv2d(1, 8, 3, stride=3), nn.Conv1d(8, 62, 1), nn.Linear(62, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.mix(self.embed(x).flatten(2))).mean(2))


class Viewing(nn.Module):
    """Flattens with `view`, which channels last cannot do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        out = functional.max_pool2d(torch.relu(self.conv(x)), 2)
        return self.head(out.view(out.size(0), -1))


class Restless(nn.Module):
    """Gives something else at every call, by chance or by count."""

    def __init__(self, by_chance: bool) -> None:
        super().__init__()
        self.conv, self.by_chance, self.calls = nn.Conv2d(1, 3, 6), by_chance, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        shift = 1e-4 * torch.randn(3, 1, 1) if self.by_chance else 1e-5 * self.calls
        return (self.conv(x) + shift).flatten(1)


class Weighing(nn.Module):
    """Uses a norm of its weights, a number that a graph keeps as it is at the trained ones."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).flatten(1) / sum(float(one.detach().norm()) for one in self.parameters())


def surface(net: nn.Module, **options: object) -> landscape.Surface:
    torch.manual_seed(5)
    data = [(torch.randn(40, 1, 6, 6), torch.randint(0, 3, (40,)))]
    return landscape.compute(net, data, **{"x": (-1, 1, 3), "y": None, "progress": False, **options})


@pytest.mark.parametrize("by_chance", [True, False])
def test_networks_that_do_not_repeat_are_refused_before_they_are_traced(by_chance):
    with pytest.raises(LandscapeError, match="draws random numbers or keeps a state"):
        surface(Restless(by_chance).eval())


@pytest.mark.parametrize("x", [(0, 1, 3), (-1, 0, 3)])
def test_the_fused_network_is_compared_far_from_the_trained_weights_too(x):
    found = surface(Weighing().eval(), x=x, y=(0, 1, 2)).provenance
    assert (found["evaluator"], "differs" in found["evaluator_reason"]) == ("eager", True)


@pytest.mark.parametrize("kind", [nn.ReLU, nn.Identity, partial(nn.MaxPool2d, 2), nn.Conv2d])
def test_hooks_are_called(kind):
    hooked = nn.Conv2d(3, 3, 1) if kind is nn.Conv2d else kind()
    net = nn.Sequential(nn.Conv2d(1, 3, 3), hooked, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    plain = surface(net)
    seen = []

    def halve(module, inputs, outputs):
        seen.append(type(outputs))
        return outputs / 2

    handle = hooked.register_forward_hook(halve)
    found = surface(net)
    handle.remove()
    assert set(seen) == {Tensor}
    assert "hooks" in found.provenance["evaluator_reason"]
    assert not np.allclose(found["loss"], plain["loss"], rtol=1e-3)


def test_views_are_taken_as_the_layout_has_them(capsys):
    net = trained(Viewing())
    found = surface(net)
    assert (found.provenance["evaluator"], found.provenance["evaluator_reason"]) == ("fused", "")
    assert capsys.readouterr().err == ""
    inputs = torch.randn(5, 1, 6, 6)
    space, subspace = subspace_of(net)
    assert_same(
        outputs(Fused(net, space, subspace, inputs[:2]), inputs, (0.4, -0.2)), in_float64(net, inputs, (0.4, -0.2))
    )


@pytest.mark.parametrize("spec", ["resnet20", "vgg11", "lenet", "mlp", "resnet(depth=8, norm='none')"])
def test_the_usual_networks_are_fused(spec):
    torch.manual_seed(0)
    data = [(torch.randn(4, *REAL.get(spec, (3, 32, 32))), torch.randint(0, 10, (4,)))]
    found = landscape.compute(build_model(spec).eval(), data, x=(-1, 1, 3), y=None, progress=False).provenance
    assert (found["evaluator"], found["evaluator_reason"]) == ("fused", "")


def test_layers_on_sequences_are_not_taken_for_first_layers():
    net = trained(nn.Sequential(nn.Linear(16, 4), nn.Conv2d(4, 4, (1, 3)), nn.Flatten()))
    inputs = torch.randn(6, 4, 5, 16)
    space, subspace = subspace_of(net)
    network = Fused(net, space, subspace, inputs[:2])
    assert network.prepared(Batches(inputs, torch.zeros(6, dtype=torch.long), "", "", "")).inputs.shape == inputs.shape


def test_other_convolutions_keep_their_folded_norms():
    same = nn.Conv2d(1, 4, 3, padding="same", padding_mode="reflect")
    net = trained(nn.Sequential(same, nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    inputs = torch.randn(6, 1, 6, 6)
    space, subspace = subspace_of(net)
    network = Fused(net, space, subspace, inputs[:2])
    assert not any(isinstance(one, nn.BatchNorm2d) for one in network.module.modules())
    assert_same(outputs(network, inputs, (0.4, -0.2)), in_float64(net, inputs, (0.4, -0.2)))


def test_what_cannot_be_fused_is_evaluated_as_it_is_and_says_why():
    for net, reason in (
        (Branching(), "torch.fx can trace"),
        (Disagreeing(), "the fused network differs by"),
        (nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(9, 3)), "it has no BatchNorm to fold, no 2-D convol"),
        (Patches(), "only 12% of its multiplications are in layers that could be folded"),
        (nn.Sequential(nn.Conv2d(1, 3, 6), nn.Flatten()).double(), "its parameters are float64"),
    ):
        found = surface(net.eval()).provenance
        assert found["evaluator"] == "eager"
        assert reason in found["evaluator_reason"]
    net = trained(nn.Sequential(nn.Conv2d(1, 3, 6), nn.BatchNorm2d(3), nn.Flatten()))
    assert surface(net).provenance["evaluator"] == "fused"
    found = surface(net, bn_stats="batch").provenance
    assert (found["evaluator"], "statistics" in found["evaluator_reason"]) == ("eager", True)
    assert "low-memory" in surface(net, low_memory=True).provenance["evaluator_reason"]


def test_the_surface_is_that_of_the_plain_network(monkeypatch):
    net = trained(nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3)))
    quick = surface(net)
    monkeypatch.setattr("landscape.execution.evaluators.cannot_fuse", lambda *_: "told so")
    plain = surface(net)
    assert (quick.provenance["evaluator"], plain.provenance["evaluator"]) == ("fused", "eager")
    for name in plain:
        np.testing.assert_allclose(quick[name], plain[name], rtol=1e-5, atol=1e-7)
    assert quick["test/loss_rise_stderr"][1] == 0.0
    assert quick["test/loss"][1] == quick.centre["test"]["loss"]


def test_a_run_goes_on_with_the_evaluator_that_it_began_with(tmp_path, monkeypatch):
    net = trained(nn.Sequential(nn.Conv2d(1, 3, 6), nn.BatchNorm2d(3), nn.Flatten()))
    compute = partial(surface, net, out=tmp_path / "net.h5")
    with monkeypatch.context() as told:
        told.setattr("landscape.execution.evaluators.cannot_fuse", lambda *_: "told so")
        first = compute()
    assert compute().provenance["evaluator"] == first.provenance["evaluator"] == "eager"


def test_half_precision_networks_and_other_devices_are_not_fused():
    net = build_model("lenet")
    assert cannot_fuse(net, CPU) == ""
    assert "bfloat16" in cannot_fuse(net.bfloat16(), CPU)
    assert "mps" in cannot_fuse(build_model("lenet"), torch.device("mps"))


def test_a_file_in_a_lower_precision_is_not_gone_on_with_in_another_way(tmp_path):
    net = trained(nn.Sequential(nn.Conv2d(1, 3, 6), nn.BatchNorm2d(3), nn.Flatten()))
    compute = partial(surface, net, out=tmp_path / "net.h5", precision="bf16")
    compute()
    with pytest.raises(LandscapeError, match=r"was begun in bf16 without --low-memory.*go on without it"):
        compute(low_memory=True)


def test_a_file_begun_with_little_memory_goes_on_so_and_says_how_to_be_quicker(tmp_path):
    net = trained(nn.Sequential(nn.Conv2d(1, 3, 6), nn.BatchNorm2d(3), nn.Flatten()))
    surface(net, out=tmp_path / "net.h5", low_memory=True)
    found = surface(net, out=tmp_path / "net.h5").provenance
    assert found["evaluator"] == "eager"
    assert "--overwrite begins anew, and is quicker" in found["evaluator_reason"]


def test_batches_suit_the_precision_that_is_settled(monkeypatch):
    monkeypatch.setattr("landscape.execution.precision.candidates_on", lambda _: ())
    torch.manual_seed(0)
    net = build_model("resnet(depth=8)").eval()
    data = [(torch.randn(4, 3, 32, 32), torch.randint(0, 10, (4,)))]
    sizes = {
        precision: landscape.compute(net, data, x=(-1, 1, 3), y=None, progress=False, precision=precision).provenance[
            "batch_size"
        ]
        for precision in ("fp32", "auto", "bf16")
    }
    # 16 channels of 32 x 32 in and out of a convolution, and a shortcut: 196,608 bytes in float32.
    assert sizes == {"fp32": 85, "auto": 85, "bf16": 170}
