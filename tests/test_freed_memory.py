"""Memory that is freed stays at hand for the next operation."""

from __future__ import annotations

import ctypes
import json
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc learns how much to keep from what is freed"
)

TURNS = 50
PAGES = 12_000_000 // 4096
LOOP = """
import resource
import sys
import torch
from landscape.evaluation.memory import keep_what_is_freed
keep_what_is_freed()
for turn in range(int(sys.argv[1]) + 10):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    first = torch.ones(3_000_000)
    second = first * 2
    del first, second
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
# Bytes on the heap and bytes mapped apart from it, as glibc counts them.
HEAP = """
import ctypes
import json
import torch
from landscape.evaluation.memory import keep_what_is_freed

fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
Counts = type("Counts", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in fields]})
count = ctypes.CDLL("libc.so.6").mallinfo2
count.restype = Counts

keep_what_is_freed()
before = count().hblkhd
block = torch.empty(28_000_000, dtype=torch.uint8)
apart = count().hblkhd - before
del block
print(json.dumps([apart, count().arena]))
"""


def said(program, *words):
    """What a program in a process of its own prints, as JSON."""
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_pages_are_given_once():
    # A block moves now and then where a small one stands in its way; pages given back would come anew at every turn.
    assert said(LOOP, str(TURNS)) < 0.1 * 2 * TURNS * PAGES


def test_what_is_freed_stays_on_the_heap():
    if not hasattr(ctypes.CDLL("libc.so.6"), "mallinfo2"):
        pytest.skip("glibc before 2.33 counts no more than 2 GB")
    apart, heap = said(HEAP)
    assert apart == 0  # not mapped for one tensor, to be given back with it
    assert heap >= 28_000_000  # although the tensor is gone
