"""Losses and metrics against float64 NumPy, and what is refused before a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from landscape.data import Batches
from landscape.errors import LandscapeError, SurroundingsError
from landscape.evaluation import Task, make_task
from landscape.evaluation.metrics import accuracy, loss_quantity, metric_quantity


def softmax(logits):
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


REFERENCES = {
    "cross-entropy": lambda z, t: -np.log(softmax(z))[np.arange(len(t)), t],
    "cross-entropy(label_smoothing=0.3)": lambda z, t: (
        -(np.log(softmax(z)) * (0.7 * np.eye(z.shape[1])[t] + 0.3 / z.shape[1])).sum(1)
    ),
    "softmax-mse": lambda z, t: ((softmax(z) - np.eye(z.shape[1])[t]) ** 2).mean(1),
    "accuracy": lambda z, t: z.argmax(1) == t,
    "top-k-accuracy(k=2)": lambda z, t: (np.argsort(-z, 1)[:, :2] == t[:, None]).any(1),
}


@pytest.mark.parametrize("spec", REFERENCES)
@settings(max_examples=20)
@given(seed=st.integers(0, 999), classes=st.integers(2, 7))
def test_classification_follows_the_formula(spec, seed, classes):
    generator = np.random.default_rng(seed)
    logits, targets = generator.normal(0, 3, (9, classes)), generator.integers(0, classes, 9)
    quantity = metric_quantity(spec) if "accuracy" in spec else loss_quantity(spec)
    got = quantity.function(torch.tensor(logits), torch.tensor(targets))
    assert got.shape == (9,)
    # Small losses are differences of logits of size 10: a few ulps of those, 2e-15, stay.
    np.testing.assert_allclose(got, REFERENCES[spec](logits, targets), rtol=1e-12, atol=1e-14)


def test_mse_averages_over_the_components_of_an_example():
    output, target = torch.randn(5, 2, 3, dtype=torch.float64), torch.randn(5, 2, 3, dtype=torch.float64)
    got = loss_quantity("mse").function(output, target)
    np.testing.assert_allclose(
        got, [np.mean((o - t) ** 2) for o, t in zip(output.numpy(), target.numpy(), strict=True)]
    )
    flat = loss_quantity("mse").function(output[:, 0, :1], target[:, 0, 0])
    np.testing.assert_allclose(flat, (output[:, 0, 0] - target[:, 0, 0]) ** 2)


def test_positions_of_an_example_are_averaged():
    logits, targets = torch.randn(4, 3, 2, 2, dtype=torch.float64), torch.randint(0, 3, (4, 2, 2))
    for spec in ("cross-entropy", "accuracy"):
        rows = logits.permute(0, 2, 3, 1).reshape(-1, 3).numpy()
        want = REFERENCES[spec](rows, targets.flatten().numpy()).reshape(4, 4).mean(1)
        np.testing.assert_allclose(metric_quantity(spec).function(logits, targets), want)


def test_numbers_are_not_taken_for_probabilities():
    model, inputs, numbers = nn.Flatten(), torch.zeros(3, 1, 2), torch.randn(3, 2)
    probabilities = numbers.softmax(1)
    make_task({"test": Batches(inputs, probabilities, "n", "d", "")}, "cross-entropy").check(model)
    for targets in (numbers - 9, 2 * probabilities + 1):
        task = make_task({"test": Batches(inputs, targets, "n", "d", "")}, "cross-entropy")
        with pytest.raises(LandscapeError, match=r"takes classes or probabilities, .* of the test split run from"):
            task.check(model)


def test_probabilities_are_targets_too():
    logits, classes = torch.randn(6, 3, dtype=torch.float64), torch.randint(0, 3, (6,))
    one_hot = nn.functional.one_hot(classes, 3).double()
    for spec in ("cross-entropy", "accuracy"):
        function = metric_quantity(spec).function
        torch.testing.assert_close(function(logits, one_hot), function(logits, classes))


@pytest.mark.parametrize(
    "criterion",
    [nn.CrossEntropyLoss(), nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.1), nn.MultiMarginLoss()],
)
def test_torch_criteria_are_unreduced(criterion):
    logits, targets = torch.randn(5, 3), torch.randint(0, 3, (5,))
    before = criterion.reduction
    got = loss_quantity(criterion).function(logits, targets)
    one_by_one = [criterion(z[None], t[None]) for z, t in zip(logits, targets, strict=True)]
    torch.testing.assert_close(got, torch.stack(one_by_one))
    assert criterion.reduction == before
    assert loss_quantity(criterion).spec == repr(criterion)


def test_an_mse_criterion_gives_one_number_per_example():
    output, target = torch.randn(2, 5, 3, 2)
    torch.testing.assert_close(
        loss_quantity(nn.MSELoss()).function(output, target), ((output - target) ** 2).mean((1, 2))
    )


def test_criteria_that_are_no_mean_over_examples_are_refused():
    with pytest.raises(LandscapeError, match="with class weights divides by the sum of the weights of each batch"):
        loss_quantity(nn.CrossEntropyLoss(weight=torch.ones(3)))
    with pytest.raises(LandscapeError, match="a loss is a function of output and target, not 3"):
        loss_quantity(3)
    with pytest.raises(LandscapeError, match=r"unknown loss 'cross-entorpy'; did you mean cross-entropy\?"):
        loss_quantity("cross-entorpy")
    with pytest.raises(LandscapeError, match=r"unknown metric 'acuracy'; did you mean accuracy"):
        metric_quantity("acuracy")


def error_rate(output, target):
    return output.argmax(1) != target


def test_metrics_are_stored_under_their_own_names(tmp_path):
    def local(output, target):
        return output[:, 0]

    (tmp_path / "mine.py").write_text("def margin(output, target): return output[:, 0]")
    assert metric_quantity(local).name == "local"
    assert metric_quantity("top-k-accuracy(k=2)").name == "top_k_accuracy"
    found = metric_quantity(f"{tmp_path / 'mine.py'}:margin")
    assert found.name == "margin"
    assert found.spec.startswith("mine.py:margin#")


def test_metrics_keep_their_own_precision(small_net, small_data):
    """A loss of 0 and 1 does not make the metrics so."""
    task = make_task({"test": small_data}, error_rate, ["cross-entropy", accuracy])
    errors, entropy, hits = task.per_example(small_net.eval(), small_data.inputs, small_data.targets)
    assert task.names == ("loss", "cross_entropy", "accuracy")
    assert (errors + hits == 1).all()
    assert entropy.dtype == torch.float64
    torch.testing.assert_close(
        entropy.float(), nn.functional.cross_entropy(small_net(small_data.inputs), small_data.targets, reduction="none")
    )


@pytest.mark.parametrize("loss", ["cross-entropy", nn.CrossEntropyLoss(), "softmax-mse", nn.NLLLoss()])
def test_accuracy_is_on_for_classification(small_data, loss):
    assert make_task({"test": small_data}, loss).names == ("loss", "accuracy")


@pytest.mark.parametrize("loss", ["mse", nn.MSELoss(), error_rate])
def test_accuracy_is_off_elsewhere(small_data, loss):
    assert make_task({"test": small_data}, loss).names == ("loss",)


@pytest.mark.parametrize("metrics", [["accuracy", accuracy], [lambda o, t: t, lambda o, t: t]])
def test_two_metrics_of_one_name_are_refused(small_data, metrics):
    with pytest.raises(LandscapeError, match="the quantities need different names, other than count, loss_rise"):
        make_task({"test": small_data}, "cross-entropy", metrics)


def test_a_metric_may_not_take_the_place_of_the_count(small_data):
    def count(output, target):
        return target

    with pytest.raises(LandscapeError, match="not loss, accuracy, count: rename one of the metrics"):
        make_task({"test": small_data}, "cross-entropy", [count])


def check(net: nn.Module, data: Batches, loss="cross-entropy", metrics=()) -> None:
    task: Task = make_task({"test": data}, loss, metrics)
    task.check(net.eval())


class Returning(nn.Module):
    """Returns what a function makes of the inputs."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, inputs):
        return self.function(inputs)


