"""From a stream of chunks to files in the spool.

While some chunks are written in a thread the next are received; both together are never more than some megabytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from tffreeze.v1 import freeze_service_pb2
from tffreeze_server.errors import Reason
from tffreeze_server.rpc import spool
from tffreeze_server.rpc.call import Call
from tffreeze_server.rpc.chunk import Chunk, read_chunk
from tffreeze_server.rpc.client_message import client_message
from tffreeze_server.rpc.field_error import FieldError
from tffreeze_server.rpc.job import Job
from tffreeze_server.rpc.planning import Place
from tffreeze_server.rpc.upload import ChunkOrder, DeclaredFile

PROGRESS_BYTES = 16 << 20
"""How often a client hears what has come."""

MAX_WAITING_BYTES = 4 << 20
"""Received and not yet being written."""

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


async def receive_files(call: Call, job: Job, request_type: type[Request], place: Place) -> None:
    """Receive the rest of the client's messages, down to the half-close.

    Args:
        call: The call.
        job: Its job.
        request_type: What the messages are.
        place: What was declared, and where to put it.

    Raises:
        FreezeError: UPLOAD_MALFORMED, CLIENT_TOO_SLOW, DISK_FULL.

    """
    order = ChunkOrder(place.declared, call.settings.max_chunk_bytes)
    writer = _Writer(place.declared, place.folder)
    job.files.callback(writer.close)
    writing = job.begin_io(writer.make_empty_files)
    waiting: list[Chunk] = []
    waiting_bytes = received_bytes = told_bytes = 0
    while (message := await call.read()) is not None:
        chunk = read_chunk(request_type, message)
        order.accept(chunk)
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


class _Writer:
    """Writes files in declared order. Not for two threads at a time."""

    def __init__(self, files: Sequence[DeclaredFile], folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._index = -1
        self._descriptor = -1

    def make_empty_files(self) -> None:
        """Make the files that no chunk comes for."""
        for file in self._files:
            if not file.absent and not file.size_bytes:
                os.close(self._create(file))

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Write the next bytes of the upload."""
        for chunk in chunks:
            if chunk.file_index != self._index:
                self.close()
                self._descriptor = self._create(self._files[chunk.file_index])
                self._index = chunk.file_index
            spool.write_all(self._descriptor, chunk.data)

    def close(self) -> None:
        """Close the last file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = self._index = -1

    def _create(self, file: DeclaredFile) -> int:
        return spool.create_file(self._folder, file.name, file.size_bytes)


def _malformed(message: str) -> FieldError:
    return FieldError(Reason.UPLOAD_MALFORMED, "spec", message)
