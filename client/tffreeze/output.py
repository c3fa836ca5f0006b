"""Where a result goes: a file or directory that appears complete or not at all, a stream, or memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from tffreeze.errors import TffreezeError, error_for
from tffreeze.options import StrPath
from tffreeze_files import writer


class Output(Protocol):
    """Receives the files of a result, one after another."""

    def begin(self, name: str, size_bytes: int) -> None:
        """Start the next file."""

    def write(self, data: bytes) -> None:
        """Write to the current file."""


Target = StrPath | BinaryIO


def is_path(target: Target) -> bool:
    """Whether this is a path; anything else is a stream."""
    return isinstance(target, (str, os.PathLike))


def check_output(
    target: Target, inputs: Iterable[Path] = (), *, as_saved_model: bool = False, role: str = writer.INPUT
) -> None:
    """Check that a result can be written to its target, before any work.

    Args:
        target: A path; a stream is not checked.
        inputs: Files that are read. None may be the output.
        as_saved_model: Whether it is a directory.
        role: Description of the inputs, for the message.

    Raises:
        RequestError: OUTPUT_NOT_WRITABLE.

    """
    if isinstance(target, (str, os.PathLike)):
        with output_failures():
            writer.check_target(Path(target), inputs, as_folder=as_saved_model, role=role)


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
    with (
        output_failures(),
        writer.open_output(Path(target), as_folder=as_saved_model, fsync=fsync) as output,
    ):
        yield output


class StreamOutput:
    """A binary stream. What was written stays written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def begin(self, name: str, size_bytes: int) -> None:
        """Do nothing: only a SavedModel has several files, and it is never a stream."""

    def write(self, data: bytes) -> None:
        """Write all of it. A raw stream may accept less at once."""
        rest = memoryview(data)
        while rest:
            written_bytes: int | None = self._stream.write(rest)
            rest = rest[len(rest) if written_bytes is None else written_bytes :]


@contextlib.contextmanager
def output_failures() -> Iterator[None]:
    """Turn an OutputError into the client's exception."""
    try:
        yield
    except writer.OutputError as error:
        raise as_tffreeze_error(error) from None


def as_tffreeze_error(error: writer.OutputError) -> TffreezeError:
    """Make the exception. A retry helps if a server's disk is full, but not if this machine's is."""
    made = error_for(error.reason, error.message, error.subject)
    made.retryable = False
    return made
