"""How much memory there is, and whether data belong into it."""

from __future__ import annotations

import os
from pathlib import Path

SHARE = 4  # data may take one part in so many of the memory that is free
ROOMY = 2**30  # bytes of float32 inputs up to which they are kept ready: larger ones are prepared at every point

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def free_memory() -> int:
    """Memory that a process can still take without another one losing its own, in bytes.

    The limit of the control group (a container, a SLURM job) counts where there is one. Where the system says
    nothing, half of the physical memory is taken to be free.
    """
    return min([_of_the_system(), *_of_the_control_groups()])


def fits(size: int) -> bool:
    """Whether data of so many bytes leave most of the free memory alone."""
    return size <= free_memory() // SHARE


def kept_ready(floats: int) -> bool:
    """Whether inputs are kept as the network takes them, and not prepared at every point from what takes less.

    Args:
        floats: Bytes of all inputs in float32.
    """
    return floats <= ROOMY and fits(floats)


def in_words(size: float) -> str:
    """A number of bytes with its unit: `61.4 GB`, `3.2 MB`."""
    value, unit = next(
        (size / scale, unit) for scale, unit in ((1e9, "GB"), (1e6, "MB"), (1.0, "bytes")) if size >= scale
    )
    return f"{value:,.0f} {unit}" if value >= 99.95 else f"{value:.3g} {unit}"


def _of_the_system() -> int:
    for line in _MEMINFO.read_text().splitlines() if _MEMINFO.exists() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return 2**32


def _of_the_control_groups() -> list[int]:
    """What is left below the limit of the process's own control group and of those above it (version 2)."""
    lines = _OWN_CGROUP.read_text().splitlines() if _OWN_CGROUP.exists() else []
    own = next((_CGROUPS / line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)
    if own is None:
        return []
    groups = (_left(folder) for folder in (own, *own.parents) if folder.is_relative_to(_CGROUPS))
    return [left for left in groups if left is not None]


def _left(folder: Path) -> int | None:
    """What a control group may still take; pages of files that nobody uses do not count as taken."""
    try:
        limit = int((folder / "memory.max").read_text())
        taken = int((folder / "memory.current").read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no limit ("max"), or no such file
        return None
    return max(0, limit - taken + int(statistics.get("inactive_file", 0)))
