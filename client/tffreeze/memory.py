"""A result in memory."""

from __future__ import annotations


class MemoryOutput:
    """Receives the only file of a result. Another attempt starts over."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    @property
    def data(self) -> bytes:
        """What was written."""
        return b"".join(self._pieces)

    def begin(self, name: str, size_bytes: int) -> None:  # noqa: ARG002 - no room is taken for what may not come
        """Forget what the previous attempt has written."""
        self._pieces.clear()

    def write(self, data: bytes) -> None:
        """Keep it."""
        self._pieces.append(data)
