"""What a pass over images takes at least: its operations and bytes, by what the machine does of each in a second.

The operations of a pass are those of its convolutions and linear layers. Its bytes are those that every such layer has
to move if BatchNorm, ReLU and the sum behind it are fused into it: inputs, shortcut and outputs, once. Weights are left
out: they are read once for hundreds of images. Activations that stay in a cache from one layer to the next do not move
at all, so that the time by bytes is a floor of passes through memory, not a strict one.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.ceilings import Ceilings

BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}


@dataclass(frozen=True)
class Work:
    """What one example costs.

    Attributes:
        operations: Floating-point operations: two for each multiplication and addition of a layer.
        numbers: Activations that the fused layers read and write.
    """

    operations: float
    numbers: float


@dataclass(frozen=True)
class Bound:
    """The least seconds.

    Attributes:
        arithmetic: By the operations.
        memory: By the bytes.
    """

    arithmetic: float
    memory: float

    @property
    def seconds(self) -> float:
        """The larger of both."""
        return max(self.arithmetic, self.memory)

    @property
    def binds(self) -> str:
        """Which of both it is."""
        return "arithmetic" if self.arithmetic >= self.memory else "memory"

    def plain(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {**asdict(self), "seconds": self.seconds, "binds": self.binds}


def counted(model: nn.Module, shape: Sequence[int]) -> Work:
    """Count what one example costs, without computing anything.

    Args:
        model: The network; a copy of it is looked at.
        shape: Shape of an example.

    Returns:
        The operations and numbers of its convolutions and linear layers, and of the sums that are fused into them.
    """
    counter = _Counter()
    hollow = copy.deepcopy(model).eval().to("meta")
    with torch.no_grad(), counter:
        hollow(torch.empty(1, *shape, device="meta"))
    return Work(counter.operations, counter.numbers)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up what torch's own operations cost."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.numbers = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = func(*args, **(kwargs or {}))
        aten, kind = torch.ops.aten, func.overloadpacket
        if kind is aten.convolution:
            inputs, weight, transposed = args[0], args[1], args[6]
            # Every output is a product with one filter; the other way round where the convolution is transposed.
            products = (inputs if transposed else outputs).numel() * weight[0].numel()
            self._note(2.0 * products, inputs.numel() + outputs.numel())
        elif kind in (aten.mm, aten.addmm):
            left = args[-2]
            self._note(2.0 * outputs.numel() * left.shape[1], left.numel() + outputs.numel())
        elif kind in (aten.add, aten.add_) and isinstance(args[1], Tensor) and args[0].shape == args[1].shape:
            self._note(0.0, args[1].numel())  # the other summand is the output of the layer before
        return outputs

    def _note(self, operations: float, numbers: float) -> None:
        self.operations += operations
        self.numbers += numbers


def bound(work: Work, ceilings: Ceilings, precision: str, examples: float, corrected: float = 0.0) -> Bound:
    """The least seconds for so many examples.

    Args:
        work: What one costs.
        ceilings: What the machine does.
        precision: That of the pass.
        examples: How many, over all points.
        corrected: The share of them that is evaluated in float32, too.

    Returns:
        The seconds.
    """
    parts = [(precision, examples), *([("fp32", corrected * examples)] if corrected else [])]
    return Bound(
        sum(work.operations * number / ceilings.rates[one] for one, number in parts),
        sum(work.numbers * BYTES[one] * number / ceilings.bandwidth for one, number in parts),
    )
