"""Running out of memory, which every device says in words of its own."""

from __future__ import annotations

import torch

from landscape.errors import SurroundingsError


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def too_little_memory() -> SurroundingsError:
    """What to raise where the smallest batch is too large."""
    return SurroundingsError(
        "the device is out of memory even with two examples at a time: free some, or use --device cpu"
    )
