"""Running statistics at perturbed weights: the checkpoint's, those of each batch, or estimated anew at every point.

Weights that move change what a BatchNorm layer sees, but not the statistics that it remembers. Whether a ridge of the
surface belongs to the loss or to stale statistics is for the policy to tell (Jordan et al. 2022, arXiv:2211.08403).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from landscape.data import Batches
from landscape.errors import LandscapeError
from landscape.evaluation.memory import fixed_batches


def statistics_layers(model: nn.Module) -> dict[str, Any]:
    """The layers that keep running statistics, by name, each once.

    Args:
        model: The network.

    Returns:
        Those with a running mean and variance and a momentum: any BatchNorm or InstanceNorm that tracks, and modules
        of the user's that work alike. A layer whose statistics are constants (no momentum) is none of them.
    """
    return {
        name: module
        for name, module in model.named_modules()
        if all(isinstance(getattr(module, key, None), Tensor) for key in ("running_mean", "running_var"))
        and hasattr(module, "momentum")
    }


def layers_of_each_batch(model: nn.Module) -> list[str]:
    """The BatchNorms that keep no statistics, by name: they normalise by each batch even in eval mode.

    Args:
        model: The network.

    Returns:
        Names of those with `track_running_stats=False`.
    """
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and (module.running_mean is None or module.running_var is None)
    ]


@dataclass(frozen=True)
class Moments:
    """What is kept of the inputs of each layer: additive, so that parts merge exactly into wholes.

    Attributes:
        counts: Per layer, the values per channel that were seen (images, for InstanceNorm).
        sums: Per layer, float64 of shape (2, channels): sums of the values and of their squares; for InstanceNorm,
            which averages over images, sums of the means and of the variances of the images.
    """

    counts: Mapping[str, int]
    sums: Mapping[str, Tensor]

    def __add__(self, other: Moments) -> Moments:
        """Merge what two sets of images gave."""
        return Moments(
            {name: count + other.counts[name] for name, count in self.counts.items()},
            {name: total + other.sums[name] for name, total in self.sums.items()},
        )


@dataclass(frozen=True)
class Halves:
    """The moments of the two disjoint halves of the calibration set: its even batches, and its odd ones."""

    even: Moments
    odd: Moments


class Statistics:
    """The statistics layers of a model under one or several policies.

    `frozen`: the checkpoint's running statistics. `batch`: those of each batch that is evaluated. `recalibrate`: those
    of a fixed calibration set, from counts, sums and sums of squares in float64 over one pass in which each layer
    normalises by its own batch; the variance is sum((x - mean)^2) / (n - 1) over all values, so that what lies between
    batches counts. Averages of within-batch variances would leave that out.

    Other modules (dropout, say) stay in eval mode throughout. In a model without statistics layers every policy is the
    same.

    Attributes:
        matter: Whether the policies differ for this model at all.

    Args:
        model: The network, in eval mode; its statistics now are the frozen ones.
        policies: What is evaluated at each point.
        calibration: The calibration set, on the device; needed for `recalibrate`.
        batch_size: The most examples in a batch whose statistics are taken.
    """

    def __init__(
        self,
        model: nn.Module,
        policies: Sequence[str] = ("frozen",),
        calibration: Batches | None = None,
        batch_size: int = 128,
    ) -> None:
        self.policies = tuple(policies)
        self.batch_size = batch_size
        self.layers = statistics_layers(model)
        self._model = model
        self.matter = bool(self.layers) or bool(layers_of_each_batch(model))
        self._calibration = calibration
        self._buffers = [
            (module, name, buffer, buffer.detach().clone())
            for module in self.layers.values()
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        self._frozen = {name: _running(module).clone() for name, module in self.layers.items()}

    def own_batches(self, policy: str) -> bool:
        """Whether the batches are part of what this policy defines."""
        return policy == "batch" and self.matter

    @contextmanager
    def under(self, policy: str) -> Iterator[Halves | None]:
        """Put the statistics of a policy in place, and the checkpoint's back on every way out.

        Args:
            policy: `"frozen"`, `"batch"` or `"recalibrate"`.

        Yields:
            What the calibration set gave, where it was asked.
        """
        if policy == "frozen" or not self.layers:
            yield None
        elif policy == "batch":
            with self._taking(None):
                yield None
        else:
            halves = self.estimate()
            with self.placed(halves.even + halves.odd):
                yield halves

    def estimate(self) -> Halves:
        """Estimate the statistics at the model's present weights over the calibration set.

        Returns:
            The moments of both halves.

        Raises:
            LandscapeError: If a layer was not reached.
        """
        assert self._calibration is not None
        found: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        with fixed_batches():
            for index, (inputs, _) in enumerate(_even(self._calibration, self.batch_size)):
                with self._taking(found[index % 2]):
                    self._model(inputs)
        missing = [name for name in self.layers if name not in found[0] or name not in found[1]]
        if missing:
            raise LandscapeError(
                f"the layer {missing[0]} keeps running statistics but was not reached by a calibration batch: "
                "evaluate it with --bn-stats frozen"
            )
        even, odd = (
            Moments({n: c for n, (c, _) in half.items()}, {n: s for n, (_, s) in half.items()}) for half in found
        )
        return Halves(even, odd)

    @contextmanager
    def placed(self, moments: Moments) -> Iterator[None]:
        """Put estimated statistics in place, and the checkpoint's back on every way out."""
        try:
            for name, module in self.layers.items():
                mean, variance = self._statistics(name, moments)
                _buffer(module, "running_mean").copy_(mean)
                _buffer(module, "running_var").copy_(variance)
            yield
        finally:
            self._restore()

    def drift(self, halves: Halves, layers: bool = False) -> dict[str, float]:
        """How far the estimated statistics are from the frozen ones.

        Per channel, the mean of the Kullback-Leibler divergences in both directions between the Gaussians with these
        means and with variances v + eps: ((v + d^2) / w + (w + d^2) / v - 2) / 4, with d the distance of the means,
        averaged over all channels.

        Args:
            halves: What `under` gave.
            layers: Whether to give the average over each layer, too.

        Returns:
            `drift` in nats; `drift_floor`, the same between the two halves of the calibration set; `drift:<layer>`.
        """
        whole = halves.even + halves.odd
        apart, floor = {}, []
        for name, module in self.layers.items():
            eps = float(getattr(module, "eps", 0.0))
            apart[name] = _divergence(self._statistics(name, whole), self._frozen[name].double(), eps)
            floor.append(_divergence(self._statistics(name, halves.even), self._statistics(name, halves.odd), eps))
        numbers = [torch.cat(list(apart.values())).mean(), torch.cat(floor).mean()]
        if layers:
            numbers += [values.mean() for values in apart.values()]
        # A name with a slash would be a path in the file.
        names = ("drift", "drift_floor", *(f"drift:{name.replace('/', '|')}" for name in apart))
        return dict(zip(names, torch.stack(numbers).tolist(), strict=False))

    def _statistics(self, name: str, moments: Moments) -> Tensor:
        """Mean and variance, float64 of shape (2, channels)."""
        count, (first, second) = moments.counts[name], moments.sums[name]
        mean = first / count
        if _averages(self.layers[name]):
            return torch.stack([mean, second / count])
        variance = (second - first * mean) / max(count - 1, 1)
        return torch.stack([mean, variance.clamp_min(0.0)])

    @contextmanager
    def _taking(self, found: dict[str, Any] | None) -> Iterator[None]:
        """Let each layer normalise by its batch, noting what it sees, and put all back on every way out."""
        with ExitStack() as stack:
            stack.callback(self._restore)
            for name, module in self.layers.items():
                # The flag of the layer alone: what lies inside it (dropout, say) stays in eval mode.
                stack.callback(setattr, module, "training", module.training)
                module.training = True
                if _is_torchs(module):
                    # With a momentum of 1 the running statistics become those of the batch: no second pass is needed.
                    stack.callback(setattr, module, "momentum", module.momentum)
                    module.momentum = 1.0
                if found is not None:
                    hook = module.register_forward_hook(_noting(name, found), with_kwargs=True)
                    stack.callback(hook.remove)
            yield

    def _restore(self) -> None:
        for module, name, buffer, content in self._buffers:
            module._buffers[name] = buffer
            buffer.copy_(content)


