"""The client for asyncio: the same names, the same results.

A call runs in a thread of its own, since it reads and writes local files, which would hold up an event loop.
Cancelling the task cancels the call, and waits until its thread has cleaned up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tffreeze.capabilities import Capabilities
from tffreeze.client import Client
from tffreeze.connection import Tls
from tffreeze.events import FreezeEvent
from tffreeze.inspection import Inspection
from tffreeze.options import FreezeArguments, StrPath
from tffreeze.output import Target
from tffreeze.remote import RemoteArguments
from tffreeze.result import FreezeResult, FrozenBytes
from tffreeze.retry import Stop

if TYPE_CHECKING:
    from typing import Unpack

_T = TypeVar("_T")


class AsyncClient:
    """Calls tffreeze servers from asyncio; arguments and errors are those of `Client`.

    Callbacks are called in another thread.
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

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all channels; calls that are on their way are cancelled."""
        await asyncio.to_thread(self._client.close)

    async def freeze(
        self, model: StrPath, *, output: Target, **arguments: Unpack[RemoteArguments]
    ) -> FreezeResult:
        """Freeze a model into a file, a SavedModel directory or a binary stream: see `Client.freeze`."""
        return await _call(self._client.freeze, model, output=output, **arguments)

    async def freeze_events(
        self, model: StrPath, *, output: Target, **arguments: Unpack[RemoteArguments]
    ) -> AsyncGenerator[FreezeEvent, None]:
        """Freeze a model and tell on the way how far it is: see `Client.freeze_events`.

        After a `break` the event loop closes the iterator a moment later; `contextlib.aclosing` does it at once.
        """
        stop = Stop()
        events = self._client.freeze_events(model, output=output, stop=stop, **arguments)
        try:
            while (event := await _in_thread(stop, next, events, None)) is not None:
                yield event
        finally:
            await _in_thread(stop, events.close)

    async def freeze_bytes(self, model: StrPath, **arguments: Unpack[RemoteArguments]) -> FrozenBytes:
        """Freeze a model in memory: see `Client.freeze_bytes`."""
        return await _call(self._client.freeze_bytes, model, **arguments)

    async def inspect(
        self,
        model: StrPath,
        *,
        model_root: str | None = None,
        timeout_seconds: float | None = None,
        **options: Unpack[FreezeArguments],
    ) -> Inspection:
        """Tell what a model is: see `Client.inspect`."""
        return await _call(
            self._client.inspect, model, model_root=model_root, timeout_seconds=timeout_seconds, **options
        )

    async def capabilities(self, *, timeout_seconds: float | None = None) -> Capabilities:
        """Tell what the server can do and what it allows: see `Client.capabilities`."""
        return await _call(self._client.capabilities, timeout_seconds=timeout_seconds)


async def _call(function: Callable[..., _T], *arguments: Any, **named: Any) -> _T:  # noqa: ANN401 - whatever it takes
    stop = Stop()
    return await _in_thread(stop, partial(function, *arguments, stop=stop, **named))


async def _in_thread(stop: Stop, function: Callable[..., _T], *arguments: Any) -> _T:  # noqa: ANN401 - whatever it takes
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.stop()
        while not work.done():
            with contextlib.suppress(asyncio.CancelledError):  # cancelled twice: it is on its way out
                await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # known: the call was cancelled
        raise
