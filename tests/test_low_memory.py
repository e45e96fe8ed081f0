"""Directions that are drawn anew at every point, around weights that are read back from the file."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

import landscape
from landscape.directions import NORMALIZERS, Gaussian, Redrawn
from landscape.errors import Interrupted, LandscapeError
from landscape.models import read_checkpoint
from landscape.models.loading import Stored, load_weights
from landscape.parameters import Base, ParameterSpace, RegeneratedSubspace, Subspace

HALVES = (torch.bfloat16, torch.float16)
BITS = {8: torch.int64, 4: torch.int32, 2: torch.int16}


class Holder(nn.Module):
    """Two bare parameters."""

    def __init__(self, shape, role, dtype, seed=0):
        super().__init__()
        self.parameter_roles = {"first": role, "second": "bias"}
        generator = torch.Generator().manual_seed(seed)
        self.first = nn.Parameter(torch.randn(shape, generator=generator).to(dtype))
        self.second = nn.Parameter(torch.randn(5, generator=generator).to(dtype))


def nothing():
    pass


def bits(model):
    return {
        name: tensor.detach().clone().view(BITS[tensor.element_size()]) for name, tensor in model.named_parameters()
    }


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def pair(model, normalize="filter", perturb="all", stored=None, roles=(), axes=2):
    """The subspace of two directions that are held, and the same regenerated."""
    space = ParameterSpace(model, perturb, roles)
    recipes = [Gaussian(3, axis, 1, normalize) for axis in range(axes)]
    base = Base(model, space.moved, stored or {}, nothing)
    lean = RegeneratedSubspace(space.moved, base, [Redrawn(recipe) for recipe in recipes])
    return Subspace(space, [recipe(space) for recipe in recipes]), lean


def check_alike(model, held, lean, points=((0.3, -0.7), (0.0, 0.0), (-1.0, 0.1))):
    before = bits(model)
    for point in points:
        with held.at(point):
            there = bits(model)
        with lean.at(point):
            assert same(bits(model), there)
            assert any(point) != same(there, before)
        assert same(bits(model), before)
    assert [one.digest() for one in held.directions] == list(lean.summary.digests)
    assert lean.gram == held.gram
    assert lean.cosine == pytest.approx(held.cosine, rel=0, abs=0, nan_ok=True)


@settings(max_examples=60)
@given(
    shape=st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple),
    axis=st.integers(-1, 3),
    normalize=st.sampled_from(list(NORMALIZERS.table)),
    dtype=st.sampled_from([torch.float32, torch.float64, *HALVES]),
)
def test_points_are_the_same_bit_by_bit(shape, axis, normalize, dtype):
    role = f"weight:{min(axis, len(shape) - 1)}" if axis >= 0 else "other"
    model = Holder(shape, role, dtype)
    held, lean = pair(model, normalize)
    check_alike(model, held, lean)
    space = ParameterSpace(model, "all")
    assert [one.norms(space) for one in held.directions] == list(lean.summary.norms)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALVES])
@pytest.mark.parametrize("normalize", ["filter", "layer", "weight"])
@pytest.mark.parametrize("role", ["weight:0", "weight:1", "other"])
def test_large_tensors_are_the_same_bit_by_bit(role, normalize, dtype):
    model = Holder((501, 1301), role, dtype)
    check_alike(model, *pair(model, normalize), points=[(0.3137, -0.7)])


@pytest.mark.parametrize("normalize", ["filter", "layer"])
def test_layouts_and_transposed_convolutions_are_the_same_bit_by_bit(normalize):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ConvTranspose2d(8, 6, 3, groups=2), nn.BatchNorm2d(6), nn.PReLU(6))
    pairs = pair(model, normalize), pair(model.to(memory_format=torch.channels_last), normalize)
    assert not model[0].weight.is_contiguous()
    check_alike(model, pairs[1][0], pairs[0][1])
    check_alike(model, *pairs[1])


def test_a_normalizer_of_the_users_own_serves(tmp_path):
    (tmp_path / "scales.py").write_text("def by_largest(d, w):\n    return d / d.abs().max() * w.abs().max()\n")
    model = Holder((20, 30), "weight:1", torch.float32)
    check_alike(model, *pair(model, f"{tmp_path / 'scales.py'}:by_largest"))


def test_a_line_is_the_same_bit_by_bit():
    model = Holder((20, 30), "weight:1", torch.float32)
    held, lean = pair(model, axes=1)
    check_alike(model, held, lean, points=[(0.5,), (0.0,)])
    with pytest.raises(ValueError, match="zip"), lean.at((0.5, 0.5)):
        pass


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_trained_weights_come_back_on_every_way_out(error):
    model = Holder((20, 30), "weight:0", torch.float32)
    before = bits(model)
    _, lean = pair(model)
    with contextlib.suppress(error), lean.at((1.0, 1.0)):
        assert not same(bits(model), before)
        raise error
    assert same(bits(model), before)


def test_an_error_on_the_way_to_a_point_leaves_the_trained_weights():
    model = Holder((20, 30), "weight:0", torch.float32)
    space, before = ParameterSpace(model, "all"), bits(model)

    def draw(entry, weight):
        if entry.name == "second":
            raise MemoryError
        return Redrawn(Gaussian())(entry, weight)

    lean = RegeneratedSubspace(space.moved, Base(model, space.moved, {}, nothing), [draw])
    with pytest.raises(MemoryError), lean.at((1.0,)):
        pass
    assert same(bits(model), before)


class Tokens(nn.Module):
    """A small network over tokens whose head is the table of tokens; the outputs are (n, tokens, positions)."""

    def __init__(self, vocabulary=23, width=12):
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.mix = nn.TransformerEncoderLayer(width, 3, 16, 0.0, batch_first=True)
        self.head = nn.Linear(width, vocabulary)
        self.head.weight = self.table.weight

    def forward(self, tokens):
        return self.head(self.mix(self.table(tokens))).transpose(1, 2)


def tokens(**_):
    torch.manual_seed(0)
    return Tokens()


def convolutions(**_):
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.ConvTranspose2d(4, 6, 2, groups=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 3))


SEQUENCES = torch.randint(0, 23, (9, 6), generator=torch.Generator().manual_seed(1))
IMAGES = torch.randn(37, 1, 6, 6, generator=torch.Generator().manual_seed(1))
LABELS = torch.randint(0, 3, (37,), generator=torch.Generator().manual_seed(2))
DATA = {tokens: [(SEQUENCES[:, :-1], SEQUENCES[:, 1:])], convolutions: [(IMAGES, LABELS)]}


def per_position(output, target):
    return nn.functional.cross_entropy(output, target, reduction="none").mean(1)


@pytest.fixture
def plain(monkeypatch):
    """The network itself is evaluated, with or without --low-memory."""
    monkeypatch.setattr("landscape.execution.evaluators.cannot_fuse", lambda *_: "the test compares bits")


def written(build, path, dtype=torch.float32):
    state = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in build().state_dict().items()
    }
    state = {name: tensor for name, tensor in state.items() if name != "head.weight"}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"model": state}, path, _use_new_zipfile_serialization=path.suffix == ".pt")
    return path


class Notes:
    """A progress that keeps what is said, and may stop after some points."""

    def __init__(self, points=None):
        self.said, self._points = [], points

    def say(self, text):
        self.said.append(text)

    def start(self, done, total):
        pass

    def advance(self, seconds):
        if self._points is not None:
            self._points -= 1
            if not self._points:
                raise KeyboardInterrupt

    def stop(self):
        pass


def compute(path, build=convolutions, **options):
    options = {"x": (-1, 1, 3), "y": (-0.5, 0.5, 3), "progress": False, "seed": 4, **options}
    if build is tokens:
        options = {"loss": per_position, **options}
    return landscape.compute(f"{__file__}:{build.__name__}", options.pop("data", DATA[build]), ckpt=path, **options)


def check_equal(one, other):
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
    assert one.directions == other.directions
    assert one.job == other.job
    for fact in ("cosine", "gram", "parameters"):
        assert one.provenance[fact] == other.provenance[fact]
    assert one.centre == other.centre


@pytest.mark.parametrize("file", ["net.pt", "net.safetensors", "net.t7"])
@pytest.mark.parametrize(
    ("build", "options"),
    [
        (tokens, {}),
        (tokens, {"normalize": "layer", "perturb": "all", "y": None}),
        (convolutions, {"perturb": "weights+bias", "repeats": 2}),
        (
            convolutions,
            {
                "normalize": "weight",
                "bn_stats": "all",
                "bn_data": DATA[convolutions],
                "bn_samples": "all",
                "role": ["[07].weight=weight:1"],
            },
        ),
        (convolutions, {"data": {"train": DATA[convolutions], "test": DATA[convolutions]}, "split": ["train", "test"]}),
    ],
)
def test_a_surface_is_the_same_bit_by_bit(tmp_path, plain, file, build, options):
    path = written(build, tmp_path / file)
    held, lean = (compute(path, build, low_memory=low, **options) for low in (False, True))
    assert np.isfinite(held["loss"]).all()
    check_equal(held, lean)


def half(**_):
    return tokens().to(torch.bfloat16)


def double(**_):
    return convolutions().double()


def shallow(**_):
    """As `convolutions`, with a weight norm."""
    model = convolutions()
    nn.utils.parametrizations.weight_norm(model[0])
    return model


DATA |= {half: DATA[tokens], double: DATA[convolutions], shallow: DATA[convolutions]}


@pytest.mark.parametrize("stored", [torch.float32, *HALVES, torch.float64])
@pytest.mark.parametrize("build", [tokens, half, double])
def test_networks_and_files_of_any_precision_give_the_same_bits(tmp_path, plain, build, stored):
    path, told = written(build, tmp_path / "net.pt", stored), Notes()
    loss = {"loss": per_position} if build is half else {}
    held = compute(path, build, **loss)
    check_equal(held, compute(path, build, low_memory=True, progress=told, **loss))
    own = next(build().parameters()).dtype
    exact = stored == own or (own == torch.float32 and stored in HALVES)
    assert any("bit for bit" in note for note in told.said) != exact


@pytest.mark.parametrize("options", [{}, {"parametrization": "raw", "perturb": "all"}])
def test_computed_weights_give_the_same_bits(tmp_path, plain, options):
    path, told = written(shallow, tmp_path / "net.pt"), Notes()
    check_equal(compute(path, shallow, **options), compute(path, shallow, low_memory=True, progress=told, **options))
    assert any("folded, computed or converted" in note for note in told.said) == (not options)


def test_folded_weights_give_the_same_bits(tmp_path, plain):
    path, options = written(convolutions, tmp_path / "net.pt"), {"fold_bn": True, "normalize": "layer"}
    check_equal(compute(path, **options), compute(path, low_memory=True, **options))


@pytest.mark.parametrize(
    ("file", "note"),
    [("net.pt", None), ("net.safetensors", None), ("net.t7", "net.t7 cannot be mapped into memory, so that a copy of")],
)
def test_what_has_to_be_kept_is_told(tmp_path, file, note):
    told = Notes()
    compute(written(convolutions, tmp_path / file), low_memory=True, progress=told)
    found = [said for said in told.said if "copy of" in said and "weights" in said]
    assert [said.startswith(note or "") for said in found] == ([True] if note else [])


def test_the_callers_own_network_comes_back_as_it_was(plain):
    model, told = convolutions(), Notes()
    before = bits(model)
    held, lean = (
        landscape.compute(model, DATA[convolutions], x=(-1, 1, 3), low_memory=low, progress=told)
        for low in (False, True)
    )
    check_equal(held, lean)
    assert same(bits(model), before)
    assert "the network was not read from a file, so that a copy of 0.0 MB of its weights is kept" in told.said


@pytest.mark.parametrize("first", [False, True])
def test_either_way_goes_on_with_what_the_other_began(tmp_path, plain, first):
    path, whole = written(convolutions, tmp_path / "net.pt"), tmp_path / "whole.h5"
    reference = compute(path, out=whole)
    with pytest.raises(Interrupted):
        compute(path, out=tmp_path / "part.h5", low_memory=first, progress=Notes(3))
    begun = landscape.load(tmp_path / "part.h5")
    assert 0 < (begun["count"] > 0).sum() < 9
    check_equal(reference, compute(path, out=tmp_path / "part.h5", low_memory=not first))


def test_going_on_without_the_fused_network_is_told(tmp_path):
    path, told = written(convolutions, tmp_path / "net.pt"), Notes()
    begun = compute(path, out=tmp_path / "part.h5", progress=Notes())
    if begun.provenance["evaluator"] != "fused":
        pytest.skip("torch has no fused convolutions here")
    with pytest.raises(Interrupted):
        compute(path, out=tmp_path / "part.h5", overwrite=True, progress=Notes(3))
    lean = compute(path, out=tmp_path / "part.h5", low_memory=True, progress=told)
    np.testing.assert_allclose(lean["loss"], begun["loss"], rtol=1e-6)
    note = "the file was begun with the fused network: with the eager one the last bits may differ"
    assert note in told.said
    assert note in lean.provenance["notes"]


def test_directions_that_have_to_be_held_are_refused(tmp_path):
    path = written(convolutions, tmp_path / "net.pt")
    for directions in (f"to({path})", str(path)):
        with pytest.raises(LandscapeError, match="have to be held: leave out one of them"):
            compute(path, low_memory=True, directions=directions, y=None, bn_stats="frozen")
    with pytest.raises(LandscapeError, match="--save-directions needs the directions that --low-memory does not hold"):
        compute(path, low_memory=True, save_directions=True)


def stored_in(path, build=convolutions):
    model, checkpoint = build(), read_checkpoint(path)
    load_weights(model, checkpoint)
    return model, Stored.of(model, checkpoint)


def overwritten(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(0, 1))


def replaced(path):
    (path.parent / "new").write_bytes(b"something else")
    (path.parent / "new").replace(path)


@pytest.mark.parametrize("change", [Path.unlink, replaced])
def test_a_file_that_is_gone_lives_on(tmp_path, change):
    path = written(tokens, tmp_path / "net.pt")
    model, stored = stored_in(path, tokens)
    held, lean = pair(model, stored=stored.tensors)
    change(path)
    stored.check()
    check_alike(model, held, lean)


def test_a_file_that_is_written_to_is_refused(tmp_path):
    path = written(tokens, tmp_path / "net.pt")
    model, stored = stored_in(path, tokens)
    space = ParameterSpace(model)
    base = Base(model, space.moved, stored.tensors, stored.check)
    lean = RegeneratedSubspace(space.moved, base, [Redrawn(Gaussian())])
    with lean.at((1.0,)):
        pass
    overwritten(path)
    with pytest.raises(LandscapeError, match=r"net\.pt was written to while it was read from"), lean.at((1.0,)):
        pass


@pytest.mark.parametrize("file", ["net.pt", "net.safetensors"])
def test_weights_are_parts_of_the_mapped_file(tmp_path, file):
    model, stored = stored_in(written(tokens, tmp_path / file), tokens)
    space = ParameterSpace(model, "all")
    base = Base(model, space.moved, stored.tensors, stored.check)
    assert base.kept == 0
    assert all(base[entry.name] is stored.tensors[entry.name] for entry in space.moved)
    if sys.platform == "linux":
        ranges = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith(file)]
        limits = [[int(end, 16) for end in words[0].split("-")] for words in ranges]
        for entry in space.moved:
            start = base[entry.name].data_ptr()
            assert any(low <= start < high for low, high in limits)


def test_weights_that_changed_since_they_were_read_are_kept(tmp_path):
    model, stored = stored_in(written(tokens, tmp_path / "net.pt"), tokens)
    with torch.no_grad():
        model.table.weight[0, 0] += 1
    space = ParameterSpace(model)
    base = Base(model, space.moved, stored.tensors, stored.check)
    assert base.kept == model.table.weight.numel() * 4
    check_alike(model, *pair(model, stored=stored.tensors))


MEASURE = """
import sys, threading, time
from pathlib import Path

