"""A caller in the middle of an upload: run by docker/test.sh in a container, beside a server that is told to end.

    python slow_freeze.py ADDRESS MODEL_FOLDER

Sends the first file and reads a line; sends the others, and says how large the result was.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import grpc

from tffreeze.v1 import freeze_service_pb2, freeze_service_pb2_grpc, model_pb2

NAMES = ("saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001")

FreezeRequest = freeze_service_pb2.FreezeRequest


def requests(folder: Path) -> Iterator[freeze_service_pb2.FreezeRequest]:
    """The spec and the first file; the rest after a line of stdin."""
    contents = [(folder / name).read_bytes() for name in NAMES]
    files = [
        model_pb2.UploadedFile(name=name, size_bytes=len(content))
        for name, content in zip(NAMES, contents, strict=True)
    ]
    source = model_pb2.ModelSource(upload=model_pb2.Upload(files=files), model=NAMES[0])
    yield FreezeRequest(spec=freeze_service_pb2.FreezeSpec(source=source))
    for index, content in enumerate(contents):
        if index == 1:
            sys.stdin.readline()
        yield FreezeRequest(chunk=model_pb2.FileChunk(file_index=index, data=content))


def main(address: str, folder: str) -> None:
    """Freeze."""
    size_bytes = 0
    with grpc.insecure_channel(address) as channel:
        stub = freeze_service_pb2_grpc.FreezeServiceStub(channel)
        for response in stub.Freeze(requests(Path(folder)), timeout=60):
            size_bytes += len(response.content.data)
    print(size_bytes)


if __name__ == "__main__":
    main(*sys.argv[1:])
