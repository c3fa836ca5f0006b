"""The spool holds uploads while their calls run. It is private and bounded, and is emptied after each call.

    SPOOL_DIR/lock                  held while a process creates its folder or removes those of dead processes
    SPOOL_DIR/worker-HEX/lock       held by its process as long as it lives
    SPOOL_DIR/worker-HEX/call-HEX/  the files of one call; removed when the call ends

Locks are flock(2) and end with their process, however it ends. So a folder whose lock is free belongs to no
process, and the next server that starts removes it.

Nobody else can redirect what the server writes: SPOOL_DIR must belong to the server's user, and nobody else may
write to it. Everything below it is created, opened and removed relative to a descriptor of its parent folder
(`dir_fd`), never through a link. Renaming a folder further up changes nothing for a running server.

Room is counted when bytes arrive. A declared size reserves nothing; an upload is refused at once if its declared size
does not fit now.
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
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from tffreeze_server.errors import FreezeError, Reason

_WORKER = re.compile(r"worker-[0-9a-f]{16}")
_LOCK = "lock"
_DISK_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class SpoolUnusableError(Exception):
    """The spool folder cannot be used; the message says why. For the operator, not for callers."""


class Spool:
    """The uploads of one process.

    Args:
        folder: Shared with other processes of the server, with nobody else.
        max_bytes: Of all uploads at a time; 0: no limit.
        max_bytes_per_caller: Of all uploads of one caller at a time; 0: no limit.
        changed: Told how many bytes of uploads there are.

    """

    def __init__(
        self, folder: Path, max_bytes: int, max_bytes_per_caller: int, changed: Callable[[int], None]
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_bytes_per_caller = max_bytes_per_caller
        self._changed = changed
        self._used_bytes: Counter[str] = Counter()
        self._name = ""
        self._descriptors: list[int] = []

    def open(self) -> None:
        """Remove the folders of dead processes, and create the folder of this one.

        Raises:
            SpoolUnusableError: The folder cannot be made, is not the server's own, or others may write to it.

        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = _open_private(self._folder)
            self._descriptors.append(folder)
            with _locked(folder):
                _sweep(folder)
                name = f"worker-{secrets.token_hex(8)}"
                own = _make_folder(name, folder)
                self._descriptors.append(own)
                lock = _open_lock(own)
                self._descriptors.append(lock)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._name = name
        except OSError as error:
            self.close()
            raise SpoolUnusableError(
                f"The spool folder {str(self._folder)!r} cannot be used: {error.strerror}. "
                "Choose a folder that the server may write to."
            ) from None

    def close(self) -> None:
        """Remove this process's folder."""
        if self._name:
            shutil.rmtree(self._name, ignore_errors=True, dir_fd=self._descriptors[0])
            self._name = ""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def begin(self, caller: str, declared_bytes: int) -> UploadFolder:
        """Make a folder for an upload, if there is room for it now; `remove` and `release` must follow.

        Raises:
            FreezeError: QUOTA_EXCEEDED, DISK_FULL.

        """
        assert self._name, "the spool is not open"
        self._check_room(caller, declared_bytes)
        name = f"call-{secrets.token_hex(8)}"
        with disk_errors():
            descriptor = _make_folder(name, self._descriptors[1])
        return UploadFolder(self, caller, self._folder / self._name / name, descriptor, self._descriptors[1])

    def take(self, caller: str, size_bytes: int) -> None:
        """Count bytes that are about to be written; `release` must follow.

        Raises:
            FreezeError: QUOTA_EXCEEDED.

        """
        self._check_room(caller, size_bytes)
        self._used_bytes[caller] += size_bytes
        self._changed(self._used_bytes.total())

    def release(self, caller: str, size_bytes: int) -> None:
        """Release room."""
        self._used_bytes[caller] -= size_bytes
        if not self._used_bytes[caller]:
            del self._used_bytes[caller]
        self._changed(self._used_bytes.total())

    def _check_room(self, caller: str, size_bytes: int) -> None:
        for whose, max_bytes, used_bytes in (
            (f"{caller!r} has", self._max_bytes_per_caller, self._used_bytes[caller]),
            ("All callers together have", self._max_bytes, self._used_bytes.total()),
        ):
            if 0 < max_bytes < used_bytes + size_bytes:
                raise FreezeError(
                    Reason.QUOTA_EXCEEDED,
                    f"The upload needs room for {size_bytes:,} bytes more. {whose} {used_bytes:,} bytes of uploads "
                    f"here now, and {max_bytes:,} are allowed. Try again later, or leave the weights where they are "
                    "(SPLICE).",
                )


