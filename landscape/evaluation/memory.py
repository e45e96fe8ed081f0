"""Running out of memory, which every device says in words of its own."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from landscape.errors import SurroundingsError

# Just below the largest block that glibc learns from, 32 MB.
LEARNT_FROM = 31 << 20


def keep_what_is_freed() -> None:
    """Have glibc keep memory for the next operation, up to 62 MB, instead of giving it back after each.

    It learns how much to keep from the largest block that was freed so far. A network whose activations have a few
    megabytes otherwise has its pages taken away and filled with zeros at every operation: twice the time of a LeNet.
    """
    torch.empty(LEARNT_FROM, dtype=torch.uint8)  # freed at once, and never touched, so that it takes no memory


def give_back() -> None:
    """Give memory that nothing refers to any more back; glibc and CUDA's allocator keep it otherwise."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


@contextmanager
def fixed_batches() -> Iterator[None]:
    """Make running out of memory an error where the batches are part of the job and cannot be halved in silence.

    Yields:
        Nothing.

    Raises:
        SurroundingsError: If memory runs out.
        MemoryError: Never; it is what is turned into that.
        RuntimeError: What has another cause, as it was.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if out_of_memory(error):
            raise SurroundingsError(
                "the device is out of memory with the batches whose statistics are taken: give smaller ones with "
                "--bn-batch-size, or use --device cpu"
            ) from error
        raise


def too_little_memory() -> SurroundingsError:
    """What to raise where the smallest batch is too large."""
    return SurroundingsError(
        "the device is out of memory even with two examples at a time: free some, or use --device cpu"
    )
