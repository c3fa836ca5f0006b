"""Who may work now, who waits, and who is sent away at once.

A call is counted for its caller from its first moment to its last. To work it needs one of `max_jobs` slots;
where none is free it waits in line, and where the line is full it is refused. First come, first served.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from tffreeze_server.errors import FreezeError, Reason

Changed = Callable[[int, int], None]
"""Called with the jobs that run and the jobs that wait."""


class Admission:
    """Counts jobs. For one event loop; nothing here waits but `slot`.

    Args:
        max_jobs: How many may run.
        max_queued_jobs: How many may wait.
        max_jobs_per_caller: Calls of one caller; 0: no limit.
        changed: Told of every change.

    """

    def __init__(
        self, max_jobs: int, max_queued_jobs: int, max_jobs_per_caller: int, changed: Changed
    ) -> None:
        self._max_jobs = max_jobs
        self._max_queued_jobs = max_queued_jobs
        self._max_jobs_per_caller = max_jobs_per_caller
        self._changed = changed
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._calls: Counter[str] = Counter()
        self._draining = False

    def check_open(self) -> None:
        """Refuse a call where the server is about to end.

        Raises:
            FreezeError: DRAINING.

        """
        if self._draining:
            raise draining()

    def enter(self, caller: str) -> None:
        """Count a call; `leave` must follow.

        Raises:
            FreezeError: DRAINING; TOO_MANY_JOBS where the caller has as many as it may.

        """
        self.check_open()
        if 0 < self._max_jobs_per_caller <= self._calls[caller]:
            raise FreezeError(
                Reason.TOO_MANY_JOBS,
                f"{caller!r} has {self._calls[caller]} calls here, which is as many as one caller may have at a "
                "time. Wait for one to end.",
                subject=caller,
            )
        self._calls[caller] += 1

    def leave(self, caller: str) -> None:
        """Forget a call."""
        self._calls[caller] -= 1
        if self._calls[caller] <= 0:
            del self._calls[caller]

    def take_free_slot(self) -> bool:
        """Take a slot if one is free; `release` must follow then."""
        if self._running >= self._max_jobs:
            return False
        self._running += 1
        self._tell()
        return True

    def check_line(self) -> None:
        """Refuse a job that cannot even wait.

        Raises:
            FreezeError: TOO_MANY_JOBS.

        """
        if self._running >= self._max_jobs and len(self._waiting) >= self._max_queued_jobs:
            raise FreezeError(
                Reason.TOO_MANY_JOBS,
                f"The server works on {self._running} jobs and {len(self._waiting)} wait, which is as many as it "
                "takes. Try again later, or at another server.",
            )

    async def slot(self) -> None:
        """Wait in line for a slot; `release` must follow.

        Raises:
            FreezeError: TOO_MANY_JOBS at once where the line is full; DRAINING while waiting.

        """
        if self.take_free_slot():
            return
        self.check_line()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._tell()
        try:
            await turn
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def release(self) -> None:
        """Give a slot back: to the first in line, if there is one."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._tell()
                return
        self._running -= 1
        self._tell()

    def drain(self) -> None:
        """Take no more calls, and refuse those in line."""
        self._draining = True
        waiting, self._waiting = self._waiting, deque()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(draining())
        self._tell()

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        """Leave the line; pass a slot on that came in the same moment."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self.release()
        elif turn in self._waiting:
            self._waiting.remove(turn)
            self._tell()

    def _tell(self) -> None:
        self._changed(self._running, len(self._waiting))


def draining() -> FreezeError:
    """Build the error of a server that is about to end."""
    return FreezeError(
        Reason.DRAINING, "The server is about to end and takes no new calls. Try again, at another server."
    )
