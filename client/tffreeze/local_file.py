"""The caller's own files, as declared to a server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tffreeze.errors import error_for
from tffreeze_files.reader import NotReadableError, not_readable, open_regular

COPY_BYTES = 1 << 18
"""Bytes of a local file in memory at once: small enough for the CPU's caches."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file that a server may ask for.

    Attributes:
        name: Its path in the upload.
        path: Its local path.
        size_bytes: Its size.
        is_weights: Whether it contains only tensor bytes, so that it need not be uploaded.

    """

    name: str
    path: Path
    size_bytes: int
    is_weights: bool


def open_local(path: Path) -> int:
    """Open a file for reading. Refuses a pipe or a device that has replaced it, without blocking.

    Returns:
        A file descriptor.

    Raises:
        ModelFileError: FILE_NOT_READABLE.

    """
    try:
        return open_regular(path, str(path))
    except FileNotFoundError:
        message = f"There is no file {str(path)!r}. Check its path."
        raise error_for("FILE_NOT_READABLE", message, path.name) from None
    except NotReadableError as error:
        raise error_for("FILE_NOT_READABLE", error.message, path.name) from None


def read_local(descriptor: int, path: Path, length_bytes: int, offset_bytes: int) -> bytes:
    """Read exactly `length_bytes`.

    Raises:
        ModelFileError: FILE_NOT_READABLE, also if the file was truncated.

    """
    data = b""
    try:
        while len(data) < length_bytes:
            more = os.pread(descriptor, length_bytes - len(data), offset_bytes + len(data))
            if not more:
                message = f"The file {str(path)!r} was truncated while tffreeze read it. Freeze again."
                raise error_for("FILE_NOT_READABLE", message, path.name)
            data = data + more if data else more
    except OSError as error:
        message = not_readable(str(path), error).message
        raise error_for("FILE_NOT_READABLE", message, path.name) from None
    return data


def crc32c_of(file: LocalFile) -> int:
    """Checksum a file.

    Raises:
        ModelFileError: FILE_NOT_READABLE.

    """
    import google_crc32c  # noqa: PLC0415 - most callers need none

    descriptor, crc32c = open_local(file.path), 0
    try:
        for offset in range(0, file.size_bytes, COPY_BYTES):
            length_bytes = min(COPY_BYTES, file.size_bytes - offset)
            crc32c = google_crc32c.extend(crc32c, read_local(descriptor, file.path, length_bytes, offset))
    finally:
        os.close(descriptor)
    return crc32c
