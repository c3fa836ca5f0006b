"""Serializing and parsing chunks by hand.

protobuf copies the data of a message: three times for an uploaded chunk and twice for a downloaded one, a quarter of
the time of a large call. All other messages are left to protobuf. The field numbers are those of
`proto/tffreeze/v1`; tests compare both directions with protobuf.
"""

from __future__ import annotations

from typing import NamedTuple

from tffreeze.parse import broken, read_message
from tffreeze.v1 import freeze_service_pb2, model_pb2

MAX_PIECES_BYTES = 2 << 20
"""Size limit of every message except `started`, whose report grows with the model."""

_LENGTH_DELIMITED = 2
_REQUEST_CHUNK = 2 << 3 | _LENGTH_DELIMITED
_CHUNK_DATA = 3 << 3 | _LENGTH_DELIMITED
_RESPONSE_CONTENT = 3 << 3 | _LENGTH_DELIMITED
_CONTENT_FILE_INDEX = 1 << 3
_CONTENT_DATA = 2 << 3 | _LENGTH_DELIMITED
_MAX_VARINT_BYTES = 5


class Content(NamedTuple):
    """A chunk of a result: a `FreezeResponse` with only a `ContentChunk`."""

    file_index: int
    data: bytes


def chunk_request(file_index: int, offset_bytes: int, data: bytes) -> bytes:
    """Serialize a `FreezeRequest` or `InspectRequest` (equal on the wire) with a `FileChunk`."""
    head = model_pb2.FileChunk(file_index=file_index, offset_bytes=offset_bytes).SerializeToString()
    head += bytes((_CHUNK_DATA,)) + _varint(len(data))
    return b"".join((bytes((_REQUEST_CHUNK,)), _varint(len(head) + len(data)), head, data))


def read_response(message: bytes) -> Content | freeze_service_pb2.FreezeResponse:
    """Parse a `FreezeResponse`.

    Raises:
        ServiceError: INTERNAL: it cannot be parsed, or is too large.

    """
    content = _content(message)
    response = content or read_message(freeze_service_pb2.FreezeResponse, message)
    if len(message) >= MAX_PIECES_BYTES and (content or response.WhichOneof("message") != "started"):  # type: ignore[union-attr]  # no content, then
        raise broken(f"sent a message of {len(message):,} bytes; it must be below {MAX_PIECES_BYTES:,}")
    return response


def _content(message: bytes) -> Content | None:
    """The chunk, if the message is one in protobuf's own field order; else None."""
    if not message or message[0] != _RESPONSE_CONTENT:
        return None
    length, position = _read_varint(message, 1)
    if position + length != len(message):
        return None
    file_index = 0
    if message[position : position + 1] == bytes((_CONTENT_FILE_INDEX,)):
        file_index, position = _read_varint(message, position + 1)
    if message[position : position + 1] != bytes((_CONTENT_DATA,)):
        return None
    length, position = _read_varint(message, position + 1)
    if position + length != len(message):
        return None
    return Content(file_index, message[position:])


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    """The number and where it ends; -1, which is no valid length, if it is truncated."""
    number = 0
    for index, byte in enumerate(message[position : position + _MAX_VARINT_BYTES]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, position + index + 1
    return -1, position
