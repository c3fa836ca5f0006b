"""A job: what a call holds of the server until its last thread has returned.

If a call ends early (deadline, or the caller is gone), its caller sees the end at once. Its slot, its room in the
spool and its files are released when the threads that use them return: a thread that reads or writes a chunk
returns within a millisecond, a thread that waits for a plan as soon as its planner has been killed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from tffreeze_server.rpc.planner_pool import Planners

T = TypeVar("T")


class Job:
    """What a call holds.

    Args:
        disk: Threads for reading and writing.
        planners: Processes for the engine.

    Attributes:
        files: What to close and remove at the end, on a thread.
        counts: What to release after that, on the event loop.

    """

    def __init__(self, disk: Executor, planners: Planners) -> None:
        self.files = contextlib.ExitStack()
        self.counts = contextlib.ExitStack()
        self._disk = disk
        self._planners = planners
        self._threads: set[Future[Any]] = set()

    def begin_io(self, function: Callable[..., T], *args: object) -> asyncio.Future[T]:
        """Begin to read or write in a thread."""
        return self._watch(self._disk.submit(function, *args))

    async def plan(self, function: Callable[..., T], *args: object) -> T:
        """Run the engine in a process, which is killed when the call ends first."""
        pending = self._planners.submit(function, *args)
        try:
            return await self._watch(pending.future)
        except asyncio.CancelledError:
            pending.stop()
            raise

    @property
    def is_busy(self) -> bool:
        """Whether a thread is still at work."""
        return not all(thread.done() for thread in self._threads)

    async def close(self) -> None:
        """Wait for the threads, then release everything."""
        with self.counts:
            waiting = [self._watch(thread) for thread in self._threads if not thread.done()]
            if waiting:
                await asyncio.wait(waiting)
            await asyncio.get_running_loop().run_in_executor(self._disk, self.files.close)

    def _watch(self, thread: Future[T]) -> asyncio.Future[T]:
        self._threads = {thread for thread in self._threads if not thread.done()}
        self._threads.add(thread)
        future = asyncio.wrap_future(thread)
        future.add_done_callback(_look_at)
        return future


def _look_at(future: asyncio.Future[Any]) -> None:
    """Retrieve an error that nobody awaits, so that asyncio does not log it."""
    if not future.cancelled():
        future.exception()