import torch
from torch import nn

import landscape


class Peak:
    def __enter__(self):
        self.base = self.most = anonymous()
        self.going = True
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while self.going:
            self.most = max(self.most, anonymous())
            time.sleep(0.002)

    def __exit__(self, *_):
        self.going = False
        self.thread.join()


def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def peak(model, data, **options):
    with Peak() as found:
        landscape.compute(model, data, x=(0, 1, 2), y=None, progress=False, **options)
    return found.most - found.base


torch.set_num_threads(1)
peak(nn.Linear(3, 3), [(torch.zeros(2, 3), torch.zeros(2, dtype=torch.long))])  # whatever is imported at first use
inputs = [(torch.randn(2, 512), torch.zeros(2, dtype=torch.long))]
for file in sys.argv[2:]:
    print(peak(sys.argv[1], inputs, ckpt=file, low_memory=True))
print(peak(sys.argv[1], inputs, ckpt=file))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell how much memory is anonymous")
def test_memory_stays_near_that_of_the_network(tmp_path):
    """Two tensors of half the network each, so that a temporary copy of either would show."""
    layers = "nn.Sequential(nn.Linear(512, 16384), nn.Linear(16384, 512))"
    (tmp_path / "nets.py").write_text(f"from torch import nn\n\n\ndef build():\n    return {layers}\n")
    model = nn.Sequential(nn.Linear(512, 16384), nn.Linear(16384, 512))
    size = sum(parameter.numel() * 4 for parameter in model.parameters())
    torch.save(model.state_dict(), tmp_path / "net.pt")
    save_file(model.state_dict(), tmp_path / "net.safetensors")
    words = [
        sys.executable,
        "-c",
        MEASURE,
        f"{tmp_path}/nets.py:build",
        tmp_path / "net.pt",
        tmp_path / "net.safetensors",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    *lean, plain = (int(line) / size for line in done.stdout.split())
    slack = 30e6 / size  # the allocator's, whatever the network
    assert all(ratio < 1.3 + slack for ratio in lean)
    assert plain > 2.9
