"""Where uploads lie while a call works with them: private, bounded, emptied.

    SPOOL_DIR/lock                  held while a process makes its folder or sweeps those of the dead
    SPOOL_DIR/worker-HEX/lock       held by its process for as long as it lives
    SPOOL_DIR/worker-HEX/call-HEX/  the files of one call; removed when the call ends

Locks are flock(2): they end with the process, however it ends, so a folder whose lock can be taken belongs to
nobody and is removed by whoever starts next. Room is reserved before the first byte comes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from tffreeze_server.errors import FreezeError, Reason

_WORKER = re.compile(r"worker-[0-9a-f]{16}")
_LOCK = "lock"
_DISK_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class SpoolUnusableError(Exception):
    """The spool folder cannot be used; the message says why. For the operator, not for callers."""


class Spool:
    """The uploads of one process.

    Args:
        folder: Shared with other processes of the server, with nobody else.
        max_bytes: Of all uploads at a time; 0: no limit.
        changed: Told how many bytes are reserved.

    """

    def __init__(self, folder: Path, max_bytes: int, changed: Callable[[int], None]) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._changed = changed
        self._reserved_bytes = 0
        self._own: Path | None = None
        self._lock = -1

    def open(self) -> None:
        """Remove what dead processes left, and make this process's folder.

        Raises:
            SpoolUnusableError: The folder cannot be made, or others may write to it.

        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_private(self._folder)
            with _locked(self._folder / _LOCK):
                _sweep(self._folder)
                own = self._folder / f"worker-{secrets.token_hex(8)}"
                own.mkdir(mode=0o700)
                self._lock = _open_lock(own / _LOCK)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._own = own
        except OSError as error:
            raise SpoolUnusableError(
                f"The spool folder {str(self._folder)!r} cannot be used: {error.strerror}. "
                "Choose a folder that the server may write to."
            ) from None

    def close(self) -> None:
        """Remove this process's folder."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            os.close(self._lock)
            self._own = None

    def reserve(self, size_bytes: int) -> None:
        """Reserve room for an upload; `release` must follow.

        Raises:
            FreezeError: QUOTA_EXCEEDED.

        """
        if 0 < self._max_bytes < self._reserved_bytes + size_bytes:
            raise FreezeError(
                Reason.QUOTA_EXCEEDED,
                f"The upload is {size_bytes:,} bytes, and the server has room for "
                f"{max(self._max_bytes - self._reserved_bytes, 0):,} now: other uploads are there. Try again later, "
                "or leave the weights where they are (SPLICE).",
            )
        self._reserved_bytes += size_bytes
        self._changed(self._reserved_bytes)

    def release(self, size_bytes: int) -> None:
        """Give room back."""
        self._reserved_bytes -= size_bytes
        self._changed(self._reserved_bytes)

    def make_call_folder(self) -> Path:
        """Make a folder for the files of one call; `remove` must follow.

        Raises:
            FreezeError: DISK_FULL.

        """
        assert self._own is not None, "the spool is not open"
        folder = self._own / f"call-{secrets.token_hex(8)}"
        with disk_errors():
            folder.mkdir(mode=0o700)
        return folder


def remove(folder: Path) -> None:
    """Remove the folder of a call."""
    shutil.rmtree(folder, ignore_errors=True)


def create_file(folder: Path, name: str, size_bytes: int = 0) -> int:
    """Make a new file for a checked name and give its descriptor, to be written to.

    Its room is taken at once: a full disk shows before the bytes come, and ext4 writes faster into taken room.

    Raises:
        FreezeError: DISK_FULL.

    """
    path = folder / name
    with disk_errors():
        for parent in reversed(path.relative_to(folder).parents[:-1]):
            (folder / parent).mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _take_room(descriptor, size_bytes)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor


def _take_room(descriptor: int, size_bytes: int) -> None:
    if size_bytes and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise  # other file systems cannot, and need not


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`.

    Raises:
        FreezeError: DISK_FULL.

    """
    rest = memoryview(data)
    with disk_errors():
        while rest:
            rest = rest[os.write(descriptor, rest) :]


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Tell a full disk from a defect."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise FreezeError(
            Reason.DISK_FULL,
            "The disk of the server has no room for the upload. Try again later, or leave the weights where they "
            "are (SPLICE).",
        ) from None


def _check_private(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise SpoolUnusableError(
            f"The spool folder {str(folder)!r} is not a folder itself, but leads to one."
        )
    writable = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if writable and not status.st_mode & stat.S_ISVTX:
        raise SpoolUnusableError(
            f"The spool folder {str(folder)!r} may be written to by others. Take their right away (chmod go-w), or "
            "choose another one."
        )


def _sweep(folder: Path) -> None:
    for entry in os.scandir(folder):
        if not _WORKER.fullmatch(entry.name) or not entry.is_dir(follow_symlinks=False):
            continue
        worker = folder / entry.name
        lock = _open_lock(worker / _LOCK)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(worker, ignore_errors=True)
        finally:
            os.close(lock)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = _open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
