"""Random directions, as recipes that any machine rebuilds bit for bit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from landscape.directions.normalize import normalized
from landscape.parameters import Direction, ParameterSpace
from landscape.registry import Spec


@dataclass(frozen=True)
class Gaussian:
    """A direction of independent standard normal numbers, scaled by a normalizer.

    Each tensor is drawn by its own counter-based generator, Philox keyed by (seed, repeat, axis, name): the draw
    depends on nothing else, so two networks that share a tensor's name and shape share its draw.

    Attributes:
        seed: The seed of the run.
        axis: 0 for the first direction, 1 for the second.
        repeat: Number of the replicate.
        normalize: Name of the normalizer.
    """

    seed: int = 0
    axis: int = 0
    repeat: int = 0
    normalize: str = "filter"

    def __call__(self, space: ParameterSpace) -> Direction:
        """Draw a direction that moves what the space says may move.

        Args:
            space: The parameters; their present values set the scale.

        Returns:
            The direction, on the CPU, in the parameters' own dtypes.
        """
        tensors = {}
        for entry in space.moved:
            weight = entry.parameter.detach().cpu()
            drawn = entry.filters.view(self._draw(entry.name, tuple(weight.shape)))
            scaled = normalized(self.normalize, drawn, entry.filters.view(weight))
            tensors[entry.name] = entry.filters.restore(scaled, weight.shape).to(weight.dtype)
        return Direction(tensors, self.spec)

    @property
    def spec(self) -> str:
        """The recipe as text."""
        settings = {"seed": self.seed, "axis": self.axis, "repeat": self.repeat, "normalize": self.normalize}
        return str(Spec("random", settings))

    def _draw(self, name: str, shape: tuple[int, ...]) -> Tensor:
        words = json.dumps([self.seed, self.repeat, self.axis, name]).encode()
        key = int.from_bytes(hashlib.sha256(words).digest()[:16], "big")
        generator = np.random.Generator(np.random.Philox(key=key))
        return torch.from_numpy(generator.standard_normal(shape, dtype=np.float32))
