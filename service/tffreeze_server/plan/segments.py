"""Runs of segments: their sizes, fields made of them, literals joined."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tffreeze_common.wire import field_head
from tffreeze_server.plan.plan import Segment

_MAX_LITERAL_BYTES = 1 << 20


def nested(number: int, contents: list[Segment]) -> list[Segment]:
    """Make a whole field whose contents are segments."""
    return [field_head(number, size_bytes(contents)), *contents]


def size_bytes(segments: Iterable[Segment]) -> int:
    """Sum the lengths of segments."""
    return sum(segment_bytes(segment) for segment in segments)


def segment_bytes(segment: Segment) -> int:
    """Measure one segment."""
    return len(segment) if isinstance(segment, bytes) else segment.length_bytes


def joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Join consecutive literals into pieces of about a megabyte, so that a million nodes need few objects.

    Empty segments are dropped.
    """
    parts: list[bytes] = []
    length_bytes = 0
    for segment in segments:
        if isinstance(segment, bytes):
            parts.append(segment)
            length_bytes += len(segment)
            if length_bytes < _MAX_LITERAL_BYTES:
                continue
        if length_bytes:
            yield b"".join(parts)
            parts.clear()
            length_bytes = 0
        if not isinstance(segment, bytes) and segment.length_bytes:
            yield segment
    if length_bytes:
        yield b"".join(parts)
