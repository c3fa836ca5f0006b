"""The client for asyncio, with the same methods and results.

A call runs in a thread, because it reads and writes local files, which would block the event loop. The client has its
own threads and does not use the event loop's default executor, which others need (name lookups, for example).
Cancelling a task cancels its call and waits until the thread has cleaned up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tffreeze.capabilities import Capabilities
from tffreeze.client import Client
from tffreeze.connection import Tls, client_is_closed
from tffreeze.events import FreezeEvent
from tffreeze.options import FreezeArguments, StrPath
from tffreeze.output import Target
from tffreeze.remote import Events, RemoteArguments
from tffreeze.result import FreezeResult, FrozenBytes
from tffreeze.retry import Stop
from tffreeze_common.inspection import Inspection

if TYPE_CHECKING:
    from typing import Unpack

MAX_THREADS = 64
"""Concurrent calls of one client; further ones wait. It equals a server's default `--max-jobs-per-caller`."""

_T = TypeVar("_T")


class AsyncClient:
    """Calls tffreeze servers from asyncio; arguments and errors are those of `Client`.

    Callbacks run in another thread.
    """

    def __init__(
        self,
        *addresses: str,
        tls: Tls | None = None,
        token: str | None = None,
        insecure: bool = False,
        timeout_seconds: float | None = None,
        max_attempts: int = 5,
    ) -> None:
        self._client = Client(
            *addresses,
            tls=tls,
            token=token,
            insecure=insecure,
            timeout_seconds=timeout_seconds,
            max_attempts=max_attempts,
        )
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="tffreeze")
        self._working: set[Future[Any]] = set()
        self._open: set[Events] = set()
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Cancel running calls, wait for them, and close all channels and threads."""
        if self._is_closed:
            return
        self._is_closed = True
        self._submit(self._client.close)
        await self._settled()
        for events in list(self._open):
            self._submit(events.close)
        await self._settled()
        self._threads.shutdown()  # all are idle: they end at once

    async def freeze(
        self, model: StrPath, *, output: Target, **arguments: Unpack[RemoteArguments]
    ) -> FreezeResult:
        """Freeze a model into a file, a SavedModel directory or a binary stream: see `Client.freeze`."""
        return await self._call(self._client.freeze, model, output=output, **arguments)

    async def freeze_events(
        self, model: StrPath, *, output: Target, **arguments: Unpack[RemoteArguments]
    ) -> AsyncGenerator[FreezeEvent, None]:
        """Freeze a model and report progress as events: see `Client.freeze_events`.

        After a `break` the event loop closes the iterator a moment later; `contextlib.aclosing` closes it at once.
        """
        stop = Stop()
        events = self._client.freeze_events(model, output=output, stop=stop, **arguments)
        self._open.add(events)
        try:
            while (event := await self._in_thread(stop, next, events, None)) is not None:
                yield event
        finally:
            if events in self._open and not self._is_closed:
                await self._in_thread(stop, events.close)
            self._open.discard(events)

    async def freeze_bytes(self, model: StrPath, **arguments: Unpack[RemoteArguments]) -> FrozenBytes:
        """Freeze a model in memory: see `Client.freeze_bytes`."""
        return await self._call(self._client.freeze_bytes, model, **arguments)

    async def inspect(
        self,
        model: StrPath,
        *,
        model_root: str | None = None,
        timeout_seconds: float | None = None,
        **options: Unpack[FreezeArguments],
    ) -> Inspection:
        """Inspect a model: see `Client.inspect`."""
        return await self._call(
            self._client.inspect, model, model_root=model_root, timeout_seconds=timeout_seconds, **options
        )

    async def capabilities(self, *, timeout_seconds: float | None = None) -> Capabilities:
        """Ask for capabilities and limits: see `Client.capabilities`."""
        return await self._call(self._client.capabilities, timeout_seconds=timeout_seconds)

    async def _call(self, function: Callable[..., _T], *arguments: Any, **named: Any) -> _T:  # noqa: ANN401 - whatever it takes
        stop = Stop()
        return await self._in_thread(stop, partial(function, *arguments, stop=stop, **named))

    async def _in_thread(self, stop: Stop, function: Callable[..., _T], *arguments: Any) -> _T:  # noqa: ANN401 - whatever it takes
        if self._is_closed:
            raise client_is_closed()
        work = asyncio.wrap_future(self._submit(function, *arguments))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.stop()
            while not work.done():
                with contextlib.suppress(asyncio.CancelledError):  # cancelled twice: it is ending already
                    await asyncio.wait([work])
            if not work.cancelled():
                work.exception()  # mark the exception as retrieved: the call was cancelled
            raise

    async def _settled(self) -> None:
        while self._working:
            done, _ = await asyncio.wait([asyncio.wrap_future(work) for work in list(self._working)])
            for work in done:
                work.exception()  # mark the exception as retrieved: its caller gets it

    def _submit(self, function: Callable[..., _T], *arguments: Any) -> Future[_T]:  # noqa: ANN401 - whatever it takes
        work = self._threads.submit(function, *arguments)
        self._working.add(work)
        work.add_done_callback(self._working.discard)
        return work
