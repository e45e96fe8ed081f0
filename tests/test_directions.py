"""Draws, normalizers and direction files."""

from __future__ import annotations

from typing import ClassVar

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from landscape.directions import Gaussian, normalized, read_directions
from landscape.errors import LandscapeError
from landscape.models import build_model
from landscape.parameters import ParameterSpace
from landscape.storage import write_named_directions

shapes = st.tuples(st.integers(1, 6), st.integers(1, 8))


@given(shape=shapes, seed=st.integers(0, 99))
def test_each_filter_of_a_direction_has_its_weights_norm(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    weight, drawn = (torch.randn(shape, generator=generator) for _ in range(2))
    weight[0] = 0
    scaled = normalized("filter", drawn, weight)
    for got, want in zip(scaled, weight.double(), strict=True):
        assert got.norm().item() == pytest.approx(want.norm().item(), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        (
            "filter",
            lambda d, w: np.stack([a * np.linalg.norm(b) / np.linalg.norm(a) for a, b in zip(d, w, strict=True)]),
        ),
        ("layer", lambda d, w: d * np.linalg.norm(w) / np.linalg.norm(d)),
        ("weight", lambda d, w: d * w),
        ("dfilter", lambda d, w: np.stack([a / np.linalg.norm(a) for a in d])),
        ("dlayer", lambda d, w: d / np.linalg.norm(d)),
        ("none", lambda d, w: d),
    ],
)
def test_normalizers_follow_their_formulas(name, formula):
    drawn, weight = torch.randn(2, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(normalized(name, drawn, weight), formula(drawn.numpy(), weight.numpy()), rtol=1e-13)


@pytest.mark.parametrize("name", ["filter", "layer", "dfilter", "dlayer"])
def test_zero_filters_do_not_divide_by_zero(name):
    drawn = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert normalized(name, drawn, torch.ones(2, 2)).isfinite().all()
    assert (normalized("filter", torch.ones(2, 2), torch.zeros(2, 2)) == 0).all()


def test_the_filters_of_a_whole_net_keep_their_norms():
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(8, 3))
    space = ParameterSpace(net)
    direction = Gaussian(seed=3)(space)
    assert set(direction.tensors) == {"0.weight", "1.weight", "3.weight"}
    for entry in space.moved:
        norms = [entry.filters.view(t).double().norm(dim=1) for t in (direction.tensors[entry.name], entry.parameter)]
        # The direction is rounded to float32, once per element.
        torch.testing.assert_close(norms[0], norms[1].detach(), rtol=1e-6, atol=0)


def test_draws_are_keyed_by_name_and_pair_two_nets():
    """Nets that differ in their normalization share the draws of what they have in common."""
    plain, batch = (build_model(f"lenet(norm='{norm}')") for norm in ("none", "batch"))
    one, two = (Gaussian(normalize="none")(ParameterSpace(net)).tensors for net in (plain, batch))
    assert set(one) == set(two)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_draws_are_standard_normal_and_depend_on_seed_axis_and_repeat():
    space = ParameterSpace(nn.Linear(300, 300, bias=False))
    draws = [
        Gaussian(*key, normalize="none")(space).tensors["weight"].double().numpy()
        for key in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    for drawn in draws:
        # 90,000 numbers: the mean within 5 / 300, the variance within 5 sqrt(2) / 300.
        assert abs(drawn.mean()) < 5 / 300
        assert abs(drawn.var() - 1) < 5 * 2**0.5 / 300
    cosines = [abs(float((a * b).mean())) for i, a in enumerate(draws) for b in draws[:i]]
    assert max(cosines) < 5 / 300


def test_a_draw_is_the_same_on_every_machine():
    """Pinned values: a change here changes every picture that anybody has made."""
    drawn = Gaussian(seed=0, normalize="none")(ParameterSpace(nn.Linear(2, 2, bias=False))).tensors["weight"]
    expected = [[-1.362450122833252, -2.3279166221618652], [1.6423180103302002, -0.27853071689605713]]
    np.testing.assert_array_equal(drawn.numpy(), np.array(expected, dtype=np.float32))


def test_scalars_and_half_precision_have_directions():
    class Odd(nn.Module):
        parameter_roles: ClassVar = {"scalar": "weight", "low": "weight"}

        def __init__(self) -> None:
            super().__init__()
            self.scalar = nn.Parameter(torch.tensor(-2.0))
            self.low = nn.Parameter(torch.ones(2, 2, dtype=torch.float16))

    tensors = Gaussian()(ParameterSpace(Odd())).tensors
    assert abs(tensors["scalar"].item()) == 2.0
    assert tensors["low"].dtype == torch.float16


def reference_file(path, groups):
    """Written as the 2018 tool does: datasets "0", "1", ... without names."""
    with h5py.File(path, "w") as file:
        for group, arrays in groups.items():
            for index, array in enumerate(arrays):
                file.create_dataset(f"{group}/{index}", data=array)


def test_reference_directions_are_read_by_position(tmp_path, small_net):
    arrays = [np.random.default_rng(i).normal(size=p.shape).astype("f4") for i, p in enumerate(small_net.parameters())]
    zeroed = [array * (array.ndim > 1) for array in arrays]
    reference_file(tmp_path / "d.h5", {"xdirection": zeroed, "ydirection": arrays})
    first, second = read_directions(tmp_path / "d.h5", ParameterSpace(small_net), small_net.state_dict())
    assert set(first.tensors) == {"0.weight", "5.weight"}
    np.testing.assert_array_equal(second.tensors["1.bias"], arrays[3])


def test_more_than_ten_tensors_are_read_in_numerical_order(tmp_path):
    net = nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(12)))
    reference_file(tmp_path / "d.h5", {"xdirection": [np.full((2, 2), i + 1, "f4") for i in range(12)]})
    (found,) = read_directions(tmp_path / "d.h5", ParameterSpace(net), net.state_dict())
    assert [found.tensors[f"{i}.weight"][0, 0].item() for i in range(12)] == list(range(1, 13))


