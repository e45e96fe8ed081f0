"""What is recorded of a run beside its numbers."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import landscape


def statistics_layers(model: nn.Module) -> int:
    """How many layers keep running statistics."""
    return sum(getattr(module, "running_mean", None) is not None for module in model.modules())


def with_chance(values: dict[str, float], targets: Tensor) -> dict[str, float]:
    """Beside an accuracy, the one that always answering the commonest class would reach.

    Args:
        values: The quantities of a split at the trained weights.
        targets: The targets of that split.

    Returns:
        The same values, with `chance_accuracy` where there are classes.
    """
    if "accuracy" in values and targets.ndim == 1 and not targets.is_floating_point():
        values["chance_accuracy"] = float(torch.bincount(targets).max()) / len(targets)
    return values


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "landscape": landscape.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "cuda": str(torch.version.cuda or ""),
    }


def machine(device: torch.device) -> str:
    """The processor in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {platform.machine()}, {sys.platform}"


def json_ready(values: Mapping[str, Any]) -> dict[str, Any]:
    """NaN, which JSON has not, as None."""
    return {key: None if isinstance(value, float) and value != value else value for key, value in values.items()}
