"""Chunks by hand are the chunks that protobuf makes and reads."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from tffreeze.chunk_messages import Content, chunk_request, read_response
from tffreeze.errors import ServiceError
from tffreeze.v1.freeze_service_pb2 import FreezeRequest, FreezeResponse, InspectRequest

INDEXES = st.integers(0, 2**31 - 1)
DATA = st.binary(min_size=1, max_size=300) | st.integers(1, 70_000).map(bytes)


@given(INDEXES, st.integers(0, 2**63 - 1), DATA)
def test_a_request_is_what_protobuf_writes(file_index: int, offset_bytes: int, data: bytes) -> None:
    """Both kinds of requests with a chunk are the same bytes."""
    chunk = {"file_index": file_index, "offset_bytes": offset_bytes, "data": data}
    written = chunk_request(file_index, offset_bytes, data)
    assert FreezeRequest(chunk=chunk).SerializeToString() == written
    assert InspectRequest(chunk=chunk).SerializeToString() == written


@given(INDEXES, DATA)
def test_a_chunk_is_read_as_protobuf_reads_it(file_index: int, data: bytes) -> None:
    """A chunk comes as index and data."""
    message = FreezeResponse(content={"file_index": file_index, "data": data}).SerializeToString()
    assert Content(file_index, data) == read_response(message)


@given(st.binary(max_size=40))
def test_whatever_comes_is_read_as_protobuf_reads_it(message: bytes) -> None:
    """Other orders, unknown fields and garbage are left to protobuf."""
    try:
        expected = FreezeResponse.FromString(message)
    except DecodeError:
        with pytest.raises(ServiceError):
            read_response(message)
        return
    found = read_response(message)
    if isinstance(found, Content):
        assert (expected.content.file_index, expected.content.data) == (found.file_index, found.data)
    else:
        assert expected == found


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_cut_chunk_is_an_error(cut: int) -> None:
    """A chunk that ends too early is never taken for a shorter one."""
    message = FreezeResponse(content={"file_index": 3, "data": bytes(30)}).SerializeToString()
    with pytest.raises(ServiceError):
        read_response(message[:-cut])
