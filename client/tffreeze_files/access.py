"""The only way to access the files of a model: all code that stats, lists or opens them does it here.

A local freeze may read any path (`LocalFiles`). A server restricts which files a freeze may read (`using`): then no
stage can read anything else, whatever path it computes. `tests/fences` checks that the engine has no other access to
files. The restriction holds for the whole process, whichever thread reads. So such a server makes one freeze at a time
in a process, and between two freezes no file can be read there (`NoFiles`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol

OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Flags to open a file for reading, without blocking on a FIFO."""


class ImpossibleNameError(OSError):
    """A name that no file can have."""


class RefusedError(Exception):
    """A path that must not be read, whether or not it exists."""


class Files(Protocol):
    """Access to files. Each method raises OSError if the system refuses, RefusedError if the access itself refuses."""

    def open(self, path: Path) -> int:
        """Open a path for reading, without blocking; the caller closes the descriptor."""

    def status(self, path: Path) -> os.stat_result:
        """Stat a file or folder, following links."""

    def names(self, folder: Path, max_names: int) -> list[str]:
        """List the first `max_names` names in a folder, in any order."""


class LocalFiles:
    """The files of this machine, by any path."""

    def open(self, path: Path) -> int:
        """Open a path for reading."""
        with possible_name():
            return os.open(path, OPEN_FLAGS)

    def status(self, path: Path) -> os.stat_result:
        """Stat a file or folder."""
        with possible_name():
            return path.stat()

    def names(self, folder: Path, max_names: int) -> list[str]:
        """List a folder."""
        with possible_name(), os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, max_names)]


class NoFiles:
    """No file, by any path."""

    def open(self, path: Path) -> int:
        """Refuse."""
        raise _refused(path)

    def status(self, path: Path) -> os.stat_result:
        """Refuse."""
        raise _refused(path)

    def names(self, folder: Path, max_names: int) -> list[str]:  # noqa: ARG002 - as `Files` has it
        """Refuse."""
        raise _refused(folder)


def _refused(path: Path) -> RefusedError:
    return RefusedError(f"This process reads files only for a freeze, and {str(path)!r} is read for none.")


_in_use: list[Files] = [LocalFiles()]
"""The last one is where this process reads files."""


@contextlib.contextmanager
def using(files: Files) -> Iterator[None]:
    """Have this process, with all its threads, read files only through `files`. For one thread at a time."""
    _in_use.append(files)
    try:
        yield
    finally:
        _in_use.pop()


def open_path(path: Path) -> int:
    """Open a path for reading. To open a file, use `reader.open_regular`.

    Raises:
        OSError: It cannot be opened.
        RefusedError: It must not be read.

    """
    return _in_use[-1].open(path)


def status(path: Path) -> os.stat_result:
    """Stat a file or folder, following links.

    Raises:
        OSError: It does not exist, or access is denied.

    """
    return _in_use[-1].status(path)


def names_in(folder: Path, max_names: int) -> list[str]:
    """List the first `max_names` names in a folder, in any order.

    Raises:
        OSError: It does not exist, or cannot be listed.

    """
    return _in_use[-1].names(folder, max_names)


def kind_of(path: Path) -> int:
    """The file type bits of `path` (`stat.S_IFDIR`, `stat.S_IFREG`, ...); 0 if it does not exist.

    Raises:
        OSError: The system does not tell.

    """
    try:
        return stat.S_IFMT(status(path).st_mode)
    except (FileNotFoundError, NotADirectoryError, ImpossibleNameError):
        return 0


def is_file(path: Path) -> bool:
    """Whether this is a regular file; False if the system does not tell. For hints, not for decisions."""
    return _is(path, stat.S_IFREG)


def is_folder(path: Path) -> bool:
    """Whether this is a folder; False if the system does not tell. For hints, not for decisions."""
    return _is(path, stat.S_IFDIR)


def exists(path: Path) -> bool:
    """Whether the path exists; False if the system does not tell. For hints, not for decisions."""
    return _is(path, None)


def _is(path: Path, kind: int | None) -> bool:
    try:
        found = kind_of(path)
    except (OSError, RefusedError):
        return False
    return found == kind if kind else bool(found)


@contextlib.contextmanager
def possible_name() -> Iterator[None]:
    """Turn the ValueError for an impossible file name (one with a zero byte) into an ImpossibleNameError."""
    try:
        yield
    except UnicodeError:
        raise ImpossibleNameError(errno.EINVAL, "no file can have this name") from None
    except ValueError:
        raise ImpossibleNameError(errno.EINVAL, "its name holds a zero byte") from None
