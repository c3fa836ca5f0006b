"""From the messages of a server to a complete and correct result, or an error.

There is no gRPC here: the caller passes messages to `Receiver.take`, in order. The server is not trusted: what it
announces is checked against the request, ranges are checked before anything is copied, and each range and each file
is checked against its crc32c.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import google_crc32c

from tffreeze.asked import Asked
from tffreeze.chunk_messages import Content
from tffreeze.errors import error_for
from tffreeze.events import FreezeEvent, Started, Working, Writing
from tffreeze.local_file import COPY_BYTES, crc32c_of, open_local, read_local
from tffreeze.output import Output
from tffreeze.parse import broken
from tffreeze.v1 import freeze_service_pb2
from tffreeze_common.dataclass_fields import from_message
from tffreeze_common.report import Report

if TYPE_CHECKING:
    from hashlib import _Hash

TELL_BYTES = 1 << 20
"""Bytes between two progress events."""

MAX_CHUNK_BYTES = 1 << 20
"""The largest piece that a server may send: `Limits.max_content_chunk_bytes`."""


class Receiver:
    """Writes a result as its messages arrive. Closes the files that it opened.

    Args:
        output: Where the result goes.
        asked: The request.
        upload_bytes: Size of the upload.
        sha256: Whether to compute the sha256 of the first file.

    Attributes:
        report: What was frozen from what; None until the server has sent it.
        finished: Whether the result is complete.

    """

    def __init__(self, output: Output, asked: Asked, upload_bytes: int = 0, *, sha256: bool = False) -> None:
        self.report: Report | None = None
        self.finished = False
        self._output = output
        self._asked = asked
        self._upload_bytes = upload_bytes
        self._digest: _Hash | None = hashlib.sha256() if sha256 else None
        self._descriptors: dict[int, int] = {}
        self._expected: Sequence[freeze_service_pb2.OutputFile] = ()
        self._total_bytes = self._done_bytes = self._told_bytes = 0
        self._index = -1
        self._left_bytes = self._crc32c = 0

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *raised: object) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()

    @property
    def sha256(self) -> str | None:
        """The sha256 of the first file in hex; None if not requested."""
        return self._digest.hexdigest() if self._digest else None

    def take(self, response: Content | freeze_service_pb2.FreezeResponse) -> Iterator[FreezeEvent]:
        """Process one message while the caller iterates over its events.

        Raises:
            ServiceError: INTERNAL: the server breaks the contract.
            ModelFileError: CHECKSUM_MISMATCH, FILE_NOT_READABLE: a local file has changed.
            OSError: The output cannot be written.

        """
        if isinstance(response, Content):
            self._check_order("content")
            yield from self._chunk(response.file_index, response.data)
            return
        kind = response.WhichOneof("message")
        self._check_order(kind)
        if kind == "progress":
            yield self._working(response.progress)
        elif kind == "started":
            yield self._start(response.started)
        elif kind == "content":
            yield from self._chunk(response.content.file_index, response.content.data)
        elif kind == "splice":
            yield from self._splice(response.splice)
        elif kind == "finished":
            self._finish(response.finished)

    def _check_order(self, kind: str | None) -> None:
        """Check the order: progress, `started`, pieces, `finished`, nothing more."""
        is_early = kind in ("content", "splice", "finished") and self.report is None
        is_late = kind in ("progress", "started") and self.report is not None
        if self.finished or is_early or is_late:
            raise broken("sent messages in the wrong order")
        if kind in ("content", "splice") and self._asked.is_spliced is not (kind == "splice"):
            raise broken("sent the result with another delivery than requested")

    def _working(self, progress: freeze_service_pb2.Progress) -> Working:
        received_bytes = min(max(progress.received_bytes, 0), self._upload_bytes)
        return Working(_stage(progress.stage), received_bytes, self._upload_bytes)

    def _start(self, started: freeze_service_pb2.FreezeStarted) -> Started:
        self._asked.check(started)
        self.report = from_message(Report, started.report)
        self._expected = list(started.files)
        self._total_bytes = started.total_size_bytes
        self._go_to(0)
        return Started(self.report, self._total_bytes)

    def _finish(self, finished: freeze_service_pb2.FreezeFinished) -> None:
        self._go_to(len(self._expected))
        self._check_sha256(finished.sha256)
        self.finished = True

    def _go_to(self, index: int) -> None:
        """Switch to a file; those before it must be complete."""
        if index < self._index or index > len(self._expected):
            raise broken("sent files in the wrong order")
        while self._index < index:
            self._end_file()
            self._index += 1
            if self._index < len(self._expected):
                file = self._expected[self._index]
                self._left_bytes, self._crc32c = file.size_bytes, 0
                # Allocate space only for the first file: an asset has no size limit but the server's word.
                self._output.begin(file.name, file.size_bytes if self._index == 0 else 0)

    def _end_file(self) -> None:
        if self._index < 0:
            return
        file = self._expected[self._index]
        if self._left_bytes:
            raise broken(f"sent {self._left_bytes} bytes less than announced")
        if file.HasField("crc32c") and file.crc32c != self._crc32c:
            raise error_for(
                "CHECKSUM_MISMATCH",
                f"The result has the crc32c {self._crc32c:08x}, but should have {file.crc32c:08x}: it was damaged in "
                "transit, or a file of the model changed during the freeze. Freeze again.",
                file.name,
            )
        own = self._asked.own_file(file.name) if self._index > 0 else None
        if own is not None and crc32c_of(own) != self._crc32c:
            raise error_for(
                "CHECKSUM_MISMATCH",
                f"The asset {file.name!r} differs from {str(own.path)!r}: it was damaged in transit, or the file "
                "changed during the freeze. Freeze again.",
                file.name,
            )

    def _check_sha256(self, told: bytes) -> None:
        """Compare with the server's sha256. It sends one if requested, and if it has seen the weights."""
        expected = self._digest.digest() if self._digest and self._asked.spec.want_sha256 else b""
        if told == expected:
            return
        if not expected:
            raise broken("sent a sha256 that was not requested")
        raise error_for(
            "CHECKSUM_MISMATCH",
            f"The result has the sha256 {self.sha256}, but the server computed {told[:32].hex() or 'none'}: it was "
            "damaged in transit. Freeze again.",
            self._expected[0].name,
        )

    def _chunk(self, file_index: int, data: bytes) -> Iterator[Writing]:
        if not 1 <= len(data) <= MAX_CHUNK_BYTES:
            raise broken(f"sent a piece of {len(data):,} bytes; 1 to {MAX_CHUNK_BYTES:,} are allowed")
        self._go_to(file_index)
        if self._index == len(self._expected):
            raise broken("sent bytes of a file that was not announced")
        yield from self._write(data)

    def _write(self, data: bytes) -> Iterator[Writing]:
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise broken("sent more bytes than announced")
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        if self._digest is not None and self._index == 0:
            self._digest.update(data)
        self._output.write(data)
        self._done_bytes += len(data)
        is_last = self._done_bytes == self._total_bytes
        if is_last or self._done_bytes - self._told_bytes >= TELL_BYTES:
            self._told_bytes = self._done_bytes
            yield Writing(self._done_bytes, self._total_bytes)

    def _splice(self, splice: freeze_service_pb2.SpliceSegments) -> Iterator[Writing]:
        if not splice.segments:
            raise broken("sent a message without pieces")
        for segment in splice.segments:
            if segment.WhichOneof("segment") == "range":
                self._go_to(splice.file_index)
                yield from self._copy(segment.range)
            else:
                yield from self._chunk(splice.file_index, segment.literal)

    def _copy(self, source: freeze_service_pb2.SourceRange) -> Iterator[Writing]:
        end = source.offset_bytes + source.length_bytes
        files = self._asked.files
        if not 0 <= source.file_index < len(files) or source.offset_bytes < 0 or source.length_bytes <= 0:
            raise broken("asked for bytes of a file that the client did not declare")
        file = files[source.file_index]
        if end > file.size_bytes:
            raise broken(f"asked for bytes past the end of {file.name!r}")
        if source.length_bytes > self._left_bytes:
            raise broken("sent more bytes than announced")
        crc32c = 0
        for offset in range(source.offset_bytes, end, COPY_BYTES):
            data = self._read(source.file_index, min(COPY_BYTES, end - offset), offset)
            crc32c = google_crc32c.extend(crc32c, data)
            yield from self._write(data)
        if source.HasField("crc32c") and crc32c != source.crc32c:
            raise error_for(
                "CHECKSUM_MISMATCH",
                f"{str(file.path)!r} is damaged: the {source.length_bytes} bytes from {source.offset_bytes} on have "
                f"the crc32c {crc32c:08x}, but the index has {source.crc32c:08x}. Copy the checkpoint again.",
                file.path.name,
            )

    def _read(self, index: int, length_bytes: int, offset_bytes: int) -> bytes:
        path = self._asked.files[index].path
        if index not in self._descriptors:
            self._descriptors[index] = open_local(path)
        return read_local(self._descriptors[index], path, length_bytes, offset_bytes)


def _stage(number: int) -> str:
    stages = freeze_service_pb2.Progress.Stage
    return stages.Name(number).removeprefix("STAGE_") if number in stages.values() else "UNSPECIFIED"
