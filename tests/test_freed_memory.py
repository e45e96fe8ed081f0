"""Memory that is freed stays at hand for the next operation."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

TURNS = 50
PAGES = 12_000_000 // 4096
LOOP = """
import resource
import torch
from landscape.evaluation.memory import keep_what_is_freed
if {keep}:
    keep_what_is_freed()
for turn in range({turns} + 10):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first = torch.ones(3_000_000)
    second = first * 2
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep):
    """Pages that so many turns of two blocks of 12 MB were given anew, in a process of its own."""
    program = LOOP.format(keep=keep, turns=TURNS)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc learns how much to keep from what is freed")
def test_pages_are_given_once():
    # A block moves now and then where a small one stands in its way; pages given back would come anew at every turn.
    assert faults(keep=True) < 0.1 * 2 * TURNS * PAGES
