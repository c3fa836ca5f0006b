"""Writing a file or a folder that appears complete or not at all.

Theory of operation:
- A file has no name until it is complete (O_TMPFILE, then linkat), so even SIGKILL leaves nothing behind.
  If the system cannot do that, or must replace a file, the file has a temporary name beside the target.
- A folder is built under a temporary name beside the target, and renamed.
- The next run removes temporary names that a killed run left (`temporary.py`).
- Symlinks are followed, and their target is replaced. Devices, FIFOs and sockets are written to.

An OSError of these steps becomes an `OutputError` at once. Exceptions of the caller's own block pass through
unchanged.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tffreeze_files.target import (
    DISK_FULL,
    INPUT,
    OutputError,
    check_target,
    is_special,
    output_errors,
    refused,
    status_of,
)
from tffreeze_files.temporary import NEW_FILE_MODE, Temporary

__all__ = ["INPUT", "Output", "OutputError", "check_target", "open_output", "output_errors", "write_whole"]

_WRITE_BACK_BYTES = 4 << 20


class Output:
    """Receives the bytes of one file after another.

    Args:
        path: The requested path, for messages.
        open_file: Opens a file by name and returns its descriptor.
        is_regular: Whether these are files on a disk, not a device or a pipe.
        fsync: Whether to flush each complete file to disk.

    """

    def __init__(
        self, path: Path, open_file: Callable[[str], int], *, is_regular: bool = True, fsync: bool = False
    ) -> None:
        self._path = path
        self._open_file = open_file
        self._is_regular = is_regular
        self._fsync = fsync and is_regular
        self._descriptor = -1
        self._written_bytes = self._begun_bytes = 0

    def begin(self, name: str, size_bytes: int) -> None:
        """Complete the current file and start the next.

        Args:
            name: Its path in the folder; ignored if the output is one file.
            size_bytes: Its size. The space is allocated now, if the file system can.

        Raises:
            OutputError: OUTPUT_NOT_WRITABLE or DISK_FULL.

        """
        with output_errors(self._path):
            self.close()
            self._descriptor = self._open_file(name)
            self._written_bytes = self._begun_bytes = 0
            if self._is_regular:
                _take_room(self._descriptor, size_bytes)

    def write(self, *pieces: bytes) -> None:
        """Write all bytes of all pieces to the current file.

        Raises:
            OutputError: OUTPUT_NOT_WRITABLE or DISK_FULL.

        """
        with output_errors(self._path):
            self._written_bytes += _write_all(self._descriptor, pieces)
            if self._fsync:
                self._write_back()

    def close(self) -> None:
        """Complete the last file.

        Raises:
            OSError: It cannot be flushed.

        """
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                if self._fsync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _write_back(self) -> None:
        """Start writing pages to disk, so that fsync has less to wait for.

        On Linux this advice starts writing dirty pages (mm/fadvise.c); they stay cached while they are written.
        """
        span_bytes = self._written_bytes - self._begun_bytes
        if span_bytes >= _WRITE_BACK_BYTES and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._descriptor, self._begun_bytes, span_bytes, os.POSIX_FADV_DONTNEED)
            self._begun_bytes = self._written_bytes


@contextlib.contextmanager
def open_output(path: Path, *, as_folder: bool = False, fsync: bool = False) -> Iterator[Output]:
    """Open an output; it takes its name when the block ends without an exception.

    Args:
        path: An existing file is replaced. An existing folder must be empty.
        as_folder: Whether it is a folder of files.
        fsync: Whether to flush all files to disk before the output gets its name, as a guard against a power
            cut.

    Raises:
        OutputError: OUTPUT_NOT_WRITABLE or DISK_FULL.

    """
    target = check_target(path, as_folder=as_folder)
    if as_folder:
        opened = _new_folder(path, target, fsync=fsync)
    elif is_special(status_of(target)):
        opened = _special(path)
    else:
        opened = _new_file(path, target, fsync=fsync)
    with opened as output:
        yield output


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file.

    Raises:
        OutputError: OUTPUT_NOT_WRITABLE or DISK_FULL.

    """
    with open_output(path) as output:
        output.begin(path.name, len(data))
        output.write(data)


@contextlib.contextmanager
def _special(path: Path) -> Iterator[Output]:
    """A device or a FIFO, opened without O_CREAT and O_TRUNC: a file that replaced it is not changed."""
    with output_errors(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
        if not is_special(os.fstat(descriptor)):
            os.close(descriptor)
            raise refused(path, "was a device or a pipe, and now is a file. Choose another path")
    output = Output(path, lambda _: os.dup(descriptor), is_regular=False)
    try:
        yield output
        with output_errors(path):
            output.close()
    finally:
        with contextlib.suppress(OSError):
            output.close()
        os.close(descriptor)


@contextlib.contextmanager
def _new_file(path: Path, target: Path, *, fsync: bool) -> Iterator[Output]:
    with Temporary(target) as temporary:
        with output_errors(path):
            descriptor = temporary.open_file()
        output = Output(path, lambda _: os.dup(descriptor), fsync=fsync)
        try:
            yield output
            with output_errors(path):
                output.close()
                temporary.name_file(descriptor)
        finally:
            with contextlib.suppress(OSError):
                output.close()
            os.close(descriptor)


@contextlib.contextmanager
def _new_folder(path: Path, target: Path, *, fsync: bool) -> Iterator[Output]:
    with Temporary(target) as temporary:
        with output_errors(path):
            folder = temporary.make_folder()

        def open_file(name: str) -> int:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, NEW_FILE_MODE)

        output = Output(path, open_file, fsync=fsync)
        try:
            yield output
            with output_errors(path):
                output.close()
                folder.rename(target)
        finally:
            with contextlib.suppress(OSError):
                output.close()


def _take_room(descriptor: int, length_bytes: int) -> None:
    """Allocate the space first: a full disk fails at once, and ext4 writes a tenth faster into allocated space."""
    if length_bytes and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, length_bytes)
        except OSError as error:
            if error.errno in DISK_FULL:
                raise


def _write_all(descriptor: int, pieces: tuple[bytes, ...]) -> int:
    """Write all pieces and return their size. A write may be short (to a pipe, to a nearly full disk)."""
    total_bytes = sum(map(len, pieces))
    written_bytes = os.writev(descriptor, pieces)
    if written_bytes < total_bytes:
        rest = memoryview(b"".join(pieces))[written_bytes:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    return total_bytes
