"""A message is read as protobuf reads it, unless it stands for more than it is."""

from __future__ import annotations

import pytest

from tffreeze import parse
from tffreeze.errors import ServiceError
from tffreeze.v1.freeze_service_pb2 import FreezeResponse, GetCapabilitiesResponse


def _large(variables: int = 12_000) -> FreezeResponse:
    response = FreezeResponse()
    report = response.started.report
    for number in range(variables):
        variable = report.variables.add(name=f"layer_{number}/kernel", node=f"n{number}", dtype="float32")
        variable.shape.sizes.extend([3, 3, -1, number])
        variable.size_bytes, variable.source = 1 << 40, "saver"
        variable.shards.append("variables.data-00000-of-00001")
    response.started.files.add(name="frozen.pb", size_bytes=7, crc32c=1 << 31)
    return response


def test_a_large_report_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of many variables is what it was; unknown fields of every kind are walked past."""
    monkeypatch.setattr(parse, "_UNCOUNTED_BYTES", 1 << 20)
    data = _large().SerializeToString()
    assert len(data) > parse._UNCOUNTED_BYTES
    assert _large() == parse.read_message(FreezeResponse, data)
    unknown = b"\xf8\x07\x80\x01" + b"\xf9\x07" + bytes(8) + b"\xfd\x07" + bytes(4) + b"\xfa\x07\x02\xff\xff"
    assert len(parse.read_message(FreezeResponse, data + unknown).started.report.variables) == 12_000


def test_each_field_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields, messages in messages and packed numbers: one fewer allowed, and it is refused."""
    monkeypatch.setattr(parse, "_UNCOUNTED_BYTES", 0)
    message = FreezeResponse()
    message.started.report.variables.add(name="v").shape.sizes.extend([1, 2, 3])
    message.started.files.add(crc32c=7)
    # started, report, variable, name, shape, sizes and its 3 numbers, file, crc32c
    monkeypatch.setattr(parse, "MAX_FIELDS", 11)
    assert message == parse.read_message(FreezeResponse, message.SerializeToString())
    monkeypatch.setattr(parse, "MAX_FIELDS", 10)
    with pytest.raises(ServiceError, match="more than 10 fields"):
        parse.read_message(FreezeResponse, message.SerializeToString())
    deliveries = GetCapabilitiesResponse(deliveries=[1] * 20).SerializeToString()
    with pytest.raises(ServiceError, match="more than 10 fields"):
        parse.read_message(GetCapabilitiesResponse, deliveries)


def test_a_message_that_is_cut_short_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """At every byte, the large ones too: what protobuf would not read is no message."""
    monkeypatch.setattr(parse, "_UNCOUNTED_BYTES", 0)
    data = _large(1).started.SerializeToString()
    whole = b"\x12" + bytes([len(data)]) + data
    assert _large(1) == parse.read_message(FreezeResponse, whole)
    for cut in range(1, len(whole)):
        with pytest.raises(ServiceError):
            parse.read_message(FreezeResponse, whole[:cut])


LIMIT_CASES = {
    "a number of one byte": (b"\x08\x01", 1),
    "a number of ten bytes": (b"\x08" + b"\xff" * 9 + b"\x01", 1),
    "eight bytes": (b"\x09" + bytes(8), 1),
    "four bytes": (b"\x0d" + bytes(4), 1),
    "text that is not known": (b"\x7a\x02\xff\xff", 1),
    "a tag of two bytes": (b"\xfa\x07\x00", 3),
    "a tag of five bytes": (b"\xfa\xff\xff\xff\x0f\x00", 3),
    "a length of two bytes": (b"\x7a\x80\x01" + bytes(128), 3),
    "a length of five bytes": (b"\x7a\x81\x80\x80\x80\x00\x00", 3),
    "tag and length of two bytes": (b"\xfa\x07\x81\x00\x00", 5),
    "an empty message": (b"\x12\x00", 1),
    "a message in a message": (b"\x12\x02\x0a\x00", 2),
}
"""A FreezeResponse, and as how many fields it counts: a tag or a length of several bytes counts as two more."""


@pytest.mark.parametrize("name", LIMIT_CASES)
def test_a_field_counts_as_what_it_costs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many fields allowed it is read; with one fewer, or after it a byte of another, it is refused."""
    data, fields = LIMIT_CASES[name]
    monkeypatch.setattr(parse, "_UNCOUNTED_BYTES", 0)
    monkeypatch.setattr(parse, "MAX_FIELDS", fields)
    assert FreezeResponse.FromString(data) == parse.read_message(FreezeResponse, data)
    for damaged in (data[:-1], data + b"\x7a", data + b"\xfa"):
        with pytest.raises(ServiceError, match="truncated"):
            parse.read_message(FreezeResponse, damaged)
    monkeypatch.setattr(parse, "MAX_FIELDS", fields - 1)
    with pytest.raises(ServiceError, match=f"more than {fields - 1} fields"):
        parse.read_message(FreezeResponse, data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x08" + b"\xff" * 10 + b"\x01",
        b"\xfa\x80\x80\x80\x80\x00\x00",
        b"\x7a\x80\x80\x80\x80\x80\x00",
        b"\x0b\x0c",
        b"\x0e",
        b"\x12\x02\x0a\x05" + bytes(5),
    ],
    ids=["number", "tag", "length", "group", "no type", "longer than what it is in"],
)
def test_what_protobuf_would_not_write_is_refused(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Varints longer than any, groups, and a message that goes on after the one around it."""
    monkeypatch.setattr(parse, "_UNCOUNTED_BYTES", 0)
    with pytest.raises(ServiceError, match="truncated"):
        parse.read_message(FreezeResponse, data)


def test_a_small_message_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to a mebibyte: it is small whatever is in it."""
    monkeypatch.setattr(parse, "MAX_FIELDS", 0)
    data = b"\x7a" + b"\xfc\xff\x3f" + bytes((1 << 20) - 4)
    assert len(data) == parse._UNCOUNTED_BYTES == 1 << 20
    assert FreezeResponse.FromString(data) == parse.read_message(FreezeResponse, data)
    with pytest.raises(ServiceError, match="more than 0 fields"):
        parse.read_message(FreezeResponse, data + b"\x08\x01")
