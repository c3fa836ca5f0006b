"""From the bytes that a server sent to a message of the contract.

An empty message takes two bytes on the wire and a hundred in memory: 64 MiB could become 4 GB. So the fields of a
larger message are counted before protobuf reads it.
"""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from tffreeze.errors import TffreezeError, error_for
from tffreeze_common.wire import LENGTH, WireError, fields

MAX_FIELDS = 2_000_000
"""Of one message: a report has about ten for each variable."""

_UNCOUNTED_BYTES = 2 * MAX_FIELDS
"""A field has at least two bytes: a message up to this size has few enough, whatever is in it."""

_TEXT = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)

_Message = TypeVar("_Message", bound=Message)


def broken(what: str) -> TffreezeError:
    """Make the error for a server that breaks the contract."""
    return error_for("INTERNAL", f"The server {what}: it does not keep to the contract tffreeze.v1.")


def read_message(kind: type[_Message], data: bytes) -> _Message:
    """Read a message.

    Raises:
        ServiceError: INTERNAL: it is none, or has too many fields.

    """
    if len(data) > _UNCOUNTED_BYTES and not _has_few_fields(kind.DESCRIPTOR, data):
        raise broken(f"sent a {kind.__name__} of more than {MAX_FIELDS:,} fields, or one cut short")
    try:
        return kind.FromString(data)
    except (DecodeError, ValueError, RecursionError):
        raise broken(f"sent {len(data)} bytes that are no {kind.__name__}") from None


def _has_few_fields(descriptor: Any, data: bytes) -> bool:  # noqa: ANN401 - each protobuf has its own descriptors
    """Walk through a message and those in it; False where there is no way through it, too."""
    view = memoryview(data)

    def read(start: int, end: int) -> memoryview:
        return view[start:end]

    left = MAX_FIELDS
    outer = [(descriptor, fields(read, 0, len(data)))]  # as deep as the contract's messages are
    try:
        while outer:
            message, rest = outer[-1]
            for each in rest:
                left -= 1
                if left < 0:
                    return False
                if each.wire_type != LENGTH:
                    continue
                field = message.fields_by_number.get(each.number)
                if field is not None and field.message_type is not None:
                    outer.append((field.message_type, fields(read, each.value, each.end)))
                    break
                if field is not None and field.type not in _TEXT:
                    left -= each.end - each.value  # at most so many numbers are packed in it
            else:
                outer.pop()
    except WireError:  # cut short, or a group, of which the contract has none
        return False
    return left >= 0
