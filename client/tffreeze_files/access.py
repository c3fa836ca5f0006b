"""The one way to the files of a model: who looks at a file, lists a folder or opens a file does it here.

A freeze on the caller's own machine reads any path (`LocalFiles`). A server that freezes for others says for the
time of a freeze where files may be read (`using`): then no stage can read anything else, whatever path it makes up.
`tests/fences` holds that the engine has no other way to a file. Where files may be read holds for the whole process,
whichever thread reads: so such a server makes one freeze at a time in a process, and no file is read there between
two of them (`NoFiles`).
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
"""How a file is opened for reading: without waiting for the other end of a pipe."""


class ImpossibleNameError(OSError):
    """A name that no file can have."""


class RefusedError(Exception):
    """A path that may not be read, whether or not something is there."""


class Files(Protocol):
    """Somewhere to read files. Each method raises OSError where the system refuses, RefusedError where it does."""

    def open(self, path: Path) -> int:
        """Open a path for reading, without waiting; the caller closes the descriptor."""

    def status(self, path: Path) -> os.stat_result:
        """Look at a file or folder, links followed."""

    def names(self, folder: Path, max_names: int) -> list[str]:
        """List the first `max_names` names in a folder, in no order."""


class LocalFiles:
    """The files of this machine, by any path."""

    def open(self, path: Path) -> int:
        """Open a path for reading."""
        with possible_name():
            return os.open(path, OPEN_FLAGS)

    def status(self, path: Path) -> os.stat_result:
        """Look at a file or folder."""
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
    """Open a path for reading. For all that is no folder: `reader.open_regular`.

    Raises:
        OSError: It cannot be opened.
        RefusedError: It may not be read.

    """
    return _in_use[-1].open(path)


def status(path: Path) -> os.stat_result:
    """Look at a file or folder, links followed.

    Raises:
        OSError: It is not there, or cannot be looked at.

    """
    return _in_use[-1].status(path)


def names_in(folder: Path, max_names: int) -> list[str]:
    """List the first `max_names` names in a folder, in no order.

    Raises:
        OSError: It is not there, or cannot be listed.

    """
    return _in_use[-1].names(folder, max_names)


def kind_of(path: Path) -> int:
    """The file type bits of what is at `path` (`stat.S_IFDIR`, `stat.S_IFREG`, ...); 0 where nothing is.

    Raises:
        OSError: That cannot be known.

    """
    try:
        return stat.S_IFMT(status(path).st_mode)
    except (FileNotFoundError, NotADirectoryError, ImpossibleNameError):
        return 0


def is_file(path: Path) -> bool:
    """Whether a regular file is there; False where that cannot be known. For hints, not for decisions."""
    return _is(path, stat.S_IFREG)


def is_folder(path: Path) -> bool:
    """Whether a folder is there; False where that cannot be known. For hints, not for decisions."""
    return _is(path, stat.S_IFDIR)


def exists(path: Path) -> bool:
    """Whether something is there; False where that cannot be known. For hints, not for decisions."""
    return _is(path, None)


def _is(path: Path, kind: int | None) -> bool:
    try:
        found = kind_of(path)
    except (OSError, RefusedError):
        return False
    return found == kind if kind else bool(found)


@contextlib.contextmanager
def possible_name() -> Iterator[None]:
    """Turn the ValueError for a name that no file can have (a zero byte in it) into an ImpossibleNameError."""
    try:
        yield
    except UnicodeError:
        raise ImpossibleNameError(errno.EINVAL, "no file can have this name") from None
    except ValueError:
        raise ImpossibleNameError(errno.EINVAL, "its name holds a zero byte") from None
