"""An interrupted run goes on, bit for bit; a run that is another one is refused."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from interruptible import compute
from torch import nn

import landscape
from landscape.errors import Interrupted, LandscapeError, SurroundingsError
from landscape.execution import Silent
from landscape.execution.preparation import Settings
from landscape.execution.resume import settled
from landscape.storage import write_named_directions


def datasets(path: Path) -> dict[str, np.ndarray]:
    """Every array of a file."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same(one: Path, other: Path) -> None:
    first, second = datasets(one), datasets(other)
    assert first.keys() == second.keys()
    for name, values in first.items():
        assert values.dtype == second[name].dtype
        np.testing.assert_array_equal(values, second[name], err_msg=name)


class Stopping(Silent):
    """Raises after so many points, and keeps what was said."""

    def __init__(self, after: int = 10**9, error: BaseException | None = None) -> None:
        self.left, self.error, self.said = after, error or RuntimeError("the power went"), []

    def say(self, text: str) -> None:
        self.said.append(text)

    def advance(self, seconds: float) -> None:
        self.left -= 1
        if self.left == 0:
            raise self.error


def interrupted(out: Path, after: int = 9, **options) -> None:
    with pytest.raises(RuntimeError, match="the power went"):
        compute(out, **{**options, "progress": Stopping(after)})


@pytest.mark.parametrize("after", [1, 9, 34])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, after):
    interrupted(tmp_path / "a.h5", after)
    assert landscape.load(tmp_path / "a.h5").done().sum() == after + 1  # the centre is known before the first point
    resumed = compute(tmp_path / "a.h5")
    compute(tmp_path / "b.h5")
    assert_same(tmp_path / "a.h5", tmp_path / "b.h5")
    assert resumed.provenance["resumed"] == 1
    assert resumed.provenance["created"] == landscape.load(tmp_path / "a.h5").provenance["created"]


