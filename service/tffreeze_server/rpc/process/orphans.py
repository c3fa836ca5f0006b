"""Bury orphans: what PID 1 of a container owes to the processes that it inherits.

When a worker is killed, its planners end at once, and their parent is then whoever is PID 1: without an init in the
container, the supervisor. Nobody else would ever wait for them, and each would stay in the table of processes.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

INIT = 1
_AGAIN_SECONDS = 0.1


def bury_orphans(is_ours: Callable[[int], bool]) -> None:
    """Wait for children that are not ours, whenever one ends; does nothing where we are not PID 1.

    Args:
        is_ours: Whether somebody else in here waits for this process, or may be about to.

    """
    if os.getpid() != INIT:
        return
    loop = asyncio.get_running_loop()

    def bury() -> None:
        # The first that has ended hides the others: one of ours until asyncio has seen it.
        while (ended := _ended_child()) and not is_ours(ended):
            os.waitpid(ended, os.WNOHANG)
        if ended:
            loop.call_later(_AGAIN_SECONDS, bury)

    loop.add_signal_handler(signal.SIGCHLD, bury)


def _ended_child() -> int | None:
    """A child that has ended and that nobody has waited for."""
    try:
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return ended.si_pid if ended else None
