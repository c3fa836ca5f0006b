"""The wire format as protobuf's own code reads and writes it."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given
from hypothesis import strategies as st

from tffreeze.v1.model_pb2 import FileChunk, Shape
from tffreeze_common import wire
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

NUMBERS = st.integers(0, 2**64 - 1)


@given(NUMBERS)
@example(0x7F)
@example(0x80)
@example(2**64 - 1)
def test_a_number_is_what_protobuf_writes(number: int) -> None:
    """Written and read again, with bytes before and after it."""
    written = wire.varint(number)
    assert TensorProto(uint64_val=[number]).SerializeToString()[-len(written) :] == written
    assert (number, 1 + len(written)) == wire.read_varint(b"\xff" + written + b"\x80", 1)


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\xff" * 9, b"\xff" * 9 + b"\x02", b"\xff" * 10, b"\x80" * 10 + b"\x01"]
)
def test_what_is_no_number_is_an_error(data: bytes) -> None:
    """One that does not end, or has more than 64 bits."""
    with pytest.raises(wire.WireError):
        wire.read_varint(data, 0)


@given(st.binary(max_size=300), st.integers(1, 2**29 - 1))
def test_a_field_is_what_protobuf_writes(contents: bytes, number: int) -> None:
    """Head and contents, whatever the number and the length."""
    written = wire.field(number, contents)
    (field,) = wire.fields_of(written)
    assert (number, wire.LENGTH, 0, len(written)) == (field.number, field.wire_type, field.start, field.end)
    assert contents == written[field.value : field.end]
    assert wire.field(8, contents) == TensorProto(string_val=[contents]).SerializeToString()


def _message() -> bytes:
    """A message of 100 KB with fields of every wire type, those with many bytes among small ones."""
    message = TensorProto(
        dtype=1, version_number=-1, tensor_content=bytes(50_000), double_val=[1.5], float_val=[2.5]
    )
    message.string_val.extend(bytes(size) for size in (0, 1, 127, 128, 16_383, 16_384, 5))
    unpacked = b"".join(wire.varint(5 << 3 | wire.FIXED32) + bytes(4) for _ in range(3000))
    return message.SerializeToString() + unpacked + wire.varint(6 << 3 | wire.FIXED64) + bytes(8)


def test_a_message_is_walked_whole() -> None:
    """Fields follow each other up to the end; what their places hold is what protobuf reads."""
    message = _message()
    fields = list(wire.fields_of(message))
    assert [0, *(field.end for field in fields)] == [*(field.start for field in fields), len(message)]
    parsed = TensorProto.FromString(message)
    strings = [message[field.value : field.end] for field in fields if field.number == 8]
    assert list(parsed.string_val) == strings
    (version,) = [field for field in fields if field.number == 3]
    assert 2**64 - 1 == wire.read_varint(message, version.value)[0] == parsed.version_number % 2**64


def test_contents_are_passed_over() -> None:
    """Of long fields only the head is read: windows, not the message."""
    message = wire.field(4, bytes(1 << 20)) * 3
    read: list[int] = []

    def counted(start: int, end: int) -> bytes:
        read.append(end - start)
        return message[start:end]

    assert 3 == len(list(wire.fields(counted, 0, len(message))))
    assert 3 == len(read)
    assert 1 << 16 > sum(read)


@given(st.binary(max_size=60))
def test_what_protobuf_reads_is_walked(message: bytes) -> None:
    """No message that protobuf takes is refused, groups aside; and the walk ends."""
    try:
        Shape.FromString(message)
    except DecodeError:
        return
    try:
        list(wire.fields_of(message))
    except wire.WireError as error:
        assert "group" in str(error)  # noqa: PT017 - some messages may have one


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_message_cut_short_is_an_error(cut: int) -> None:
    """At every byte of its last fields."""
    message = wire.field(2, b"x" * 20) + wire.varint(3 << 3) + wire.varint(300) + wire.field(300, b"y" * 20)
    ends = {field.end for field in wire.fields_of(message)}
    shorter = message[:-cut]
    if len(shorter) in ends:
        assert list(wire.fields_of(shorter))
        return
    with pytest.raises(wire.WireError):
        list(wire.fields_of(shorter))


def test_data_behind_numbers_is_found() -> None:
    """The plain form gives the numbers and the place of the data; every other form gives None."""
    chunk = FileChunk(file_index=300, offset_bytes=2**40, data=b"data").SerializeToString()
    message = wire.field(2, chunk)
    assert ([300, 2**40], len(message) - 4) == wire.read_plain(message, 2, (1, 2), 3)
    empty = wire.field(2, wire.field(3, b""))
    assert ([0, 0], len(empty)) == wire.read_plain(empty, 2, (1, 2), 3)
    for other in (b"", message[:-1], message + b"\x00", wire.field(3, chunk), wire.field(2, chunk + chunk)):
        assert wire.read_plain(other, 2, (1, 2), 3) is None
