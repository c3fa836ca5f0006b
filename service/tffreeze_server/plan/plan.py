"""The plan: a frozen graph as a short list of segments, each literal bytes or bytes of a source file.

The plan gives everything that is known before the first byte: size, crc32c and report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tffreeze_server.tensors.data import Assembled, FileRange

Segment = bytes | FileRange | Assembled
"""A run of output bytes: literal, copied from a file, or assembled."""

MAX_PROTO_BYTES = (1 << 31) - 1
"""The size limit of a protobuf message: below 2 GiB."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to write a frozen graph.

    Attributes:
        segments: In output order.
        files: Path of each source file that a segment names.
        size_bytes: Size of the result.
        crc32c: crc32c of the result, unmasked.
        constants: Name of the constant whose value starts at (file, offset), for messages.

    """

    segments: tuple[Segment, ...]
    files: Mapping[str, Path]
    size_bytes: int
    crc32c: int
    constants: Mapping[tuple[str, int], str] = field(default_factory=dict)
