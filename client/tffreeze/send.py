"""The client's half of a call: a spec, then the chunks of the files that are sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from tffreeze.errors import TffreezeError, error_for
from tffreeze.local_model import LocalFile, open_local, sent
from tffreeze.v1 import freeze_service_pb2
from tffreeze.wire import chunk_request

CHUNK_BYTES = 1 << 20
"""What a server takes from a client that has not asked for its limits."""

OnProgress = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes that there will be."""

Request = freeze_service_pb2.FreezeRequest | freeze_service_pb2.InspectRequest


class Sender:
    """Gives the messages of a call; gRPC takes them in a thread of its own.

    An exception in there would only be logged: it is kept, and the upload ends early, which no server takes for
    whole. Whoever waits for the answer looks at `error` first.

    Args:
        files: The files, as declared.
        with_weights: Whether data files are sent.
        on_upload: Called with the bytes given to gRPC and the bytes there are.

    Attributes:
        total_bytes: Bytes of the files that are sent.
        error: Why the upload ended early.

    """

    def __init__(
        self, files: Sequence[LocalFile], *, with_weights: bool, on_upload: OnProgress | None = None
    ) -> None:
        self.error: TffreezeError | None = None
        self._files = list(sent(files, with_weights=with_weights))
        self.total_bytes = sum(file.size_bytes for _, file in self._files)
        self._on_upload = on_upload
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End: no one reads any more."""
        self._stopped.set()

    def messages(self, first: Request) -> Iterator[bytes]:
        """Give the spec and the chunks, each as it goes over the wire."""
        yield first.SerializeToString()
        try:
            yield from self._chunks()
        except TffreezeError as error:
            self.error = error

    def _chunks(self) -> Iterator[bytes]:
        done_bytes = 0
        for index, file in self._files:
            for offset, data in _read(file):
                if self._stopped.is_set():
                    return
                yield chunk_request(index, offset, data)
                done_bytes += len(data)
                if self._on_upload is not None:
                    self._on_upload(done_bytes, self.total_bytes)


def _read(file: LocalFile) -> Iterator[tuple[int, bytes]]:
    """Exactly the declared bytes of a file, each piece with its offset."""
    try:
        with open(open_local(file.path), "rb", buffering=0) as stream:  # noqa: PTH123 - a descriptor
            offset = 0
            while offset < file.size_bytes:
                data = stream.read(min(CHUNK_BYTES, file.size_bytes - offset))
                if not data:
                    message = (
                        f"The file {str(file.path)!r} has become shorter while it was read. Freeze it again."
                    )
                    raise error_for("FILE_NOT_READABLE", message, file.path.name)
                yield offset, data
                offset += len(data)
    except OSError as error:
        message = f"The file {str(file.path)!r} cannot be read: {error.strerror}."
        raise error_for("FILE_NOT_READABLE", message, file.path.name) from None
