"""The client's half of a call: a spec, then the chunks of the files that are sent."""

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
"""What a server takes from a client that has not asked for its limits."""

OnProgress = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes that there will be."""

Request = freeze_service_pb2.FreezeRequest | freeze_service_pb2.InspectRequest


class Sender:
    """Gives the messages of a call; gRPC takes them in a thread of its own.

    An exception in there would only be logged: it is kept, the upload ends early, and the call is cancelled. Whoever
    waits for the answer looks at `error` first, whatever the server says.

    Args:
        files: The files, as declared.
        with_weights: Whether data files are sent.
        on_upload: Called with the bytes given to gRPC and the bytes there are.

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
        """Have an upload that ends early call this, which cancels the call."""
        self._cancel = cancel
        if self.error is not None:
            cancel()

    def stop(self) -> None:
        """End: no one reads any more."""
        self._stopped.set()

    def messages(self, first: Request) -> Iterator[bytes]:
        """Give the spec and the chunks, each as it goes over the wire."""
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
    """Exactly the declared bytes of a file, each piece with its offset."""
    descriptor = open_local(file.path)
    try:
        for offset in range(0, file.size_bytes, CHUNK_BYTES):
            length_bytes = min(CHUNK_BYTES, file.size_bytes - offset)
            yield offset, read_local(descriptor, file.path, length_bytes, offset)
    finally:
        os.close(descriptor)