@pytest.mark.parametrize("loss", ["cross-entropy", nn.CrossEntropyLoss(), nn.functional.cross_entropy])
@pytest.mark.parametrize("label", [3, -1])
def test_labels_out_of_range(small_net, small_data, loss, label):
    small_data.targets[-1] = label
    with pytest.raises(LandscapeError, match=r"the labels of the test split run from .* but the model has 3 outputs"):
        check(small_net, small_data, loss)


def test_images_that_the_model_cannot_take(small_net, small_data):
    data = Batches(torch.zeros(4, 3, 8, 8), torch.zeros(4, dtype=torch.long), "set", "", "")
    with pytest.raises(
        LandscapeError, match=r"the model Sequential cannot take the inputs of set, of shape \(3, 8, 8\): "
    ):
        check(small_net, data)


def test_a_loss_that_gives_one_number_for_all(small_net, small_data):
    message = r"loss \(cross_entropy#\w+\) must give one number per example, shape \(2,\), not \(\)"
    with pytest.raises(LandscapeError, match=message):
        check(small_net, small_data, nn.functional.cross_entropy)
    with pytest.raises(LandscapeError, match=r"shape \(2,\), not float"):
        check(small_net, small_data, lambda output, target: 0.5)


def test_a_model_that_returns_its_mean_loss(small_data):
    with pytest.raises(LandscapeError, match=r"must give one number per example, shape \(2,\), not \(\)"):
        check(Returning(lambda x: x.mean()), small_data, lambda output, target: output)


