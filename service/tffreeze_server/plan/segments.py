"""Protobuf's wire format for segments: the heads of fields whose contents are not in memory.

A field of type bytes, string or message is a tag, a length and that many bytes
(protobuf.dev/programming-guides/encoding). So a message can be written around bytes that have not been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tffreeze_server.plan.plan import Segment

_LENGTH_DELIMITED = 2
_MAX_LITERAL_BYTES = 1 << 20


def field_head(number: int, length_bytes: int) -> bytes:
    """Make the tag and the length that precede the contents of field `number`."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length_bytes)


def field(number: int, contents: bytes) -> bytes:
    """Make a whole field of type bytes, string or message."""
    return field_head(number, len(contents)) + contents


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


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
