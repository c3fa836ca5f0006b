"""Messages that are damaged get an answer each. Rules that are broken: see `tests/hostile_clients`."""

from __future__ import annotations

import random
from collections.abc import Callable

import grpc

from rpc.harness import Served, answer, failure, failure_of
from rpc.models import MOVING_AVERAGE
from tffreeze.v1 import freeze_service_pb2

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


def test_capabilities_of_garbage(server: Served) -> None:
    """A request that is no message is refused too."""
    call: Callable[[bytes], bytes] = server.channel.unary_unary("/tffreeze.v1.FreezeService/GetCapabilities")
    assert "UPLOAD_MALFORMED" == failure(lambda: call(b"\xff\xff")).reason
    got = freeze_service_pb2.GetCapabilitiesResponse.FromString(call(b""))
    assert got.server_version
