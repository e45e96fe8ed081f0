"""What is recorded of a run beside its numbers."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

import landscape


def chance_accuracy(targets: Tensor) -> float | None:
    """The accuracy that always answering the commonest class would reach.

    Args:
        targets: The targets of a split.

    Returns:
        A fraction, or None where the targets are no classes.
    """
    if targets.ndim != 1 or targets.is_floating_point():
        return None
    return float(torch.bincount(targets).max()) / len(targets)


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
    """NaN, which JSON has not, as None, in lists too."""
    return {
        key: [_ready(one) for one in value] if isinstance(value, list) else _ready(value)
        for key, value in values.items()
    }


def _ready(value: Any) -> Any:
    return None if isinstance(value, float) and value != value else value
