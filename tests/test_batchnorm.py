"""The policies for running statistics, against a float64 loop that keeps every value that a layer sees."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from landscape.data import Batches
from landscape.directions import Gaussian
from landscape.errors import LandscapeError, SurroundingsError
from landscape.evaluation import Evaluator, Plain, Statistics, layers_of_each_batch, make_task, statistics_layers
from landscape.models import build_norm
from landscape.parameters import ParameterSpace, Subspace, preserved

BATCH = 8
POLICIES = ("frozen", "batch", "recalibrate")
DERIVED = ("batch(eval_weight=0.3)", "ghost-batch(size=4)", "batch-group(groups=2)", "switchable")


class Flat(nn.BatchNorm1d):
    """A subclass with a forward of its own."""

    def forward(self, inputs):
        return super().forward(inputs) + 1


class HandMade(nn.Module):
    """Keeps statistics without torch's help, replaces its buffers, and counts in its own way."""

    def __init__(self, channels):
        super().__init__()
        self.momentum, self.eps = 0.1, 1e-3
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, inputs):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = inputs.mean((0, 2, 3)), inputs.var((0, 2, 3))
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean.detach()
            self.running_var = 0.9 * self.running_var + 0.1 * var.detach()
        return (inputs - mean[:, None, None]) / (var[:, None, None] + self.eps).sqrt()


