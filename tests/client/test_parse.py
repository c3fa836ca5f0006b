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
