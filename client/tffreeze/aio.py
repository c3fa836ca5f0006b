"""The client for asyncio: the same names, the same results.

A call runs in a thread of its own, since it reads and writes local files, which would hold up an event loop.
Cancelling the task cancels the call, and waits until its thread has cleaned up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tffreeze.capabilities import Capabilities
from tffreeze.client import Client
from tffreeze.connection import Tls
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
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments, stop=stop, **named))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        stop.stop()
        await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # known: the call was cancelled
        raise