@pytest.mark.parametrize(("value", "name"), [({"logits": 1}, "dict"), ((1, 2), "tuple")])
def test_outputs_that_are_no_tensor(small_data, value, name):
    with pytest.raises(LandscapeError, match=f"the model Returning returns a {name}, not a tensor: wrap it"):
        check(Returning(lambda x: value), small_data)


def test_settings_that_do_not_fit_the_outputs(small_net, small_data):
    with pytest.raises(LandscapeError, match="k=9 needs at least 9 outputs, there are 3: set k="):
        check(small_net, small_data, metrics=["top-k-accuracy(k=9)"])
    with pytest.raises(LandscapeError, match="got an unexpected keyword argument 'smooth'"):
        check(small_net, small_data, "cross-entropy(smooth=1)")


def test_no_memory_for_the_first_two_examples(small_data):
    def fail(inputs):
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(SurroundingsError, match="the device is out of memory even with two examples at a time"):
        check(Returning(fail), small_data)


def small_task(loss, targets, metrics=()):
    return make_task({"test": Batches(torch.randn(len(targets), 4), targets, "d", "d", "")}, loss, metrics)


def test_batchmean_is_a_sum_over_the_components_of_an_example():
    logs, target = torch.randn(6, 4).log_softmax(1), torch.rand(6, 4).softmax(1)
    criterion = nn.KLDivLoss(reduction="batchmean")
    torch.testing.assert_close(loss_quantity(criterion).function(logs, target).mean(), criterion(logs, target))


@pytest.mark.parametrize(
    "criterion",
    [nn.CrossEntropyLoss(reduction="sum"), nn.CrossEntropyLoss(ignore_index=0), nn.MSELoss(reduction="sum")],
)
def test_criteria_that_sum_or_skip_are_refused(criterion):
    targets = torch.randn(6, 4) if isinstance(criterion, nn.MSELoss) else torch.tensor([1, 2, 0, 1, 3, 2])
    with pytest.raises(LandscapeError, match="is not the mean of its values on the examples"):
        small_task(criterion, targets).check(nn.Identity())


def test_an_ignored_index_that_does_not_occur_is_no_matter():
    small_task(nn.CrossEntropyLoss(), torch.tensor([1, 2, 0])).check(nn.Identity())
    small_task(nn.BCEWithLogitsLoss(), torch.rand(3, 4)).check(nn.Identity())


def test_metrics_of_one_name_are_told_apart_by_their_settings():
    task = small_task("cross-entropy", torch.tensor([1, 2]), ["top-k-accuracy(k=2)", "top-k-accuracy(k=3)"])
    assert task.names == ("loss", "accuracy", "top_k_accuracy_k2", "top_k_accuracy_k3")


def test_functions_are_known_by_what_they_do():
    def scaled(factor):
        return lambda output, target: factor * (output - target).square().mean(1)

    specs = [loss_quantity(function).spec for function in (scaled(1), scaled(1), scaled(2))]
    assert specs[0] == specs[1] != specs[2]
    assert loss_quantity(lambda o, t: o.mean(1)).spec != loss_quantity(lambda o, t: o.sum(1)).spec


def test_the_loss_of_a_half_precision_net_is_computed_in_float32():
    net, targets = nn.Identity(), torch.randint(0, 4, (8,))
    inputs = torch.randn(8, 4, dtype=torch.bfloat16)
    task = make_task({"test": Batches(inputs, targets, "d", "d", "")}, "cross-entropy")
    expected = nn.functional.cross_entropy(inputs.double(), targets, reduction="none")
    torch.testing.assert_close(task.per_example(net, inputs, targets)[0], expected, rtol=1e-6, atol=1e-6)
