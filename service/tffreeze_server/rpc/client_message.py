"""Messages of a client, which may be anything."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from tffreeze_server.errors import Reason
from tffreeze_server.parse import parse
from tffreeze_server.rpc.field_error import FieldError

AnyMessage = TypeVar("AnyMessage", bound=Message)


def client_message(message_type: type[AnyMessage], message: bytes, field: str = "spec") -> AnyMessage:
    """Read a message of the client; `field` is what it should hold.

    Raises:
        FreezeError: UPLOAD_MALFORMED.

    """
    try:
        return parse(message_type, message)
    except DecodeError:
        raise FieldError(
            Reason.UPLOAD_MALFORMED, field, "A message is not one of this contract: it cannot be parsed."
        ) from None
