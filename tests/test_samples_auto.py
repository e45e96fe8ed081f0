"""As many examples as the picture needs: what is asked of a pilot, and what is made of the answer."""

from __future__ import annotations

import math
from functools import cache

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from surfaces import rugged, surface, valley
from torch import nn

import landscape
from landscape.analysis.geometry import point_levels
from landscape.analysis.scales import choose_scale
from landscape.commands.main import cli
from landscape.data.samples import chosen, up_to
from landscape.errors import LandscapeError
from landscape.execution import Silent, sampling
from landscape.execution.sampling import Pilot, contour_steps, expected_scale, rounded_up
from landscape.rendering.captions import facts
from landscape.types import Axis, Grid

GRID = Grid((Axis.regular(-1, 1, 9), Axis.regular(-0.5, 1, 7)))
LINE = Grid((Axis.regular(-1, 1, 9),))


class Listening(Silent):
    def __init__(self, after=10**9):
        self.said, self.left = [], after

    def say(self, text):
        self.said.append(text)

    def advance(self, seconds):
        self.left -= 1
        if self.left == 0:
            raise RuntimeError("the power went")


@cache
def problem(number=3000, spread=1.0):
    """A small trained network on overlapping classes, and its data."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(0, 3, (number,), generator=generator)
    inputs = torch.nn.functional.one_hot(targets, 6).float() + spread * torch.randn(number, 6, generator=generator)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    optimiser = torch.optim.Adam(net.parameters(), 0.03)
    for _ in range(60):
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(inputs), targets).backward()
        optimiser.step()
    return net, (inputs, targets)


def compute(data=None, progress=None, **options):
    net, own = problem()
    more = {"x": "-1:1:9", "y": "-0.5:1:7", "samples": "auto", **options}
    return landscape.compute(net, own if data is None else data, progress=progress or Silent(), **more)


def arrays_of(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def said_of(surface):
    return [note for note in surface.provenance["notes"] if note.startswith("--samples auto: ")]


# The arithmetic


@given(number=st.integers(1, 10**7))
def test_numbers_are_rounded_up_to_two_digits(number):
    rounded = rounded_up(number)
    assert number <= rounded <= 1.1 * number + 1e-9
    assert len(str(rounded).rstrip("0")) <= 2
    assert rounded_up(rounded) == rounded


@pytest.mark.parametrize(("number", "rounded"), [(1, 1), (99, 99), (100, 100), (101, 110), (1151, 1200), (9901, 10000)])
def test_some_rounded_numbers(number, rounded):
    assert rounded_up(number) == rounded


@given(seed=st.integers(0, 10**6), log=st.booleans())
def test_the_step_is_the_distance_between_the_levels_on_either_side(seed, log):
    random = np.random.default_rng(seed)
    losses = 10.0 ** random.uniform(-2, 3 if log else -1, 40)
    scale = choose_scale([losses])
    for loss, step in zip(losses, contour_steps(scale, losses), strict=True):
        below, above = [[one for one in scale.levels if (one > loss) == side] for side in (False, True)]
        pair = (below[-1:] + above[:1]) if below and above else (below[-2:] or above[:2])
        assert step == pair[1] - pair[0]


def pilot_of(losses, spreads, examples=5000):
    known = point_levels(GRID) <= sampling.LEVEL
    return Pilot(examples, np.where(known, losses, np.nan), np.where(known, spreads, np.nan))


def bowl(scale=1.0):
    x, y = np.meshgrid(*(axis.array() for axis in GRID.axes), indexing="ij")
    return 0.5 + scale * (x**2 + 2 * y**2)


@settings(max_examples=50)
@given(spread=st.floats(1e-3, 1e3), examples=st.integers(2, 10**5))
def test_the_fewest_examples_are_found(spread, examples):
    pilot = pilot_of(bowl(), spread * (bowl() - 0.5), examples)
    needed = pilot.needed(GRID)
    assert 1 <= needed <= examples
    assert needed == examples or max(pilot.errors(needed, GRID)) < 1
    assert needed == 1 or max(pilot.errors(needed - 1, GRID)) >= 1 - 1e-9
    assert max(pilot.errors(examples, GRID)) == 0


def test_the_error_is_that_of_a_sample_without_replacement(monkeypatch):
    """Against draws: the standard deviation of the mean of n of N numbers, over many subsets."""
    random = np.random.default_rng(0)
    rises, steps = random.exponential(size=400), 0.7
    pilot = Pilot(400, np.array([[0.0]]), np.array([[rises.std(ddof=1)]]))
    monkeypatch.setattr(Pilot, "spread_in_steps", lambda self, grid: self.spreads.ravel() / steps)
    means = [random.permutation(rises)[:150].mean() for _ in range(4000)]
    assert np.std(means) / steps == pytest.approx(float(pilot.errors(150, GRID)[0]), rel=0.05)


@pytest.mark.parametrize(
    "whole",
    [valley(17, 17), surface(0.01 + 30 * valley(17, 17)["test/loss"] ** 2), rugged(17)],
    ids=["low", "steep", "log"],
)
def test_a_few_points_tell_the_scale_of_the_figure(whole):
    losses = whole["test/loss"]
    few = np.where(point_levels(whole.grid) <= sampling.LEVEL, losses, np.nan)
    expected, true = expected_scale(few, whole.grid), choose_scale([losses])
    assert expected.log == true.log
    ratio = contour_steps(expected, losses.ravel()) / contour_steps(true, losses.ravel())
    assert np.median(ratio) == pytest.approx(1, rel=0.3)
    assert 0.3 < ratio.min() <= ratio.max() < 3


def test_points_that_are_not_finite_or_not_shown_do_not_count():
    losses, spreads = bowl(), np.full(GRID.shape, 0.2)
    plain = pilot_of(losses, spreads)
    losses[0, 0], spreads[0, 0] = np.nan, np.nan
    losses[-1, -1], spreads[-1, -1] = np.inf, np.nan
    broken = pilot_of(losses, spreads)
    assert len(broken.errors(100, GRID)) == len(plain.errors(100, GRID)) - 2
    assert broken.needed(GRID) < 5000
    nowhere = pilot_of(np.full(GRID.shape, np.nan), spreads)
    assert nowhere.needed(GRID) == 5000
    assert len(nowhere.errors(100, GRID)) == 0


def test_a_surface_that_does_not_move_needs_hardly_any():
    assert pilot_of(np.full(GRID.shape, 0.7), np.zeros(GRID.shape)).needed(GRID) == 1


@pytest.mark.parametrize(("number", "count"), [(3, 3), (10, 10), (11, 10), (2000, 10)])
def test_up_to_a_number_of_examples(number, count):
    assert chosen(up_to(10), number).tolist() == chosen(str(count), number).tolist()


# The pilot


@pytest.mark.parametrize("bn_stats", ["frozen", "all", "batch"])
@pytest.mark.parametrize("grid", [GRID, LINE], ids=["plane", "line"])
def test_the_pilot_measures_what_a_run_on_its_examples_does(monkeypatch, grid, bn_stats):
    pilots = []
    evaluate = sampling.evaluate_pilot
    monkeypatch.setattr(sampling, "evaluate_pilot", lambda *given: pilots.append(evaluate(*given)) or pilots[0])
    net, data = problem()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), net[2])
    net(data[0])
    options = {
        "x": str(grid.axes[0]),
        "y": str(grid.axes[1]) if len(grid.axes) > 1 else None,
        "bn_stats": bn_stats,
        **({"bn_data": data, "bn_samples": 64} if bn_stats == "all" else {}),
        "progress": False,
    }
    landscape.compute(net, data, samples="auto", **options)
    run = landscape.compute(net, data, samples=500, **options).sel(bn=bn_stats if bn_stats != "all" else "frozen")
    known = point_levels(grid) <= sampling.LEVEL
    pilot = pilots[0]["test"]
    assert pilot.examples == 3000
    np.testing.assert_allclose(pilot.losses[known], run["test/loss"][known], rtol=1e-6)
    spreads = run["test/loss_rise_stderr"][known] * math.sqrt(500)
    np.testing.assert_allclose(pilot.spreads[known], spreads, rtol=1e-4, atol=1e-6)
    assert np.isnan(pilot.losses[~known]).all()


def test_what_was_left_out_is_below_the_contour_step():
    """The rise over the chosen examples against that over all: within three of the stated errors everywhere."""
    few, whole = compute(), compute(samples="all")
    assert int(few.job.samples) < 3000
    rises = [surface["test/loss"] - surface.centre["test"]["loss"] for surface in (few, whole)]
    scale = choose_scale([whole["test/loss"]])
    apart = np.abs(rises[0] - rises[1]).ravel() / contour_steps(scale, whole["test/loss"].ravel())
    assert apart.max() < 3
    assert np.sqrt(np.mean(apart**2)) < 1


# Whole runs


def test_it_is_the_run_with_that_number(tmp_path):
    listening = Listening()
    surface = compute(out=tmp_path / "auto.h5", progress=listening)
    (note,) = said_of(surface)
    number = int(surface.job.samples)
    assert note.startswith(
        f"--samples auto: {number:,} of 3,000 test examples, at which the standard error of the rise is"
    )
    assert note.endswith(" a contour step (pilot: 500 test examples at 25 points)")
    assert "is at most 0." in note or "is just below a contour step" in note
    assert number >= sampling.FEWEST
    assert "--samples auto: evaluating a pilot of 500 test examples at 25 points" in listening.said
    assert surface.provenance["asked"] == {"samples": "auto"}
    assert f"n = {number:,}, as many as the picture needs" in facts(surface)[0]
    explicit = compute(samples=number, out=tmp_path / "explicit.h5")
    assert facts(explicit)[0].endswith(f"n = {number:,}")
    assert "asked" not in explicit.provenance
    assert surface.job == explicit.job
    assert surface.job.fingerprint() == explicit.job.fingerprint()
    one, other = arrays_of(tmp_path / "auto.h5"), arrays_of(tmp_path / "explicit.h5")
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def test_the_same_command_again_takes_the_number_from_the_file(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="the power went"):
        compute(out=tmp_path / "a.h5", progress=Listening(9))
    number = landscape.load(tmp_path / "a.h5").job.samples
    monkeypatch.setattr(sampling, "evaluate_pilot", None)
    listening = Listening()
    resumed = compute(out=tmp_path / "a.h5", progress=listening)
    assert f"--samples auto: {int(number):,} examples, as when {tmp_path / 'a.h5'} was begun" in listening.said
    assert resumed.complete
    assert resumed.provenance["resumed"] == 1
    assert resumed.provenance["asked"] == {"samples": "auto"}
    assert len(said_of(resumed)) == 1
    again = compute(out=tmp_path / "a.h5", samples=number)
    assert again.provenance["resumed"] == 2
    monkeypatch.undo()
    other = compute(out=tmp_path / "b.h5")
    np.testing.assert_array_equal(resumed["test/loss"], other["test/loss"])


def test_a_file_with_a_number_of_its_own_is_tried_anew(tmp_path, monkeypatch):
    number = compute().job.samples
    compute(out=tmp_path / "a.h5", samples=number)
    assert compute(out=tmp_path / "a.h5").provenance["resumed"] == 1
    compute(out=tmp_path / "b.h5", samples=77)
    with pytest.raises(LandscapeError, match=rf"differs in data_digest .*samples \({number} here, 77 there\)"):
        compute(out=tmp_path / "b.h5")
    assert compute(out=tmp_path / "b.h5", overwrite=True).job.samples == number


def test_other_options_are_still_compared(tmp_path):
    compute(out=tmp_path / "a.h5")
    with pytest.raises(LandscapeError, match=r"differs in seed \(1 here, 0 there\)"):
        compute(out=tmp_path / "a.h5", seed=1)


def test_splits_share_the_largest_number(monkeypatch):
    _, (inputs, targets) = problem()
    noisy = inputs + 3 * torch.randn(inputs.shape, generator=torch.Generator().manual_seed(1))
    data = {"test": (inputs, targets), "noisy": (noisy, targets), "short": (inputs[:300], targets[:300])}
    numbers = [int(compute(data, split=name).job.samples) for name in ("test", "noisy")]
    both = compute(data, split=("test", "noisy"))
    assert int(both.job.samples) == max(numbers)
    assert f"{max(numbers):,} of 3,000 test and 3,000 noisy examples" in said_of(both)[0]
    with_short = compute(data, split=("test", "short"))
    expected = numbers[0] if numbers[0] < 300 else "all"
    assert with_short.job.samples == str(expected)


def test_few_examples_are_all_taken(small_net, small_data, monkeypatch):
    monkeypatch.setattr(sampling, "evaluate_pilot", None)
    surface = landscape.compute(small_net, small_data, samples="auto", x="-1:1:3", y=None, progress=False)
    assert surface.job.samples == "all"
    assert said_of(surface) == ["--samples auto: all examples, since 37 are few enough"]


def test_where_all_are_needed_all_are_taken(monkeypatch):
    monkeypatch.setattr(Pilot, "needed", lambda self, grid: self.examples - 1)
    surface = compute(y=None)
    assert surface.job.samples == "all"
    assert (
        "fewer leave an error of a contour step or more (pilot: 500 test examples at 5 points)" in said_of(surface)[0]
    )


def test_what_can_be_walked_only_once_is_walked_once():
    _, (inputs, targets) = problem()
    walks = (pair for pair in zip(inputs.split(100), targets.split(100), strict=True))
    surface = compute(walks)
    assert surface.job == compute((inputs, targets)).job


def test_a_network_that_is_given_stays_as_it_was():
    net, _ = problem()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    mode = net.training
    compute()
    assert net.training == mode
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_with_little_memory(monkeypatch):
    surface = compute(low_memory=True)
    assert surface.job == compute().job


def test_it_goes_with_other_options_that_settle_themselves():
    surface = compute(precision="auto", repeats=2, y=None)
    assert surface.provenance["asked"] == {"precision": "auto, tolerance 0.01", "samples": "auto"}


WRONG = {
    "one example": (
        {"data": (torch.ones(1, 6), torch.zeros(1).long())},
        "of a single example there is none: leave --sam",
    ),
    "another word": ({"samples": "automatic"}, "cannot read the choice of samples 'automatic': write 'all'"),
    "calibration": ({"bn_stats": "batch", "bn_samples": "auto"}, "bn_samples|bn-samples"),
    "no folder": ({"out": "file/a.h5"}, "cannot write"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_chosen_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    options, message = WRONG[name]
    with pytest.raises(LandscapeError, match=message):
        compute(**options)


def test_the_self_test_takes_a_number():
    net, data = problem()
    with pytest.raises(LandscapeError, match="cannot read the choice of samples 'auto'"):
        landscape.api.check_rescaling(2.0, net, data, samples="auto", progress=False)


def test_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net, (inputs, targets) = problem()
    torch.save(net.state_dict(), "net.pt")
    torch.save((inputs, targets), "data.pt")
    (tmp_path / "own.py").write_text(
        "import torch\nfrom torch import nn\n"
        "def build():\n    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))\n"
        "def pairs(split):\n    return torch.utils.data.TensorDataset(*torch.load('data.pt'))\n"
    )
    words = "compute --ckpt net.pt --model own.py:build --data own.py:pairs --samples auto --x -1:1:9 --y -0.5:1:7"
    done = CliRunner().invoke(cli, words.split(), catch_exceptions=False)
    assert done.exit_code == 0
    surface = landscape.load("net.h5")
    assert surface.job.samples == compute().job.samples
    assert f"({int(surface.job.samples):,} examples)" in done.output
