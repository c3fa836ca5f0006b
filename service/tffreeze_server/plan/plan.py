"""The plan: a frozen graph as a short list of segments, each literal bytes or bytes of a source file.

Everything that is promised about a result before its first byte (size, crc32c, report) comes from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tffreeze_server.tensors.data import Assembled, FileRange

Segment = bytes | FileRange | Assembled
"""A run of output bytes: literal, to be copied from a file, or to be put together."""

MAX_PROTO_BYTES = (1 << 31) - 1
"""A protobuf message ends below 2 GiB, whatever writes it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to write a frozen graph.

    Attributes:
        segments: In output order.
        files: Path of each source file that a segment names.
        size_bytes: Of the whole.
        crc32c: Of the whole, unmasked.
        constants: Name of the constant whose value starts at (file, offset), for messages.

    """

    segments: tuple[Segment, ...]
    files: Mapping[str, Path]
    size_bytes: int
    crc32c: int
    constants: Mapping[tuple[str, int], str] = field(default_factory=dict)
