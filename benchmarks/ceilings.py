"""What a machine does in a second: bytes of a copy far larger than its caches, operations of large products.

The products are those of matrices and of a 3 x 3 convolution, on random numbers: zeros draw less power, and a GPU then
clocks higher than it does for a network.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.environment import memory
from landscape.evaluation import strict_arithmetic
from landscape.evaluation.arithmetic import DTYPES, lowered

ROUNDS = 7
LASTS = 0.05  # seconds of a timing, in which what is short is repeated
CACHES = 4  # times the last cache, of an array that is copied
SHARE = 1 / 8  # of the memory, which it takes at most
SMALLEST = 1 << 30
# What is timed, and how many bytes or operations it has.
Job = tuple[Callable[[], object], float]


@dataclass(frozen=True)
class Ceilings:
    """What a machine does in a second.

    Attributes:
        bandwidth: Bytes read plus bytes written by a copy.
        rates: Floating-point operations, for each precision.
        measured: What each kind of operation reached, by name: bytes or floating-point operations.
    """

    bandwidth: float
    rates: Mapping[str, float]
    measured: Mapping[str, float]


@dataclass(frozen=True)
class Sizes:
    """What the ceilings are measured with.

    Attributes:
        copied: Bytes of the array that is copied.
        sides: Of square matrices.
        batch: Of the convolution's inputs.
        channels: Of its inputs and outputs.
        pixels: Height and width of its images.
    """

    copied: int
    sides: Sequence[int]
    batch: int
    channels: int
    pixels: int = 32


def sizes_for(device: torch.device) -> Sizes:
    """What suits a device: an array far beyond its caches, and products that keep it busy for milliseconds."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        cache = getattr(properties, "L2_cache_size", 0)  # older torch does not tell
        return Sizes(_beyond(cache, properties.total_memory), (4096, 8192), 256, 256)
    return Sizes(_beyond(last_cache(), memory()), (1024, 2048), 16, 256)


def last_cache() -> int:
    """Bytes of the processor's last cache, as far as the system tells; else 0."""
    sizes = [path.read_text().strip() for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")]
    units = {"K": 1 << 10, "M": 1 << 20}
    return max((int(size[:-1]) * units[size[-1]] for size in sizes if size[-1:] in units), default=0)


def _beyond(cache: int, memory: int) -> int:
    return min(max(CACHES * cache, SMALLEST), int(SHARE * memory))


def precisions_on(device: torch.device) -> tuple[str, ...]:
    """The precisions that a run may choose there; float16 on a CPU is none."""
    if device.type != "cuda":
        return ("fp32", "bf16")
    has_tf32 = torch.cuda.get_device_capability(device) >= (8, 0)
    return ("fp32", *(["tf32"] if has_tf32 else []), "bf16", "fp16")


def measure(device: torch.device, precisions: Sequence[str], sizes: Sizes) -> Ceilings:
    """Measure both ceilings, round after round, after a warm-up.

    Args:
        device: Where.
        precisions: Of the products.
        sizes: How large everything is.

    Returns:
        The ceilings, from medians.
    """
    with strict_arithmetic(), torch.inference_mode():
        torch.backends.cudnn.benchmark = True  # the best convolution; `strict_arithmetic` puts the setting back
        jobs = {"copy": _copy(device, sizes)}
        for precision in precisions:
            jobs |= _products(device, precision, sizes)
        seconds = _medians({name: call for name, (call, _) in jobs.items()}, device)
    speeds = {name: amount / seconds[name] for name, (_, amount) in jobs.items()}
    jobs.clear()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    rates = {
        precision: max(speed for name, speed in speeds.items() if name.startswith(f"{precision} "))
        for precision in precisions
    }
    return Ceilings(speeds["copy"], rates, speeds)


def _medians(calls: Mapping[str, Callable[[], object]], device: torch.device) -> dict[str, float]:
    """Seconds of each call."""
    times = {}
    for name, call in calls.items():
        seconds_of(call, device)
        times[name] = math.ceil(LASTS / max(seconds_of(call, device), 1e-6))
    rounds = [{name: seconds_of(call, device, times[name]) for name, call in calls.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(one[name] for one in rounds) for name in calls}


def seconds_of(call: Callable[[], object], device: torch.device, times: int = 1) -> float:
    """Seconds that a call takes, by a number of calls after each other.

    Args:
        call: What is timed.
        device: Where it computes; it is waited for.
        times: How many calls.

    Returns:
        The seconds of one.
    """
    _wait(device)
    begun = time.perf_counter()
    for _ in range(times):
        call()
    _wait(device)
    return (time.perf_counter() - begun) / times


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _copy(device: torch.device, sizes: Sizes) -> Job:
    block = torch.rand(1 << 18, device=device)
    source = block.repeat(max(1, sizes.copied // block.nbytes))
    target = torch.empty_like(source)
    return lambda: target.copy_(source), 2.0 * source.nbytes


def _products(device: torch.device, precision: str, sizes: Sizes) -> dict[str, Job]:
    """Products of matrices and a convolution in one precision, and their operations."""
    dtype = DTYPES.get(precision, torch.float32)

    def in_precision(multiply: Callable[[], Tensor]) -> Callable[[], object]:
        if precision != "tf32":
            return multiply

        def call() -> None:
            with lowered(precision, device):
                multiply()

        return call

    jobs: dict[str, Job] = {}
    for side in sizes.sides:
        one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
        call = in_precision(lambda one=one, other=other: one @ other)  # type: ignore[misc]
        jobs[f"{precision} product of {side} x {side}"] = call, 2.0 * side**3
    channels, pixels = sizes.channels, sizes.pixels
    images = torch.randn(sizes.batch, channels, pixels, pixels, device=device, dtype=dtype)
    filters = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
    images, filters = (one.to(memory_format=torch.channels_last) for one in (images, filters))
    jobs[f"{precision} convolution of {channels} channels"] = (
        in_precision(lambda: functional.conv2d(images, filters, padding=1)),
        2.0 * sizes.batch * pixels**2 * channels**2 * 9,
    )
    return jobs
