"""Every normalization of activations as a float64 loop over single numbers, written from its formula.

Each function takes an array (N, C, ...), the tensors of the layer before the call, and whether it is in train mode.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import numpy as np

EPS, GROUPS, PART, SHARE = 1e-5, 4, 3, 0.3
Tensors = Mapping[str, np.ndarray]
Loop = Callable[[np.ndarray, Tensors, bool], np.ndarray]


def moments(values):
    """Mean and biased variance."""
    mean = sum(values) / len(values)
    return mean, sum((value - mean) ** 2 for value in values) / len(values)


def sets(x, key):
    """Moments of the sets of numbers whose indices have the same key."""
    found = defaultdict(list)
    for index in np.ndindex(x.shape):
        found[key(*index)].append(x[index])
    return {name: moments(values) for name, values in found.items()}


def each(x, value):
    """An array of the value at each index."""
    y = np.empty_like(x)
    for index in np.ndindex(x.shape):
        y[index] = value(*index)
    return y


def standardised(x, tensors, key, found, eps=EPS):
    """gamma_c (x - mean) / sqrt(var + eps) + beta_c, with the moments of the set of each index."""

    def value(n, c, *place):
        mean, variance = found[key(n, c, *place)]
        return tensors["weight"][c] * (x[(n, c, *place)] - mean) / (variance + eps) ** 0.5 + tensors["bias"][c]

    return each(x, value)


def channel(n, c, *place):
    return c


def running(tensors, prefix=""):
    mean, variance = tensors[f"{prefix}running_mean"], tensors[f"{prefix}running_var"]
    return {c: (mean[c], variance[c]) for c in range(len(mean))}


def batch(x, tensors, training):
    return standardised(x, tensors, channel, sets(x, channel) if training else running(tensors))


def frozen_batch(x, tensors, training):
    return standardised(x, tensors, channel, running(tensors))


def weighed(x, tensors, training):
    if training:
        return batch(x, tensors, True)
    own, found = sets(x, lambda n, c, *place: (n, c)), {}
    for (n, c), (mean, variance) in own.items():
        m, v = running(tensors)[c]
        mu = SHARE * mean + (1 - SHARE) * m
        found[n, c] = mu, SHARE * (variance + mean**2) + (1 - SHARE) * (v + m**2) - mu**2
    return standardised(x, tensors, lambda n, c, *place: (n, c), found)


def ghost_batch(x, tensors, training):
    if not training:
        return batch(x, tensors, False)
    parts = np.array_split(x, round(len(x) / PART))
    return np.concatenate([batch(part, tensors, True) for part in parts])


def batch_group(x, tensors, training):
    size = x.shape[1] // GROUPS
    found = sets(x, lambda n, c, *place: c // size) if training else running(tensors, "statistics.")
    return standardised(x, tensors, lambda n, c, *place: c // size, found)


def layer(x, tensors, training):
    return standardised(x, tensors, lambda n, *rest: n, sets(x, lambda n, *rest: n))


def group(x, tensors, training):
    def key(n, c, *place):
        return n, c // (x.shape[1] // GROUPS)

    return standardised(x, tensors, key, sets(x, key))


def instance(x, tensors, training):
    if x.ndim == 2:
        return x
    return standardised(x, tensors, lambda n, c, *place: (n, c), sets(x, lambda n, c, *place: (n, c)))


def rms(x, tensors, training):
    squares = [np.mean([value**2 for value in example.flat]) for example in x]
    return each(x, lambda n, c, *p: tensors["weight"][c] * x[(n, c, *p)] / (squares[n] + EPS) ** 0.5)


def switchable(x, tensors, training):
    kinds = [sets(x, lambda n, c, *place: (n, c)), sets(x, lambda n, *rest: n), sets(x, channel)]
    kinds[2] = kinds[2] if training else running(tensors)
    used = kinds if x.ndim > 2 else kinds[1:]
    p, q = (np.exp(tensors[name]) / np.exp(tensors[name]).sum() for name in ("mean_weight", "var_weight"))
    found = {}
    for n, c in np.ndindex(x.shape[:2]):
        keys = [(n, c), n, c][3 - len(used) :]
        means, variances = zip(*(kind[key] for kind, key in zip(used, keys, strict=True)), strict=True)
        found[n, c] = sum(p * means), sum(q * variances)
    return standardised(x, tensors, lambda n, c, *place: (n, c), found)


def local_response(x, tensors, training):
    def value(n, c, *place):
        near = range(max(0, c - 2), min(x.shape[1], c + 2 + 1))
        return x[(n, c, *place)] / (2 + 0.5 * sum(x[(n, j, *place)] ** 2 for j in near)) ** 0.75

    return each(x, value)


def divisive(x, tensors, training):
    def value(n, c, *place):
        near = tuple(slice(max(0, at - 1), at + 2) for at in place)
        squares = [number**2 for number in x[(n, slice(None), *near)].flat]
        return tensors["weight"][c] * x[(n, c, *place)] / (1 + sum(squares) / len(squares)) ** 0.5

    return each(x, value)


def global_response(x, tensors, training):
    norms = {(n, c): sum(v**2 for v in x[n, c].flat) ** 0.5 for n, c in np.ndindex(x.shape[:2])}
    channels = range(x.shape[1])

    def value(n, c, *place):
        share = norms[n, c] / (sum(norms[n, j] for j in channels) / len(channels) + 1e-6)
        one = x[(n, c, *place)]
        return tensors["gamma"][c] * one * share + tensors["beta"][c] + one

    return each(x, value)


LOOPS: dict[str, Loop] = {
    "none": lambda x, tensors, training: x,
    "batch": batch,
    f"batch(eval_weight={SHARE})": weighed,
    "frozen-batch": frozen_batch,
    f"ghost-batch(size={PART})": ghost_batch,
    f"batch-group(groups={GROUPS})": batch_group,
    "layer": layer,
    f"group(groups={GROUPS})": group,
    "instance": instance,
    "rms": rms,
    "switchable": switchable,
    "local-response(size=5, alpha=0.5)": local_response,
    "divisive(size=3)": divisive,
    "global-response": global_response,
}
