"""Notice that the process that started us has ended.

A `pidfd` of the parent becomes readable when it ends: no polling, and no difference which of its threads
started us (PR_SET_PDEATHSIG fires when that *thread* ends, which kills servers started from a thread pool).
Races: the parent may end before the pidfd is open; so its pid is read before and after. It may have ended before
the first look: then we belong to init, which is never the parent of somebody who wants this.
Where there is no pidfd (other systems, strict sandboxes), a thread looks twice a second.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

INIT = 1
LOOK_SECONDS = 0.5


class ParentGoneError(Exception):
    """The parent ended before it could be watched."""


def watch_parent(gone: Callable[[], None]) -> None:
    """Call `gone`, once, on a thread of its own, when the parent has ended.

    Raises:
        ParentGoneError: It has ended already, or is not visible from here (PID 1 of a container has none).

    """
    parent = os.getppid()
    if parent <= INIT:
        raise ParentGoneError("--die-with-parent: there is no parent to watch; it has ended already.")
    descriptor = _open(parent)
    if os.getppid() != parent:
        raise ParentGoneError("--die-with-parent: the parent has ended already.")
    threading.Thread(target=_wait, args=(parent, descriptor, gone), name="parent-watch", daemon=True).start()


def _open(parent: int) -> int | None:
    try:
        return os.pidfd_open(parent)
    except (AttributeError, OSError):  # not Linux, an old kernel, a sandbox; or gone, which the caller sees
        return None


def _wait(parent: int, descriptor: int | None, gone: Callable[[], None]) -> None:
    if descriptor is not None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
        os.close(descriptor)
    else:
        while os.getppid() == parent:
            time.sleep(LOOK_SECONDS)
    gone()
