"""Calls of a soak: good ones, and every kind of fault that a caller can make.

Each makes one call, of its own connection, and gives how it ended: `OK`, a reason, or what it did itself.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import grpc

import tffreeze
from rpc.models import DIGITS, FIXTURES, MOVING_AVERAGE, FreezeRequest, large_request
from server.running import WAIT_SECONDS, Running, error_of
from tffreeze.v1 import freeze_service_pb2
from tffreeze.v1.freeze_service_pb2_grpc import FreezeServiceStub

MAX_IDLE_SECONDS = 1
"""What the server of a soak lets a client be silent for."""

MAX_DEADLINE_SECONDS = 0.1
_MAX_GARBAGE_BYTES = 1000

Responses = Iterator[freeze_service_pb2.FreezeResponse]


@dataclass(frozen=True)
class Kind:
    """A kind of call.

    Attributes:
        make: Makes one.
        share: How often, beside the others.
        may_end: How it may end, besides TOO_MANY_JOBS.

    """

    make: Callable[[Running, Random], str]
    share: int
    may_end: frozenset[str]


def content(server: Running, _: Random) -> str:
    """CONTENT, with an upload."""
    return _by_client(
        server, lambda client: client.freeze_bytes(FIXTURES / "digits", delivery="content").data
    )


def splice(server: Running, _: Random) -> str:
    """SPLICE."""
    return _by_client(server, lambda client: client.freeze_bytes(FIXTURES / "digits", delivery="splice").data)


def in_place(server: Running, _: Random) -> str:
    """CONTENT from a model root."""
    return _by_client(server, lambda client: client.freeze_bytes("digits", model_root="samples").data)


def inspect(server: Running, _: Random) -> str:
    """Inspect."""
    return _by_client(server, lambda client: client.inspect(FIXTURES / "digits") and DIGITS_FROZEN)


def download(server: Running, _: Random) -> str:
    """All of a large result."""
    with _freeze(server, [large_request()]) as call:
        return _reason(lambda: all(call))


def garbage(server: Running, random: Random) -> str:
    """Bytes that are no message."""
    with server.channel() as channel:
        freeze = channel.stream_stream("/tffreeze.v1.FreezeService/Freeze")
        return _reason(
            lambda: list(freeze(iter([random.randbytes(random.randrange(1, _MAX_GARBAGE_BYTES))])))
        )


def wrong_order(server: Running, random: Random) -> str:
    """Chunks that are shuffled, left out or sent twice."""
    spec, *chunks = MOVING_AVERAGE.requests(chunk_bytes=100)
    sent = random.choice([chunks[::-1], chunks[:-1], [*chunks, chunks[-1]]])
    with _freeze(server, [spec, *sent]) as call:
        return _reason(lambda: list(call))


def lying_size(server: Running, random: Random) -> str:
    """More or fewer bytes than were declared."""
    spec, *chunks = DIGITS.requests()
    spec.spec.source.upload.files[random.randrange(3)].size_bytes += random.choice([-1, 1, 1 << 30])
    with _freeze(server, [spec, *chunks]) as call:
        return _reason(lambda: list(call))


def damaged(server: Running, random: Random) -> str:
    """A model with flipped bits."""
    spec, *chunks = DIGITS.requests()
    chunk = random.choice(chunks).chunk
    data = bytearray(chunk.data)
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    chunk.data = bytes(data)
    with _freeze(server, [spec, *chunks]) as call:
        return _reason(lambda: list(call))


def cancelled_upload(server: Running, _: Random) -> str:
    """A caller that goes away while it sends."""
    with _half_sent(server) as call:
        call.initial_metadata()
        call.cancel()
    return "cancelled"


def cancelled_download(server: Running, random: Random) -> str:
    """A caller that goes away while it receives, or while its plan is made."""
    with _freeze(server, [large_request()]) as call:
        with contextlib.suppress(grpc.RpcError):
            for _number in range(random.randrange(20)):
                next(call)
        call.cancel()
    return "cancelled"


def deadline(server: Running, random: Random) -> str:
    """A caller with little time."""
    seconds = random.uniform(0, MAX_DEADLINE_SECONDS)
    with _freeze(server, [large_request()], seconds) as call:
        return _reason(lambda: list(call))


def slow_writer(server: Running, _: Random) -> str:
    """A caller that stops sending."""
    with _half_sent(server) as call:
        return _reason(lambda: list(call))


def slow_reader(server: Running, random: Random) -> str:
    """A caller that stops reading until the server has lost patience."""
    with _freeze(server, [large_request()]) as call:

        def read() -> None:
            for _number in range(random.randrange(3, 10)):
                next(call)
            threading.Event().wait(MAX_IDLE_SECONDS * 1.5)
            list(call)

        return _reason(read)


def killed(server: Running, random: Random) -> str:
    """A client process that is killed in the middle of its call."""
    what = random.choice(["upload", "download"])
    client = subprocess.Popen(
        [sys.executable, "-m", "soak.victim", server.target, what],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert client.stdout is not None
    with client.stdout:
        client.stdout.readline()
        client.kill()
        client.wait(WAIT_SECONDS)
    return "killed"


def no_http(server: Running, random: Random) -> str:
    """Something that does not even speak HTTP/2."""
    with (
        contextlib.suppress(ConnectionError),
        socket.create_connection(("127.0.0.1", server.port), WAIT_SECONDS) as connection,
    ):
        connection.sendall(random.randbytes(random.randrange(_MAX_GARBAGE_BYTES)))
    return "hung up"


_MALFORMED = frozenset(("UPLOAD_MALFORMED", "UPLOAD_TOO_LARGE", "QUOTA_EXCEEDED", "INVALID_OPTION"))
_DAMAGED = frozenset(
    "OK CHECKSUM_MISMATCH FILE_NOT_READABLE GRAPH_TOO_LARGE INPUT_NOT_FOUND MALFORMED_CHECKPOINT MALFORMED_MODEL "
    "MODEL_NOT_FOUND OUTPUT_NOT_FOUND OUTPUTS_NEEDED REACHABLE_WRITE RESTORE_OP_NOT_FOUND SHARD_NOT_FOUND "
    "SIGNATURE_NOT_FOUND TAGS_NOT_FOUND UNKNOWN_OP UNSUPPORTED_DTYPE UNSUPPORTED_INITIALIZER UNSUPPORTED_MODEL "
    "UNSUPPORTED_OP UNSUPPORTED_RESTORE VALUES_DISAGREE VARIABLE_MISMATCH VARIABLE_NOT_FOUND "
    "VARIABLE_NOT_IN_CHECKPOINT CHECKPOINT_NEEDED CHECKPOINT_NOT_FOUND BIG_ENDIAN_CHECKPOINT".split()
)
"""Anything that a caller can be told of a model; no defect of the server."""

KINDS = {
    "content": Kind(content, 12, frozenset(["OK"])),
    "splice": Kind(splice, 12, frozenset(["OK"])),
    "in place": Kind(in_place, 12, frozenset(["OK"])),
    "inspect": Kind(inspect, 12, frozenset(["OK"])),
    "download": Kind(download, 2, frozenset(["OK"])),
    "garbage": Kind(garbage, 8, _MALFORMED),
    "wrong order": Kind(wrong_order, 8, _MALFORMED),
    "lying size": Kind(lying_size, 8, _MALFORMED),
    "damaged": Kind(damaged, 8, _DAMAGED),
    "cancelled upload": Kind(cancelled_upload, 6, frozenset(["cancelled"])),
    "cancelled download": Kind(cancelled_download, 6, frozenset(["cancelled"])),
    "deadline": Kind(deadline, 4, frozenset(["DEADLINE_EXCEEDED"])),
    "slow writer": Kind(slow_writer, 1, frozenset(["CLIENT_TOO_SLOW"])),
    "slow reader": Kind(slow_reader, 1, frozenset(["CLIENT_TOO_SLOW"])),
    "killed": Kind(killed, 1, frozenset(["killed"])),
    "no HTTP": Kind(no_http, 4, frozenset(["hung up"])),
}

DIGITS_FROZEN = tffreeze.freeze_bytes(FIXTURES / "digits").data


def _by_client(server: Running, call: Callable[[tffreeze.Client], bytes]) -> str:
    with tffreeze.Client(server.target) as client:
        try:
            assert DIGITS_FROZEN == call(client)
        except tffreeze.TffreezeError as error:
            return error.reason
    return "OK"


def _reason(call: Callable[[], object]) -> str:
    """Make a call; give its reason, or the name of its status where it has none."""

    def ends_well() -> None:
        call()
        raise _EndedWellError

    try:
        code, reason = error_of(ends_well)
    except _EndedWellError:
        return "OK"
    return reason or code.name


class _EndedWellError(Exception):
    """No error at all."""


@contextlib.contextmanager
def _freeze(
    server: Running, requests: Iterable[FreezeRequest], seconds: float = WAIT_SECONDS
) -> Iterator[Any]:
    with server.channel() as channel:
        yield FreezeServiceStub(channel).Freeze(iter(requests), timeout=seconds)


@contextlib.contextmanager
def _half_sent(server: Running) -> Iterator[Any]:
    """A call that has sent all but its last chunk and goes no further, until the block ends."""
    over = threading.Event()

    def requests() -> Iterator[FreezeRequest]:
        yield from list(MOVING_AVERAGE.requests())[:-1]
        over.wait(WAIT_SECONDS)

    try:
        with _freeze(server, requests()) as call:
            yield call
    finally:
        over.set()
