"""Where and with what a measurement was made, and the file that it goes into."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("landscape-viz", "torch", "torchvision", "numpy", "loss-landscapes", "loss-landscape-3d", "landscaper")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_fp16", "amx_int8")


def environment(threads: int | None = None) -> dict[str, Any]:
    """Describe the machine and the versions, without names or paths of it.

    Args:
        threads: How many threads torch was given; None where it was not used.

    Returns:
        Plain data.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "flags": _flags(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": _memory_gb(),
        "gpu": _gpu(),
        "threads": threads,
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": _versions(),
    }


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _processor() -> str:
    numbers = "/".join(_cpuinfo(key) for key in ("cpu family", "model\t", "stepping"))
    name = _cpuinfo("model name") or platform.machine()
    return f"{name} (family/model/stepping {numbers})" if numbers.strip("/") else name


def _flags() -> list[str]:
    known = _cpuinfo("flags").split()
    return [flag for flag in FLAGS if flag in known]


def memory() -> int:
    """Bytes of the machine's memory; 8 GB where the system does not tell."""
    return int(1e9 * (_memory_gb() or 8))


def _memory_gb() -> float | None:
    if not hasattr(os, "sysconf"):
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


def _gpu() -> str | None:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_results(name: str, settings: Mapping[str, Any], results: Any, about: Mapping[str, Any]) -> Path:
    """Write what was measured, in `benchmarks/results`.

    Args:
        name: Name of the file, without its ending.
        settings: What was asked for.
        results: What was found.
        about: The environment.

    Returns:
        The file.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"environment": about, "settings": settings, "results": results}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
