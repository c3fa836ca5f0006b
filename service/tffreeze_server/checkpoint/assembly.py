"""Assembling tensors from stored slices, in bounded memory.

Theory of operation. The requested box of a tensor is split recursively, outermost dimension first, at the borders of
the stored slices. The recursion ends in one of two cases:

- The piece is contiguous in one slice. It is copied in chunks.
- The piece fits into a window of memory. For each slice that overlaps it, a span of the slice is read (at most
  `MAX_SPAN_BYTES` at once, else it is split further), and its elements are moved to their places. The move is a
  strided copy along the longest dimension, done by slice assignment of a memoryview. So a column of a large matrix
  costs a few Python steps for each window, not one for each element.

Before the first chunk, every slice that is needed is read once to check its crc: later it is read in pieces and in
another order, and the crc covers the whole slice.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from tffreeze_server.checkpoint.problems import checksum_mismatch
from tffreeze_server.checkpoint.region import Region, intersection, within
from tffreeze_server.tensors import crc32c
from tffreeze_server.tensors.data import MAX_CHUNK_BYTES, Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles

MAX_SPAN_BYTES = 4 * MAX_CHUNK_BYTES
"""The longest span of a stored slice in memory at once."""

MAX_WINDOW_BYTES = 16 * MAX_CHUNK_BYTES
"""The largest window; it is smaller if few slices overlap it."""

ReadAt = Callable[[int, int], bytes | memoryview]
"""Reads `length_bytes` of a slice's value from `offset_bytes` on."""


class Source(Protocol):
    """The stored value of a slice of a tensor."""

    def open(self, files: SourceFiles) -> ReadAt:
        """Check the whole value and return a function that reads parts of it.

        Raises:
            FreezeError: CHECKSUM_MISMATCH, MALFORMED_CHECKPOINT, SHARD_NOT_FOUND or FILE_NOT_READABLE.

        """


@dataclass(frozen=True, slots=True)
class StoredRange:
    """A value that is a byte range of a file.

    Attributes:
        key: Key of the tensor, for messages.
        where: The byte range, with its crc.

    """

    key: str
    where: FileRange

    def open(self, files: SourceFiles) -> ReadAt:
        """Check the crc in one pass; afterwards read by position."""
        for _ in checked_chunks(self.key, self.where, files):
            pass
        file, start = self.where.file, self.where.offset_bytes
        return lambda length_bytes, offset_bytes: files.pread(file, length_bytes, start + offset_bytes)


@dataclass(frozen=True, slots=True)
class Part:
    """A stored slice of a tensor: its box in the whole, and its value."""

    box: Region
    source: Source


@dataclass(frozen=True, slots=True)
class Concatenated(Assembled):
    """Ranges one after another: a tensor that was sliced along its first dimension.

    Attributes:
        key: Key of the tensor, for messages.
        length_bytes: Total length.
        ranges: The ranges, each with its crc.

    """

    key: str
    length_bytes: int
    ranges: tuple[FileRange, ...]

    def chunks(self, files: SourceFiles) -> Iterator[bytes]:
        """Yield the ranges in order; check the crc of each at its end."""
        for where in self.ranges:
            yield from checked_chunks(self.key, where, files)


@dataclass(frozen=True, slots=True)
class Interleaved(Assembled):
    """A box of a tensor, assembled from slices.

    Attributes:
        length_bytes: Size of the box.
        region: The box.
        element_bytes: Size of one element: 1, 2, 4, 8 or 16.
        parts: The slices that overlap the box. They do not overlap each other, and together cover it.

    """

    length_bytes: int
    region: Region
    element_bytes: int
    parts: tuple[Part, ...]

    def chunks(self, files: SourceFiles) -> Iterator[bytes]:
        """Check the slices, then yield the box in row-major order."""
        opened = [_OpenPart(part.box, part.source.open(files)) for part in self.parts]
        return _emit(self.region, opened, self.element_bytes)


