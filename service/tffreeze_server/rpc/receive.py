"""From a stream of chunks to files in the spool.

While some chunks are written in a thread the next are received; both together are never more than some megabytes.
Room in the spool is counted before a chunk is written. A call that ends has its thread stop before the next file.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import TypeVar

from tffreeze.v1 import freeze_service_pb2
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc import spool
from tffreeze_server.rpc.call import Call
from tffreeze_server.rpc.chunk import Chunk, read_chunk
from tffreeze_server.rpc.client_message import client_message
from tffreeze_server.rpc.job import Job
from tffreeze_server.rpc.place import DeclaredFile, Place
from tffreeze_server.rpc.spool import UploadFolder
from tffreeze_server.rpc.upload import ChunkOrder

PROGRESS_BYTES = 16 << 20
"""How often a client hears what has come."""

MAX_WAITING_BYTES = 4 << 20
"""Received and not yet being written."""

DISK_STEP_BYTES = 16 << 20
"""How far ahead of its bytes a file takes room on the disk."""

Request = TypeVar("Request", freeze_service_pb2.FreezeRequest, freeze_service_pb2.InspectRequest)


async def first_message(call: Call, request_type: type[Request]) -> Request:
    """Receive the message that says what is wanted.

    Raises:
        FreezeError: UPLOAD_MALFORMED, CLIENT_TOO_SLOW.

    """
    message = await call.read()
    if message is None:
        await call.give_time_to_vanish()
        raise _malformed("The stream ended before the first message: a spec must come first.")
    request = client_message(request_type, message)
    if not request.HasField("spec"):
        raise _malformed("The first message holds no spec. Send it before the files.")
    return request


async def receive_files(
    call: Call, job: Job, request_type: type[Request], place: Place, folder: UploadFolder | None
) -> None:
    """Receive the rest of the client's messages, down to the half-close.

    Args:
        call: The call.
        job: Its job.
        request_type: What the messages are.
        place: What was declared.
        folder: Where to put it; None where nothing was: then no chunk is right.

    Raises:
        FreezeError: UPLOAD_MALFORMED, CLIENT_TOO_SLOW, QUOTA_EXCEEDED, DISK_FULL.

    """
    writer = Writer(place.declared, folder)
    job.files.callback(writer.close)
    try:
        await _receive(call, job, request_type, ChunkOrder(place.declared), writer)
    finally:
        writer.stop()


async def _receive(
    call: Call, job: Job, request_type: type[Request], order: ChunkOrder, writer: Writer
) -> None:
    writing = job.begin_io(writer.make_empty_files)
    waiting: list[Chunk] = []
    waiting_bytes = received_bytes = told_bytes = 0
    while (message := await call.read()) is not None:
        chunk = read_chunk(request_type, message)
        order.accept(chunk)
        writer.take(chunk)
        waiting.append(chunk)
        waiting_bytes += len(chunk.data)
        if writing.done() or waiting_bytes >= MAX_WAITING_BYTES:
            await writing
            writing = job.begin_io(writer.write, waiting)
            waiting, waiting_bytes = [], 0
        received_bytes += len(chunk.data)
        call.observer.received(len(chunk.data))
        if received_bytes - told_bytes >= PROGRESS_BYTES:
            told_bytes = received_bytes
            await call.progress(freeze_service_pb2.Progress.STAGE_RECEIVING, received_bytes)
    await writing
    await job.begin_io(writer.write, waiting)
    if not order.is_complete:
        await call.give_time_to_vanish()
    order.finish()
    await job.begin_io(writer.close)


class Writer:
    """Writes files in declared order. Not for two threads at a time, but `take` and `stop`."""

    def __init__(self, files: Sequence[DeclaredFile], folder: UploadFolder | None) -> None:
        self._files = files
        self._folder = folder
        self._stopped = threading.Event()
        self._index = -1
        self._descriptor: int | None = None
        self._disk_bytes = 0

    def take(self, chunk: Chunk) -> None:
        """Count the room for a chunk, on the event loop."""
        self._known_folder().take(len(chunk.data))

    def stop(self) -> None:
        """Have the thread that works here stop soon, if one does."""
        self._stopped.set()

    def make_empty_files(self) -> None:
        """Make the files that no chunk comes for."""
        for file in self._files:
            if self._stopped.is_set():
                return
            if not file.absent and not file.size_bytes:
                os.close(self._known_folder().create_file(file.name))

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Write the next bytes of the upload."""
        for chunk in chunks:
            if self._stopped.is_set():
                return
            if chunk.file_index != self._index:
                self._begin(chunk.file_index)
            assert self._descriptor is not None
            self._take_disk(self._descriptor, chunk)
            spool.write_all(self._descriptor, chunk.data)

    def _begin(self, index: int) -> None:
        self.close()
        self._descriptor = self._known_folder().create_file(self._files[index].name)
        self._index = index
        self._disk_bytes = 0

    def _take_disk(self, descriptor: int, chunk: Chunk) -> None:
        end_bytes = chunk.offset_bytes + len(chunk.data)
        if end_bytes > self._disk_bytes:
            step_bytes = min(DISK_STEP_BYTES, self._files[self._index].size_bytes - self._disk_bytes)
            spool.take_disk(descriptor, self._disk_bytes, step_bytes)
            self._disk_bytes += step_bytes

    def close(self) -> None:
        """Close the last file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _known_folder(self) -> UploadFolder:
        assert self._folder is not None, "no chunk is in order where nothing was declared"
        return self._folder


def _malformed(message: str) -> FreezeError:
    return FreezeError(Reason.UPLOAD_MALFORMED, message, field="spec")
