"""One job: what a call holds of the server, and gives back when its last thread is done with it.

The engine runs in threads, which cannot be stopped. A call that ends early (deadline, caller gone) is over at
once for its caller, but its slot, its room in the spool and its files stay until the thread that works on
them returns: a chunk takes a millisecond, a plan up to seconds. Its result is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class Job:
    """What a call holds.

    Args:
        disk: Threads for reading and writing.
        planning: Threads for the engine.

    Attributes:
        files: What to close and remove at the end, on a thread.
        counts: What to give back after that, on the event loop.

    """

    def __init__(self, disk: Executor, planning: Executor) -> None:
        self.files = contextlib.ExitStack()
        self.counts = contextlib.ExitStack()
        self._disk = disk
        self._planning = planning
        self._threads: set[Future[Any]] = set()

    def begin_io(self, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Begin to read or write in a thread."""
        return self._begin(self._disk, function, *args)

    async def plan(self, function: Callable[..., T], *args: object) -> T:
        """Run the engine in a thread."""
        return await self._begin(self._planning, function, *args)

    @property
    def is_busy(self) -> bool:
        """Whether a thread is still at work."""
        return not all(thread.done() for thread in self._threads)

    async def close(self) -> None:
        """Wait for the threads, and give all back."""
        with self.counts:
            waiting = [asyncio.wrap_future(thread) for thread in self._threads if not thread.done()]
            if waiting:
                await asyncio.wait(waiting)
            await asyncio.get_running_loop().run_in_executor(self._disk, self.files.close)

    def _begin(self, executor: Executor, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        self._threads = {thread for thread in self._threads if not thread.done()}
        thread = executor.submit(function, *args)
        self._threads.add(thread)
        future = asyncio.wrap_future(thread)
        future.add_done_callback(_look_at)
        return future


def _look_at(future: asyncio.Future[Any]) -> None:
    """See to an error that nobody waits for any more."""
    if not future.cancelled():
        future.exception()
