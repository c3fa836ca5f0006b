"""Check uploads: what a client declares, and the order of its chunks. No IO.

Declared names become paths in the spool, and declared sizes need room there, so both are checked before anything is
received. Each chunk must begin where the one before ended.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from tffreeze.v1 import model_pb2
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.chunk import Chunk
from tffreeze_server.rpc.limits import (
    MAX_CHUNK_BYTES,
    MAX_FILE_NAME_BYTES,
    CallSettings,
    largest_upload_bytes,
)
from tffreeze_server.rpc.messages import relative_path
from tffreeze_server.rpc.place import DeclaredFile, to_come_bytes

MAX_NAME_PARTS = 16
"""Of a file name. The deepest files of real models have five."""

MAX_FOLDERS = 1000
"""Of one upload: a folder takes as long to make as a file."""

_FILES = "spec.source.upload.files"


def declared_files(
    upload: model_pb2.Upload, settings: CallSettings, *, absent_allowed: bool
) -> tuple[DeclaredFile, ...]:
    """Check what a client declares.

    Raises:
        FreezeError: UPLOAD_TOO_LARGE, UPLOAD_MALFORMED (with the field).

    """
    if len(upload.files) > settings.max_upload_files:
        raise FreezeError(
            Reason.UPLOAD_TOO_LARGE,
            f"The upload has {len(upload.files)} files, and {settings.max_upload_files} are allowed. Send only what "
            "a freeze reads: the model, the checkpoint's index and its data files.",
        )
    files = tuple(
        _declared_file(file, f"{_FILES}[{index}]", absent_allowed) for index, file in enumerate(upload.files)
    )
    _check_folders(files)
    _check_unique(files)
    _check_size(to_come_bytes(files), settings)
    return files


def _declared_file(file: model_pb2.UploadedFile, field: str, absent_allowed: bool) -> DeclaredFile:
    _check_name(file.name, f"{field}.name")
    if file.size_bytes < 0:
        raise _malformed(
            f"{field}.size_bytes", f"{file.name!r} is declared with {file.size_bytes} bytes.", file.name
        )
    if file.absent and not absent_allowed:
        raise _malformed(
            f"{field}.absent",
            f"{file.name!r} is declared absent, which is for delivery SPLICE and for Inspect. Send the file.",
            file.name,
        )
    return DeclaredFile(file.name, file.size_bytes, file.absent)


def _check_name(name: str, field: str) -> None:
    size_bytes = len(name.encode())
    if size_bytes > MAX_FILE_NAME_BYTES:
        raise _malformed(
            field,
            f"A file name is {size_bytes} bytes long, and {MAX_FILE_NAME_BYTES} are allowed.",
            name[:100],
        )
    try:
        relative_path(name, Reason.UPLOAD_MALFORMED)
    except FreezeError as error:
        raise _malformed(field, error.message, name) from None
    parts = name.count("/") + 1
    if parts > MAX_NAME_PARTS:
        raise _malformed(
            field, f"A file name has {parts} parts, and {MAX_NAME_PARTS} are allowed.", name[:100]
        )


def _check_folders(files: Sequence[DeclaredFile]) -> None:
    """Limit the number of folders."""
    folders = {folder for file in files for folder in _folders_of(file.name)}
    if len(folders) > MAX_FOLDERS:
        raise FreezeError(
            Reason.UPLOAD_TOO_LARGE,
            f"The files of the upload lie in {len(folders):,} folders, and {MAX_FOLDERS:,} are allowed. "
            "Send only what a freeze reads: the model, the checkpoint's index and its data files.",
        )


def _check_unique(files: Sequence[DeclaredFile]) -> None:
    """Refuse two names for one file, also on file systems that ignore case."""
    folded = [unicodedata.normalize("NFC", file.name).casefold() for file in files]
    first: dict[str, int] = {}
    for index, name in enumerate(folded):
        if name in first:
            raise _malformed(
                f"{_FILES}[{index}].name",
                f"{files[index].name!r} and {files[first[name]].name!r} are the same name where case does not count.",
                files[index].name,
            )
        first[name] = index
    for index, name in enumerate(folded):
        for folder in _folders_of(name):
            if folder in first:
                raise _malformed(
                    f"{_FILES}[{index}].name",
                    f"{files[first[folder]].name!r} is declared as a file and is a folder of {files[index].name!r}.",
                    files[index].name,
                )


def _folders_of(name: str) -> Iterator[str]:
    for end, letter in enumerate(name):
        if letter == "/":
            yield name[:end]


def _check_size(size_bytes: int, settings: CallSettings) -> None:
    allowed_bytes = largest_upload_bytes(settings)
    if 0 < allowed_bytes < size_bytes:
        raise FreezeError(
            Reason.UPLOAD_TOO_LARGE,
            f"The upload is {size_bytes:,} bytes, and {allowed_bytes:,} are allowed. Leave the weights where they are "
            "(SPLICE), or put the model into a model root of the server.",
        )


class ChunkOrder:
    """Checks that each chunk is the next one.

    Args:
        files: As declared.
        max_chunk_bytes: Of one chunk.

    """

    def __init__(self, files: Sequence[DeclaredFile], max_chunk_bytes: int = MAX_CHUNK_BYTES) -> None:
        self._files = files
        self._max_chunk_bytes = max_chunk_bytes
        self._to_come = [index for index, file in enumerate(files) if file.to_come_bytes]
        self._to_come.reverse()
        self._offset_bytes = 0

    def accept(self, chunk: Chunk) -> None:
        """Check a chunk.

        Raises:
            FreezeError: UPLOAD_MALFORMED with the field.

        """
        if not self._to_come:
            raise _malformed("chunk", "A chunk came after the last byte of the declared files.")
        index = self._to_come[-1]
        file = self._files[index]
        if chunk.file_index != index:
            raise _malformed(
                "chunk.file_index",
                f"A chunk of file {chunk.file_index} came, and file {index} ({file.name!r}) is at byte "
                f"{self._offset_bytes:,} of {file.size_bytes:,}. Send the files in declared order, each whole, and "
                "nothing of absent ones.",
                file.name,
            )
        if chunk.offset_bytes != self._offset_bytes:
            raise _malformed(
                "chunk.offset_bytes",
                f"A chunk of {file.name!r} begins at byte {chunk.offset_bytes:,}, and {self._offset_bytes:,} came.",
                file.name,
            )
        self._check_data(len(chunk.data), file)
        self._offset_bytes += len(chunk.data)
        if self._offset_bytes == file.size_bytes:
            self._to_come.pop()
            self._offset_bytes = 0

    @property
    def is_complete(self) -> bool:
        """Whether all bytes have arrived."""
        return not self._to_come

    def finish(self) -> None:
        """Check that all bytes have arrived.

        Raises:
            FreezeError: UPLOAD_MALFORMED.

        """
        if self._to_come:
            file = self._files[self._to_come[-1]]
            raise _malformed(
                "chunk",
                f"The stream ended with {file.name!r} at byte {self._offset_bytes:,} of the declared "
                f"{file.size_bytes:,}. Send the files whole, or declare the size they have.",
                file.name,
            )

    def _check_data(self, size_bytes: int, file: DeclaredFile) -> None:
        if not 1 <= size_bytes <= self._max_chunk_bytes:
            raise _malformed(
                "chunk.data",
                f"A chunk of {file.name!r} is {size_bytes:,} bytes, and 1 to {self._max_chunk_bytes:,} are allowed.",
                file.name,
            )
        if self._offset_bytes + size_bytes > file.size_bytes:
            raise _malformed(
                "chunk.data",
                f"{file.name!r} was declared with {file.size_bytes:,} bytes, and more came. It may have changed "
                "while it was sent: try again.",
                file.name,
            )


def _malformed(field: str, message: str, subject: str = "") -> FreezeError:
    return FreezeError(Reason.UPLOAD_MALFORMED, message, subject=subject, field=field)
