"""Sources and plans as messages of the contract, and back. Imports no grpc.

Options, reports and inspections have the fields of their messages: `dataclass_fields` serves them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tffreeze.v1 import freeze_service_pb2, model_pb2
from tffreeze_common.options import ModelSource
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.plan import Segment
from tffreeze_server.tensors.data import FileRange

MAX_LITERAL_BYTES = 1 << 20
"""What the contract allows in one literal."""

MAX_SPLICE_SEGMENTS = 4096
"""Ranges in one message: some 100 KB."""


def source_from_message(message: model_pb2.ModelSource, folder: Path) -> ModelSource:
    """Say where the files of a model are.

    Args:
        message: Its paths, relative to `folder`.
        folder: The model root, or where the upload was put.

    Raises:
        FreezeError: INVALID_OPTION or UPLOAD_MALFORMED for a path that is not as the contract says;
            MODEL_NOT_FOUND where no model is named.

    """
    bad = Reason.UPLOAD_MALFORMED if message.HasField("upload") else Reason.INVALID_OPTION
    if not message.model:
        raise FreezeError(Reason.MODEL_NOT_FOUND, "No model was named: set `source.model`.")
    absent = any(file.absent for file in message.upload.files)
    return ModelSource(
        model=folder / relative_path(message.model, bad),
        checkpoint=folder / relative_path(message.checkpoint, bad) if message.checkpoint else None,
        saver=folder / relative_path(message.saver, bad) if message.saver else None,
        op_list=folder / relative_path(message.op_list, bad) if message.op_list else None,
        weights_present=not absent,
    )


MAX_NAME_BYTES = 255
"""Of one part of a path: what file systems take (NAME_MAX of Linux)."""

MAX_PATH_BYTES = 4096
"""Of a path: what Linux takes (PATH_MAX)."""


def relative_path(name: str, bad: Reason) -> Path:
    """Check a path as the contract asks for it.

    Raises:
        FreezeError: `bad`, where it is absolute or has an empty part, `.`, `..`, a backslash or a NUL, or is
            too long for a file system.

    """
    parts = name.split("/")
    if len(name.encode()) > MAX_PATH_BYTES or any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        raise FreezeError(
            bad,
            f"The path {name[:100]!r}… is too long for a file system: it may have {MAX_PATH_BYTES:,} bytes, and each "
            f"of its parts {MAX_NAME_BYTES}.",
            subject=name[:100],
        )
    if not all(parts) or {".", ".."} & set(parts) or "\\" in name or "\0" in name:
        raise FreezeError(
            bad,
            f"{name!r} is not a path that the contract allows: relative, with `/` between its parts, "
            "without empty parts, `.`, `..`, backslashes and NULs.",
            subject=name,
        )
    return Path(*parts)


def splice_messages(
    segments: Iterable[Segment], file_indexes: Mapping[str, int], file_index: int = 0
) -> Iterator[freeze_service_pb2.SpliceSegments]:
    """Cut a plan into messages, none larger than some MiB.

    Args:
        segments: The plan's.
        file_indexes: The index in `Upload.files` of each file that a segment names.
        file_index: Of the file of the result.

    Raises:
        FreezeError: WEIGHTS_NEEDED where a segment must be put together from data.

    """
    message = freeze_service_pb2.SpliceSegments(file_index=file_index)
    literal_bytes = 0
    for piece in _pieces(segments, file_indexes):
        literal_bytes += len(piece.literal)
        if message.segments and (
            literal_bytes > MAX_LITERAL_BYTES or len(message.segments) >= MAX_SPLICE_SEGMENTS
        ):
            yield message
            message = freeze_service_pb2.SpliceSegments(file_index=file_index)
            literal_bytes = len(piece.literal)
        message.segments.append(piece)
    if message.segments:
        yield message


def _pieces(
    segments: Iterable[Segment], file_indexes: Mapping[str, int]
) -> Iterator[freeze_service_pb2.SpliceSegment]:
    for segment in segments:
        if isinstance(segment, bytes):
            for start in range(0, len(segment), MAX_LITERAL_BYTES):
                literal = segment[start : start + MAX_LITERAL_BYTES]
                yield freeze_service_pb2.SpliceSegment(literal=literal)
        elif isinstance(segment, FileRange) and segment.file in file_indexes:
            if segment.length_bytes:
                yield freeze_service_pb2.SpliceSegment(
                    range=freeze_service_pb2.SourceRange(
                        file_index=file_indexes[segment.file],
                        offset_bytes=segment.offset_bytes,
                        length_bytes=segment.length_bytes,
                        crc32c=segment.crc32c,
                    )
                )
        else:
            raise FreezeError(
                Reason.WEIGHTS_NEEDED,
                "This result holds weights that must be put together from the checkpoint's data, which "
                "stayed with the client. Send the data files, or ask for CONTENT.",
            )
