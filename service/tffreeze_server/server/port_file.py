"""A file that tells a port: there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tffreeze_files.writer import OutputError, write_whole


def write_port_file(file: Path, port: int) -> None:
    """Write a port and a line feed; who sees the file sees all of it.

    Raises:
        OSError: It cannot be written.

    """
    try:
        write_whole(file, f"{port}\n".encode("ascii"))
    except OutputError as error:
        raise OSError(error.message) from None


def remove_port_file(file: Path | None) -> None:
    """Remove what an earlier server left, or what this one wrote; a device or a pipe stays."""
    if file is not None:
        with contextlib.suppress(OSError):
            written = Path(os.path.realpath(file))
            if written.is_file():
                written.unlink()
