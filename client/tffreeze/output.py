"""Where a result goes: a file or a directory that appears whole or not at all, a stream, or memory."""

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
    """Takes the files of a result, one after the other."""

    def begin(self, name: str, size_bytes: int) -> None:
        """Go on with the next file."""

    def write(self, data: bytes) -> None:
        """Go on writing it."""


Target = StrPath | BinaryIO


def is_path(target: Target) -> bool:
    """Whether a result goes to a path; anything else is a stream."""
    return isinstance(target, (str, os.PathLike))


def check_output(
    target: Target, inputs: Iterable[Path] = (), *, as_saved_model: bool = False, role: str = writer.INPUT
) -> None:
    """Check that a result can be where it is wanted, before any work.

    Args:
        target: A path, or a stream, which is not looked at.
        inputs: Files that are read: none may be the output.
        as_saved_model: Whether it is a directory.
        role: What the inputs are, for the message.

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
    """A binary stream: nothing is taken back."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def begin(self, name: str, size_bytes: int) -> None:
        """All files but the first belong to SavedModels, which are no streams."""

    def write(self, data: bytes) -> None:
        """Write all of it; a raw stream may take less at once."""
        rest = memoryview(data)
        while rest:
            written_bytes: int | None = self._stream.write(rest)
            rest = rest[len(rest) if written_bytes is None else written_bytes :]


@contextlib.contextmanager
def output_failures() -> Iterator[None]:
    """Raise the client's exception for an output that cannot be written."""
    try:
        yield
    except writer.OutputError as error:
        raise as_tffreeze_error(error) from None


def as_tffreeze_error(error: writer.OutputError) -> TffreezeError:
    """Make the exception. This machine's full disk, unlike a server's, does not get empty by trying again."""
    made = error_for(error.reason, error.message, error.subject)
    made.retryable = False
    return made