class Shared(nn.Module):
    """One BatchNorm, used twice."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.last = nn.BatchNorm2d(4), nn.Linear(64, 3)

    def forward(self, inputs):
        hidden = self.norm(self.first(inputs)).relu()
        return self.last(self.norm(self.second(hidden)).relu().flatten(1))


def convolutional(norm, *more):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), norm, nn.ReLU(), *more, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )


def dense(norm):
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 8), norm, nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))


def nested():
    block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)))
    return convolutional(nn.BatchNorm2d(4), block)


NETS = {
    "2d": lambda: convolutional(nn.BatchNorm2d(4)),
    "1d": lambda: dense(nn.BatchNorm1d(8)),
    "momentum=None": lambda: convolutional(nn.BatchNorm2d(4, momentum=None)),
    "affine=False": lambda: convolutional(nn.BatchNorm2d(4, affine=False)),
    "nested": nested,
    "shared": Shared,
    "instance": lambda: convolutional(nn.InstanceNorm2d(4, track_running_stats=True)),
    "subclass": lambda: dense(Flat(8)),
    "hand-made": lambda: convolutional(HandMade(4)),
    **{spec: lambda spec=spec: convolutional(build_norm(spec).layer(4, 2)) for spec in DERIVED},
    **{f"dense {spec}": lambda spec=spec: dense(build_norm(spec).layer(8, 0)) for spec in DERIVED},
}


def build(name: str) -> nn.Module:
    """A net in float64 with statistics that are not trivial."""
    torch.manual_seed(0)
    net = NETS[name]().double().train()
    with torch.no_grad():
        for _ in range(3):
            net(2 * torch.randn(32, 1, 6, 6, dtype=torch.float64) + 1)
    return net.eval()


def images(number: int, seed: int) -> Batches:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(number, 1, 6, 6, generator=generator, dtype=torch.float64)
    return Batches(inputs, torch.randint(0, 3, (number,), generator=generator), "set", "", "")


DATA, CALIBRATION = images(37, 1), images(48, 2)


def draw(net):
    return [Gaussian(0, axis)(ParameterSpace(net)) for axis in range(2)]


def evaluator(net, policies=POLICIES, calibration=CALIBRATION, layers=False):
    statistics = Statistics(net, policies, calibration, BATCH)
    subspace = Subspace(ParameterSpace(net), draw(net))
    return Evaluator(Plain(net, subspace), make_task({"test": DATA}, "cross-entropy"), 10, statistics, layers)


def placed(net, point):
    """A copy whose weights were moved by hand."""
    moved = copy.deepcopy(net)
    parameters = dict(moved.named_parameters())
    for coordinate, direction in zip(point, draw(net), strict=True):
        for name, tensor in direction.tensors.items():
            parameters[name].data += coordinate * tensor
    return moved


def parts(batches, size):
    return zip(
        *(np.array_split(part, -(-len(batches) // size)) for part in (batches.inputs, batches.targets)), strict=True
    )


def loss(net, inputs, targets):
    with torch.no_grad():
        return nn.functional.cross_entropy(
            net(torch.as_tensor(inputs)), torch.as_tensor(targets), reduction="none"
        ).numpy()


def seen(net, batches):
    """All inputs of every statistics layer, as (values, channels), and per image for InstanceNorm."""
    values = {name: [] for name in statistics_layers(net)}
    for name, layer in statistics_layers(net).items():
        layer.train()
        layer.register_forward_pre_hook(lambda _, inputs, name=name: values[name].append(inputs[0].numpy().copy()))
    with torch.no_grad():
        for inputs, _ in batches:
            net(torch.as_tensor(inputs))
    return {name: np.concatenate(arrays) for name, arrays in values.items()}


def estimated(net, batches):
    """Mean and unbiased variance over everything that a layer saw."""
    found = {}
    for name, array in seen(copy.deepcopy(net), batches).items():
        flat = array.reshape(*array.shape[:2], -1)
        if isinstance(dict(net.named_modules())[name], nn.InstanceNorm2d):
            found[name] = flat.mean((0, 2)), flat.var(2, ddof=1).mean(0)
        else:
            found[name] = flat.mean((0, 2)), np.moveaxis(flat, 1, 0).reshape(flat.shape[1], -1).var(1, ddof=1)
    return found


def brute(net, point):
    """The losses of every example under each policy."""
    moved = placed(net, point)
    frozen = loss(moved, DATA.inputs, DATA.targets)
    statistics = estimated(moved, parts(CALIBRATION, BATCH))
    batch = copy.deepcopy(moved)
    for layer in statistics_layers(batch).values():
        layer.train()
    by_batch = np.concatenate([loss(batch, *part) for part in parts(DATA, BATCH)])
    for name, layer in statistics_layers(moved).items():
        layer.running_mean.copy_(torch.as_tensor(statistics[name][0]))
        layer.running_var.copy_(torch.as_tensor(statistics[name][1]))
    return {"frozen": frozen, "batch": by_batch, "recalibrate": loss(moved, DATA.inputs, DATA.targets)}


@pytest.mark.parametrize("name", NETS)
def test_each_policy_is_that_of_a_float64_loop(name):
    """Everything is float64: only the order of sums differs."""
    net = build(name)
    measure, zero = evaluator(net), brute(net, (0.0, 0.0))
    centre = measure.centre().sums["test"]
    for policy in POLICIES[1:]:
        apart = zero[policy] - zero["frozen"]
        found = centre[policy].values()
        assert found["loss_minus_frozen"] == pytest.approx(apart.mean(), rel=1e-9, abs=1e-12)
        assert found["loss_minus_frozen_stderr"] == pytest.approx(apart.std(ddof=1) / 37**0.5, rel=1e-9, abs=1e-12)
    for point in ((0.0, 0.0), (0.5, -1.0), (-1.0, 0.7)):
        values = measure(point).values()
        expected = brute(net, point)
        rises = {policy: expected[policy] - zero[policy] for policy in POLICIES}
        assert values["test/loss"] == pytest.approx([expected[policy].mean() for policy in POLICIES], rel=1e-9)
        errors = [rises[policy].std(ddof=1) / 37**0.5 for policy in POLICIES]
        assert values["test/loss_rise_stderr"] == pytest.approx(errors, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("name", NETS)
def test_the_model_is_bit_for_bit_as_it_was(name):
    net = build(name).train()
    before = {key: (tensor.clone(), tensor.data_ptr()) for key, tensor in net.state_dict().items()}
    momenta = {key: layer.momentum for key, layer in statistics_layers(net).items()}
    hooks = {key: len(module._forward_hooks) for key, module in net.named_modules()}
    with preserved(net):
        measure = evaluator(net)
        measure.centre()
        measure((0.5, 0.5))
        measure.half_difference((0.5, 0.5))
    for key, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[key][0]), key
        assert tensor.data_ptr() == before[key][1], key
    assert all(module.training for module in net.modules())
    assert {key: layer.momentum for key, layer in statistics_layers(net).items()} == momenta
    assert {key: len(module._forward_hooks) for key, module in net.named_modules()} == hooks


class Failing(nn.Module):
    """Fails once its inputs are large: in the middle of a pass, after the first layer has seen its batch."""

    def forward(self, inputs):
        if self.armed:
            raise RuntimeError("out of order")
        return inputs

    armed = False


def test_the_statistics_come_back_when_the_model_fails():
    net = build("2d")
    net.insert(2, Failing().eval())
    measure = evaluator(net)
    measure.centre()
    before = copy.deepcopy(net.state_dict())
    net[2].armed = True
    for policy in ("batch", "recalibrate"):
        measure._statistics.policies = (policy,)
        with pytest.raises(RuntimeError, match="out of order"):
            measure((1.0, 1.0))
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())
    assert not any(module.training for module in net.modules())
    assert net[1].momentum == 0.1
    assert not net[1]._forward_hooks


def divergence(one, other, eps):
    """The mean of both Kullback-Leibler divergences between Gaussians, written out with logarithms."""
    (m, v), (n, w) = ((mean, variance + eps) for mean, variance in (one, other))
    there = 0.5 * (np.log(w / v) + (v + (m - n) ** 2) / w - 1)
    back = 0.5 * (np.log(v / w) + (w + (m - n) ** 2) / v - 1)
    return (there + back) / 2


@pytest.mark.parametrize("name", ["2d", "nested", "1d", *DERIVED])
def test_the_drift_is_a_divergence_between_gaussians(name):
    net = build(name)
    measure, point = evaluator(net, ("recalibrate",), layers=True), (0.5, -1.0)
    measure.centre()
    found = measure(point).drift
    moved = placed(net, point)
    batches = list(parts(CALIBRATION, BATCH))
    whole, even, odd = (estimated(moved, some) for some in (batches, batches[::2], batches[1::2]))
    frozen = {
        key: (layer.running_mean.numpy(), layer.running_var.numpy()) for key, layer in statistics_layers(net).items()
    }
    apart = {key: divergence(whole[key], frozen[key], 1e-5) for key in frozen}
    floor = np.concatenate([divergence(even[key], odd[key], 1e-5) for key in frozen])
    expected = {f"drift:{key}": values.mean() for key, values in apart.items()}
    expected |= {"drift": np.concatenate(list(apart.values())).mean(), "drift_floor": floor.mean()}
    assert found == pytest.approx(expected, rel=1e-9)


def test_statistics_that_are_those_of_the_calibration_set_drift_nowhere():
    net = build("2d")
    first, layer = net[0], net[1]
    with torch.no_grad():
        values = first(CALIBRATION.inputs)
        layer.running_mean.copy_(values.mean((0, 2, 3)))
        layer.running_var.copy_(values.var((0, 2, 3)))
    measure = evaluator(net)
    centre = measure.centre()
    assert centre.drift["drift"] == pytest.approx(0, abs=1e-14)
    assert centre.drift["drift_floor"] > 1e-4
    assert centre.sums["test"]["recalibrate"].mean("loss_minus_frozen") == pytest.approx(0, abs=1e-12)


def test_a_dead_channel_does_not_make_the_drift_explode():
    net = build("2d")
    net[0].weight.data[0], net[0].bias.data[0] = 0.0, 0.0
    net[1].running_mean[0], net[1].running_var[0] = 0.0, 5e-45
    measure = evaluator(net)
    assert measure.centre().drift["drift"] < 10


def test_the_variance_between_batches_counts():
    """Batches of constant images: within each the variance is 0, and all of it lies between them."""
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)).double().eval()
    nn.init.constant_(net[0].weight, 1.0)
    nn.init.constant_(net[0].bias, 0.0)
    levels = torch.arange(4.0, dtype=torch.float64).repeat_interleave(2)
    data = Batches(levels[:, None, None, None].expand(8, 1, 3, 3).contiguous(), torch.zeros(8).long(), "set", "", "")
    statistics = Statistics(net, ("recalibrate",), data, 2)
    halves = statistics.estimate()
    with statistics.placed(halves.even + halves.odd):
        assert net[1].running_mean.item() == pytest.approx(1.5)
        assert net[1].running_var.item() == pytest.approx(np.repeat(np.arange(4.0), 18).var(ddof=1), rel=1e-12)


def test_in_a_net_without_statistics_every_policy_is_the_same():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 3)).double().eval()
    measure = evaluator(net, calibration=None)
    centre, there = measure.centre(), measure((0.5, 0.5)).values()
    assert len(set(there["test/loss"])) == 1
    assert centre.values()["test/loss_minus_frozen"] == [0.0, 0.0, 0.0]
    assert centre.drift == {}
    assert not measure.recalibrates


@pytest.mark.parametrize("point", [(0.0, 0.0), (1.0, -1.0)])
def test_half_the_difference_between_halves_is_the_scale_of_the_noise(point):
    """The loss under statistics of n images varies as half the difference between those of n / 2 and n / 2 others:
    half a set has twice the variance of the whole, and both vary. Over 24 sets both are good to a third."""
    net = build("2d")
    losses, differences = [], []
    for seed in range(24):
        measure = evaluator(net, ("recalibrate",), images(48, 100 + seed))
        measure.centre()
        losses += measure(point).values()["test/loss"]
        differences.append(measure.half_difference(point)["test"] / 2)
    spread, stated = np.std(losses, ddof=1), np.sqrt(np.mean(np.square(differences)))
    assert 0.6 < stated / spread < 1.6


def test_exchanging_the_halves_changes_nothing():
    net = build("2d")
    batches = CALIBRATION.split(BATCH)
    order = [index + (1 if index % 2 == 0 else -1) for index in range(len(batches))]
    inputs, targets = (torch.cat([batches[index][part] for index in order]) for part in (0, 1))
    measure, swapped = (
        evaluator(net, calibration=each) for each in (CALIBRATION, Batches(inputs, targets, "set", "", ""))
    )
    for each in (measure, swapped):
        each.centre()
    point = (1.0, -1.0)
    assert measure.half_difference(point)["test"] == pytest.approx(-swapped.half_difference(point)["test"], rel=1e-9)
    assert measure(point).values()["test/loss"] == pytest.approx(swapped(point).values()["test/loss"], rel=1e-12)


@pytest.mark.parametrize(("number", "size", "parts"), [(48, 8, 6), (50, 8, 8), (300, 128, 4), (4, 128, 2), (5, 2, 2)])
def test_the_halves_have_equally_many_batches(number, size, parts):
    statistics = Statistics(build("2d"), ("recalibrate",), images(number, 3), size)
    halves = statistics.estimate()
    even, odd = (half.counts["1"] // 16 for half in (halves.even, halves.odd))
    assert even + odd == number
    assert abs(even - odd) <= parts // 2


class Careless(nn.BatchNorm2d):
    """Has a dropout inside, and takes its input by name."""

    def __init__(self, channels):
        super().__init__(channels)
        self.drop = nn.Dropout(0.5)

    def forward(self, features):
        return self.drop(super().forward(features))


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(1, 4, 3), Careless(4), nn.Linear(64, 3)

    def forward(self, inputs):
        return self.last(self.norm(features=self.first(inputs)).flatten(1))


def test_what_lies_inside_a_layer_stays_in_eval_mode_and_inputs_may_be_named():
    torch.manual_seed(0)
    measure = evaluator(Named().double().eval())
    measure.centre()
    first, second = (measure((0.5, 0.5)).values() for _ in range(2))
    assert first == second


class Stubborn(HandMade):
    """Lets nobody set its momentum."""

    momentum = property(lambda self: 0.1)

    def __init__(self, channels):
        nn.Module.__init__(self)
        self.eps = 1e-3
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))


def test_a_layer_of_the_users_keeps_its_momentum_to_itself():
    net = convolutional(nn.BatchNorm2d(4), Stubborn(4)).double().eval()
    evaluator(net).centre()
    assert net[1].momentum == 0.1


def test_batchnorm_that_keeps_no_statistics_has_batches_of_the_job():
    net = convolutional(nn.BatchNorm2d(4, track_running_stats=False)).double().eval()
    assert layers_of_each_batch(net) == ["1"]
    losses = []
    for size in (10, 37):
        measure = evaluator(net, ("batch",), None)
        measure.batch_size = size
        losses += measure.centre().values()["test/loss"]
    assert losses[0] == losses[1]


def test_what_keeps_statistics_and_what_does_not():
    kept = nn.ModuleList(
        [
            nn.BatchNorm1d(2),
            nn.SyncBatchNorm(2),
            nn.InstanceNorm1d(2, track_running_stats=True),
            HandMade(2),
        ]
    )
    constants = nn.Module()
    constants.running_mean, constants.running_var = torch.zeros(2), torch.ones(2)
    others = nn.ModuleList([nn.BatchNorm1d(2, track_running_stats=False), nn.InstanceNorm1d(2), nn.LayerNorm(2)])
    others.append(constants)
    assert set(statistics_layers(kept)) == {"0", "1", "2", "3"}
    assert statistics_layers(others) == {}


def test_a_layer_that_no_calibration_batch_reaches_is_named():
    net = build("2d")
    net.add_module("spare", nn.Identity())
    net.spare.add_module("norm", nn.BatchNorm2d(4).double())
    with pytest.raises(LandscapeError, match=r"the layer spare\.norm keeps running statistics but was not reached"):
        evaluator(net).centre()


class Hungry(nn.Module):
    """Runs out of memory above some batch size."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def forward(self, inputs):
        if len(inputs) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return inputs


@pytest.mark.parametrize("policy", ["batch", "recalibrate"])
def test_batches_that_are_part_of_the_job_are_never_halved(policy):
    net = nn.Sequential(Hungry(6), *build("2d"))
    measure = evaluator(net, (policy,))
    with pytest.raises(SurroundingsError, match="give smaller ones with --bn-batch-size"):
        measure.centre()


def test_frozen_batches_are_halved_beside_a_policy_that_fixes_its_own():
    net = nn.Sequential(Hungry(8), *build("2d"))
    measure = evaluator(net)
    measure.batch_size = 37
    plain = evaluator(build("2d"))
    assert measure.centre().values()["test/loss"] == pytest.approx(plain.centre().values()["test/loss"], rel=1e-12)
    assert measure.batch_size == 9  # 37 examples in five parts of at most 8
