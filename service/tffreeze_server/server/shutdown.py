"""When to shut down: the first signal asks for a graceful shutdown, the second for an end at once."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Whether the server should end, and how soon. For the event loop only.

    Attributes:
        asked: Set when it should end.
        at_once: Set when it should not wait for calls.
        why: Who asked first: a signal's name, or what happened.

    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.why = ""

    def ask(self, why: str) -> None:
        """Ask for the end; the second time, for an end at once."""
        if self.asked.is_set():
            self.at_once.set()
        self.why = self.why or why
        self.asked.set()

    def force(self, why: str) -> None:
        """Ask for an end at once."""
        self.ask(why)
        self.at_once.set()

    def listen_to_signals(self) -> None:
        """Call `ask` on SIGTERM and SIGINT."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.ask, number.name)

    async def finished_before(self, work: asyncio.Future[None], seconds: float) -> bool:
        """Wait for work, at most for so long, and no longer than until `at_once`.

        Returns:
            Whether it is finished; if not, it is cancelled. Raises what it raised.

        """
        hurry = asyncio.ensure_future(self.at_once.wait())
        both: tuple[asyncio.Future[Any], ...] = (work, hurry)
        try:
            await asyncio.wait(both, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
        if work.done():
            work.result()
            return True
        work.cancel()
        return False
