"""A run to interrupt: `python interruptible.py OUT` computes slowly and saves after every point."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from torch import nn

import landscape
from landscape.errors import LandscapeError
from landscape.execution import run


class Slow(nn.Module):
    """A small net that takes its time."""

    def __init__(self, pause: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.pause = pause
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(36, 16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, inputs):
        time.sleep(self.pause)
        return self.layers(inputs)


def compute(out: Path | str | None, pause: float = 0.0, **options) -> landscape.Surface:
    """The run: 7 x 5 points on 20 examples."""
    generator = torch.Generator().manual_seed(1)
    data = [(torch.randn(20, 1, 6, 6, generator=generator), torch.arange(20) % 3)]
    options = {"x": "-1:1:7", "y": "-1:1:5", "progress": False, **options}
    return landscape.compute(Slow(pause), data, out=out, **options)


if __name__ == "__main__":
    run.__defaults__ = (lambda cost: 0.0,)
    try:
        compute(sys.argv[1], pause=0.05)
    except LandscapeError as error:
        sys.stderr.write(str(error))
        sys.exit(error.exit_code)
