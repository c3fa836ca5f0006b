"""Freed memory that stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource
from tffreeze.allocator import keep_freed_megabytes

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

keep_freed_megabytes()
before = faults()
for _ in range(50):
    blocks = [b"x" * (1 << 20) for _ in range(6)]
    del blocks
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it shows something to glibc's allocator")
def test_freed_megabytes_are_used_again() -> None:
    """Megabytes that come and go by the half-dozen are taken from the system once, not fifty times."""
    once = 6 * (1 << 20) // 4096
    told = subprocess.run([sys.executable, "-c", _FAULTS], check=True, capture_output=True, text=True)
    assert int(told.stdout) < 2 * once