@dataclass(frozen=True, slots=True)
class _OpenPart:
    box: Region
    read: ReadAt


def checked_chunks(key: str, where: FileRange, files: SourceFiles) -> Iterator[bytes]:
    """Yield a range in chunks; check its crc before the last one.

    Raises:
        FreezeError: CHECKSUM_MISMATCH, or what reading raises.

    """
    crc = 0
    for start in range(0, where.length_bytes, MAX_CHUNK_BYTES):
        length_bytes = min(MAX_CHUNK_BYTES, where.length_bytes - start)
        chunk = files.pread(where.file, length_bytes, where.offset_bytes + start)
        crc = crc32c.extend(crc, chunk)
        if start + length_bytes == where.length_bytes and where.crc32c not in (None, crc):
            raise checksum_mismatch(where.file, repr(key), key)
        yield chunk


def _emit(box: Region, parts: Sequence[_OpenPart], element_bytes: int) -> Iterator[bytes]:
    """Yield a box that the slices cover, splitting it until a piece is contiguous or fits into a window."""
    if len(parts) == 1 and _is_one_run(box, parts[0].box):
        yield from _run(box, parts[0], element_bytes)
    elif box.elements * element_bytes <= _window_bytes(parts):
        window = _window(box, parts, element_bytes)
        for start in range(0, len(window), MAX_CHUNK_BYTES):
            yield bytes(window[start : start + MAX_CHUNK_BYTES])
    else:
        axis = next(axis for axis, size in enumerate(box.sizes) if size > 1)
        for start, end, touching in _cuts(box, parts, axis, element_bytes):
            yield from _emit(_cut(box, axis, start, end), touching, element_bytes)


def _is_one_run(box: Region, stored: Region) -> bool:
    """Whether a box is contiguous in a stored box: complete in all dimensions after its first non-trivial one."""
    varies = next((axis for axis, size in enumerate(box.sizes) if size > 1), len(box.sizes))
    return box.sizes[varies + 1 :] == stored.sizes[varies + 1 :]


def _run(box: Region, part: _OpenPart, element_bytes: int) -> Iterator[bytes]:
    strides = _strides(part.box.sizes)
    first = sum(map(int.__mul__, within(part.box, box).starts, strides)) * element_bytes
    size_bytes = box.elements * element_bytes
    for start in range(0, size_bytes, MAX_CHUNK_BYTES):
        yield bytes(part.read(min(MAX_CHUNK_BYTES, size_bytes - start), first + start))


