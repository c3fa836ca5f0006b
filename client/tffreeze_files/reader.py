"""Opening a file for reading: the checks for every such file, and their messages.

Between finding a file and reading it, anyone with write access to its folder can replace it. So the checks are made
on the open file: it is opened without blocking (as a FIFO would) and refused unless it is a regular file.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from tffreeze_files.access import open_path

LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""What a Git LFS pointer starts with (github.com/git-lfs/git-lfs, docs/spec.md)."""

MAX_LFS_POINTER_BYTES = 1024
"""A pointer is shorter (the same specification)."""


class NotReadableError(Exception):
    """A file that exists and cannot be read.

    Attributes:
        message: Whole sentences for a person.
        subject: The caller's name for the file.

    """

    def __init__(self, name: str, why: str, next_step: str) -> None:
        self.message = f"The file {name!r} cannot be read: {why}. {next_step}"
        self.subject = name
        super().__init__(self.message)


def open_regular(path: Path, name: str, opener: Callable[[Path], int] = open_path) -> int:
    """Open a regular file and return its descriptor.

    Args:
        path: The file.
        name: The caller's name for it, for messages.
        opener: Function that opens it for reading, like `open_path`.

    Raises:
        FileNotFoundError: It does not exist.
        NotReadableError: It cannot be opened, is no regular file, or is a Git LFS pointer.

    """
    try:
        descriptor = opener(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(name) from None
    except (OSError, ValueError) as error:
        raise not_readable(name, error) from None
    try:
        _check(descriptor, name)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def not_readable(name: str, error: OSError | ValueError) -> NotReadableError:
    """Say why a file cannot be read."""
    # Python raises ValueError for names that no system call accepts.
    why = (
        "its name holds a zero byte"
        if isinstance(error, ValueError)
        else error.strerror or "input/output error"
    )
    return NotReadableError(name, why, "Check its permissions and its disk.")


def is_lfs_pointer(descriptor: int) -> bool:
    """Whether an open file is a Git LFS pointer, which stands for a file that was not fetched."""
    head = os.pread(descriptor, len(LFS_POINTER), 0)
    return head == LFS_POINTER and os.fstat(descriptor).st_size < MAX_LFS_POINTER_BYTES


def _check(descriptor: int, name: str) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise NotReadableError(name, "it is not a regular file", "Give a regular file, such as a copy of it.")
    try:
        is_pointer = status.st_size < MAX_LFS_POINTER_BYTES and is_lfs_pointer(descriptor)
    except OSError as error:
        raise not_readable(name, error) from None
    if is_pointer:
        raise NotReadableError(
            name,
            "it is a Git LFS pointer, not the file itself",
            "Fetch the file with `git lfs pull`.",
        )
