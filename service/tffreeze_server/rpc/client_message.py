"""Parse messages of a client, which may hold anything.

protobuf holds the GIL while it parses, and all other calls wait. A megabyte may hold half a million empty messages,
which take 20 ms (2 cores, protobuf 7), so no larger message is parsed. A plain chunk may be larger, but is not
parsed: see `chunk`.
"""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.parse import parse

MAX_PARSED_BYTES = (1 << 20) + (64 << 10)
"""A chunk of 1 MiB in any form, and every spec: a thousand file names of the usual length take 100 KB."""

AnyMessage = TypeVar("AnyMessage", bound=Message)


def client_message(message_type: type[AnyMessage], message: bytes, field: str = "spec") -> AnyMessage:
    """Read a message of the client; `field` is what it should hold.

    Raises:
        FreezeError: UPLOAD_MALFORMED.

    """
    if len(message) > MAX_PARSED_BYTES:
        raise FreezeError(
            Reason.UPLOAD_MALFORMED,
            f"A message has {len(message):,} bytes, and {MAX_PARSED_BYTES:,} are allowed, but for a chunk whose fields "
            "are in order.",
            field=field,
        )
    try:
        return parse(message_type, message)
    except DecodeError:
        raise FreezeError(
            Reason.UPLOAD_MALFORMED,
            "A message is not one of this contract: it cannot be parsed.",
            field=field,
        ) from None
