"""The arithmetic of a run: strict float32, flushed denormals, a known number of threads; the caller's is restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
    with _true_float32(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
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


@contextmanager
def _true_float32() -> Iterator[None]:
    """Switch TF32 and bfloat16 products off.

    Since torch 2.9 each kind of product has a switch of its own, and the older ones, which span several, cannot be
    read any more once the caller has used a newer one.
    """
    backends = torch.backends
    if not hasattr(backends.cudnn, "conv"):
        older = torch.get_float32_matmul_precision(), backends.cudnn.allow_tf32
        try:
            torch.set_float32_matmul_precision("highest")
            backends.cudnn.allow_tf32 = False
            yield
        finally:
            torch.set_float32_matmul_precision(older[0])
            backends.cudnn.allow_tf32 = older[1]
        return
    families = (backends.cuda, backends.cudnn, backends.mkldnn)
    kinds = [
        getattr(family, kind) for family in families for kind in ("matmul", "conv", "rnn") if hasattr(family, kind)
    ]
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        for kind, value in zip(kinds, before, strict=True):
            kind.fp32_precision = value


def _flushes() -> bool:
    """Whether denormal numbers are flushed to zero now; torch does not tell."""
    return bool((torch.tensor(1e-40) * 1.0).item() == 0.0)
