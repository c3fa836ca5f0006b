"""Chunks on the wire, put together and taken apart by hand.

A protobuf message copies what is put into it and what is taken out, three times for a chunk on its way up and
twice on its way down: a quarter of the time of a large call. What is not just a chunk is left to protobuf. The
numbers are those of `proto/tffreeze/v1`; tests hold both ways against protobuf's.
"""

from __future__ import annotations

from typing import NamedTuple

from tffreeze.parse import broken, read_message
from tffreeze.v1 import freeze_service_pb2, model_pb2
from tffreeze_common.wire import MAX_INT32, field_head, read_plain

MAX_PIECES_BYTES = 2 << 20
"""Of every message but `started`, whose report grows with the model."""

_CHUNK, _CHUNK_DATA = 2, 3
_CONTENT, _CONTENT_FILE_INDEX, _CONTENT_DATA = 3, 1, 2


class Content(NamedTuple):
    """A chunk of a result: a `FreezeResponse` with nothing but a `ContentChunk`."""

    file_index: int
    data: bytes


def chunk_request(file_index: int, offset_bytes: int, data: bytes) -> bytes:
    """A `FreezeRequest` or `InspectRequest` (they are alike here) with a `FileChunk`."""
    head = model_pb2.FileChunk(file_index=file_index, offset_bytes=offset_bytes).SerializeToString()
    head += field_head(_CHUNK_DATA, len(data))
    return b"".join((field_head(_CHUNK, len(head) + len(data)), head, data))


def read_response(message: bytes) -> Content | freeze_service_pb2.FreezeResponse:
    """Read a `FreezeResponse`.

    Raises:
        ServiceError: INTERNAL: it is none, or larger than it may be.

    """
    content = _content(message)
    response = content or read_message(freeze_service_pb2.FreezeResponse, message)
    if len(message) >= MAX_PIECES_BYTES and (content or response.WhichOneof("message") != "started"):  # type: ignore[union-attr]  # no content, then
        raise broken(f"sent a message of {len(message):,} bytes, and {MAX_PIECES_BYTES:,} is too many")
    return response


def _content(message: bytes) -> Content | None:
    """The chunk, where the message is one written as protobuf writes it; else None."""
    plain = read_plain(message, _CONTENT, (_CONTENT_FILE_INDEX,), _CONTENT_DATA)
    if plain is None or plain[0][0] > MAX_INT32:
        return None
    (file_index,), start = plain
    return Content(file_index, message[start:])
