"""Reading weights and checking their crc32c."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors.crc32c import extend
from tffreeze_server.tensors.data import MAX_CHUNK_BYTES, Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles


def verified_chunks(data: FileRange | Assembled, files: SourceFiles, name: str) -> Iterator[bytes]:
    """Yield the bytes of a value in order.

    Args:
        data: The value.
        files: The files to read from.
        name: Name of the constant with this value, for messages.

    Raises:
        FreezeError: CHECKSUM_MISMATCH after the last chunk of a range whose crc32c is known and differs;
            SHARD_NOT_FOUND, FILE_NOT_READABLE, MALFORMED_CHECKPOINT.

    """
    if isinstance(data, Assembled):
        yield from data.chunks(files)
        return
    crc = 0
    for chunk in _range_chunks(data, files):
        crc = extend(crc, chunk)
        yield chunk
    if data.crc32c is not None and crc != data.crc32c:
        raise _mismatch(data, name, crc)


def constant_name(data: FileRange | Assembled, names: Mapping[tuple[str, int], str]) -> str:
    """Find the name of the constant with this value (`Plan.constants`); empty if unknown."""
    return names.get((data.file, data.offset_bytes), "") if isinstance(data, FileRange) else ""


def crc_of(data: FileRange | Assembled, files: SourceFiles, name: str) -> int:
    """Read a value to compute its crc32c.

    Raises:
        FreezeError: As `verified_chunks`.

    """
    crc = 0
    for chunk in verified_chunks(data, files, name):
        crc = extend(crc, chunk)
    return crc


def _range_chunks(data: FileRange, files: SourceFiles) -> Iterator[bytes]:
    end_bytes = data.offset_bytes + data.length_bytes
    for offset_bytes in range(data.offset_bytes, end_bytes, MAX_CHUNK_BYTES):
        yield files.pread(data.file, min(MAX_CHUNK_BYTES, end_bytes - offset_bytes), offset_bytes)


def _mismatch(data: FileRange, name: str, crc: int) -> FreezeError:
    assert data.crc32c is not None
    return FreezeError(
        Reason.CHECKSUM_MISMATCH,
        f"The value of {name!r} is damaged: bytes {data.offset_bytes:,} to "
        f"{data.offset_bytes + data.length_bytes:,} of the file {data.file!r} have the crc32c {crc:08x}, "
        f"but the index has {data.crc32c:08x}. Copy the file again from its source.",
        subject=name,
    )
