"""What the benchmarks time is the same work: losses at the same points agree, and pages say what the files say."""

from __future__ import annotations

import json
import socket

import numpy as np
import pytest
import torch
from networks import network

from benchmarks.cases import Case, load_case, with_directions
from benchmarks.contenders import UserLoop, points
from benchmarks.environment import RESULTS, ROOT, environment
from benchmarks.models import Chaos, Table, gpt2_small, token_batches, vit
from benchmarks.ours import Exact, Ours, losses_at
from benchmarks.report import README, SECTIONS, environment_line, filled
from benchmarks.time_to_picture import error
from benchmarks.timing import Run, largest_relative, summary

SPEC = "resnet(depth=8, width=4)"


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    net, _ = network(SPEC, torch.float32)
    generator = torch.Generator().manual_seed(2)
    images = torch.randint(256, (40, 3, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (40,), generator=generator)
    made = Case("small", "small", SPEC, net.state_dict(), images, labels, (0.5,) * 3, (0.25,) * 3, {}, {})
    path = tmp_path_factory.mktemp("case") / "case.pt"
    with_directions(made).save(path)
    return load_case(path)


@pytest.mark.parametrize("contender", [UserLoop(), Ours(), Ours(evaluator="eager")], ids=["loop", "fused", "eager"])
def test_contenders_measure_the_same_losses(case, contender):
    exact = Exact()
    for one in (contender, exact):
        one.prepare(case, one.variants[0])
    run, truth = contender.run(3), exact.run(3)
    np.testing.assert_allclose(run.losses, truth.losses, rtol=1e-5)
    assert np.unique(truth.losses).size == 9
    assert len(run.stamps) in (8, 9)  # the trained weights may be evaluated before
    assert sorted(run.stamps) == list(run.stamps)


def test_losses_at_other_weights_are_those_of_the_network_there(case, tmp_path):
    inputs, labels = case.tensors()
    weights, expected = [], []
    for factor in (1.0, 1.1, 0.5):
        net = case.model()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(factor)
            expected.append(torch.nn.functional.cross_entropy(net(inputs), labels).item())
        weights.append({name: parameter.detach() for name, parameter in net.named_parameters()})
    np.testing.assert_allclose(losses_at(case, weights, tmp_path), expected, rtol=1e-5)


def test_points_run_fastest_along_x():
    assert [(i, j, a, b) for (i, a), (j, b) in points(2)] == [
        (0, 0, -1.0, -1.0),
        (1, 0, 1.0, -1.0),
        (0, 1, -1.0, 1.0),
        (1, 1, 1.0, 1.0),
    ]


def test_a_point_costs_what_lies_between_its_end_and_that_of_the_one_before():
    runs = [Run(seconds, [3.0, 4.0, 6.0, 9.0]) for seconds in (10.0, 12.0, 14.0)]
    assert runs[0].per_point == 2.0
    assert [run.setup for run in runs] == [2.0, 4.0, 6.0]
    found = summary([*runs, Run(20.0, [0.0, 8.0])])
    assert (found["median"], found["minimum"], found["spread"]) == (2.0, 2.0, 3.0)


def test_differences_are_taken_where_both_are_finite():
    nan, inf = float("nan"), float("inf")
    assert largest_relative([1.1, nan, 3.0, inf], [1.0, 2.0, inf, inf]) == pytest.approx(0.1)
    assert largest_relative([nan], [1.0]) is None


def test_the_error_of_a_picture_is_in_decades_by_their_range():
    truth = np.array([[0.1, 10.0], [1.0, 1.0]])
    shown = truth * np.array([[10.0, 1.0], [1.0, 0.1]])
    assert error(truth, truth) == 0
    assert error(truth, shown) == pytest.approx(np.sqrt((1 + 1) / 4) / 2)


def test_a_table_gives_back_its_losses_and_chaos_stays_in_its_range():
    x, y, losses = torch.linspace(-1, 1, 3), torch.linspace(-1, 1, 2), torch.arange(1.0, 7.0).reshape(3, 2)
    table, chaos, found = Table(x, y, losses), Chaos(), []
    for a in x:
        for b in y:
            for formula in (table, chaos):
                torch.nn.init.constant_(formula.a.weight, a)
                torch.nn.init.constant_(formula.b.weight, b)
            found.append(table(torch.ones(2, 1))[0, 0].item())
            assert 0.1 <= chaos(torch.ones(2, 1))[0, 0].item() <= 10
    assert found == losses.flatten().tolist()


def test_networks_have_the_sizes_that_are_claimed():
    with torch.device("meta"):
        large = gpt2_small()
    assert sum(parameter.numel() for parameter in large.parameters()) == 124_439_808
    assert sum(parameter.numel() for parameter in vit().parameters()) == pytest.approx(1.2e6, rel=0.02)
    tokens, following = token_batches(2, 5, 11)[0]
    small = gpt2_small(vocabulary=11, context=5, dim=8, depth=1, heads=2).eval()
    assert small(tokens).shape == (2, 11, 5)
    assert torch.equal(tokens[:, 1:], following[:, :-1])
    cut = tokens.clone()
    cut[:, -1] = 0
    torch.testing.assert_close(small(tokens)[..., :-1], small(cut)[..., :-1])


def test_the_environment_names_neither_the_machine_nor_its_folders():
    written = json.dumps(environment(2))
    assert len(socket.gethostname()) < 6 or socket.gethostname() not in written
    assert str(ROOT) not in written
    assert torch.__version__.startswith(json.loads(written)["versions"]["torch"])


def test_a_page_is_filled_between_its_markers():
    page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb"
    assert filled(page, "x", r"\1 new") == "a\n<!-- begin x -->\n\\1 new\n<!-- end x -->\nb"
    assert filled(filled(page, "x", "one"), "x", "two") == filled(page, "x", "two")
    with pytest.raises(ValueError, match="begin y"):
        filled(page, "y", "")


@pytest.mark.parametrize("name", SECTIONS)
def test_the_page_says_what_the_files_say(name):
    text, file = README.read_text(encoding="utf-8"), RESULTS / f"{name}.json"
    if not file.exists():
        assert f"<!-- begin {name} -->\n" in text
        return
    content = json.loads(file.read_text(encoding="utf-8"))
    assert filled(text, name, "\n".join([*SECTIONS[name][0](content), "", environment_line(content)])) == text
