"""A file that tells a port: there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_port_file(file: Path, port: int) -> None:
    """Write a port and a line feed; who sees the file sees all of it.

    Raises:
        OSError: It cannot be written.

    """
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        temporary.write_text(f"{port}\n", encoding="ascii")
        temporary.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def remove_port_file(file: Path | None) -> None:
    """Remove what an earlier server left, or what this one wrote."""
    if file is not None:
        with contextlib.suppress(OSError):
            file.unlink()
