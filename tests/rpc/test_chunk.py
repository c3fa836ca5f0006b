"""Reading chunks by hand gives just what protobuf gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tffreeze.v1.freeze_service_pb2 import FreezeRequest, InspectRequest
from tffreeze.v1.model_pb2 import FileChunk
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.chunk import Chunk, read_chunk

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
PLAIN = FreezeRequest(
    chunk=FileChunk(file_index=3, offset_bytes=1 << 40, data=b"some bytes")
).SerializeToString()


def by_protobuf(message: bytes) -> Chunk | None:
    """Read a chunk without our reader; None where there is none."""
    try:
        request = FreezeRequest.FromString(message)
    except Exception:
        return None
    chunk = request.chunk
    return Chunk(chunk.file_index, chunk.offset_bytes, chunk.data) if request.HasField("chunk") else None


def by_hand(message: bytes) -> Chunk | None:
    """Read a chunk with our reader; None where it is refused."""
    try:
        chunk = read_chunk(FreezeRequest, message)
    except FreezeError as error:
        if error.reason is not Reason.UPLOAD_MALFORMED:
            raise
        return None
    return chunk._replace(data=bytes(chunk.data))


@settings(deadline=None)
@given(INT32, INT64, st.binary(max_size=300), st.sampled_from([FreezeRequest, InspectRequest]))
def test_round_trip(file_index: int, offset_bytes: int, data: bytes, request_type: type) -> None:
    """What protobuf writes is read as it was."""
    message = request_type(chunk=FileChunk(file_index=file_index, offset_bytes=offset_bytes, data=data))
    got = read_chunk(request_type, message.SerializeToString())
    assert (file_index, offset_bytes, data) == (got.file_index, got.offset_bytes, bytes(got.data))


def test_plain_form_is_not_copied() -> None:
    """The data of a message as writers write it is a view of it."""
    assert isinstance(read_chunk(FreezeRequest, PLAIN).data, memoryview)


@pytest.mark.parametrize("end", range(len(PLAIN)))
def test_truncated(end: int) -> None:
    """A message cut anywhere is what protobuf takes it for."""
    assert by_protobuf(PLAIN[:end]) == by_hand(PLAIN[:end])


@pytest.mark.parametrize("position", range(len(PLAIN)))
@pytest.mark.parametrize("bit", range(8))
def test_flipped_bit(position: int, bit: int) -> None:
    """A message with a flipped bit is what protobuf takes it for."""
    damaged = bytearray(PLAIN)
    damaged[position] ^= 1 << bit
    assert by_protobuf(bytes(damaged)) == by_hand(bytes(damaged))


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes(message: bytes) -> None:
    """Any bytes after the tag of a chunk are what protobuf takes them for."""
    for whole in (message, b"\x12" + message, b"\x12" + bytes([len(message)]) + message):
        assert by_protobuf(whole) == by_hand(whole)


def test_a_message_is_mostly_its_data() -> None:
    """A chunk that hides among fields that mean nothing is refused; a few of them are let through."""
    for size, expected in ((100, Chunk(3, 1 << 40, b"some bytes")), (2000, None)):
        message = PLAIN + b"\xf8\x07\x01" * (size // 3)
        assert expected == by_hand(message)
    twice = FreezeRequest(chunk=FileChunk(data=bytes(2000))).SerializeToString() + PLAIN
    assert by_hand(twice) is None


def test_other_forms() -> None:
    """Fields in another order, repeated or unknown ones: left to protobuf, and right."""
    reordered = b"\x12\x09" + b"\x1a\x03abc" + b"\x08\x02" + b"\x10\x05"
    twice = b"\x12\x05\x1a\x03abc\x12\x02\x08\x07"
    unknown = b"\x12\x05\x1a\x03abc\xf8\x07\x01"
    assert Chunk(2, 5, b"abc") == by_hand(reordered)
    assert Chunk(7, 0, b"abc") == by_hand(twice)
    assert Chunk(0, 0, b"abc") == by_hand(unknown)
