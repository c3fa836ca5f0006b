"""Tuning glibc's allocator for megabyte blocks.

Messages are about a megabyte. At first glibc returns such blocks to the system when they are freed, and gets them
back page by page: 60,000 to 160,000 page faults to receive 1 GB, a third of the time. When a larger block is freed,
glibc raises its mmap threshold: it then keeps blocks up to that size, and at most twice that size at the end of an
arena. Any process that has freed a large array has the same effect. Source: mallopt(3), "dynamic mmap threshold".
With other C libraries this does nothing.
"""

from __future__ import annotations

_MAX_KEPT_BLOCK_BYTES = 8 << 20
"""Larger blocks, such as those of a large graph, are still returned at once."""


def keep_freed_megabytes() -> None:
    """Allocate and free a block of some megabytes, which raises the threshold. Nothing is written to it."""
    bytearray(_MAX_KEPT_BLOCK_BYTES)
