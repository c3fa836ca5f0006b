"""Chunks of uploaded files, read from their messages without copying them.

A chunk is nearly all of its message. Where a message is written as protobuf's own writers do it (fields in the order of
their numbers, the data last), the data is a view of the message; any other form is left to protobuf.
"""

from __future__ import annotations

from typing import NamedTuple

from tffreeze.v1 import freeze_service_pb2
from tffreeze_common.wire import MAX_INT32, MAX_INT64, read_plain
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.client_message import client_message

MAX_BESIDE_DATA_BYTES = 1024
"""In a message with a chunk: a megabyte of empty fields takes 20 ms to parse, in which all other calls wait."""

RequestType = type[freeze_service_pb2.FreezeRequest] | type[freeze_service_pb2.InspectRequest]

# Numbers of proto/tffreeze/v1: the field `chunk` of either request, and the fields of FileChunk.
_CHUNK, _FILE_INDEX, _OFFSET_BYTES, _DATA = 2, 1, 2, 3


class Chunk(NamedTuple):
    """A piece of an uploaded file, as FileChunk has it."""

    file_index: int
    offset_bytes: int
    data: bytes | memoryview


def read_chunk(request_type: RequestType, message: bytes) -> Chunk:
    """Read a message that must hold a chunk.

    Raises:
        FreezeError: UPLOAD_MALFORMED.

    """
    chunk = _read_plain(message)
    if chunk is not None:
        return chunk
    request = client_message(request_type, message, "chunk")
    if not request.HasField("chunk"):
        raise FreezeError(
            Reason.UPLOAD_MALFORMED,
            "A message after the first is not a chunk: there is one spec, and it comes first.",
            field="chunk",
        )
    data = request.chunk.data
    if len(message) - len(data) > MAX_BESIDE_DATA_BYTES:
        raise FreezeError(
            Reason.UPLOAD_MALFORMED,
            f"A message of {len(message):,} bytes holds a chunk of {len(data):,}, and {MAX_BESIDE_DATA_BYTES:,} are "
            "allowed beside its data.",
            field="chunk",
        )
    return Chunk(request.chunk.file_index, request.chunk.offset_bytes, data)


def _read_plain(message: bytes) -> Chunk | None:
    """Read a chunk in the one plain form; None for any other."""
    plain = read_plain(message, _CHUNK, (_FILE_INDEX, _OFFSET_BYTES), _DATA)
    if plain is None:
        return None
    (file_index, offset_bytes), start = plain
    if file_index > MAX_INT32 or offset_bytes > MAX_INT64:
        return None
    return Chunk(file_index, offset_bytes, memoryview(message)[start:])
