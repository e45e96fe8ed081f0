"""Surfaces for the tests of pictures: asymmetric, so that a swapped axis shows."""

import dataclasses

import numpy as np

from landscape.types import POLICIES, Axis, Grid, Job, Surface


def surface(values, x=None, y=None, name="net.pt", accuracy=None, count=None, centre=None, **job):
    """A surface of these losses; coordinates default to -1..1, the count to 200 at every point."""
    values = np.asarray(values, dtype=np.float64)
    axes = [
        Axis.regular(-1.0, 1.0, n) if given is None else given for n, given in zip(values.shape, (x, y), strict=False)
    ]
    counts = np.full(values.shape, 200, dtype=np.int64) if count is None else np.asarray(count, dtype=np.int64)
    quantities = {"test/loss": np.where(counts > 0, values, np.nan), "test/count": counts}
    if accuracy is not None:
        quantities["test/accuracy"] = np.asarray(accuracy, dtype=np.float64)
    settings = {
        "checkpoint": name,
        "checkpoint_sha256": "0" * 64,
        "model": "lenet",
        "data": "set.npz",
        "data_digest": {"test": "1" * 64},
        "loss": "cross-entropy",
        "x": str(axes[0]),
        "y": str(axes[1]) if len(axes) > 1 else "none",
        **job,
    }
    measured = {"test": {"loss": 0.5, "accuracy": 0.9, "count": 200.0}} if centre is None else centre
    return Surface(Grid(tuple(axes)), quantities, Job(**settings), measured, provenance={"seconds": 1.0})


def valley(nx=13, ny=9, steep=1.0, **more):
    """A bowl that rises faster along the second axis, with a slope along the first."""
    x, y = np.meshgrid(np.linspace(-1, 1, nx), np.linspace(-1, 1, ny), indexing="ij")
    loss = 0.5 + steep * (x**2 + 2 * y**2 + 0.3 * x)
    return surface(loss, accuracy=np.exp(-(x**2) - y**2), **more)


def rugged(n=15, **more):
    """Losses over three decades."""
    x, y = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    return surface(0.3 * 10 ** (2.6 * np.sqrt((x**2 + y**2) / 2) + 0.2 * np.sin(9 * x) * (x**2 + y**2)), **more)


def broken(source, nan=(), inf=(), undone=()):
    """The same surface with cells that are not finite, or not done."""
    loss, count = source["test/loss"].copy(), source["test/count"].copy()
    for cell in nan:
        loss[cell] = np.nan
    for cell in inf:
        loss[cell] = np.inf
    for cell in undone:
        loss[cell], count[cell] = np.nan, 0
    return dataclasses.replace(source, quantities={**source.quantities, "test/loss": loss, "test/count": count})


def stacked(source, repeats=1, policies=False, drift=False):
    """The same surface with leading dimensions: losses times (1 + repeat / 10) * (1 + number of the policy)."""
    numbers = range(len(POLICIES) if policies else 1)
    factors = np.array([[(1 + r / 10) * (1 + p) for p in numbers] for r in range(repeats)])
    several = {0: repeats > 1, 1: policies}
    single = tuple(axis for axis, there in several.items() if not there)
    quantities = {
        name: np.squeeze(
            np.multiply.outer(factors if name.endswith("/loss") else np.ones_like(factors), values), single
        )
        for name, values in source.quantities.items()
    }
    quantities["test/count"] = quantities["test/count"].astype(np.int64)
    if drift:
        levels = np.stack([0.01 * (1 + r) * source["test/loss"] for r in range(repeats)])
        quantities["statistics/drift"] = levels if repeats > 1 else levels[0]
        quantities["statistics/drift_floor"] = quantities["statistics/drift"] / 8
        quantities["statistics/drift:bn1"] = quantities["statistics/drift"] * 2
    job = dataclasses.replace(
        source.job,
        repeats=repeats,
        bn_stats="all" if policies else source.job.bn_stats,
        bn_data="set.npz(augment='crop4-flip')",
        bn_samples="1000",
        bn_preprocessing="augment crop4-flip, scaled to [0, 1]",
        bn_batch_size=128,
    )
    centre = {"test": {name: [value for _ in numbers] for name, value in source.centre["test"].items()}}
    return dataclasses.replace(
        source,
        quantities=quantities,
        job=job,
        centre=centre if policies else source.centre,
        provenance={**source.provenance, "cosines": [0.1 * r for r in range(repeats)]},
    )
