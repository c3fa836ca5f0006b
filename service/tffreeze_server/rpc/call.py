"""One call: its messages, its idle limit and its observer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import grpc

from tffreeze.v1 import freeze_service_pb2
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.caller import Caller, caller_of
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.observer import CallInfo, Clock, Observer, Stage
from tffreeze_server.rpc.pace import Pace
from tffreeze_server.rpc.request_id import METADATA_KEY, request_id

T = TypeVar("T")

_VANISHING_SECONDS = 0.1

Context = grpc.aio.ServicerContext[bytes, bytes]


class Call:
    """A call that is being served.

    Args:
        method: The name of its RPC.
        context: gRPC's.
        settings: The server's.
        observer: Told of everything.
        clock: For durations.

    Attributes:
        request_id: Its name in logs.
        caller: Who calls.
        until_ended: What to release when it has ended, before its caller is told.

    """

    def __init__(
        self, method: str, context: Context, settings: CallSettings, observer: Observer, clock: Clock
    ) -> None:
        metadata = tuple(context.invocation_metadata() or ())
        self.request_id = request_id(metadata)
        self.caller: Caller = caller_of(context.peer())
        self.method = method
        self.settings = settings
        info = CallInfo(method, self.request_id, self.caller.name, context.peer(), dict(metadata))
        self.observer = observer.call_started(info)
        self.context = context
        self.until_ended = contextlib.ExitStack()
        self._pace = Pace(settings.max_idle_seconds, settings.min_bytes_per_second)
        self._clock = clock
        self._started = clock()

    async def greet(self) -> None:
        """Send the request id to the caller."""
        await self._patiently(self.context.send_initial_metadata(((METADATA_KEY, self.request_id),)))

    async def read(self) -> bytes | None:
        """Receive a message; None after the last.

        Raises:
            FreezeError: CLIENT_TOO_SLOW.

        """
        started = self._clock()
        message = await self._patiently(self.context.read())
        if message is grpc.aio.EOF:  # type: ignore[attr-defined]  # the stubs lack it
            return None
        self._pace.passed(self._clock() - started, len(message))
        return message

    async def give_time_to_vanish(self) -> None:
        """Wait for the cancellation of a call whose messages ended too early.

        If a caller is gone, gRPC first reports the same end of messages as after a half-close. The cancellation comes a
        moment later.
        """
        await asyncio.sleep(_VANISHING_SECONDS)

    async def write(self, message: bytes) -> None:
        """Send a message; returns when gRPC is ready for the next one.

        Raises:
            FreezeError: CLIENT_TOO_SLOW.

        """
        started = self._clock()
        await self._patiently(self.context.write(message))
        self._pace.passed(self._clock() - started, len(message))

    async def progress(self, stage: freeze_service_pb2.Progress.Stage, received_bytes: int = 0) -> None:
        """Send progress to the client; not for `Inspect`, which has one response."""
        if self.method == "Freeze":
            progress = freeze_service_pb2.Progress(stage=stage, received_bytes=received_bytes)
            await self.write(freeze_service_pb2.FreezeResponse(progress=progress).SerializeToString())

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Measure a stage."""
        started = self._clock()
        try:
            yield
        finally:
            self.observer.stage(stage, self._clock() - started)

    def seconds(self) -> float:
        """How long the call has taken."""
        return self._clock() - self._started

    def is_past_deadline(self) -> bool:
        """Whether the deadline of the caller has passed."""
        remaining = self.context.time_remaining()
        return remaining is not None and remaining <= 0

    async def _patiently(self, operation: Awaitable[T]) -> T:
        limit = asyncio.timeout(self._pace.seconds_in_hand)
        try:
            async with limit:
                return await operation
        except TimeoutError:
            if not limit.expired():
                raise
        except grpc.aio.BaseError:  # what gRPC raises when the caller is gone
            raise FreezeError(Reason.CANCELLED, "The caller went away.") from None
        raise FreezeError(
            Reason.CLIENT_TOO_SLOW,
            f"While it was its turn the client sent or read nothing for {self.settings.max_idle_seconds:g} seconds, or "
            f"lost as much against the {self.settings.min_bytes_per_second:,} bytes a second that this server asks "
            "for. Try again, over a faster connection.",
        )
