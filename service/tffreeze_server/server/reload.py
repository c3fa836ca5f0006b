"""Files that are reloaded when they change. No thread watches: whoever asks for the value looks.

A look is one `stat` for each file. What cannot be loaded (half of a pair replaced, a typo) leaves
the last good value in place, and is told once for each state of the files.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

_Value = TypeVar("_Value")

Signature = tuple[tuple[int, ...] | None, ...]


def signature(files: Sequence[Path]) -> Signature:
    """Tell states of files apart: device, inode, size and times of change; None for a file that is not there.

    The time of its contents (mtime) can be set to any value, as `cp -p` and `rsync -t` do; that of its inode (ctime)
    cannot.
    """
    result: list[tuple[int, ...] | None] = []
    for file in files:
        try:
            stat = file.stat()
        except OSError:
            result.append(None)
        else:
            result.append((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return tuple(result)


class Reloaded(Generic[_Value]):
    """A value read from files, reloaded when they change.

    Args:
        files: What it depends on.
        load: Reads it; OSError or ValueError where it cannot be read.
        told: Told that a new value was taken (None), or the error when the files changed to something that cannot
            be loaded.

    Safe to use from several threads: gRPC asks for certificates on its own.

    """

    def __init__(
        self,
        files: Sequence[Path],
        load: Callable[[], _Value],
        *,
        told: Callable[[Exception | None], None],
    ) -> None:
        self._files = tuple(files)
        self._load = load
        self._told = told
        self._lock = threading.Lock()
        self._seen = signature(self._files)
        self._value = load()
        self.version = 0

    def get(self) -> _Value:
        """Look at the files and give the newest good value."""
        with self._lock:
            now = signature(self._files)
            if now != self._seen:
                self._reload(now)
            return self._value

    def _reload(self, now: Signature) -> None:
        try:
            value = self._load()
        except (OSError, ValueError) as error:
            self._told(error)
        else:
            if signature(self._files) != now:
                return  # they change while they are read: the next look decides
            self._value = value
            self.version += 1
            self._told(None)
        self._seen = now
