"""Where the bytes of a tensor are, and how to read them.

A tensor's bytes are in tensor order, little-endian, without padding: a V2 bundle's data file and
`TensorProto.tensor_content` have the same layout. So a whole tensor of a bundle is one `FileRange` and is never
decoded. Everything else (slices, V1 values) is `Assembled` when it is written.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass

from tffreeze_server.tensors.files import SourceFiles

MAX_CHUNK_BYTES = 1 << 17
"""Bytes of a tensor in memory at once: small enough for the CPU's caches."""


@dataclass(frozen=True, slots=True)
class FileRange:
    """A byte range of a file that can be copied as it is.

    Attributes:
        file: The file's name in `SourceFiles`.
        offset_bytes: Start of the range.
        length_bytes: Length of the range.
        crc32c: Its (unmasked) crc32c from the file's index; None if no index has it.

    """

    file: str
    offset_bytes: int
    length_bytes: int
    crc32c: int | None


class Assembled(abc.ABC):
    """Bytes that must be assembled from several ranges, or decoded.

    Attributes:
        length_bytes: Total length of `chunks`; known without reading.
        ranges: If not empty, the bytes are these ranges one after another, each with its crc32c. They can be
            copied like a `FileRange` instead of read with `chunks`.

    """

    length_bytes: int
    ranges: tuple[FileRange, ...] = ()

    @abc.abstractmethod
    def chunks(self, files: SourceFiles) -> Iterator[bytes]:
        """Yield the bytes in order. Every checksum is checked before the last chunk is yielded.

        May be called more than once. No chunk is longer than `MAX_CHUNK_BYTES` or empty.

        Raises:
            FreezeError: CHECKSUM_MISMATCH, MALFORMED_CHECKPOINT, SHARD_NOT_FOUND or FILE_NOT_READABLE.

        """
