"""Count what goes over a connection: a proxy on the loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

_MAX_READ_BYTES = 1 << 20


class Wire:
    """A port that passes everything on to another.

    Args:
        address: `HOST:PORT` of the other.

    Attributes:
        address: `HOST:PORT` of this one.
        passed_bytes: What went through so far, both ways.

    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._to = host, int(port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.passed_bytes = 0
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"

    def serve(self) -> None:
        """Take connections until `close`."""
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listening.accept()
                theirs = socket.create_connection(self._to)
                for source, sink in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_MAX_READ_BYTES):
                with self._lock:
                    self.passed_bytes += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def wire(address: str) -> Iterator[Wire]:
    """Put a wire that counts before an address."""
    counted = Wire(address)
    threading.Thread(target=counted.serve, daemon=True).start()
    try:
        yield counted
    finally:
        counted.close()
