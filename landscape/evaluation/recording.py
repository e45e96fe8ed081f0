"""Recording a computation once, to repeat it without the host having a part in it: a CUDA graph.

A graph repeats the kernels that ran, on the memory that they used. It knows nothing of Python: numbers that the host
chose while it was recorded stay as they were, and what waits for the host cannot be recorded at all.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

Computation: TypeAlias = Callable[[], Tensor]


class Recorder(Protocol):
    """Makes recordings."""

    def record(self, compute: Computation) -> Computation:
        """Record a computation.

        Args:
            compute: The computation; it reads tensors that stay where they are, and returns one.

        Returns:
            What repeats it on the present content of those tensors. It returns the same tensor every time.

        Raises:
            Exception: Whatever the computation raises, or CUDA where it cannot be recorded.
        """


class Repetition:
    """Calls the computation again: what a recording is to give, on any device."""

    def record(self, compute: Computation) -> Computation:
        """See `Recorder.record`."""
        outputs = compute().clone()

        def again() -> Tensor:
            return outputs.copy_(compute())

        return again


class Graphs:
    """Records CUDA graphs, each with memory of its own, on a stream of their own.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def record(self, compute: Computation) -> Computation:
        """See `Recorder.record`."""
        with torch.cuda.device(self._device):
            self._warm_up(compute)
            graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
            try:
                # Other threads may use the GPU meanwhile: what they do does not belong here, and is no error.
                with torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"):
                    outputs = compute()
            except BaseException:
                _end_allocation(self._device, pool)
                raise

        def again() -> Tensor:
            with torch.cuda.device(self._device):
                graph.replay()
            return outputs

        return again

    def _warm_up(self, compute: Computation) -> None:
        """Compute twice: libraries get ready at first, and what waits for the host is found while it does no harm."""
        before = torch.cuda.current_stream()
        self._stream.wait_stream(before)
        with torch.cuda.stream(self._stream):
            compute()
            with _refusing_to_wait():
                compute()
        before.wait_stream(self._stream)


@contextmanager
def _refusing_to_wait() -> Iterator[None]:
    """Make it an error when the host waits for the GPU: a recording that fails midway leaves CUDA in disorder."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that not all is found so
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


def _end_allocation(device: torch.device, pool: tuple[int, int]) -> None:
    """Tell the allocator that a recording is over, which torch before 2.12 forgets to where it failed."""
    names = ("_cuda_endAllocateToPool", "_cuda_endAllocateCurrentStreamToPool")
    end = next((getattr(torch._C, name) for name in names if hasattr(torch._C, name)), None)
    if end is not None:
        with suppress(RuntimeError):  # it knows
            end(torch.cuda.current_device() if device.index is None else device.index, pool)
