"""Large tensors in pieces: norms, products and draws."""

from __future__ import annotations

import hashlib
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from landscape.directions import NORMALIZERS, Gaussian, normalized
from landscape.parameters import (
    Direction,
    Filters,
    ParameterSpace,
    arrays_of,
    filter_squares,
    is_finite,
    pieces_of,
    put_together,
)
from landscape.parameters.pieces import PIECE, inner_product

small = st.integers(1, 5)
# (shape, filters): any axis, from either end, none, or a transposed convolution with groups.
tensors = st.one_of(
    st.lists(small, min_size=0, max_size=4).flatmap(
        lambda shape: st.tuples(
            st.just(tuple(shape)),
            st.builds(Filters, st.none() | st.integers(-len(shape), len(shape) - 1) if shape else st.none()),
        )
    ),
    st.tuples(small, small, small, small, st.integers(1, 3)).map(
        lambda n: ((n[0] * n[4], n[1], n[2], n[3]), Filters(1, n[4]))
    ),
)


@given(tensor=tensors, limit=st.integers(1, 40))
def test_pieces_cover_each_element_once_and_know_its_filter(tensor, limit):
    shape, filters = tensor
    view = filters.view(torch.zeros(shape))
    labels = torch.arange(len(view))[:, None].expand(view.shape)
    wanted = filters.restore(labels, shape).reshape(-1)
    pieces = pieces_of(filters, shape, limit)
    assert [piece.start for piece in pieces] == [0, *(piece.stop for piece in pieces[:-1])]
    assert pieces[-1].stop == math.prod(shape)
    assert all(piece.stop - piece.start == math.prod(piece.box) <= limit for piece in pieces)
    groups = filters.groups
    numbers = np.arange(len(view), dtype=np.float64).reshape(groups, -1)
    found = np.concatenate([np.broadcast_to(piece.spread(numbers), piece.box).ravel() for piece in pieces])
    np.testing.assert_array_equal(found, wanted.numpy())


@given(tensor=tensors, seed=st.integers(0, 99))
def test_squares_of_filters_are_those_of_their_view(tensor, seed):
    shape, filters = tensor
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    squares = filter_squares(filters, shape, arrays_of(values, pieces_of(filters, shape)))
    np.testing.assert_allclose(squares.ravel(), filters.view(values).double().square().sum(1).numpy(), rtol=1e-14)
    assert inner_product(filters, values, 2 * values) == pytest.approx(2 * squares.sum(), rel=1e-14)


class Holder(nn.Module):
    """One bare parameter."""

    def __init__(self, shape, role="weight:0"):
        super().__init__()
        self.parameter_roles = {"table": role}
        self.table = nn.Parameter(torch.randn(shape, generator=torch.Generator().manual_seed(0)))


LARGE = {
    "short rows": ((700, 1000), "weight:0"),
    "rows longer than a piece": ((2, PIECE + 17), "weight:0"),
    "columns": ((1100, 800), "weight:1"),
    "more columns than a piece": ((3, PIECE + 5), "weight:1"),
    "the middle": ((30, 70, 400), "weight:1"),
}


@pytest.mark.parametrize("normalize", NORMALIZERS.table)
@pytest.mark.parametrize("case", LARGE)
def test_a_tensor_of_many_pieces_is_scaled_as_a_whole(case, normalize):
    space = ParameterSpace(Holder(*LARGE[case]))
    (entry,) = space.moved
    key = hashlib.sha256(json.dumps([5, 2, 1, "table"]).encode()).digest()[:16]
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "big")))
    drawn = torch.from_numpy(generator.standard_normal(entry.parameter.shape, dtype=np.float32))
    weight = entry.filters.view(entry.parameter.detach())
    whole = normalized(normalize, entry.filters.view(drawn), weight)
    found = Gaussian(5, 1, 2, normalize)(space).tensors["table"]
    expected = entry.filters.restore(whole, entry.parameter.shape).float()
    torch.testing.assert_close(found, expected, rtol=1.2e-7, atol=0)  # one unit in the last place
    assert (found == expected).float().mean() > 0.9999


def test_a_normalizer_of_the_users_own_gets_the_tensor_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scales.py").write_text(
        "def by_largest(d, w):\n    return d / d.abs().max() * w.abs().amax(1)[:, None]\n"
    )
    space = ParameterSpace(Holder(*LARGE["short rows"]))
    found = Gaussian(normalize="scales.py:by_largest")(space).tensors["table"]
    plain = Gaussian(normalize="none")(space).tensors["table"].double()
    scale = space.moved[0].parameter.detach().double().abs().amax(1)[:, None]
    assert torch.equal(found, (plain / plain.abs().max() * scale).float())


@settings(max_examples=20)
@given(at=st.integers(0, PIECE + 9), value=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_one_bad_number_in_many_pieces_is_found(at, value):
    tensor = torch.zeros(2, (PIECE + 10) // 2)
    assert is_finite(tensor)
    tensor.view(-1)[at] = value
    assert not is_finite(tensor)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_digest_is_that_of_the_bytes(dtype):
    tensors = {name: torch.randn(3, PIECE // 2, dtype=dtype) for name in ("b", "a")}
    total = hashlib.sha256()
    for name in ("a", "b"):
        total.update(name.encode() + b"\0" + tensors[name].float().numpy().tobytes())
    turned = {name: tensor.t().contiguous().t() for name, tensor in tensors.items()}
    assert Direction(tensors, "").digest() == Direction(turned, "").digest() == total.hexdigest()


def test_pieces_are_put_together_in_order():
    tensor = torch.arange(600_000.0).reshape(3, -1)
    pieces = [piece.of(tensor) for piece in pieces_of(Filters(0), tensor.shape)]
    assert len(pieces) > 1
    assert torch.equal(put_together(Filters(0), torch.empty(tensor.shape), pieces), tensor)
