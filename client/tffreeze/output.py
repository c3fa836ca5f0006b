"""Where a result goes: a file or a directory that appears whole or not at all, a stream, or memory."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from tffreeze.errors import TffreezeError, error_for
from tffreeze.options import StrPath

_WRITE_BACK_BYTES = 4 << 20
_DISK_FULL = frozenset((28, 122))  # ENOSPC, EDQUOT


class Output(Protocol):
    """Takes the files of a result, one after the other."""

    def begin(self, name: str, size_bytes: int) -> None:
        """Go on with the next file."""

    def write(self, data: bytes) -> None:
        """Go on writing it."""


Target = StrPath | BinaryIO


@contextlib.contextmanager
def open_output(target: Target, *, as_saved_model: bool, fsync: bool = False) -> Iterator[Output]:
    """Open an output; it takes its name when the block ends without an exception.

    Raises:
        RequestError: OUTPUT_NOT_WRITABLE.
        ServiceError: DISK_FULL.

    """
    if not isinstance(target, (str, os.PathLike)):
        yield StreamOutput(target)
        return
    path = Path(target)
    try:
        opened = _new_folder(path, fsync=fsync) if as_saved_model else _new_file(path, fsync=fsync)
        with opened as output:
            yield output
    except OSError as error:
        raise _output_error(error, path) from None


class StreamOutput:
    """A binary stream: nothing is taken back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def begin(self, name: str, size_bytes: int) -> None:
        """All files but the first belong to SavedModels, which are no streams."""

    def write(self, data: bytes) -> None:
        """Write all of it."""
        self._stream.write(data)


class _FileOutput:
    """Files below a folder, or one file under a name of its own."""

    def __init__(self, place: Callable[[str], Path], *, fsync: bool) -> None:
        self._place = place
        self._fsync = fsync
        self._descriptor = -1
        self._written_bytes = self._begun_bytes = 0

    def begin(self, name: str, size_bytes: int) -> None:
        self.close()
        path = self._place(name)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self._written_bytes = self._begun_bytes = 0
        if size_bytes and hasattr(os, "posix_fallocate"):
            self._take_room(size_bytes)

    def _take_room(self, size_bytes: int) -> None:
        """A full disk shows at once; a file system that cannot do it will tell in time."""
        try:
            os.posix_fallocate(self._descriptor, 0, size_bytes)
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._written_bytes += len(data)
        is_time = self._written_bytes - self._begun_bytes >= _WRITE_BACK_BYTES
        if self._fsync and is_time and hasattr(os, "posix_fadvise"):
            # Linux begins to bring the pages to disk now, so that fsync has less to wait for.
            span = self._written_bytes - self._begun_bytes
            os.posix_fadvise(self._descriptor, self._begun_bytes, span, os.POSIX_FADV_DONTNEED)
            self._begun_bytes = self._written_bytes

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            try:
                if self._fsync:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def _new_file(path: Path, *, fsync: bool) -> Iterator[Output]:
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        if path.is_dir():
            raise IsADirectoryError(21, "it is a directory")
        with path.open("wb") as stream:  # a device or a pipe
            yield StreamOutput(stream)
        return
    temporary = path.parent / _temporary_name()
    output = _FileOutput(lambda _: temporary, fsync=fsync)
    try:
        yield output
        output.close()
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            output.close()
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _new_folder(path: Path, *, fsync: bool) -> Iterator[Output]:
    path = Path(os.path.realpath(path))
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FileExistsError(17, "it is there already and not an empty directory")
    temporary = path.parent / _temporary_name()
    temporary.mkdir()

    def place(name: str) -> Path:
        file = temporary / name
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    output = _FileOutput(place, fsync=fsync)
    try:
        yield output
        output.close()
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            output.close()
        shutil.rmtree(temporary, ignore_errors=True)


def _temporary_name() -> str:
    return f".tffreeze-{secrets.token_hex(8)}.tmp"


def _output_error(error: OSError, path: Path) -> TffreezeError:
    if error.errno in _DISK_FULL:
        message = (
            f"The output {str(path)!r} does not fit: {error.strerror}. Make room, or write it elsewhere."
        )
        return error_for("DISK_FULL", message, str(path))
    message = f"The output {str(path)!r} cannot be written: {error.strerror}. Choose another path."
    return error_for("OUTPUT_NOT_WRITABLE", message, str(path))
