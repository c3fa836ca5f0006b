"""A real server with real stubs: the service on a port of the loopback, its event loop in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from rpc.models import FreezeRequest
from server.processes import wait_until
from tffreeze.v1 import freeze_service_pb2, freeze_service_pb2_grpc
from tffreeze_server.rpc.caller import CALLER, Caller
from tffreeze_server.rpc.freeze_service import FreezeService, add_to_server
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.observer import CallInfo, CallOutcome, Stage

WAIT_SECONDS = 30


class Recorder:
    """An observer that remembers all, and lets a test wait for it."""

    def __init__(self) -> None:
        self.calls: list[CallInfo] = []
        self.outcomes: list[CallOutcome] = []
        self.stages: list[Stage] = []
        self.fields: dict[str, str | int] = {}
        self.lost: list[str] = []
        self.received_bytes = 0
        self.sent_bytes = 0
        self.jobs = (0, 0)
        self.receiving = 0
        self.spool_bytes = 0
        self._changed = threading.Condition()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so; fail where it does not become so."""
        with self._changed:
            assert self._changed.wait_for(condition, WAIT_SECONDS), vars(self)

    def reasons(self) -> list[str]:
        """How the calls ended, in order."""
        return [outcome.reason for outcome in self.outcomes]

    def is_idle(self) -> bool:
        """Whether all that began has ended and been given back."""
        held = (*self.jobs, self.receiving, self.spool_bytes)
        return len(self.outcomes) == len(self.calls) and not any(held)

    def call_started(self, call: CallInfo) -> Recorder:
        """Remember it."""
        with self._now():
            self.calls.append(call)
        return self

    def described(self, fields: Mapping[str, str | int]) -> None:
        """Remember it."""
        with self._now():
            self.fields.update(fields)

    def stage(self, stage: Stage, seconds: float) -> None:
        """Remember it."""
        assert seconds >= 0
        with self._now():
            self.stages.append(stage)

    def received(self, size_bytes: int) -> None:
        """Remember it."""
        with self._now():
            self.received_bytes += size_bytes

    def sent(self, size_bytes: int) -> None:
        """Remember it."""
        with self._now():
            self.sent_bytes += size_bytes

    def ended(self, outcome: CallOutcome) -> None:
        """Remember it."""
        with self._now():
            self.outcomes.append(outcome)

    def jobs_changed(self, running: int, queued: int, receiving: int) -> None:
        """Remember it."""
        with self._now():
            self.receiving = receiving
            self.jobs = (running, queued)

    def spool_changed(self, reserved_bytes: int) -> None:
        """Remember it."""
        with self._now():
            self.spool_bytes = reserved_bytes

    def planner_lost(self, cause: str) -> None:
        """Remember it."""
        with self._now():
            self.lost.append(cause)

    @contextlib.contextmanager
    def _now(self) -> Iterator[None]:
        with self._changed:
            yield
            self._changed.notify_all()