def test_done_points_are_not_computed_again(tmp_path):
    compute(tmp_path / "a.h5", y="none")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["test/loss"][:] = [np.nan, np.inf, 0.0, 9.0, -5.0, 1.0, 1.0]
        file["test/count"][6] = 0
    surface = compute(tmp_path / "a.h5", y="none")
    np.testing.assert_array_equal(surface["loss"][[0, 1, 2, 4, 5]], [np.nan, np.inf, 0.0, -5.0, 1.0])
    assert surface["loss"][3] == surface.centre["test"]["loss"]
    assert surface["loss"][6] not in (1.0, 0.0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_stopped_in_mid_run_can_be_gone_on_with(tmp_path, number):
    out = tmp_path / "a.h5"
    script, threads = Path(__file__).with_name("interruptible.py"), str(torch.get_num_threads())
    process = subprocess.Popen(
        [sys.executable, str(script), str(out)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": threads},
    )
    deadline = time.monotonic() + 60
    while not (out.exists() and landscape.load(out).done().sum() >= 5) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    done = int(landscape.load(out).done().sum())
    assert 5 <= done < 35
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert said == f"stopped with {done} of 35 points done; {out} is saved: the same command goes on from there"
    compute(out)
    compute(tmp_path / "b.h5")
    assert_same(out, tmp_path / "b.h5")


def test_an_interruption_hands_over_what_was_computed(tmp_path):
    class Signalling(Stopping):
        def advance(self, seconds: float) -> None:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"stopped with 2 of 35 points done$") as caught:
        compute(None, progress=Signalling())
    assert caught.value.surface.done().sum() == 2


OTHER = {
    "x": ({"x": "-1:1:9"}, "x (-1:1:9 here, -1:1:7 there)"),
    "y": ({"y": None}, "y (none here, -1:1:5 there)"),
    "seed": ({"seed": 1}, "seed (1 here, 0 there)"),
    "normalize": ({"normalize": "layer"}, "normalize (layer here, filter there)"),
    "samples": ({"samples": 10}, "samples (10 here, all there)"),
    "loss": ({"loss": "softmax-mse"}, "loss (softmax-mse here, cross-entropy there)"),
    "metric": ({"metric": ["cross-entropy"]}, "metrics ("),
    "perturb": ({"perturb": "all"}, "perturb (all here, weights there)"),
    "role": ({"role": ["*.bias=weight"]}, "roles ("),
    "split": ({"split": "train"}, "data_digest ("),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_run_on_the_same_file_is_refused_naming_what_differs(tmp_path, name):
    options, message = OTHER[name]
    interrupted(tmp_path / "a.h5")
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(
        LandscapeError, match=r"a\.h5 holds another run, which differs in .*" + re.escape(message)
    ) as caught:
        compute(tmp_path / "a.h5", **options)
    assert str(caught.value).endswith("give another file with --out, or replace it with --overwrite")
    assert (tmp_path / "a.h5").read_bytes() == before
    replaced = compute(tmp_path / "a.h5", overwrite=True, **options)
    assert replaced.complete
    assert replaced.provenance["resumed"] == 0


def test_other_weights_are_another_run(tmp_path, small_net, small_data):
    landscape.compute(small_net, small_data, x="-1:1:3", y=None, out=tmp_path / "a.h5", progress=False)
    small_net[5].bias.data += 1e-3
    with pytest.raises(LandscapeError, match=r"differs in checkpoint_sha256 \(\w+\.\.\. here, \w+\.\.\. there\): give"):
        landscape.compute(small_net, small_data, x="-1:1:3", y=None, out=tmp_path / "a.h5", progress=False)


def test_the_same_seed_gives_the_same_values_and_another_one_others(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        compute(tmp_path / f"{name}.h5", seed=seed)
    assert_same(tmp_path / "a.h5", tmp_path / "b.h5")
    first, other = (landscape.load(tmp_path / f"{name}.h5")["loss"] for name in "ac")
    assert first[3, 2] == other[3, 2]
    assert (first == other).sum() == 1


def test_batch_size_and_threads_are_taken_up_again(tmp_path):
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        interrupted(tmp_path / "a.h5", batch_size=7)
        torch.set_num_threads(1)
        surface = compute(tmp_path / "a.h5")
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)
    assert surface.provenance["batch_size"] == 7
    assert surface.provenance["threads"] == 2


def test_what_cannot_be_taken_up_again_is_said(tmp_path):
    interrupted(tmp_path / "a.h5", batch_size=7)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file.attrs["provenance"] = file.attrs["provenance"].replace(torch.__version__, "1.0")
    progress = Stopping()
    surface = compute(tmp_path / "a.h5", batch_size=9, progress=progress)
    batches = "the file was begun with batches of 7: with 9 the last bits may differ"
    versions = (
        f"not all is as when the file was begun (torch 1.0 then, {torch.__version__} now): the last bits may differ"
    )
    assert {batches, versions} <= set(progress.said)
    assert {batches, versions} <= set(surface.provenance["notes"])


def test_directions_that_come_out_differently_are_refused(tmp_path):
    interrupted(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["directions/second"].attrs["digest"] = "0" * 64
    message = rf"made with .*torch {re.escape(torch.__version__)}.* come out differently with the versions here"
    with pytest.raises(LandscapeError, match=message):
        compute(tmp_path / "a.h5")


def test_overwrite_leaves_the_files_of_others_alone(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["layer"] = np.ones(3)
    (tmp_path / "text.h5").write_text("hello")
    write_named_directions(tmp_path / "directions.h5", {"first": {"a": np.ones(1)}})
    for path in sorted(tmp_path.iterdir()):
        before = path.read_bytes()
        with pytest.raises(LandscapeError, match="is not a file of landscape's, so --overwrite leaves it alone"):
            compute(path, overwrite=True)
        with pytest.raises(LandscapeError, match=r"or give another file with --out"):
            compute(path)
        assert path.read_bytes() == before


def test_overwrite_replaces_a_broken_file_and_one_of_a_newer_version(tmp_path):
    out = tmp_path / "a.h5"
    compute(out, y="none")
    out.write_bytes(out.read_bytes()[:3000])
    with pytest.raises(LandscapeError, match="it is truncated: copy it again; or give another file with --out"):
        compute(out, y="none")
    compute(out, y="none", overwrite=True)
    with h5py.File(out, "r+") as file:
        file.attrs["format_version"] = 2
    with pytest.raises(LandscapeError, match="has format version 2, this landscape reads up to 1"):
        compute(out, y="none")
    assert compute(out, y="none", overwrite=True).complete


def test_a_disk_that_is_full_costs_nothing_that_was_there(tmp_path, monkeypatch):
    interrupted(tmp_path / "a.h5")
    before = (tmp_path / "a.h5").read_bytes()

    def full(source, target):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(SurroundingsError, match=r"a\.h5': No space left on device; nothing that was there") as caught:
        compute(tmp_path / "a.h5")
    assert caught.value.exit_code == 1
    assert (tmp_path / "a.h5").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
    monkeypatch.undo()
    assert compute(tmp_path / "a.h5").complete


@pytest.mark.parametrize(("out", "error"), [("file/a.h5", SurroundingsError), (".", LandscapeError)])
def test_a_place_that_cannot_be_written_is_said_before_the_run(tmp_path, out, error):
    (tmp_path / "file").touch()
    progress = Stopping()
    with pytest.raises(error, match=r"cannot write|is a folder: give a file with --out"):
        compute(tmp_path / out, progress=progress)
    assert progress.said == []


def test_folders_are_made(tmp_path):
    assert compute(tmp_path / "new" / "deep" / "a.h5", y="none").complete


def test_directions_of_a_file_are_kept_once_and_give_the_same_values(tmp_path):
    options = {"x": "-1:1:3", "y": "-1:1:3"}
    drawn = compute(tmp_path / "a.h5", save_directions=True, **options)
    again = compute(tmp_path / "b.h5", directions=tmp_path / "a.directions.h5", **options)
    np.testing.assert_array_equal(drawn["loss"], again["loss"])
    assert (tmp_path / "b.directions.h5").exists()
    assert compute(tmp_path / "b.h5", directions=tmp_path / "a.directions.h5", **options).provenance["resumed"] == 1


def test_a_line_wants_one_direction_and_a_plane_two(tmp_path):
    net = nn.Linear(36, 3)
    write_named_directions(tmp_path / "d.h5", {"first": {"weight": np.ones((3, 36), "f4")}})
    data = [(torch.zeros(4, 36), torch.zeros(4, dtype=torch.long))]
    line = landscape.compute(net, data, x="-1:1:3", y=None, directions=tmp_path / "d.h5", progress=False)
    assert line.complete
    with pytest.raises(LandscapeError, match=r"d\.h5 holds 1 direction: draw a line with --y none"):
        landscape.compute(net, data, directions=tmp_path / "d.h5", progress=False)


def test_what_was_settled_is_read_without_the_numbers(tmp_path, small_net, small_data, monkeypatch):
    out = tmp_path / "a.h5"
    landscape.compute(small_net, small_data, x="-1:1:3", y=None, precision="auto", out=out, progress=False)
    monkeypatch.setattr("h5py.Dataset.__getitem__", lambda *_: pytest.fail("numbers were read"))
    assert settled(Settings(precision="auto", out=out)).precision == landscape.storage.load_origin(out)[0].precision
    assert settled(Settings(precision="auto", tolerance=0.5, out=out)).precision == "auto"
