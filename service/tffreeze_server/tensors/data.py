"""Where the bytes of a tensor are, and how to read them.

A tensor's bytes are in tensor order, little-endian, without padding: the layout of a V2 bundle's data
file and of `TensorProto.tensor_content` alike. So a whole tensor of a bundle is one `FileRange` and is
never decoded; all else (slices put together, V1 values) is `Assembled` when it is written.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass

from tffreeze_server.tensors.files import SourceFiles

MAX_CHUNK_BYTES = 1 << 17
"""How much of a tensor is in memory at once: small enough for the cores' caches."""


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes that stand in a file just as they are wanted.

    Attributes:
        file: The file's name as `SourceFiles` knows it.
        offset_bytes: Where they start.
        length_bytes: How many they are.
        crc32c: Their (unmasked) crc32c as the file's index states it; None where nothing states it.

    """

    file: str
    offset_bytes: int
    length_bytes: int
    crc32c: int | None


class Assembled(abc.ABC):
    """Bytes that must be put together from several places, or decoded.

    Attributes:
        length_bytes: How many bytes `chunks` gives in all; known without reading.
        ranges: Where it is not empty, the bytes are just these ranges, one after the other, each with its
            crc32c: they can be copied as a `FileRange` is instead of being read through `chunks`.

    """

    length_bytes: int
    ranges: tuple[FileRange, ...] = ()

    @abc.abstractmethod
    def chunks(self, files: SourceFiles) -> Iterator[bytes]:
        """Give the bytes in order, each checksum checked before the end of the last chunk.

        May be called more than once. No chunk is longer than `MAX_CHUNK_BYTES` or empty.

        Raises:
            FreezeError: CHECKSUM_MISMATCH, MALFORMED_CHECKPOINT, SHARD_NOT_FOUND or FILE_NOT_READABLE.

        """
