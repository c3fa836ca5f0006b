"""The C library's allocator, told that megabytes come and go here.

Messages are about a megabyte. glibc hands such blocks back to the system when they are freed, and gets them again
page by page: 400,000 page faults to send 1 GB, more time than all the rest (measured: 1.8 s of CPU, 0.7 s without).
Told once, it keeps some of them. Facts: mallopt(3); glibc's malloc/malloc.h has the numbers.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

_KEPT_BYTES = 16 << 20
_MAX_BLOCK_BYTES = 4 << 20
"""Blocks above this, such as a large graph's, still go back at once."""


def keep_freed_megabytes() -> None:
    """Tell the allocator of this process, where it is one that can be told."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return  # not glibc: nothing to tell
    mallopt(_M_MMAP_THRESHOLD, _MAX_BLOCK_BYTES)
    mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