@pytest.mark.parametrize("counters", [True, False])
def test_reference_states_files_leave_buffers_alone(tmp_path, small_net, counters):
    state = {n: t for n, t in small_net.state_dict().items() if counters or "num_batches" not in n}
    arrays = [t.numpy() * (t.ndim > 1) for t in state.values()]
    reference_file(tmp_path / "d.h5", {"xdirection": arrays})
    (found,) = read_directions(tmp_path / "d.h5", ParameterSpace(small_net), small_net.state_dict())
    assert set(found.tensors) == {"0.weight", "5.weight"}
    reference_file(tmp_path / "e.h5", {"xdirection": [t.numpy() for t in state.values()]})
    with pytest.raises(LandscapeError, match=r"moves the buffer 1\.running_mean"):
        read_directions(tmp_path / "e.h5", ParameterSpace(small_net), small_net.state_dict())


def test_directions_of_another_model_are_refused(tmp_path, small_net):
    space, state = ParameterSpace(small_net), small_net.state_dict()
    reference_file(tmp_path / "few.h5", {"xdirection": [np.zeros(3, "f4")]})
    with pytest.raises(LandscapeError, match="holds 1 tensors, the model has 6 parameters"):
        read_directions(tmp_path / "few.h5", space, state)
    reference_file(tmp_path / "other.h5", {"xdirection": [np.zeros(3, "f4")] * 6})
    with pytest.raises(LandscapeError, match=r"xdirection/0 has shape \(3,\), but 0\.weight of the model has"):
        read_directions(tmp_path / "other.h5", space, state)


def test_our_own_direction_files_go_round(tmp_path, small_net):
    space = ParameterSpace(small_net)
    drawn = Gaussian(seed=5)(space)
    write_named_directions(tmp_path / "d.h5", {"first": {n: t.numpy() for n, t in drawn.tensors.items()}})
    (found,) = read_directions(tmp_path / "d.h5", space, small_net.state_dict())
    assert found.digest() == drawn.digest()


def test_files_without_directions_are_refused(tmp_path, small_net):
    space, state = ParameterSpace(small_net), small_net.state_dict()
    with pytest.raises(LandscapeError, match="there is no file"):
        read_directions(tmp_path / "none.h5", space, state)
    h5py.File(tmp_path / "empty.h5", "w").close()
    with pytest.raises(LandscapeError, match="holds no directions"):
        read_directions(tmp_path / "empty.h5", space, state)
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(LandscapeError, match="not an HDF5 file"):
        read_directions(tmp_path / "text.h5", space, state)


@pytest.mark.parametrize(("value", "said"), [(0.0, "moves nothing"), (np.nan, "holds NaN or infinity in 0.weight")])
def test_directions_that_are_none_are_refused(tmp_path, small_net, value, said):
    reference_file(tmp_path / "d.h5", {"xdirection": [np.full(p.shape, value, "f4") for p in small_net.parameters()]})
    with pytest.raises(LandscapeError, match=said):
        read_directions(tmp_path / "d.h5", ParameterSpace(small_net), small_net.state_dict())
