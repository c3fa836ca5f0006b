"""From a plan to messages of the contract, as bytes.

Chunks of a result become messages by a head put before them: a message of the contract would copy each twice more.
All of these are plain iterators for a thread to step through, one message at a time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from tffreeze.v1 import freeze_service_pb2, inspection_pb2, report_pb2
from tffreeze_common.dataclass_fields import to_message
from tffreeze_common.inspection import Inspection
from tffreeze_common.wire import field_head
from tffreeze_server.emit import emit
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.plan import Segment
from tffreeze_server.rpc.messages import splice_messages
from tffreeze_server.rpc.page_cache import MAX_PIECES, PageCache, open_page_cache
from tffreeze_server.rpc.place import DeclaredFile
from tffreeze_server.rpc.result import Result
from tffreeze_server.tensors.data import MAX_CHUNK_BYTES, Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles

# Field numbers of proto/tffreeze/v1/freeze_service.proto.
_RESPONSE_CONTENT = 3
_CONTENT_DATA = 2


class Digest(emit.Digest, Protocol):
    """One that is told, too."""

    def digest(self) -> bytes:
        """Give the digest."""


def new_sha256() -> Digest:
    """Begin a sha256."""
    return hashlib.sha256()


def started_message(result: Result, delivery: freeze_service_pb2.Delivery) -> bytes:
    """Tell what the result will be."""
    report = to_message(report_pb2.Report(), result.report)
    started = freeze_service_pb2.FreezeStarted(
        report=report, total_size_bytes=result.size_bytes, delivery=delivery
    )
    plan = result.plan
    started.files.add(name=result.name, size_bytes=plan.size_bytes, crc32c=plan.crc32c)
    for asset in result.assets:
        started.files.add(name=asset.name, size_bytes=asset.size_bytes)
    return freeze_service_pb2.FreezeResponse(started=started).SerializeToString()


def inspect_response(inspection: Inspection) -> bytes:
    """Tell what a model is."""
    message = to_message(inspection_pb2.Inspection(), inspection)
    return freeze_service_pb2.InspectResponse(inspection=message).SerializeToString()


def finished_message(digest: Digest | None) -> bytes:
    """Tell that all has been sent."""
    finished = freeze_service_pb2.FreezeFinished(sha256=digest.digest() if digest else b"")
    return freeze_service_pb2.FreezeResponse(finished=finished).SerializeToString()


def content_head(file_index: int, data_bytes: int) -> bytes:
    """What stands before so many bytes of the result: together, a FreezeResponse with a ContentChunk."""
    head = _CONTENT_HEADS[file_index] + field_head(_CONTENT_DATA, data_bytes)
    return field_head(_RESPONSE_CONTENT, len(head) + data_bytes) + head


class _ContentHeads(dict[int, bytes]):
    """The field `file_index` of a ContentChunk, as protobuf writes it."""

    def __missing__(self, file_index: int) -> bytes:
        self[file_index] = freeze_service_pb2.ContentChunk(file_index=file_index).SerializeToString()
        return self[file_index]


_CONTENT_HEADS = _ContentHeads()


class Delivery(Protocol):
    """Messages to be sent one after the other."""

    def messages(self) -> Iterator[bytes]:
        """Give them.

        Raises:
            FreezeError: What reading raises.

        """

    def is_next_cached(self) -> bool:
        """Whether the next is made without waiting for a disk, and soon."""


class Content:
    """A result with its bytes.

    Args:
        result: What to deliver.
        files: To read the plan's ranges from.
        max_chunk_bytes: Of one message's data.
        digest: Updated with the bytes of the first file.

    """

    def __init__(
        self, result: Result, files: SourceFiles, max_chunk_bytes: int, digest: Digest | None
    ) -> None:
        self._result = result
        self._files = files
        self._max_chunk_bytes = max_chunk_bytes
        self._digest = digest
        self._made_bytes = 0
        self._page_cache: PageCache | None = None

    def messages(self) -> Iterator[bytes]:
        """Give the messages."""
        if self._digest is None:
            self._page_cache = open_page_cache(self._result.plan, self._files)
        head = partial(content_head, 0)
        for message in emit.framed_chunks(
            self._result.plan, self._files, self._max_chunk_bytes, head, self._digest
        ):
            self._made_bytes += self._max_chunk_bytes
            yield message
        for index, asset in enumerate(self._result.assets, 1):
            for start in range(0, asset.size_bytes, self._max_chunk_bytes):
                data = self._files.pread(
                    asset.name, min(self._max_chunk_bytes, asset.size_bytes - start), start
                )
                yield content_head(index, len(data)) + data
            self._files.close(asset.name)

    def is_next_cached(self) -> bool:
        """Whether the next message needs no asset and no digest, and its bytes are in memory."""
        # Up to one piece more than a chunk is read for it.
        end_bytes = self._made_bytes + self._max_chunk_bytes + MAX_CHUNK_BYTES
        last = end_bytes >= self._result.plan.size_bytes and self._result.assets
        return self._page_cache is not None and not last and self._page_cache.has(self._made_bytes, end_bytes)


class Splice:
    """A result as literals and ranges of the client's files.

    Args:
        result: What to deliver.
        files: To read values from that must be put together.
        declared: The client's files.
        folder: Where they are, or would be, in the spool.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT where a range ends after its file does.

    """

    def __init__(
        self, result: Result, files: SourceFiles, declared: Sequence[DeclaredFile], folder: Path
    ) -> None:
        indexes = {file.name: index for index, file in enumerate(declared)}
        self._result = result
        self._files = files
        self._indexes = {
            name: indexes[relative]
            for name, path in result.plan.files.items()
            if (relative := os.path.relpath(path, folder)) in indexes
        }
        self._asset_indexes = [indexes[os.path.relpath(asset.path, folder)] for asset in result.assets]
        _check_ranges(result.plan.segments, self._indexes, declared)
        few = len(result.plan.segments) <= MAX_PIECES
        self._is_cached = few and not any(_is_value(segment) for segment in result.plan.segments)

    def is_next_cached(self) -> bool:
        """Whether nothing is read at all, and all is few pieces."""
        return self._is_cached

    def messages(self) -> Iterator[bytes]:
        """Give the messages."""
        pieces = _with_values(self._result.plan.segments, self._files)
        for message in splice_messages(pieces, self._indexes):
            yield freeze_service_pb2.FreezeResponse(splice=message).SerializeToString()
        for index, asset in enumerate(self._result.assets, 1):
            if asset.size_bytes:
                whole = FileRange(asset.name, 0, asset.size_bytes, None)
                for message in splice_messages([whole], {asset.name: self._asset_indexes[index - 1]}, index):
                    yield freeze_service_pb2.FreezeResponse(splice=message).SerializeToString()


def _with_values(segments: Iterable[Segment], files: SourceFiles) -> Iterator[bytes | FileRange]:
    """Give ranges where a value stands in ranges, and its bytes where it must be put together."""
    for segment in segments:
        if isinstance(segment, bytes | FileRange):
            yield segment
        elif segment.ranges:
            yield from segment.ranges
        else:
            yield from segment.chunks(files)


def _is_value(segment: Segment) -> bool:
    return isinstance(segment, Assembled) and not segment.ranges


def _check_ranges(
    segments: Iterable[Segment], indexes: Mapping[str, int], declared: Sequence[DeclaredFile]
) -> None:
    for segment in segments:
        if isinstance(segment, bytes):
            continue
        for piece in (segment,) if isinstance(segment, FileRange) else segment.ranges:
            file = declared[indexes[piece.file]]
            if piece.offset_bytes + piece.length_bytes > file.size_bytes:
                raise FreezeError(
                    Reason.MALFORMED_CHECKPOINT,
                    f"{file.name!r} was declared with {file.size_bytes:,} bytes, and the checkpoint's index has a "
                    f"tensor that ends at byte {piece.offset_bytes + piece.length_bytes:,}: the file was cut short, or "
                    "belongs to another checkpoint. Copy the checkpoint again.",
                    subject=file.name,
                )
