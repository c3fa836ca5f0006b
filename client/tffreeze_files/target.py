"""Where an output may be written, and the messages if it cannot."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from tffreeze_files.layout import is_url, shown_url

DISK_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""System errors for no space: on the disk, in the quota, or within the file size limit."""

INPUT = "one of the input files"
"""Part of a message: what an output must not be."""


class OutputError(Exception):
    """An output that cannot be written.

    Attributes:
        reason: `OUTPUT_NOT_WRITABLE` or `DISK_FULL`.
        message: Whole sentences for a person.
        subject: The requested path.

    """

    def __init__(self, reason: str, message: str, subject: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.subject = subject


def check_target(
    path: Path, inputs: Iterable[Path] = (), *, as_folder: bool = False, role: str = INPUT
) -> Path:
    """Find where to write an output, without opening or creating anything.

    Args:
        path: The requested path.
        inputs: Files that are read, or are another output. None may be the target, under any name.
        as_folder: Whether the output is a folder.
        role: Description of the inputs, for the message.

    Returns:
        The path with symlinks followed; `path` itself if it is a device, a FIFO or a socket.

    Raises:
        OutputError: OUTPUT_NOT_WRITABLE.

    """
    with output_errors(path):
        status = status_of(path)
        target = Path(os.path.realpath(path))
        if status is None and is_url(path):
            raise refused(
                shown_url(path),
                "is a URL, and tffreeze writes local files only. Write a local file, then copy it",
            )
        if as_folder:
            _check_folder(path, target, status)
        elif status is not None and stat.S_ISDIR(status.st_mode):
            raise refused(path, "is a folder. Name a file in it")
        if not target.parent.is_dir() and (status is None or stat.S_ISREG(status.st_mode)):
            raise refused(path, f"would be in {str(target.parent)!r}, which is not a folder. Create it first")
        if any(_is_same(target, status, other) for other in inputs):
            raise refused(path, f"is {role}. Choose another path")
    return path if is_special(status) else target


@contextlib.contextmanager
def output_errors(path: Path | str) -> Iterator[None]:
    """Raise OutputError for an OSError of the block.

    Raises:
        OutputError: OUTPUT_NOT_WRITABLE or DISK_FULL.

    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise output_error(path, error) from None


def output_error(path: Path | str, error: OSError | ValueError) -> OutputError:
    """Say why an output cannot be written."""
    shown = str(path)
    if isinstance(error, ValueError):  # what Python raises for names that no file system call takes
        message = f"The output {shown!r} cannot be written: its name holds a zero byte. Choose another path."
        return OutputError("OUTPUT_NOT_WRITABLE", message, shown)
    why = error.strerror or str(error)
    if error.errno in DISK_FULL:
        message = f"The output {shown!r} does not fit: {why}. Free some space, or choose another path."
        return OutputError("DISK_FULL", message, shown)
    message = (
        f"The output {shown!r} cannot be written: {why}. "
        "Choose a path in an existing folder that you may write to."
    )
    return OutputError("OUTPUT_NOT_WRITABLE", message, shown)


def is_special(status: os.stat_result | None) -> bool:
    """Whether this is a device, a FIFO or a socket, which is written to and not replaced."""
    return status is not None and not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode)


def status_of(path: Path) -> os.stat_result | None:
    """Stat a path, following links; None if it does not exist."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _check_folder(path: Path, target: Path, status: os.stat_result | None) -> None:
    if status is None:
        return
    if not stat.S_ISDIR(status.st_mode):
        raise refused(path, "is a file, but a SavedModel is a folder. Choose another path")
    if any(target.iterdir()):
        raise refused(path, "is a folder with files in it. Choose a new one, or empty it first")


def _is_same(target: Path, status: os.stat_result | None, other: Path) -> bool:
    """Whether two paths are one file, which need not exist yet. Never true for devices such as /dev/null."""
    if status is None:
        return os.path.realpath(other) == str(target)
    if stat.S_ISCHR(status.st_mode):
        return False
    found = status_of(other)
    return found is not None and os.path.samestat(status, found)


def refused(path: Path | str, because: str) -> OutputError:
    """Make the error for a path that cannot be an output."""
    return OutputError("OUTPUT_NOT_WRITABLE", f"The output {str(path)!r} {because}.", str(path))
