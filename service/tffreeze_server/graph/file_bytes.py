"""A model's file, read by position.

Files are read with `pread`, never mapped: a mapped file that shrinks kills the process, a short read is an error.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from tffreeze_common.wire import WireError
from tffreeze_files.reader import NotReadableError, not_readable, open_regular
from tffreeze_server.tensors.files import unreadable


class FileBytes:
    """A regular file read by position; a context manager that closes it.

    Args:
        path: The file.
        name: What the caller calls it, for messages.

    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.size_bytes = 0
        self._descriptor = -1

    def __enter__(self) -> FileBytes:
        try:
            self._descriptor = open_regular(self.path, self.name)
        except FileNotFoundError:
            raise unreadable(NotReadableError(self.name, "it is not there", "Check its path.")) from None
        except NotReadableError as error:
            raise unreadable(error) from None
        self.size_bytes = os.fstat(self._descriptor).st_size
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read(self, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`.

        Raises:
            WireError: The file ends before that.
            FreezeError: FILE_NOT_READABLE.

        """
        if end > self.size_bytes:
            raise WireError(f"it ends at byte {self.size_bytes}, where more was promised")
        parts = []
        while start < end:
            try:
                part = os.pread(self._descriptor, end - start, start)
            except OSError as error:
                raise unreadable(not_readable(self.name, error)) from None
            if not part:
                raise WireError(f"it became shorter while it was read, at byte {start}")
            parts.append(part)
            start += len(part)
        return b"".join(parts)
