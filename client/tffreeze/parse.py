"""Parsing messages of a server.

An empty message takes two bytes on the wire and a hundred in memory, so 64 MiB could become 4 GB. So the fields of a
large message are counted before protobuf parses it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from tffreeze.errors import TffreezeError, error_for

MAX_FIELDS = 2_000_000
"""Fields of one message. A report has about ten for each variable."""

_UNCOUNTED_BYTES = 1 << 20
"""A message up to this size is small in memory, too, whatever it contains."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
_TEXT = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)

_Message = TypeVar("_Message", bound=Message)


def broken(what: str) -> TffreezeError:
    """Make the error for a server that breaks the contract."""
    return error_for("INTERNAL", f"The server {what}: it breaks the contract tffreeze.v1.")


def read_message(kind: type[_Message], data: bytes) -> _Message:
    """Read a message.

    Raises:
        ServiceError: INTERNAL: it cannot be parsed, or has too many fields.

    """
    if len(data) > _UNCOUNTED_BYTES and not _has_few_fields(kind.DESCRIPTOR, data):
        raise broken(f"sent a {kind.__name__} that is truncated or has more than {MAX_FIELDS:,} fields")
    try:
        return kind.FromString(data)
    except (DecodeError, ValueError, RecursionError):
        raise broken(f"sent {len(data)} bytes that are not a {kind.__name__}") from None


def _has_few_fields(descriptor: Any, data: bytes) -> bool:  # noqa: ANN401 - each protobuf has its own descriptors
    """Count the fields of a message and of nested ones; also False if it cannot be parsed."""
    left = MAX_FIELDS
    outer = [(descriptor, 0, len(data))]  # no deeper than the contract's messages
    try:
        while outer:
            message, position, end = outer.pop()
            while position < end:
                left -= 1
                tag, position = _varint(data, position)
                if tag & 7 == _LENGTH:
                    length, position = _varint(data, position)
                    field = message.fields_by_number.get(tag >> 3)
                    inner, after = field and field.message_type, position + length
                    if left < 0 or after > end:
                        return False
                    if inner is not None:
                        outer.append((message, after, end))
                        message, end = inner, after
                        continue
                    if field is not None and field.type not in _TEXT:
                        left -= length  # it may hold that many packed numbers
                    position = after
                elif tag & 7 == _VARINT:
                    _, position = _varint(data, position)
                else:
                    position += _FIXED_BYTES[tag & 7]
                if left < 0 or position > end:
                    return False
    except (LookupError, ValueError):  # truncated, or a group, which the contract does not use
        return False
    return True


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = data[position]
    if number < 0x80:
        return number, position + 1
    number = 0
    for index in range(_MAX_VARINT_BYTES):
        byte = data[position + index]
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, position + index + 1
    raise ValueError("no varint")
