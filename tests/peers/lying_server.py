"""A server that speaks gRPC as it should, and says whatever it is told to say.

What a real server would send is recorded once (`record`); a lie is that, with one thing changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from tffreeze.local_model import find_model
from tffreeze.send import Sender
from tffreeze.v1.freeze_service_pb2 import FreezeRequest, FreezeResponse, FreezeSpec

SERVICE = "tffreeze.v1.FreezeService"
DETAILS_KEY = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Ends:
    """The status of a call."""

    code: grpc.StatusCode
    message: str = "so it is"
    trailers: tuple[tuple[str, str | bytes], ...] = ()


Said = bytes | FreezeResponse | Ends


@dataclass
class LyingServer:
    """What is said in answer to each call, and how often that was asked for.

    Attributes:
        port: Of the loopback.
        answers: Called with the number of the call, from 1.
        calls: How many calls there were.

    """

    port: int = 0
    answers: Callable[[int], Iterable[Said]] = field(default=lambda _: ())
    calls: int = 0

    def say(self, *said: Said) -> None:
        """Say this in every call."""
        self.say_each(lambda _: said)

    def say_each(self, answers: Callable[[int], Iterable[Said]]) -> None:
        """Say what `answers` gives for the number of the call."""
        self.answers, self.calls = answers, 0

    def answer(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        """Hear a caller out and answer."""
        self.calls += 1
        number = self.calls
        for _ in requests:
            pass
        for said in self.answers(number):
            if isinstance(said, Ends):
                context.set_trailing_metadata(said.trailers)
                context.abort(said.code, said.message)
            yield said if isinstance(said, bytes) else said.SerializeToString()


class _Handlers(grpc.GenericRpcHandler):
    """One way to answer for every method: to a caller, one message is a stream of one."""

    def __init__(self, server: LyingServer) -> None:
        self._server = server

    def service(self, details: Any) -> Any:
        if not details.method.startswith(("/" + SERVICE, "/grpc.health")):
            return None
        return grpc.stream_stream_rpc_method_handler(self._server.answer)


@contextlib.contextmanager
def lying_server(compression: grpc.Compression | None = None) -> Iterator[LyingServer]:
    """Run one while the block runs."""
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)], compression=compression)
    lying = LyingServer()
    server.add_generic_rpc_handlers([_Handlers(lying)])
    lying.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield lying
    finally:
        server.stop(None).wait()


def record(port: int, model: Path, delivery: Any, *, as_saved_model: bool = False) -> list[FreezeResponse]:
    """What a real server says when it freezes a model."""
    with_weights = delivery != 2
    local = find_model(model, {"as_saved_model": as_saved_model})
    spec = FreezeSpec(source=local.source(with_weights=with_weights), delivery=delivery)
    spec.options.as_saved_model = as_saved_model
    requests = Sender(local.files, with_weights=with_weights).messages(FreezeRequest(spec=spec))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.stream_stream(f"/{SERVICE}/Freeze", None, FreezeResponse.FromString)
        return list(call(requests))


def failure(
    code: grpc.StatusCode,
    reason: str | None,
    *,
    retry_after_seconds: float | None = None,
    domain: str = "tffreeze",
) -> Ends:
    """A status with details: an ErrorInfo where there is a reason, a RetryInfo where there is a time."""
    status = status_pb2.Status(code=code.value[0])
    details: list[Any] = []
    if reason is not None:
        details.append(error_details_pb2.ErrorInfo(reason=reason, domain=domain))
    if retry_after_seconds is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(retry_after_seconds * 1000))
        details.append(retry)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return Ends(code, trailers=((DETAILS_KEY, status.SerializeToString()),))