class NameByMetadata(grpc.aio.ServerInterceptor):
    """Stands for authentication: takes the caller's word for who it is and what it may use."""

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Set the caller for the task of the call."""
        metadata = dict(details.invocation_metadata)
        if "caller" in metadata:
            CALLER.set(Caller(metadata["caller"], frozenset(metadata["roots"].split(","))))
        return await continuation(details)


@dataclass
class Served:
    """A server that runs.

    Attributes:
        stub: Real stubs on a channel to it.
        channel: That channel.
        recorder: Its observer.
        spool_dir: Its spool.
        port: Of 127.0.0.1.

    """

    stub: freeze_service_pb2_grpc.FreezeServiceStub
    channel: grpc.Channel
    recorder: Recorder
    spool_dir: Path
    port: int
    drain: Callable[[], None]

    def spooled(self) -> list[str]:
        """Everything in the spool but locks and the folder of the worker."""
        found: list[Path] = []
        for folder, folders, files in os.walk(self.spool_dir):  # one that is removed meanwhile is no error
            found += (Path(folder, name).relative_to(self.spool_dir) for name in (*folders, *files))
        return sorted(str(path) for path in found if len(path.parts) > 1 and path.name != "lock")

    def wait_until_idle(self) -> None:
        """Wait until the server holds nothing of any call, and its spool is empty."""
        self.recorder.wait(self.recorder.is_idle)
        # A folder without bytes is not counted, and removed by a thread.
        assert wait_until(lambda: [] == self.spooled()), self.spooled()


@contextlib.contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Served]:
    """Run a server.

    Args:
        folder: For its spool.
        **settings: Of `CallSettings`.

    """
    recorder = Recorder()
    call_settings = CallSettings(**{"spool_dir": folder / "spool", "planning_processes": 1, **settings})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(WAIT_SECONDS)

    service, server, port = run(_start(call_settings, recorder))
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    try:
        stub = freeze_service_pb2_grpc.FreezeServiceStub(channel)
        yield Served(stub, channel, recorder, call_settings.spool_dir, port, lambda: run(service.drain()))
    finally:
        channel.close()
        run(server.stop(0))
        run(service.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(settings: CallSettings, recorder: Recorder) -> tuple[FreezeService, grpc.aio.Server, int]:
    service = FreezeService(settings, recorder)
    await service.start()
    server = grpc.aio.server(interceptors=[NameByMetadata()])
    add_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return service, server, port


@dataclass
class Answer:
    """What `Freeze` answered.

    Attributes:
        started: What the result was to be.
        files: Its files, put together; with SPLICE from the client's files.
        finished: The end.
        stages: Of the progress messages.
        largest_bytes: Size of the largest message.

    """

    started: freeze_service_pb2.FreezeStarted
    files: list[bytes]
    finished: freeze_service_pb2.FreezeFinished
    stages: list[str] = field(default_factory=list)
    largest_bytes: int = 0
    wire_bytes: int = 0

    @property
    def frozen(self) -> bytes:
        """The first file."""
        return self.files[0]


def answer(responses: Iterable[freeze_service_pb2.FreezeResponse], sources: Sequence[Path] = ()) -> Answer:
    """Put the responses of a call together, and check that they come as the contract says."""
    stages: list[str] = []
    started = finished = None
    files: list[bytearray] = []
    largest_bytes = wire_bytes = 0
    for response in responses:
        largest_bytes = max(largest_bytes, response.ByteSize())
        wire_bytes += response.ByteSize()
        assert finished is None
        kind = response.WhichOneof("message")
        if kind == "progress":
            assert started is None
            stages.append(
                freeze_service_pb2.Progress.Stage.Name(response.progress.stage).removeprefix("STAGE_")
            )
        elif kind == "started":
            assert started is None
            started = response.started
            files = [bytearray() for _ in started.files]
        elif kind == "content":
            files[response.content.file_index] += response.content.data
        elif kind == "splice":
            files[response.splice.file_index] += spliced(response.splice, sources)
        else:
            finished = response.finished
    assert started is not None
    assert finished is not None
    assert [file.size_bytes for file in started.files] == [len(file) for file in files]
    return Answer(started, list(map(bytes, files)), finished, stages, largest_bytes, wire_bytes)


def spliced(message: freeze_service_pb2.SpliceSegments, sources: Sequence[Path]) -> bytes:
    """Read what a message of SPLICE speaks of."""
    parts: list[bytes] = []
    for segment in message.segments:
        if segment.WhichOneof("segment") == "literal":
            parts.append(segment.literal)
            continue
        with sources[segment.range.file_index].open("rb") as stream:
            stream.seek(segment.range.offset_bytes)
            parts.append(stream.read(segment.range.length_bytes))
    return b"".join(parts)


@dataclass(frozen=True)
class Failure:
    """How a call failed.

    Attributes:
        code: The gRPC status.
        message: For a person.
        reason: Of the ErrorInfo.
        subject: Of the ErrorInfo.
        field: Of the first field violation; empty where there is none.
        retry: Whether there was a RetryInfo.

    """

    code: grpc.StatusCode
    message: str
    reason: str
    subject: str
    field: str
    retry: bool


def failure(call: Callable[[], object]) -> Failure:
    """Make a call that must fail, and say how it did."""
    try:
        got = call()
    except grpc.RpcError as error:
        return failure_of(error)
    raise AssertionError(f"the call did not fail: {got!r:.200}")


def failure_of(error: Any) -> Failure:
    """Read the details of a status, as a client does."""
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    assert details is not None, error
    status = status_pb2.Status.FromString(details)
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = False
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(request)
        retry = retry or detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)
    assert info.domain == "tffreeze"
    assert status.code == error.code().value[0]
    violations = request.field_violations
    return Failure(
        error.code(),
        status.message,
        info.reason,
        info.metadata.get("subject", ""),
        violations[0].field if violations else "",
        retry,
    )


class Feed:
    """Requests that a test gives one by one; the stream stays open until `end`."""

    def __init__(self, *requests: FreezeRequest) -> None:
        self._requests = list(requests)
        self._changed = threading.Condition()
        self._ended = False

    def __iter__(self) -> Iterator[FreezeRequest]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._requests or self._ended)
                if not self._requests:
                    return
                request = self._requests.pop(0)
            yield request

    def send(self, request: FreezeRequest) -> None:
        """Give one more."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify_all()

    def end(self) -> None:
        """Half-close."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
