"""From a plan to bytes: a file, a directory, a stream, or chunks.

Weights are always read in chunks, with their crc32c checked, and never held in memory. Measured for 1 GB (2 cores,
ext4 on NVMe, warm page cache; `cp`, without checks and fsync, takes 0.26 s):

- one thread that reads, checks and writes: 0.32 s
- a thread that reads and checks, ahead of writes of four chunks of 128 KB: 0.28 s (1 s with chunks of 1 MB, which
  do not fit into the CPU's cache)
- `copy_file_range`, and a second read for the check: 0.34 s

fsync before rename adds 0.1 to 0.4 s. Like `cp`, compilers and linkers, we do it only on request: without it a killed
process still leaves a complete file or none, and only a power cut within seconds could leave a partial one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Protocol

from tffreeze_files.writer import Output, OutputError, check_target, open_output
from tffreeze_server.emit.read_ahead import read_ahead
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.plan import Plan
from tffreeze_server.tensors.data import MAX_CHUNK_BYTES
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tensors.verified import constant_name, verified_chunks

Progress = Callable[[int, int], None]
"""Called with the bytes done so far and the total."""


class Digest(Protocol):
    """A hash object of `hashlib`."""

    def update(self, data: bytes, /) -> None:
        """Update the hash with `data`."""


_WRITE_CHUNKS = 4
_MAX_WRITES_AHEAD = 4
_MIN_THREADED_BYTES = 16 << 20


class BinaryStream(Protocol):
    """The stream that `write_stream` needs."""

    def write(self, data: bytes, /) -> int:
        """Write `data` or its first part; return the number of bytes."""


def write_file(
    plan: Plan,
    path: Path,
    progress: Progress | None = None,
    *,
    fsync: bool = False,
    digest: Digest | None = None,
) -> None:
    """Write the plan to a file that appears complete or not at all.

    An existing file is replaced; a device or a pipe is written to. Permissions are those of any new file.

    Args:
        plan: The plan.
        path: The file.
        progress: Called with the progress.
        fsync: Whether to flush the file to disk before rename, as a guard against a power cut.
        digest: Updated with all bytes.

    Raises:
        FreezeError: OUTPUT_NOT_WRITABLE, DISK_FULL; what reading the weights raises (`verified_chunks`).

    """
    with output_failures():
        check_target(path, plan.files.values())
        with SourceFiles(plan.files) as files, open_output(path, fsync=fsync) as output:
            write_plan(plan, files, output, progress, digest)


def write_plan(  # noqa: PLR0913, PLR0917  what to write, where, and who is told
    plan: Plan,
    files: SourceFiles,
    output: Output,
    progress: Progress | None = None,
    digest: Digest | None = None,
    name: str = "",
) -> None:
    """Write the plan as one file of an output; arguments and errors as for `write_file`.

    Raises:
        OutputError: It cannot be written.

    """
    output.begin(name, plan.size_bytes)
    batches = _batches(_digested(chunks(plan, files, MAX_CHUNK_BYTES), digest))
    if plan.size_bytes >= _MIN_THREADED_BYTES:
        batches = read_ahead(batches, _MAX_WRITES_AHEAD)
    with closing(batches):
        for batch in _counted(batches, plan.size_bytes, progress):
            output.write(*batch)


@contextmanager
def output_failures() -> Iterator[None]:
    """Turn an OutputError into the engine's exception."""
    try:
        yield
    except OutputError as error:
        raise FreezeError(Reason[error.reason], error.message, subject=error.subject) from None


def write_stream(
    plan: Plan, stream: BinaryStream, progress: Progress | None = None, digest: Digest | None = None
) -> None:
    """Write the plan to a binary stream, such as a pipe; `digest` is updated with all bytes.

    Raises:
        FreezeError: What reading the weights raises; part of the plan may be written.
        OSError: What the stream raises, such as BrokenPipeError.

    """
    with SourceFiles(plan.files) as files:
        batches = _batches(_digested(chunks(plan, files, MAX_CHUNK_BYTES), digest), 1)
        for batch in _counted(batches, plan.size_bytes, progress):
            for piece in batch:
                _write_all(stream.write, piece)


