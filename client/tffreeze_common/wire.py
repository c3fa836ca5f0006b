"""Protocol buffers' wire format, read by position and written around bytes that nobody has read.

A message is a run of fields, each a tag (number and wire type) and a value; a field of type bytes, string or message
is a tag, a length and that many bytes (protobuf.dev/programming-guides/encoding). Nothing states the length of the
whole. So a file with a gigabyte of weights is walked by reading some bytes at each field's start, and a message is
written around contents of which only the length is known. Nothing here trusts a number: what does not lie within the
message is a `WireError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

MAX_INT32 = (1 << 31) - 1
MAX_INT64 = (1 << 63) - 1

_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MAX_HEADER_BYTES = 2 * _MAX_VARINT_BYTES
_WINDOW_BYTES = 1 << 14
_ONE_BYTE = [bytes((number,)) for number in range(0x80)]

Buffer = bytes | memoryview

Read = Callable[[int, int], Buffer]
"""Gives the bytes from a start to before an end."""


class WireError(ValueError):
    """Bytes that are not a message; says at which position."""


class Field(NamedTuple):
    """A field of a message, by its place.

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


def read_varint(data: Buffer, position: int) -> tuple[int, int]:
    """Read a number of at most 64 bits; give it and the position after it.

    Raises:
        WireError: It does not end within the data, or is longer.

    """
    number = 0
    try:
        for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
            byte = data[position]
            position += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                if number >> 64:
                    break
                return number, position
    except IndexError:
        raise WireError("it ends in the middle of a number") from None
    raise WireError("it holds a number of more than 64 bits")


def fields(read: Read, start: int, end: int) -> Iterator[Field]:
    """Walk the fields of the message that stands from `start` to before `end`.

    Args:
        read: Gives bytes of what the message is in.
        start: Where the message starts.
        end: Where it ends.

    Raises:
        WireError: A tag, length or wire type that cannot be, or a field that ends past `end`; what `read` raises.

    """
    window: Buffer = b""
    base = position = start
    while position < end:
        at = position - base
        if at + _MAX_HEADER_BYTES > len(window) and base + len(window) < end:
            window, base, at = read(position, min(end, position + _WINDOW_BYTES)), position, 0
        tag = window[at]
        at += 1
        if tag >= 0x80:
            tag, at = read_varint(window, at - 1)
        wire_type = tag & 7
        if wire_type == LENGTH:
            if at < len(window) and (length := window[at]) < 0x80:
                at += 1
            else:
                length, at = read_varint(window, at)
            value_end = base + at + length
        elif wire_type == VARINT:
            value_end = base + read_varint(window, at)[1]
        elif wire_type in _FIXED_BYTES:
            value_end = base + at + _FIXED_BYTES[wire_type]
        else:
            raise WireError(f"there is a group or an unknown wire type at byte {base + at - 1}")
        if value_end > end or tag < 8:
            raise WireError(f"what stands at byte {position} is no field of a message")
        yield Field(tag >> 3, wire_type, position, base + at, value_end)
        position = value_end


def fields_of(message: Buffer) -> Iterator[Field]:
    """Walk the fields of a message in memory.

    Raises:
        WireError: As `fields`.

    """
    return fields(lambda start, end: message[start:end], 0, len(message))


def read_plain(
    message: bytes, number: int, numbers: Sequence[int], data_number: int
) -> tuple[list[int], int] | None:
    """Read a message that holds little but bytes, in the form that protobuf's own writers give it.

    Args:
        message: Has one field, itself a message: numbers, and bytes up to the end.
        number: Of that field; below 16, as are the others.
        numbers: The fields with numbers, in order; one that is not there is 0.
        data_number: The field with the bytes.

    Returns:
        The numbers, and where the bytes start; None for any other form.

    """
    try:
        if message[0] != number << 3 | LENGTH:
            return None
        length, position = read_varint(message, 1)
        if position + length != len(message):
            return None
        values = [0] * len(numbers)
        for index, each in enumerate(numbers):
            if message[position] == each << 3 | VARINT:
                values[index], position = read_varint(message, position + 1)
        if message[position] != data_number << 3 | LENGTH:
            return None
        length, position = read_varint(message, position + 1)
    except (IndexError, WireError):
        return None
    return (values, position) if position + length == len(message) else None


def varint(number: int) -> bytes:
    """Write a number that is not negative."""
    if number < 0x80:
        return _ONE_BYTE[number]
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field_head(number: int, length_bytes: int) -> bytes:
    """Write the tag and the length that stand before the contents of a field of type bytes, string or message."""
    return varint(number << 3 | LENGTH) + varint(length_bytes)


def field(number: int, contents: Buffer) -> bytes:
    """Write a whole field of type bytes, string or message."""
    return b"".join((field_head(number, len(contents)), contents))