def _noting(name: str, found: dict[str, Any]) -> Any:
    """A forward hook that adds what the layer has just seen; a layer that is used twice sees twice."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Tensor], _: Any) -> None:
        count, sums = _seen(module, (*inputs, *named.values())[0])
        before = found.get(name)
        found[name] = (count, sums) if before is None else (before[0] + count, before[1] + sums)

    return hook


def _seen(module: nn.Module, inputs: Tensor) -> tuple[int, Tensor]:
    """Count and sums per channel of what a layer has just seen, as `Moments` keeps them."""
    if _averages(module):
        mean, variance = _running(module).double()
        images = len(inputs)
        return images, torch.stack([mean * images, variance * images])
    if _is_torchs(module):
        mean, variance = _running(module).double()
        count = inputs.numel() // len(mean)
        return count, torch.stack([mean * count, variance * (count - 1) + mean.square() * count])
    channels = len(_buffer(module, "running_mean"))
    axis = 1 if inputs.ndim > 1 and inputs.shape[1] == channels else inputs.ndim - 1
    values = inputs.movedim(axis, 0).flatten(1).double()
    return values.shape[1], torch.stack([values.sum(1), values.square().sum(1)])


def _is_torchs(module: nn.Module) -> bool:
    """Whether torch's own code keeps the statistics, so that `momentum` means what it means there."""
    return type(module).forward in (_BatchNorm.forward, nn.SyncBatchNorm.forward, _InstanceNorm.forward)


def _averages(module: nn.Module) -> bool:
    """Whether the statistics are averages over images, as InstanceNorm's are, and not pooled over all values."""
    return _is_torchs(module) and isinstance(module, _InstanceNorm)


def _even(batches: Batches, batch_size: int) -> Sequence[tuple[Tensor, Tensor]]:
    """Equal batches of at most this size, an even number of them, so that the halves are equal, too."""
    size = batch_size
    while size > 2 and len(batches.split(size)) % 2:
        size -= 1
    return batches.split(size)


def _running(module: nn.Module) -> Tensor:
    """Running mean and variance, shape (2, channels); on the CPU where the device has no float64."""
    pair = torch.stack([_buffer(module, "running_mean"), _buffer(module, "running_var")]).detach()
    return pair.cpu() if pair.device.type == "mps" else pair


def _buffer(module: nn.Module, name: str) -> Tensor:
    tensor = getattr(module, name)
    assert isinstance(tensor, Tensor)
    return tensor


def _divergence(one: Tensor, other: Tensor, eps: float) -> Tensor:
    """Symmetric divergence of Gaussians given as (mean, variance), each of shape (2, channels); shape (channels,)."""
    v, w = one[1] + eps, other[1] + eps
    squared = (one[0] - other[0]).square()
    return ((v + squared) / w + (w + squared) / v - 2) / 4