def chunks(plan: Plan, files: SourceFiles, max_chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Yield the plan's bytes in chunks of at most `max_chunk_bytes`, joining small pieces.

    Raises:
        FreezeError: What reading the weights raises.

    """
    pending: list[bytes] = []
    pending_bytes = 0
    for piece in _pieces(plan, files, max_chunk_bytes):
        if pending_bytes + len(piece) > max_chunk_bytes:
            yield b"".join(pending)
            pending = []
            pending_bytes = 0
        pending.append(piece)
        pending_bytes += len(piece)
    if pending_bytes:
        yield b"".join(pending)


def framed_chunks(
    plan: Plan,
    files: SourceFiles,
    chunk_bytes: int,
    head: Callable[[int], bytes],
    digest: Digest | None = None,
) -> Iterator[bytes]:
    """Yield the plan's bytes in chunks of `chunk_bytes` and a last one, each preceded by a head for its length.

    A chunk is built from small pieces that are still in the CPU's cache, and is not copied again.

    Args:
        plan: The plan.
        files: The files of its ranges.
        chunk_bytes: Size of a chunk without its head.
        head: Makes the head for a length.
        digest: Updated with all bytes of the plan.

    Raises:
        FreezeError: What reading the weights raises, before the last chunk is yielded.

    """
    pieces = _digested(_pieces(plan, files, chunk_bytes), digest)
    rest = memoryview(b"")
    for start_bytes in range(0, plan.size_bytes, chunk_bytes):
        left_bytes = min(chunk_bytes, plan.size_bytes - start_bytes)
        is_last = start_bytes + left_bytes == plan.size_bytes
        chunk = io.BytesIO()
        chunk.write(head(left_bytes))
        while left_bytes:
            rest = rest or memoryview(next(pieces))
            written_bytes = chunk.write(rest[:left_bytes])
            left_bytes -= written_bytes
            rest = rest[written_bytes:]
        if is_last:
            next(pieces, None)  # this checks the crc32c of the last range
        yield chunk.getvalue()


def _digested(pieces: Iterator[bytes], digest: Digest | None) -> Iterator[bytes]:
    for piece in pieces:
        if digest is not None:
            digest.update(piece)
        yield piece


def _batches(pieces: Iterator[bytes], max_pieces: int = _WRITE_CHUNKS) -> Generator[list[bytes], None, None]:
    while batch := list(islice(pieces, max_pieces)):
        yield batch


def _write_all(write: Callable[[bytes], int], data: bytes) -> None:
    """Write all of `data`. A write may be short: to an unbuffered pipe, or to a nearly full disk."""
    written_bytes = write(data)
    while written_bytes < len(data):
        written_bytes += write(data[written_bytes:])


def _pieces(plan: Plan, files: SourceFiles, max_piece_bytes: int) -> Iterator[bytes]:
    for segment in plan.segments:
        if isinstance(segment, bytes):
            yield from _cut(segment, max_piece_bytes)
        else:
            for chunk in verified_chunks(segment, files, constant_name(segment, plan.constants)):
                yield from _cut(chunk, max_piece_bytes)


def _cut(data: bytes, max_piece_bytes: int) -> Iterator[bytes]:
    if len(data) <= max_piece_bytes:
        yield data
        return
    for start in range(0, len(data), max_piece_bytes):
        yield data[start : start + max_piece_bytes]


def _counted(
    batches: Iterable[list[bytes]], total_bytes: int, progress: Progress | None
) -> Iterator[list[bytes]]:
    """Report each batch when the next one is requested: by then it has been written."""
    done_bytes = 0
    for batch in batches:
        yield batch
        done_bytes += sum(map(len, batch))
        if progress is not None:
            progress(done_bytes, total_bytes)