def _cuts(
    box: Region, parts: Sequence[_OpenPart], axis: int, element_bytes: int
) -> Iterator[tuple[int, int, Sequence[_OpenPart]]]:
    """Split a box along an axis at the borders of slices, or into chunks if there are no borders."""
    start, end = box.starts[axis], box.ends[axis]
    borders = {border for part in parts for border in (part.box.starts[axis], part.box.ends[axis])}
    inner = sorted(border for border in borders if start < border < end)
    if not inner:
        row_bytes = box.elements // box.sizes[axis] * element_bytes
        step = max(1, _window_bytes(parts) // row_bytes)
        for low in range(start, end, step):
            yield low, min(low + step, end), parts
        return
    # Slices in order of their start: each piece needs those that have started and not ended.
    waiting = sorted(parts, key=lambda part: part.box.starts[axis], reverse=True)
    touching: list[_OpenPart] = []
    for low, high in itertools.pairwise([start, *inner, end]):
        touching = [part for part in touching if part.box.ends[axis] > low]
        while waiting and waiting[-1].box.starts[axis] <= low:
            part = waiting.pop()
            if part.box.ends[axis] > low:
                touching.append(part)
        yield low, high, touching


def _cut(box: Region, axis: int, start: int, end: int) -> Region:
    starts, sizes = list(box.starts), list(box.sizes)
    starts[axis], sizes[axis] = start, end - start
    return Region(tuple(starts), tuple(sizes))


def _window_bytes(parts: Sequence[_OpenPart]) -> int:
    """Size of the window: each slice is read once for each window, so many slices need a larger one."""
    return min(MAX_WINDOW_BYTES, MAX_CHUNK_BYTES * (1 + len(parts) // 16))


def _window(box: Region, parts: Sequence[_OpenPart], element_bytes: int) -> memoryview:
    """Fill a small box in memory."""
    view = memoryview(bytearray(box.elements * element_bytes))
    for part in parts:
        shared = intersection(box, part.box)
        if shared is not None:
            _fill(view, box, shared, part, element_bytes)
    return view


def _fill(view: memoryview, box: Region, shared: Region, part: _OpenPart, element_bytes: int) -> None:
    """Copy the overlap of a window and a slice, split so that little of the slice is in memory at once."""
    target_strides, source_strides = _strides(box.sizes), _strides(part.box.sizes)
    span = 1 + sum((size - 1) * stride for size, stride in zip(shared.sizes, source_strides, strict=True))
    if span * element_bytes > MAX_SPAN_BYTES and shared.elements > 1:
        axis = next(axis for axis, size in enumerate(shared.sizes) if size > 1)
        rows_bytes = source_strides[axis] * element_bytes
        step = max(1, min(MAX_SPAN_BYTES // rows_bytes, shared.sizes[axis] - 1))
        for start in range(shared.starts[axis], shared.ends[axis], step):
            cut = _cut(shared, axis, start, min(start + step, shared.ends[axis]))
            _fill(view, box, cut, part, element_bytes)
        return
    source_start = sum(map(int.__mul__, within(part.box, shared).starts, source_strides))
    target_start = sum(map(int.__mul__, within(box, shared).starts, target_strides))
    data = part.read(span * element_bytes, source_start * element_bytes)
    dims = list(zip(shared.sizes, target_strides, source_strides, strict=True))
    _copy(view[target_start * element_bytes :], memoryview(data), dims, element_bytes)


_FORMATS: dict[int, Literal["B", "H", "I", "Q"]] = {1: "B", 2: "H", 4: "I", 8: "Q"}


def _copy(
    target: memoryview, source: memoryview, dims: list[tuple[int, int, int]], element_bytes: int
) -> None:
    """Copy a box element by element, both sides strided.

    Args:
        target: The target, from the place of the first element on.
        source: The source, from the first element on.
        dims: For each dimension its size, and the strides of target and source in elements.
        element_bytes: Size of one element.

    """
    unit = min(element_bytes, 8)
    words = element_bytes // unit
    to = target.cast(_FORMATS[unit])
    of = source.cast(_FORMATS[unit])
    scaled = [(size, t * words, s * words) for size, t, s in dims if size > 1]
    merged = _merge([*scaled, (words, 1, 1)] if words > 1 else scaled) or [(1, 1, 1)]
    # The longest dimension is copied by one slice assignment, the others by the loop.
    longest = max(range(len(merged)), key=lambda axis: merged[axis][0])
    size, t_step, s_step = merged.pop(longest)
    t_end, s_end = (size - 1) * t_step + 1, (size - 1) * s_step + 1
    offsets = [(0, 0)]
    for count, t, s in merged:
        offsets = [(a + t * i, b + s * i) for a, b in offsets for i in range(count)]
    for t_first, s_first in offsets:
        to[t_first : t_first + t_end : t_step] = of[s_first : s_first + s_end : s_step]


def _merge(dims: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Merge adjacent dimensions that are contiguous on both sides."""
    merged: list[tuple[int, int, int]] = []
    for size, t, s in dims:
        if merged and merged[-1][1] == size * t and merged[-1][2] == size * s:
            merged[-1] = (merged[-1][0] * size, t, s)
        else:
            merged.append((size, t, s))
    return merged


def _strides(sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The stride of each dimension, in elements."""
    return tuple(math.prod(sizes[axis + 1 :]) for axis in range(len(sizes)))
