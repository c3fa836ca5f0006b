"""What `/proc` says of processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from server.running import WAIT_SECONDS

_LOOK_SECONDS = 0.02


def children(pid: int) -> list[int]:
    """Processes that a process is the parent of."""
    pids: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return pids


def descendants(pid: int) -> list[int]:
    """A process, its children and theirs."""
    return [pid, *(below for child in children(pid) for below in descendants(child))]


def is_there(pid: int) -> bool:
    """Whether a process runs, or has ended and nobody has waited for it."""
    return Path(f"/proc/{pid}").exists()


def wait_until(condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> bool:
    """Look again and again whether something is so: the kernel tells nobody. False where it does not become so."""
    until = time.monotonic() + seconds
    while not (so := condition()) and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    return so
