#!/usr/bin/env python3
"""The least that programs with gRPC for Python can do: what `bench/service_calls.py` measures calls against.

    bare_stream.py server FILE
    bare_stream.py client ADDRESS

The server has a file in memory and hands it out in chunks of a megabyte, nothing around them; the client counts the
bytes that come, and drops them. Each is a process of its own, with nothing of tffreeze in it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import grpc

CHUNK_BYTES = 1 << 20
METHOD = "/bare/Stream"
FASTEST_OF = 3


async def serve(path: Path) -> None:
    """Hand out a file, chunk by chunk, from memory."""
    with path.open("rb") as file:
        chunks = list(iter(lambda: file.read(CHUNK_BYTES), b""))

    async def stream(_: bytes, context: grpc.aio.ServicerContext) -> None:
        for chunk in chunks:
            await context.write(chunk)

    running = grpc.aio.server()
    handlers = {"Stream": grpc.unary_stream_rpc_method_handler(stream)}
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare", handlers),))
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    print(f"127.0.0.1:{port}", flush=True)
    await running.wait_for_termination()


def receive(address: str) -> None:
    """Receive all some times, and say how many seconds the fastest took."""
    with grpc.insecure_channel(address) as channel:
        stream = channel.unary_stream(METHOD)
        print(min(_seconds_to_receive(stream) for _ in range(FASTEST_OF)))


def _seconds_to_receive(stream: grpc.UnaryStreamMultiCallable[bytes, bytes]) -> float:
    start = time.perf_counter()
    sum(map(len, stream(b"")))
    return time.perf_counter() - start


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["server", file]:
            asyncio.run(serve(Path(file)))
        case ["client", address]:
            receive(address)
        case _:
            sys.exit(__doc__)
