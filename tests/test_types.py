"""Axes, grids, jobs and surfaces: plain data."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from landscape.errors import LandscapeError, listed, nearest
from landscape.types import Axis, Grid, Job, Surface, axis_of

coordinate = st.floats(-1e6, 1e6)
JOB = Job(
    checkpoint="a.pt",
    checkpoint_sha256="0" * 64,
    model="resnet20",
    data="cifar10",
    data_digest={"test": "t", "train": "r"},
    loss="cross-entropy",
    x="-1:1:3",
    y="0:2:5",
    preprocessing={"test": "scaled"},
    metrics=("accuracy",),
    roles=("*.gate=weight:0",),
)


@given(values=st.lists(coordinate, min_size=1, max_size=6, unique=True))
def test_every_axis_is_read_back(values):
    axis = Axis(tuple(sorted(values)))
    assert Axis.parse(str(axis)) == axis


@given(start=coordinate, width=st.floats(1e-3, 1e6), number=st.integers(2, 300))
def test_regular_axes_are_even_and_read_back(start, width, number):
    axis = Axis.regular(start, start + width, number)
    assert len(axis) == number
    np.testing.assert_allclose(axis.array(), np.linspace(start, start + width, number), rtol=0, atol=1e-12 * width)
    assert Axis.parse(str(axis)) == axis


@given(bound=st.floats(1e-6, 1e6), half=st.integers(1, 200))
def test_zero_is_exact_in_the_middle_of_odd_symmetric_ranges(bound, half):
    axis = Axis.regular(-bound, bound, 2 * half + 1)
    assert axis.values[half] == 0.0
    assert axis.values[0] == -bound
    assert axis.values[-1] == bound


@given(step=st.integers(1, 50), before=st.integers(0, 50), after=st.integers(0, 50))
def test_zero_is_exact_wherever_it_falls_on_the_range(step, before, after):
    assume(before + after > 0)
    axis = Axis.regular(-0.1 * step * before, 0.1 * step * after, before + after + 1)
    assert axis.values[before] == 0.0


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("-1:1:5", (-1, -0.5, 0, 0.5, 1)),
        ("0:1:3", (0, 0.5, 1)),
        ("-1:0:3", (-1, -0.5, 0)),
        (" -.5 : 1e0 : 2", (-0.5, 1)),
        ("0:0:1", (0,)),
        ("0,0.1,0.5", (0, 0.1, 0.5)),
    ],
)
def test_ranges_are_read(text, values):
    assert Axis.parse(text).values == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1:-1:5", r"the range '1:-1:5' is empty or runs backwards: write MIN:MAX:POINTS with MIN below MAX"),
        ("1:1:5", r"the range '1:1:5' is empty or runs backwards"),
        ("-1:1:0", r"the range '-1:1:0' asks for 0 points: at least 2 are needed, for example -1:1:51"),
        ("-1:1:1", r"asks for 1 points"),
        ("-1:1:-3", r"asks for -3 points"),
        ("a:b:c", r"cannot read the range 'a:b:c': write MIN:MAX:POINTS, for example -1:1:51"),
        ("-1:1:2.5", r"cannot read the range"),
        ("-1:1", r"cannot read the range"),
        ("", r"cannot read the range"),
        ("0.5", r"cannot read the range"),
        ("nan:1:5", r"the bounds of 'nan:1:5' must be finite"),
        ("-1:inf:5", r"must be finite"),
        ("0,1,1", r"an axis needs finite, strictly increasing coordinates, not \(0\.0, 1\.0, 1\.0\)"),
        ("0,nan", r"an axis needs finite, strictly increasing coordinates"),
    ],
)
def test_wrong_ranges_are_said(text, message):
    with pytest.raises(LandscapeError, match=message):
        Axis.parse(text)


def test_an_axis_holds_plain_numbers():
    axis = Axis(tuple(np.linspace(-1, 1, 3)))
    assert str(axis) == "-1:1:3"
    assert {type(value) for value in axis.values} == {float}
    assert axis == Axis([-1, 0, 1]) == axis_of("-1:1:3") == axis_of((-1, 1, 3)) == axis_of(axis)


@pytest.mark.parametrize("value", [(1, 2), (-1, 1, 2.5), 5, None, ("a", 1, 3), (-1, 1, np.inf)])
def test_what_is_no_range_is_said(value):
    with pytest.raises(LandscapeError, match=r"a range is \(MIN, MAX, POINTS\), for example \(-1, 1, 51\), not "):
        axis_of(value)


def test_an_empty_axis_is_refused():
    with pytest.raises(LandscapeError, match="an axis needs finite"):
        Axis(())


@given(nx=st.integers(1, 6), ny=st.integers(1, 6))
def test_values_i_j_belong_to_x_i_y_j(nx, ny):
    """Flat indices are in C order, on grids that are not square, too."""
    x, y = (Axis(tuple(range(n))) for n in (nx, ny))
    grid = Grid((x, y))
    values = np.reshape([10 * a + b for a, b in (grid.point(index) for index in range(grid.size))], grid.shape)
    np.testing.assert_array_equal(values, 10 * x.array()[:, None] + y.array()[None, :])


def test_grids_of_one_and_two_axes():
    line, plane = Grid((Axis.parse("-1:1:5"),)), Grid((Axis.parse("-1:1:5"), Axis.parse("0:1:3")))
    assert (line.names, line.shape, line.size, line.centre()) == (("x",), (5,), 5, 2)
    assert (plane.names, plane.shape, plane.size, plane.centre()) == (("x", "y"), (5, 3), 15, 6)
    assert plane.point(6) == (0.0, 0.0)
    assert Grid((Axis.parse("-1:1:4"),)).centre() is None
    for axes in ((), (Axis((0.0,)),) * 3):
        with pytest.raises(LandscapeError, match=f"a grid has one or two axes, not {len(axes)}"):
            Grid(axes)


def test_a_job_goes_through_json():
    assert Job.from_json(JOB.to_json()) == JOB
    assert Job.from_json(JOB.to_json()[:-1] + ', "later": 1}') == JOB
    assert JOB.splits == ("test", "train")
    assert JOB.grid.shape == (3, 5)
    assert dataclasses.replace(JOB, y="none").grid.shape == (3,)


CHANGES = {
    "str": lambda value: value + "1",
    "int": lambda value: value + 1,
    "float": lambda value: value + 0.5,
    "bool": lambda value: not value,
    "tuple[str, ...]": lambda value: (*value, "1"),
    "Mapping[str, str]": lambda value: {**value, "more": "1"},
}


@pytest.mark.parametrize("field", dataclasses.fields(Job), ids=lambda field: field.name)
def test_every_field_changes_the_fingerprint_and_is_named(field):
    change = CHANGES[str(field.type)]
    other = dataclasses.replace(JOB, **{field.name: change(getattr(JOB, field.name))})
    assert other.fingerprint() != JOB.fingerprint()
    (difference,) = JOB.differences(other)
    assert difference.startswith(f"{field.name} (")
    assert Job.from_json(other.to_json()) == other


def test_the_splits_keep_their_order_and_the_fingerprint_ignores_it():
    other = dataclasses.replace(JOB, data_digest=dict(reversed(JOB.data_digest.items())))
    assert Job.from_json(other.to_json()).splits == ("train", "test")
    assert other.fingerprint() == JOB.fingerprint()
    assert len(JOB.fingerprint()) == 16
    assert JOB.differences(other) == []


def test_differences_show_both_values_shortened():
    other = dataclasses.replace(JOB, seed=3, roles=(), data="a" * 100)
    seed = "seed (0 here, 3 there)"
    assert seed in JOB.differences(other)
    assert dataclasses.replace(JOB, model="").differences(JOB) == ["model (nothing here, resnet20 there)"]
    assert f"data (cifar10 here, {'a' * 57}... there)" in JOB.differences(other)


def surface_of(shape=(3, 5), count=10):
    grid = JOB.grid
    quantities = {f"{split}/loss": np.ones(grid.shape) for split in JOB.splits}
    quantities |= {f"{split}/count": np.full(grid.shape, count) for split in JOB.splits}
    return Surface(grid, quantities, JOB, path="s.h5")


def test_quantities_by_name_and_by_the_first_split():
    surface = surface_of()
    assert surface["loss"] is surface["test/loss"]
    assert list(surface) == list(surface.quantities)
    assert "test/loss" in surface
    assert "loss" not in surface
    with pytest.raises(LandscapeError, match=r"s\.h5 has no quantity 'test/lost'; did you mean test/loss"):
        surface["test/lost"]


def test_done_is_a_positive_count():
    surface = surface_of()
    assert surface.complete
    surface["train/count"][1, 2] = 0
    assert surface.done().all()
    assert not surface.done("train")[1, 2]
    assert not surface.complete


def test_names_in_messages():
    assert nearest("resnt", ["resnet", "vgg"]) == "did you mean resnet? (known: resnet, vgg)"
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert listed("abc", 2) == "a, b and 1 more"
    assert listed("abc") == "a, b, c"
