"""The arithmetic of a run: strict float32, flushed denormals, a known number of threads; the caller's is restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from landscape.errors import LandscapeError

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@contextmanager
def strict_arithmetic(threads: int | None = None) -> Iterator[None]:
    """Compute in true float32, without TF32, autocast, autotuning or denormal numbers.

    Real checkpoints hold denormal weights (dead channels under weight decay), which are up to 18 times slower on a CPU.

    Args:
        threads: Number of CPU threads, or None for the present one.

    Yields:
        Nothing.
    """
    threads_before, benchmark, flushes = torch.get_num_threads(), torch.backends.cudnn.benchmark, _flushes()
    with _float32_as("ieee"), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        try:
            if threads is not None:
                torch.set_num_threads(threads)
            torch.backends.cudnn.benchmark = False
            torch.set_flush_denormal(True)
            yield
        finally:
            torch.set_num_threads(threads_before)
            torch.backends.cudnn.benchmark = benchmark
            torch.set_flush_denormal(flushes)


def refuse_precision(precision: str, device: torch.device) -> None:
    """Refuse an arithmetic that a device does not have.

    Args:
        precision: Its name.
        device: The device.

    Raises:
        LandscapeError: If so.
    """
    if precision == "tf32" and not (device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)):
        raise LandscapeError(
            f"TF32 is the arithmetic of NVIDIA GPUs since Ampere, and this is {device}: use --precision bf16, or auto"
        )


@contextmanager
def lowered(precision: str, device: torch.device) -> Iterator[None]:
    """Compute products in a lower precision.

    Args:
        precision: `"fp32"` changes nothing; `"tf32"` rounds the factors of products to 10 bits; `"bf16"` and `"fp16"`
            are torch's autocast, which leaves normalizations and softmax in float32.
        device: Where.

    Yields:
        Nothing.
    """
    if precision == "tf32":
        with _float32_as("tf32"):
            yield
    elif precision in DTYPES:
        # Without its cache: weights change from point to point.
        with torch.autocast(device.type, DTYPES[precision], cache_enabled=False):
            yield
    else:
        yield


@contextmanager
def _float32_as(precision: str) -> Iterator[None]:
    """Make products of float32 numbers `"ieee"`, without TF32 and bfloat16, or `"tf32"`.

    Since torch 2.9 each kind of product has a switch of its own, and the older ones, which span several, cannot be
    read any more once the caller has used a newer one.
    """
    backends = torch.backends
    if not hasattr(backends.cudnn, "conv"):
        older = torch.get_float32_matmul_precision(), backends.cudnn.allow_tf32
        try:
            torch.set_float32_matmul_precision("highest" if precision == "ieee" else "high")
            backends.cudnn.allow_tf32 = precision == "tf32"
            yield
        finally:
            torch.set_float32_matmul_precision(older[0])
            backends.cudnn.allow_tf32 = older[1]
        return
    # oneDNN has no TF32 on most processors.
    families = (backends.cuda, backends.cudnn, *((backends.mkldnn,) if precision == "ieee" else ()))
    kinds = [
        getattr(family, kind) for family in families for kind in ("matmul", "conv", "rnn") if hasattr(family, kind)
    ]
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = precision
        yield
    finally:
        for kind, value in zip(kinds, before, strict=True):
            kind.fp32_precision = value


def _flushes() -> bool:
    """Whether denormal numbers are flushed to zero now; torch does not tell."""
    return bool((torch.tensor(1e-40) * 1.0).item() == 0.0)
