"""From the messages of a server to a result that is whole and right, or an error.

No gRPC in here: whoever has messages gives them to `Receiver.take`, in order. Nothing in them is believed:
names, sizes and ranges are checked before anything is opened or copied, every range and every file
against its crc32c.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import google_crc32c

from tffreeze.errors import TffreezeError, error_for
from tffreeze.events import FreezeEvent, Started, Working, Writing
from tffreeze.local_model import LocalFile, open_local
from tffreeze.output import Output
from tffreeze.report import Report
from tffreeze.v1 import freeze_service_pb2
from tffreeze.wire import Content

if TYPE_CHECKING:
    from hashlib import _Hash

COPY_BYTES = 1 << 18
"""How much of a local file is in memory at once: small enough for the cores' caches."""

TELL_BYTES = 1 << 20
"""After how many bytes it is told again how far it is."""

_FIRST_FILES = ("frozen.pb", "frozen.pbtxt", "saved_model.pb", "saved_model.pbtxt")


class Receiver:
    """Writes a result as its messages come; closes what it opened.

    Args:
        output: Where it goes.
        files: The caller's files, as declared.
        upload_bytes: How many of their bytes are sent.
        sha256: Whether the sha256 of the first file is wanted.

    Attributes:
        report: What was frozen from what; None until the server has told.
        finished: Whether the result is whole.

    """

    def __init__(
        self, output: Output, files: Sequence[LocalFile] = (), upload_bytes: int = 0, *, sha256: bool = False
    ) -> None:
        self.report: Report | None = None
        self.finished = False
        self._output = output
        self._files = files
        self._upload_bytes = upload_bytes
        self._digest: _Hash | None = hashlib.sha256() if sha256 else None
        self._is_spliced = False
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
        """The sha256 of the first file in hex, where it is wanted."""
        return self._digest.hexdigest() if self._digest else None

    def take(self, response: Content | freeze_service_pb2.FreezeResponse) -> Iterator[FreezeEvent]:
        """Go on with one message, as far as the iterator is asked for what happens.

        Raises:
            ServiceError: INTERNAL: the server breaks the contract.
            ModelFileError: CHECKSUM_MISMATCH, FILE_NOT_READABLE: a local file is not what it was.
            OSError: The output cannot be written.

        """
        if isinstance(response, Content):
            self._check_order("content")
            self._go_to(response.file_index)
            yield from self._write(response.data)
            return
        kind = response.WhichOneof("message")
        self._check_order(kind)
        if kind == "progress":
            progress = response.progress
            yield Working(_stage(progress.stage), progress.received_bytes, self._upload_bytes)
        elif kind == "started":
            yield self._start(response.started)
        elif kind == "content":
            self._go_to(response.content.file_index)
            yield from self._write(response.content.data)
        elif kind == "splice":
            self._go_to(response.splice.file_index)
            for segment in response.splice.segments:
                yield from self._splice(segment)
        elif kind == "finished":
            self._go_to(len(self._expected))
            self._check_sha256(response.finished.sha256)
            self.finished = True

    def _check_order(self, kind: str | None) -> None:
        if self.finished or (kind in ("content", "splice", "finished") and self.report is None):
            raise _broken("sent messages in a wrong order")

    def _start(self, started: freeze_service_pb2.FreezeStarted) -> Started:
        names = [file.name for file in started.files]
        if self.report is not None or not names or names[0] not in _FIRST_FILES:
            raise _broken("did not say what it sends")
        if any(not _is_asset(name) for name in names[1:]) or len(set(names)) < len(names):
            raise _broken("sent a file that is no asset")
        self.report = Report.from_message(started.report)
        self._expected = list(started.files)
        self._is_spliced = started.delivery == freeze_service_pb2.DELIVERY_SPLICE
        self._total_bytes = sum(file.size_bytes for file in started.files)
        self._go_to(0)
        return Started(self.report, self._total_bytes)

    def _go_to(self, index: int) -> None:
        """Go on with a file; those before it must be whole."""
        if index < self._index or index > len(self._expected):
            raise _broken("sent its files in a wrong order")
        while self._index < index:
            self._end_file()
            self._index += 1
            if self._index < len(self._expected):
                file = self._expected[self._index]
                self._left_bytes, self._crc32c = file.size_bytes, 0
                self._output.begin(file.name, file.size_bytes)

    def _end_file(self) -> None:
        if self._index < 0:
            return
        file = self._expected[self._index]
        if self._left_bytes:
            raise _broken(f"sent {self._left_bytes} bytes less than it said")
        if file.HasField("crc32c") and file.crc32c != self._crc32c:
            raise error_for(
                "CHECKSUM_MISMATCH",
                f"The result has the crc32c {self._crc32c:08x}, and should have {file.crc32c:08x}: it was damaged on "
                "its way, or a file of the model changed meanwhile. Freeze it again.",
                file.name,
            )

    def _check_sha256(self, told: bytes) -> None:
        """Compare with the server's: it has one where it has seen the weights."""
        if self._digest is None or told == (b"" if self._is_spliced else self._digest.digest()):
            return
        raise error_for(
            "CHECKSUM_MISMATCH",
            f"The result has the sha256 {self.sha256}, and the server says {told.hex() or 'none'}: it was damaged on "
            "its way. Freeze it again.",
            self._expected[0].name,
        )

    def _write(self, data: bytes) -> Iterator[Writing]:
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            raise _broken("sent more bytes than it said")
        self._crc32c = google_crc32c.extend(self._crc32c, data)
        if self._digest is not None and self._index == 0:
            self._digest.update(data)
        self._output.write(data)
        self._done_bytes += len(data)
        is_last = self._done_bytes == self._total_bytes
        if is_last or self._done_bytes - self._told_bytes >= TELL_BYTES:
            self._told_bytes = self._done_bytes
            yield Writing(self._done_bytes, self._total_bytes)

    def _splice(self, segment: freeze_service_pb2.SpliceSegment) -> Iterator[Writing]:
        if segment.WhichOneof("segment") == "range":
            yield from self._copy(segment.range)
        else:
            yield from self._write(segment.literal)

    def _copy(self, source: freeze_service_pb2.SourceRange) -> Iterator[Writing]:
        end = source.offset_bytes + source.length_bytes
        if (
            not 0 <= source.file_index < len(self._files)
            or source.offset_bytes < 0
            or source.length_bytes <= 0
        ):
            raise _broken("asked for bytes of a file that was not declared")
        file = self._files[source.file_index]
        if end > file.size_bytes:
            raise _broken(f"asked for bytes after the end of {file.name!r}")
        crc32c = 0
        for offset in range(source.offset_bytes, end, COPY_BYTES):
            data = self._read(source.file_index, min(COPY_BYTES, end - offset), offset)
            crc32c = google_crc32c.extend(crc32c, data)
            yield from self._write(data)
        if source.HasField("crc32c") and crc32c != source.crc32c:
            raise error_for(
                "CHECKSUM_MISMATCH",
                f"{str(file.path)!r} is damaged: the {source.length_bytes} bytes from {source.offset_bytes} on have "
                f"the crc32c {crc32c:08x}, and its index says {source.crc32c:08x}. Copy the checkpoint again.",
                file.path.name,
            )

    def _read(self, index: int, length_bytes: int, offset_bytes: int) -> bytes:
        file = self._files[index]
        try:
            if index not in self._descriptors:
                self._descriptors[index] = open_local(file.path)
            data = os.pread(self._descriptors[index], length_bytes, offset_bytes)
            while 0 < len(data) < length_bytes:
                more = os.pread(self._descriptors[index], length_bytes - len(data), offset_bytes + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise error_for(
                "FILE_NOT_READABLE",
                f"The file {str(file.path)!r} cannot be read: {error.strerror}.",
                file.path.name,
            ) from None
        if len(data) != length_bytes:
            message = f"The file {str(file.path)!r} has become shorter while it was read. Freeze it again."
            raise error_for("FILE_NOT_READABLE", message, file.path.name)
        return data


def _stage(number: int) -> str:
    stages = freeze_service_pb2.Progress.Stage
    return stages.Name(number).removeprefix("STAGE_") if number in stages.values() else "UNSPECIFIED"


def _is_asset(name: str) -> bool:
    parts = name.split("/")
    inside = all(parts) and not {".", ".."} & set(parts) and "\\" not in name and "\0" not in name
    return inside and parts[0] == "assets" and len(parts) > 1


def _broken(what: str) -> TffreezeError:
    return error_for("INTERNAL", f"The server {what}: it does not keep to the contract tffreeze.v1.")
