"""Memory that is freed stays at hand for the next operation."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

LOOP = """
import resource
import torch
from landscape.evaluation.memory import keep_what_is_freed
if {keep}:
    keep_what_is_freed()
for turn in range(20):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first = torch.ones(3_000_000)
    second = first * 2
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep):
    """Pages that ten turns of two blocks of 12 MB were given anew, in a process of its own."""
    out = subprocess.run([sys.executable, "-c", LOOP.format(keep=keep)], capture_output=True, text=True, check=True)
    return int(out.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc learns how much to keep from what is freed")
def test_pages_are_given_once():
    pages = 2 * 10 * 12_000_000 // 4096
    assert faults(keep=True) < 0.01 * pages
