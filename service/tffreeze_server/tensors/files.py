"""The source files of a freeze, opened when first read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType

from tffreeze_files.access import open_path
from tffreeze_files.reader import NotReadableError, not_readable, open_regular
from tffreeze_server.errors import FreezeError, Reason


class SourceFiles:
    """Named files, read by position; a context manager that closes what it opened.

    Args:
        paths: The path for each file name that a `FileRange` may hold.
        opener: Opens a path. A server's opener opens only the files that a planner found.

    """

    def __init__(self, paths: Mapping[str, Path], opener: Callable[[Path], int] = open_path) -> None:
        self.paths = MappingProxyType(dict(paths))
        self._open = opener
        self._descriptors: dict[str, int] = {}

    def __enter__(self) -> SourceFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in tuple(self._descriptors):
            self.close(file)

    def descriptor(self, file: str) -> int:
        """The open file descriptor of `file`.

        Raises:
            FreezeError: SHARD_NOT_FOUND or FILE_NOT_READABLE.

        """
        if file not in self._descriptors:
            try:
                self._descriptors[file] = open_regular(self.paths[file], file, self._open)
            except (KeyError, FileNotFoundError):
                raise FreezeError(
                    Reason.SHARD_NOT_FOUND,
                    f"The file {file!r} with weights of this model is missing. "
                    "Put all files of the checkpoint (every .data-… and the .index) into one folder.",
                    subject=file,
                ) from None
            except NotReadableError as error:
                raise unreadable(error) from None
        return self._descriptors[file]

    def size_bytes(self, file: str) -> int:
        """The size of `file`.

        Raises:
            FreezeError: SHARD_NOT_FOUND or FILE_NOT_READABLE.

        """
        return os.fstat(self.descriptor(file)).st_size

    def close(self, file: str) -> None:
        """Close `file` if it is open."""
        if file in self._descriptors:
            os.close(self._descriptors.pop(file))

    def pread(self, file: str, length_bytes: int, offset_bytes: int) -> bytes:
        """Read exactly `length_bytes` of `file` from `offset_bytes` on.

        Raises:
            FreezeError: MALFORMED_CHECKPOINT if the file is too short; FILE_NOT_READABLE.

        """
        try:
            data = os.pread(self.descriptor(file), length_bytes, offset_bytes)
        except OSError as error:
            raise unreadable(not_readable(file, error)) from None
        if len(data) != length_bytes:
            data += self._rest(file, length_bytes - len(data), offset_bytes + len(data))
        return data

    def _rest(self, file: str, length_bytes: int, offset_bytes: int) -> bytes:
        """Continue a short read, which can happen before the end of a file (signals, network file systems)."""
        parts: list[bytes] = []
        while length_bytes:
            part = os.pread(self.descriptor(file), length_bytes, offset_bytes)
            if not part:
                raise FreezeError(
                    Reason.MALFORMED_CHECKPOINT,
                    f"The file {file!r} ends {length_bytes} bytes before the end of a tensor: it was truncated. "
                    "Copy the checkpoint again.",
                    subject=file,
                )
            parts.append(part)
            length_bytes -= len(part)
            offset_bytes += len(part)
        return b"".join(parts)


def unreadable(error: NotReadableError) -> FreezeError:
    """Make the engine's exception for a file that cannot be read."""
    return FreezeError(Reason.FILE_NOT_READABLE, error.message, subject=error.subject)
