"""Parsing messages that somebody else wrote."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import DecodeError, Message

M = TypeVar("M", bound=Message)


def parse(message_type: type[M], data: bytes) -> M:
    """Parse a binary message.

    Raises:
        DecodeError: It is no such message. For a string that is not UTF-8, protobuf in pure Python (the
            only kind of before 4.21 for these Pythons) raises UnicodeDecodeError, and RecursionError for
            one that is nested too deeply; both become this.
        MemoryError: There is no room for it. protobuf's C code says so in the text of its DecodeError.

    """
    try:
        return message_type.FromString(data)
    except (UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(str(error)) from None
    except DecodeError as error:
        if "alloc failed" in str(error):
            raise MemoryError from None
        raise
