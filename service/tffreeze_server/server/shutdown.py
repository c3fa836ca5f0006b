"""When to end: the first signal asks to drain, the second to end at once."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Shutdown:
    """Whether the server shall end, and how soon. Lives on the event loop.

    Attributes:
        asked: Set when it shall end.
        at_once: Set when it shall not wait for calls.
        why: Who asked first: a signal's name, or what happened.

    """

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.why = ""

    def ask(self, why: str) -> None:
        """Ask to end; asked again, it is at once."""
        if self.asked.is_set():
            self.at_once.set()
        self.why = self.why or why
        self.asked.set()

    def force(self, why: str) -> None:
        """Ask to end at once."""
        self.ask(why)
        self.at_once.set()

    def listen_to_signals(self) -> None:
        """Let SIGTERM and SIGINT ask."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.ask, number.name)

    async def finished_before(self, work: asyncio.Future[None], seconds: float) -> bool:
        """Wait for work until it shall be at once, or for so long.

        Returns:
            Whether it is finished; if not, it is cancelled. What it raised is raised.

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
