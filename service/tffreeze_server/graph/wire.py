"""Protocol buffers' wire format, walked by position and without parsing what is passed over.

A message is a run of fields, each a tag (number and wire type) and a value; nothing states the length of the
whole, so a file with a gigabyte of weights can be walked by reading some bytes at each field's start. Files
are read with `pread`, never mapped: a mapped file that shrinks kills the process, a short read is an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tffreeze_files.reader import NotReadableError, not_readable, open_regular
from tffreeze_server.tensors.files import unreadable

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_HEADER_BYTES = 2 * _MAX_VARINT_BYTES
_WINDOW_BYTES = 1 << 14


class WireError(ValueError):
    """Bytes that are not a message; says at which position."""


class Field(NamedTuple):
    """A field of a message, by its place in the file.

    Attributes:
        number: The field's number.
        wire_type: `VARINT`, `FIXED64`, `LENGTH` or `FIXED32`.
        start: Where its tag starts.
        value: Where its value starts, after the tag and the length.
        end: Where it ends.

    """

    number: int
    wire_type: int
    start: int
    value: int
    end: int


class FileBytes:
    """A regular file read by position; a context manager that closes it.

    Args:
        path: The file.
        name: What the caller calls it, for messages.

    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.size_bytes = 0
        self._descriptor = -1

    def __enter__(self) -> FileBytes:
        try:
            self._descriptor = open_regular(self.path, self.name)
        except FileNotFoundError:
            raise unreadable(NotReadableError(self.name, "it is not there", "Check its path.")) from None
        except NotReadableError as error:
            raise unreadable(error) from None
        self.size_bytes = os.fstat(self._descriptor).st_size
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`.

        Raises:
            WireError: The file ends before that.
            FreezeError: FILE_NOT_READABLE.

        """
        if end > self.size_bytes:
            raise WireError(f"it ends at byte {self.size_bytes}, where more was promised")
        parts = []
        while start < end:
            try:
                part = os.pread(self._descriptor, end - start, start)
            except OSError as error:
                raise unreadable(not_readable(self.name, error)) from None
            if not part:
                raise WireError(f"it became shorter while it was read, at byte {start}")
            parts.append(part)
            start += len(part)
        return b"".join(parts)


def fields(data: FileBytes, start: int, end: int) -> Iterator[Field]:
    """Walk the fields of the message that stands from `start` to before `end`.

    Raises:
        WireError: A tag, length or wire type that cannot be, or a field that ends past `end`.

    """
    window, base, position = b"", start, start
    while position < end:
        at = position - base
        if at + _MAX_HEADER_BYTES > len(window) and base + len(window) < end:
            window, base, at = data.read(position, min(end, position + _WINDOW_BYTES)), position, 0
        try:
            tag = window[at]
            at += 1
            if tag >= 0x80:
                tag, at = _varint(window, at - 1)
            value, value_end = _value_range(window, base, at, tag & 7)
        except IndexError:
            raise WireError(f"it ends in the middle of a field, at byte {end}") from None
        if value_end > end or tag < 8:
            raise WireError(f"what stands at byte {position} is no field of a message")
        yield Field(tag >> 3, tag & 7, position, value, value_end)
        position = value_end


def read_varint(data: FileBytes, field: Field) -> int:
    """The value of a field of wire type `VARINT`."""
    return _varint(data.read(field.value, field.end), 0)[0]


def _value_range(window: bytes, base: int, at: int, wire_type: int) -> tuple[int, int]:
    if wire_type == LENGTH:
        length = window[at]
        at += 1
        if length >= 0x80:
            length, at = _varint(window, at - 1)
        return base + at, base + at + length
    if wire_type == VARINT:
        return base + at, base + _varint(window, at)[1]
    if wire_type in _FIXED_BYTES:
        return base + at, base + at + _FIXED_BYTES[wire_type]
    raise WireError(f"there is a group or an unknown wire type at byte {base + at - 1}")


def _varint(window: bytes, at: int) -> tuple[int, int]:
    """The value of the varint at `at`, and where it ends.

    Raises:
        IndexError: The window ends before it does.
        WireError: It is longer than a varint can be.

    """
    result = 0
    for count in range(_MAX_VARINT_BYTES):
        byte = window[at + count]
        result |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return result, at + count + 1
    raise WireError("there is a number of more than ten bytes")
