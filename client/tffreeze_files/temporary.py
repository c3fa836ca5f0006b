"""Temporary names beside a target.

A temporary name is random and created exclusively. The process that creates it holds a lock on it (flock), which the
kernel releases when the process ends. Before creating one, a process removes the user's names whose lock is free.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import stat
from pathlib import Path

NEW_FILE_MODE = 0o666
"""The umask applies, as for any new file."""

_O_TMPFILE: int = getattr(os, "O_TMPFILE", 0)
_O_PATH: int = getattr(os, "O_PATH", os.O_RDONLY)
"""Opens a folder that may be written to and not listed, too."""

# What file systems and kernels without O_TMPFILE answer; old kernels take it for O_DIRECTORY.
_NO_TMPFILE = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL))
_NAME = re.compile(r"\.tffreeze-[0-9a-f]{16}\.part")


class Temporary:
    """The temporary names of one output. A context manager that removes those that still exist at its end.

    Args:
        target: Path of the output.

    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._names: list[Path] = []
        self._locks: list[int] = []

    def __enter__(self) -> Temporary:
        return self

    def __exit__(self, *raised: object) -> None:
        for name in self._names:
            _remove(name)
        for lock in self._locks:
            os.close(lock)

    def open_file(self) -> int:
        """Open a new file: without a name if the system can, else with a temporary one."""
        if _O_TMPFILE and Path("/proc/self/fd").is_dir():
            try:
                return os.open(self._target.parent, _O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, NEW_FILE_MODE)
            except OSError as error:
                if error.errno not in _NO_TMPFILE:
                    raise
        name = self._new_name()
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, NEW_FILE_MODE)
        _lock(descriptor)
        return descriptor

    def name_file(self, descriptor: int) -> None:
        """Give the open file the name of the target."""
        if not self._names:
            try:
                _link(descriptor, self._target)
            except FileExistsError:
                _lock(descriptor)
                _link(descriptor, self._new_name())
        if self._names:
            self._names[-1].replace(self._target)

    def make_folder(self) -> Path:
        """Make a locked folder with a temporary name.

        Another process may remove the folder before it is locked. Then make another.
        """
        while True:
            name = self._new_name()
            name.mkdir()
            with contextlib.suppress(FileNotFoundError):
                lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._locks.append(lock)
                if _lock(lock) and name.exists():
                    return name

    def _new_name(self) -> Path:
        _remove_left_overs(self._target.parent)
        self._names.append(self._target.parent / f".tffreeze-{os.urandom(8).hex()}.part")
        return self._names[-1]


def _lock(descriptor: int) -> bool:
    """Lock a temporary name for the life of this process; False if another process is removing it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: no other process can lock it to remove it, either
    return True


def _remove_left_overs(folder: Path) -> None:
    """Remove the temporary names that killed processes left: those of this user whose lock is free."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a file or a folder; one that has been renamed is gone already.

    Nothing but a folder is given to `rmtree`, which opens what it is given: a FIFO would have it wait for ever.
    """
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(path.lstat().st_mode):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def _link(descriptor: int, path: Path) -> None:
    """Give the open file a name: open(2) states this use of /proc for O_TMPFILE."""
    folder = os.open(path.parent, _O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Without a directory's descriptor Python calls link(2), which does not follow the symlink in /proc.
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)
