"""Requests that are not as the contract says: an answer for each, and nothing left of any."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from rpc.harness import Served, answer, failure, failure_of
from rpc.models import DIGITS, FIXTURES, MOVING_AVERAGE, SPLICE, FreezeRequest, FreezeSpec
from tffreeze.v1 import freeze_service_pb2, model_pb2

METHODS = {
    "Freeze": lambda channel: channel.stream_stream("/tffreeze.v1.FreezeService/Freeze"),
    "Inspect": lambda channel: channel.stream_unary("/tffreeze.v1.FreezeService/Inspect"),
}


def mutated(message: bytes, source: random.Random) -> bytes:
    """Make some bytes wrong, or all of them."""
    kind = source.randrange(4)
    if kind == 0:
        return source.randbytes(source.randrange(200))
    damaged = bytearray(message)
    for _ in range(source.randrange(1, 8)):
        damaged[source.randrange(len(damaged))] = source.randrange(256)
    if kind == 1:
        return bytes(damaged[: source.randrange(len(damaged))])
    if kind == 2:
        return bytes(damaged) + source.randbytes(source.randrange(20))
    return bytes(damaged)


def test_a_thousand_malformed_first_messages(server: Served) -> None:
    """Each gets a status with details in the contract's form, none of them INTERNAL; the server serves on."""
    source = random.Random(20_260)
    first = next(MOVING_AVERAGE.requests()).SerializeToString()
    succeeded = 0
    for number in range(1000):
        method = ("Freeze", "Inspect")[number % 2]
        message = mutated(first, source)
        call = METHODS[method](server.channel)
        try:
            list(call(iter([message])))
        except grpc.RpcError as error:
            failed = failure_of(error)
        else:
            succeeded += 1
            continue
        assert failed.reason not in ("", "INTERNAL"), failed
    assert succeeded < 10
    answer(server.stub.Freeze(MOVING_AVERAGE.requests()))


def spec(**fields: Any) -> FreezeRequest:
    """A spec for the digits of the model root."""
    return FreezeRequest(spec=FreezeSpec(**{"source": DIGITS.in_root("samples", FIXTURES), **fields}))


def chunk(index: int, offset: int, size: int) -> FreezeRequest:
    """A chunk of zeros."""
    return FreezeRequest(chunk=model_pb2.FileChunk(file_index=index, offset_bytes=offset, data=bytes(size)))


def upload(*sizes: int) -> FreezeRequest:
    """A spec with files `0`, `1` … of these sizes."""
    files = [model_pb2.UploadedFile(name=str(index), size_bytes=size) for index, size in enumerate(sizes)]
    return spec(source=model_pb2.ModelSource(upload=model_pb2.Upload(files=files), model="0"))


