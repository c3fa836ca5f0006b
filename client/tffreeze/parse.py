"""Parsing messages of a server.

An empty message takes two bytes on the wire and a hundred in memory: 64 MiB could become 4 GB. So the fields of a
larger message are counted before protobuf reads it. The server decides how long that takes, so the walk is quick:
half a second for as many fields as are allowed, whatever they are.
"""

from __future__ import annotations

import functools
import re
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from tffreeze.errors import TffreezeError, error_for
from tffreeze_common.wire import FIXED32, FIXED64, LENGTH, VARINT, WireError, read_varint

MAX_FIELDS = 2_000_000
"""Fields of one message. A report has about ten for each variable."""

_UNCOUNTED_BYTES = 1 << 20
"""A message up to this size is small in memory, too, whatever it contains."""

_MAX_SHORT_VARINT_BYTES = 5
"""Size limit of a tag or a length: both have 32 bits (protobuf.dev/programming-guides/encoding)."""

_LONG_COST = 2
"""A tag or a length of several bytes takes as long as so many further fields, and counts as them."""

_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_VARINT_BYTES = re.compile(rb"[\x80-\xff]{0,9}[\x00-\x7f]")
_NUMBERS = object()
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
    outer = [(_inside(descriptor), 0, len(data))]  # as deep as the contract's messages are
    try:
        while outer:
            inside, position, end = outer.pop()
            while position < end:
                tag = data[position]
                position += 1
                if tag >= 0x80:
                    tag, position = _short_varint(data, position - 1)
                    left -= _LONG_COST
                left -= 1
                if tag & 7 == LENGTH:
                    length = data[position]
                    position += 1
                    if length >= 0x80:
                        length, position = _short_varint(data, position - 1)
                        left -= _LONG_COST
                    after = position + length
                    if after > end:
                        return False
                    inner = inside.get(tag)
                    if inner is _NUMBERS:
                        left -= length  # at most so many are packed in it
                    elif inner is not None and length:
                        outer.append((inside, after, end))
                        inside, end = _inside(inner), after
                        continue
                    position = after
                elif tag & 7 == VARINT:
                    position = _VARINT_BYTES.match(data, position).end()  # type: ignore[union-attr]  # see below
                else:
                    position += _FIXED_BYTES[tag & 7]
                if left < 0 or position > end:
                    return False
    except (
        LookupError,
        AttributeError,
        WireError,
    ):  # cut short, no varint, or a group, of which the contract has none
        return False
    return True


@functools.cache
def _inside(descriptor: Any) -> dict[int, Any]:  # noqa: ANN401 - as above
    """By the tag of a field: the descriptor of its messages, or `_NUMBERS`; without fields of text."""
    return {
        field.number << 3 | LENGTH: field.message_type or _NUMBERS
        for field in descriptor.fields
        if field.type not in _TEXT
    }


def _short_varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a tag or a length, and where it ends; a WireError if it is longer than 32 bits need."""
    number, end = read_varint(data, position)
    if end - position > _MAX_SHORT_VARINT_BYTES:
        raise WireError("a tag or a length has more than five bytes")
    return number, end
