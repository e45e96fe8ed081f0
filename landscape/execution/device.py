"""Where to compute, and how many examples at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from landscape.errors import LandscapeError, SurroundingsError
from landscape.evaluation.memory import out_of_memory


def device_for(name: str, model: nn.Module | None = None) -> torch.device:
    """The device of this name.

    Args:
        name: `"auto"` (where the model is if that is an accelerator, else CUDA, MPS, the CPU, the first there is),
            or what torch calls a device: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`.
        model: The network.

    Returns:
        The device.

    Raises:
        LandscapeError: If it is unknown or absent.
    """
    if name == "auto":
        parameter = next(model.parameters(), None) if model is not None else None
        if parameter is not None and parameter.device.type != "cpu":
            return parameter.device
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _mps() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise LandscapeError(f"unknown device {name!r}: use auto, cpu, cuda, cuda:0 or mps")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise LandscapeError(
            f"--device {name} was asked for, but torch finds no CUDA GPU here: use --device cpu, or install a driver "
            "and a CUDA build of torch"
        )
    if device.type == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        raise LandscapeError(f"--device {name}: there are {torch.cuda.device_count()} GPUs, counted from cuda:0")
    if device.type == "mps" and not _mps():
        raise LandscapeError("--device mps was asked for, but there is no Metal GPU here: use --device cpu")
    return torch.device("cuda", torch.cuda.current_device()) if name == "cuda" else device


@contextmanager
def failures_of_the_device(device: torch.device) -> Iterator[None]:
    """Turn a device that is lost or too small into one sentence.

    Args:
        device: What computes.

    Yields:
        Nothing.

    Raises:
        SurroundingsError: If its memory does not suffice for the model and the data, or it fails.
        RuntimeError: What is not a failure of the device, as it was.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SurroundingsError(
            f"{device} has too little memory for the model and the data: take fewer with --samples, or use --device cpu"
        ) from error
    except RuntimeError as error:
        if device.type == "cpu" or "CUDA error" not in str(error):
            raise
        raise SurroundingsError(
            f"{device} failed ({str(error).splitlines()[0]}); what was saved stays, and the same command goes on"
        ) from error


@contextmanager
def failures_at(point: Sequence[float], evaluator: str, out: Path | None) -> Iterator[None]:
    """Turn what a backend cannot compute for a quicker evaluator into one sentence; the network itself may well do.

    Args:
        point: Where it computes.
        evaluator: Name of the evaluator; the plain one fails as it fails.
        out: Where what was computed is saved, or None.

    Yields:
        Nothing.

    Raises:
        SurroundingsError: If it fails.
        RuntimeError: What memory or a lost device causes, or the network itself, as it was.
    """
    try:
        yield
    except RuntimeError as error:
        if evaluator == "eager" or out_of_memory(error) or "CUDA error" in str(error):
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        where = f"the point ({', '.join(f'{one:g}' for one in point)})" if any(point) else "the trained weights"
        how = f"{out} keeps what was computed, and the same command with" if out else "what may help is"
        raise SurroundingsError(
            f"the {evaluator} network fails at {where} ({reason}): {how} --evaluator eager"
            f"{' goes on with the network itself' if out else ', the network itself'}"
        ) from error


def batch_size_for(device: torch.device) -> int:
    """How many examples at a time, where nothing more is known of them."""
    return 250 if device.type == "cpu" else 1000


def batch_size_in_cache(example: int, cache: int, most: int = 4096, least: int = 64) -> int:
    """How many examples at a time stay in a cache from one operation to the next.

    Half of the cache is left to the weights, and to what the next operation writes.

    Args:
        example: Bytes that the largest operation reads and writes for one example.
        cache: Size of the cache in bytes.
        most: The number beyond which nothing is saved any more.
        least: The number below which the processor is not busy.

    Returns:
        The number.
    """
    return min(max(cache // 2 // max(example, 1), least), most)


def _mps() -> bool:
    return torch.backends.mps.is_available()
