"""The client's messages in a call: a spec, then the chunks of the uploaded files."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence

from tffreeze.call_back import call_back
from tffreeze.chunk_messages import chunk_request
from tffreeze.local_file import LocalFile, open_local, read_local
from tffreeze.local_model import sent
from tffreeze.v1 import freeze_service_pb2

CHUNK_BYTES = 1 << 20
"""The chunk size that every server accepts, whatever its limits."""

OnProgress = Callable[[int, int], None]
"""Called with the bytes done so far and the total."""

Request = freeze_service_pb2.FreezeRequest | freeze_service_pb2.InspectRequest


class Sender:
    """Generates the messages of a call; gRPC consumes them in its own thread.

    gRPC would only log an exception there. So it is stored in `error`, the upload ends early, and the call is
    cancelled. The caller must check `error` before the server's status.

    Args:
        files: The files, as declared.
        with_weights: Whether data files are sent.
        on_upload: Called with the bytes handed to gRPC so far and the total.

    Attributes:
        total_bytes: Bytes of the files that are sent.
        error: Why the upload ended early: a file could not be read, or `on_upload` raised (a CallersError).

    """

    def __init__(
        self, files: Sequence[LocalFile], *, with_weights: bool, on_upload: OnProgress | None = None
    ) -> None:
        self.error: Exception | None = None
        self._cancel: Callable[[], object] | None = None
        self._files = list(sent(files, with_weights=with_weights))
        self.total_bytes = sum(file.size_bytes for _, file in self._files)
        self._on_upload = on_upload
        self._stopped = threading.Event()

    def watch(self, cancel: Callable[[], object]) -> None:
        """Set the function that cancels the call if the upload ends early."""
        self._cancel = cancel
        if self.error is not None:
            cancel()

    def stop(self) -> None:
        """Stop generating messages."""
        self._stopped.set()

    def messages(self, first: Request) -> Iterator[bytes]:
        """Yield the spec and the chunks, serialized."""
        yield first.SerializeToString()
        try:
            yield from self._chunks()
        except Exception as error:
            self.error = error
            if self._cancel is not None:
                self._cancel()

    def _chunks(self) -> Iterator[bytes]:
        done_bytes = 0
        for index, file in self._files:
            for offset, data in _read(file):
                if self._stopped.is_set():
                    return
                yield chunk_request(index, offset, data)
                done_bytes += len(data)
                call_back(self._on_upload, done_bytes, self.total_bytes)


def _read(file: LocalFile) -> Iterator[tuple[int, bytes]]:
    """Yield exactly the declared bytes of a file, each piece with its offset."""
    descriptor = open_local(file.path)
    try:
        for offset in range(0, file.size_bytes, CHUNK_BYTES):
            length_bytes = min(CHUNK_BYTES, file.size_bytes - offset)
            yield offset, read_local(descriptor, file.path, length_bytes, offset)
    finally:
        os.close(descriptor)
