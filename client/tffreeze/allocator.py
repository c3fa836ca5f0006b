"""The C library's allocator, shown that megabytes come and go here.

Messages are about a megabyte. At first glibc hands such blocks back to the system when they are freed, and gets them
again page by page: 60,000 to 160,000 page faults to receive 1 GB, a third of the time. It learns from the first larger
block that is freed: blocks up to that size are kept from then on, and at most twice as much of what is free at the
end of an arena. Any process that has ever freed a large array has seen that. Facts: mallopt(3), "dynamic mmap
threshold". Other C libraries have their own ways; it does nothing there.
"""

from __future__ import annotations

_MAX_KEPT_BLOCK_BYTES = 8 << 20
"""Larger ones, such as a large graph's, still go back at once."""


def keep_freed_megabytes() -> None:
    """Show the allocator of this process a block of some megabytes; nothing is written to it."""
    bytearray(_MAX_KEPT_BLOCK_BYTES)