class UploadFolder:
    """The files of one upload, and the room that they take.

    Counting (`take`, `release`) is for the event loop, files are for one thread at a time.

    Args:
        spool: Where it is.
        caller: Whose it is.
        path: Where it is, for who reads it.
        descriptor: Of the folder.
        parent: Descriptor of the folder that it is in.

    """

    def __init__(self, spool: Spool, caller: str, path: Path, descriptor: int, parent: int) -> None:
        self.path = path
        self._spool = spool
        self._caller = caller
        self._descriptor = descriptor
        self._parent = parent
        self._taken_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            FreezeError: QUOTA_EXCEEDED.

        """
        self._spool.take(self._caller, size_bytes)
        self._taken_bytes += size_bytes

    def release(self) -> None:
        """Give the room back."""
        self._spool.release(self._caller, self._taken_bytes)
        self._taken_bytes = 0

    def create_file(self, name: str) -> int:
        """Make a new file for a checked name and give its descriptor, to be written to.

        Raises:
            FreezeError: DISK_FULL.

        """
        *parents, last = name.split("/")
        with disk_errors(), contextlib.ExitStack() as opened:
            folder = self._descriptor
            for parent in parents:
                folder = _make_folder(parent, folder, exist_ok=True)
                opened.callback(os.close, folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return os.open(last, flags, 0o600, dir_fd=folder)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.path.name, ignore_errors=True, dir_fd=self._parent)
        os.close(self._descriptor)


def take_disk(descriptor: int, start_bytes: int, size_bytes: int) -> None:
    """Have the disk keep room for bytes of a file: ext4 writes faster into it, and a full disk shows early.

    Raises:
        FreezeError: DISK_FULL.

    """
    if not hasattr(os, "posix_fallocate"):
        return
    with disk_errors():
        try:
            os.posix_fallocate(descriptor, start_bytes, size_bytes)
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


def _open_private(path: Path) -> int:
    """Open the spool folder, if it is the server's own.

    Raises:
        SpoolUnusableError: It is not.
        OSError: It cannot be opened.

    """
    try:
        folder = os.open(path, _FOLDER_FLAGS)
    except OSError as error:
        if path.is_symlink():
            raise SpoolUnusableError(
                f"The spool folder {str(path)!r} is not a folder itself, but leads to one."
            ) from error
        raise
    status = os.fstat(folder)
    why = ""
    if status.st_uid != os.geteuid():
        why = (
            f"belongs to user {status.st_uid}, and the server runs as user {os.geteuid()}. Choose another one"
        )
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = "may be written to by others. Take their right away (chmod go-w), or choose another one"
    if why:
        os.close(folder)
        raise SpoolUnusableError(f"The spool folder {str(path)!r} {why}.")
    return folder


def _make_folder(name: str, parent: int, *, exist_ok: bool = False) -> int:
    """Make a folder in another one, and open it."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        if not exist_ok:
            raise
    return os.open(name, _FOLDER_FLAGS, dir_fd=parent)


def _sweep(folder: int) -> None:
    for entry in os.scandir(folder):
        if not _WORKER.fullmatch(entry.name) or not entry.is_dir(follow_symlinks=False):
            continue
        worker = os.open(entry.name, _FOLDER_FLAGS, dir_fd=folder)
        lock = _open_lock(worker)
        os.close(worker)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            shutil.rmtree(entry.name, ignore_errors=True, dir_fd=folder)
        finally:
            os.close(lock)


@contextlib.contextmanager
def _locked(folder: int) -> Iterator[None]:
    lock = _open_lock(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _open_lock(folder: int) -> int:
    return os.open(_LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
