"""Serializing and parsing chunks by hand.

protobuf copies the data of a message: three times for an uploaded chunk and twice for a downloaded one, a quarter of
the time of a large call. All other messages are left to protobuf. The field numbers are those of
`proto/tffreeze/v1`; tests compare both directions with protobuf.
"""

from __future__ import annotations

from typing import NamedTuple

from tffreeze.parse import broken, read_message
from tffreeze.v1 import freeze_service_pb2, model_pb2
from tffreeze_common.wire import MAX_INT32, field_head, read_plain

MAX_PIECES_BYTES = 2 << 20
"""Size limit of every message except `started`, whose report grows with the model."""

_CHUNK, _CHUNK_DATA = 2, 3
_CONTENT, _CONTENT_FILE_INDEX, _CONTENT_DATA = 3, 1, 2


class Content(NamedTuple):
    """A chunk of a result: a `FreezeResponse` with only a `ContentChunk`."""

    file_index: int
    data: bytes


def chunk_request(file_index: int, offset_bytes: int, data: bytes) -> bytes:
    """Serialize a `FreezeRequest` or `InspectRequest` (equal on the wire) with a `FileChunk`."""
    head = model_pb2.FileChunk(file_index=file_index, offset_bytes=offset_bytes).SerializeToString()
    head += field_head(_CHUNK_DATA, len(data))
    return b"".join((field_head(_CHUNK, len(head) + len(data)), head, data))


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
    """The chunk, where the message is one written as protobuf writes it; else None."""
    plain = read_plain(message, _CONTENT, (_CONTENT_FILE_INDEX,), _CONTENT_DATA)
    if plain is None or plain[0][0] > MAX_INT32:
        return None
    (file_index,), start = plain
    return Content(file_index, message[start:])
