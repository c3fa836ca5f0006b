"""Which part of a result can be made at once, and which needs a thread that may wait for a disk.

A chunk whose bytes are in the page cache is made in 0.15 ms; the way to a thread and back costs more than that on a
busy machine, and takes the bytes from one core's cache to another's: to send 1 GB took 0.8 s through threads
and 0.5 s without (2 cores, client and server). So the event loop makes chunks itself where it cannot be kept
waiting: literals, and ranges which the kernel says it has in memory (preadv2(2), RWF_NOWAIT). It is asked for single
bytes: to read all that will be read takes as long as to read it. The answer may be out of date a moment later, or
a page in between be missing, when memory is short: then the loop waits for one read.

What is put together from many pieces is left to a thread: a megabyte of weights of a few bytes each takes 80 ms to
look at and to make, in which no other call is served.
"""

from __future__ import annotations

import bisect
import itertools
import os
from collections.abc import Mapping, Sequence

from tffreeze_server.errors import FreezeError
from tffreeze_server.plan.plan import Plan, Segment
from tffreeze_server.plan.segments import segment_bytes
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tensors.files import SourceFiles

_PROBE_BYTES = 1 << 17
"""One byte of each so many is looked at: as much as Linux reads ahead of a reader, if nobody has told it otherwise."""

MAX_PIECES = 128
"""Literals and ranges that the event loop puts together at a time."""

_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)


class PageCache:
    """Says of any part of a plan's output whether it can be made without waiting.

    Args:
        segments: The plan's.
        descriptors: Of the plan's files; what is not in here is never cached.

    """

    def __init__(self, segments: Sequence[Segment], descriptors: Mapping[str, int]) -> None:
        self._segments = segments
        self._descriptors = descriptors
        self._ends_bytes = list(itertools.accumulate(map(segment_bytes, segments)))
        self._scratch = bytearray(1)

    def has(self, start_bytes: int, end_bytes: int) -> bool:
        """Whether the output from `start_bytes` to `end_bytes` is literal or in memory, and of few pieces."""
        first_index = bisect.bisect_right(self._ends_bytes, start_bytes)
        if bisect.bisect_left(self._ends_bytes, end_bytes) - first_index >= MAX_PIECES:
            return False
        for index in range(first_index, len(self._segments)):
            segment, segment_end = self._segments[index], self._ends_bytes[index]
            segment_start = segment_end - segment_bytes(segment)
            first, last = max(start_bytes, segment_start), min(end_bytes, segment_end)
            if first >= last:
                break
            if isinstance(segment, FileRange):
                offset_bytes = segment.offset_bytes + first - segment_start
                if not self._is_cached(segment.file, offset_bytes, offset_bytes + last - first):
                    return False
            elif not isinstance(segment, bytes):
                return False
        return True

    def _is_cached(self, file: str, start_bytes: int, end_bytes: int) -> bool:
        descriptor = self._descriptors.get(file)
        if descriptor is None or _NOWAIT is None:
            return False
        try:
            for start in (*range(start_bytes, end_bytes, _PROBE_BYTES), end_bytes - 1):
                if not os.preadv(descriptor, [self._scratch], start, _NOWAIT):
                    return False
        except OSError:
            return False  # it is not in memory; or this file system cannot tell
        return True


def open_page_cache(plan: Plan, files: SourceFiles) -> PageCache:
    """Open the files of a plan: may wait for a disk. One that cannot be opened fails when it is read."""
    descriptors: dict[str, int] = {}
    for segment in plan.segments:
        if isinstance(segment, FileRange) and segment.file not in descriptors:
            try:
                descriptors[segment.file] = files.descriptor(segment.file)
            except FreezeError:
                break
    return PageCache(plan.segments, descriptors)