WRONG: dict[str, tuple[list[FreezeRequest], str, str]] = {
    "nothing": ([], "UPLOAD_MALFORMED", "spec"),
    "empty message": ([FreezeRequest()], "UPLOAD_MALFORMED", "spec"),
    "chunk first": ([chunk(0, 0, 1)], "UPLOAD_MALFORMED", "spec"),
    "no source": ([FreezeRequest(spec=FreezeSpec())], "INVALID_OPTION", "spec.source"),
    "no place": ([spec(source=model_pb2.ModelSource(model="m"))], "INVALID_OPTION", "spec.source"),
    "no model": (
        [spec(source=model_pb2.ModelSource(model_root="samples"))],
        "INVALID_OPTION",
        "spec.source.model",
    ),
    "unknown delivery": ([spec(delivery=7)], "INVALID_OPTION", "spec.delivery"),
    "splice of a root": ([spec(delivery=SPLICE)], "INVALID_OPTION", "spec.delivery"),
    "two specs": ([upload(5), upload(5)], "UPLOAD_MALFORMED", "chunk"),
    "chunk for a root": ([spec(), chunk(0, 0, 1)], "UPLOAD_MALFORMED", "chunk"),
    "gap": ([upload(5), chunk(0, 1, 4)], "UPLOAD_MALFORMED", "chunk.offset_bytes"),
    "other order": ([upload(5, 5), chunk(1, 0, 5)], "UPLOAD_MALFORMED", "chunk.file_index"),
    "back again": ([upload(5, 5), chunk(0, 0, 5), chunk(0, 0, 5)], "UPLOAD_MALFORMED", "chunk.file_index"),
    "no such file": ([upload(5), chunk(9, 0, 5)], "UPLOAD_MALFORMED", "chunk.file_index"),
    "more than declared": ([upload(5), chunk(0, 0, 6)], "UPLOAD_MALFORMED", "chunk.data"),
    "less than declared": ([upload(5), chunk(0, 0, 4)], "UPLOAD_MALFORMED", "chunk"),
    "empty chunk": ([upload(5), chunk(0, 0, 0)], "UPLOAD_MALFORMED", "chunk.data"),
    "too long a chunk": ([upload(3 << 20), chunk(0, 0, (2 << 20) + 1)], "UPLOAD_MALFORMED", "chunk.data"),
    "after the end": ([upload(5), chunk(0, 0, 5), chunk(0, 5, 1)], "UPLOAD_MALFORMED", "chunk"),
    "empty file": ([upload(0), chunk(0, 0, 1)], "UPLOAD_MALFORMED", "chunk"),
    "lying size": ([upload(1 << 62), chunk(0, 0, 5)], "UPLOAD_TOO_LARGE", "spec.source.upload.files"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_streams(server: Served, name: str) -> None:
    """Whatever breaks a MUST of the contract is refused with the field at fault."""
    requests, reason, field = WRONG[name]
    failed = failure(lambda: list(server.stub.Freeze(iter(requests))))
    assert (grpc.StatusCode.INVALID_ARGUMENT, reason, field) == (failed.code, failed.reason, failed.field)


def test_sha256_of_a_splice(server: Served) -> None:
    """The server cannot tell the digest of what it does not see."""
    failed = failure(
        lambda: answer(server.stub.Freeze(MOVING_AVERAGE.requests(delivery=SPLICE, want_sha256=True)))
    )
    assert ("INVALID_OPTION", "spec.want_sha256") == (failed.reason, failed.field)


def test_absent_with_content(server: Served) -> None:
    """With CONTENT nothing can be absent."""
    failed = failure(lambda: answer(server.stub.Freeze(MOVING_AVERAGE.requests(MOVING_AVERAGE.names[-1:]))))
    assert ("UPLOAD_MALFORMED", "spec.source.upload.files[2].absent") == (failed.reason, failed.field)


def test_absent_file_shorter_than_its_tensors(server: Served) -> None:
    """A declared size that the index contradicts is an error before any range is sent."""
    requests = list(MOVING_AVERAGE.requests(MOVING_AVERAGE.names[-1:], delivery=SPLICE))
    requests[0].spec.source.upload.files[2].size_bytes = 1
    failed = failure(lambda: answer(server.stub.Freeze(iter(requests))))
    assert ("MALFORMED_CHECKPOINT", MOVING_AVERAGE.names[-1]) == (failed.reason, failed.subject)


def test_absent_chunk_is_refused(server: Served) -> None:
    """Bytes of a file that was declared absent are refused."""
    requests = [next(MOVING_AVERAGE.requests(MOVING_AVERAGE.names[-1:], delivery=SPLICE))]
    requests += [FreezeRequest(chunk=each) for each in MOVING_AVERAGE.chunks()]
    failed = failure(lambda: answer(server.stub.Freeze(iter(requests))))
    assert "UPLOAD_MALFORMED" == failed.reason


def test_capabilities_of_garbage(server: Served) -> None:
    """A request that is no message is refused too."""
    call: Callable[[bytes], bytes] = server.channel.unary_unary("/tffreeze.v1.FreezeService/GetCapabilities")
    assert "UPLOAD_MALFORMED" == failure(lambda: call(b"\xff\xff")).reason
    got = freeze_service_pb2.GetCapabilitiesResponse.FromString(call(b""))
    assert got.server_version
