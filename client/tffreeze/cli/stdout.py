"""Standard output: it may be closed, full, or a pipe whose reader is gone."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tffreeze.errors import error_for
from tffreeze.output import as_tffreeze_error
from tffreeze_files.target import output_error

NAME = "-"
"""Its name on the command line."""


def is_meant(path: str) -> bool:
    """Whether a path is standard output: `-`, or a name of the same pipe, file or terminal, such as /dev/stdout.

    /dev/null is not: whatever else goes there, nothing gets in its way.
    """
    if path == NAME:
        return True
    try:
        ours, found = os.fstat(sys.stdout.fileno()), Path(path).stat()
    except (OSError, ValueError, AttributeError):  # closed, no file, no such path
        return False
    return os.path.samestat(ours, found) and (not stat.S_ISCHR(found.st_mode) or sys.stdout.isatty())


class Stdout:
    """Standard output as a binary stream for a result."""

    def write(self, data: bytes) -> int:
        """Write all of it.

        Raises:
            BrokenPipeError: The reader has closed the pipe.
            TffreezeError: OUTPUT_NOT_WRITABLE, DISK_FULL.

        """
        write(data)
        return len(data)


def binary() -> BinaryIO:
    """Standard output in binary.

    Raises:
        RequestError: OUTPUT_NOT_WRITABLE: it is closed.

    """
    if sys.stdout is None or sys.stdout.closed:
        raise error_for("OUTPUT_NOT_WRITABLE", "Standard output is closed. Write to a file instead.", NAME)
    return sys.stdout.buffer


def write(data: bytes) -> None:
    """Write bytes, after all text written before.

    Raises:
        BrokenPipeError: The reader has closed the pipe.
        TffreezeError: OUTPUT_NOT_WRITABLE, DISK_FULL.

    """
    stream = binary()
    with failures():
        sys.stdout.flush()
        stream.write(data)


def flush() -> None:
    """Flush it. A closed one needs no flush.

    Raises:
        BrokenPipeError: The reader has closed the pipe.
        TffreezeError: OUTPUT_NOT_WRITABLE, DISK_FULL.

    """
    if sys.stdout is not None and not sys.stdout.closed:
        with failures():
            sys.stdout.flush()


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Turn an OSError of standard output into the client's exception, except a broken pipe."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        forget()
        raise as_tffreeze_error(output_error("standard output", error)) from None


def forget() -> None:
    """Redirect it to /dev/null, so that the interpreter's last flush does not fail, too."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
