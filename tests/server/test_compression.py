"""Compressed messages: a few hundred kilobytes must not become gigabytes of the server's memory."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from rpc.models import FreezeRequest
from server.running import capabilities, running

UNPACKED_BYTES = 512 << 20
"""What old versions of gRPC would make of half a megabyte, before they look at the size."""


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_are_refused(tmp_path: Path, algorithm: grpc.Compression) -> None:
    """They are never unpacked; calls that are not compressed go on."""
    with running(tmp_path) as server, server.channel() as channel:
        capabilities(channel)
        before = peak_bytes(server.process.pid)
        call = channel.stream_stream("/tffreeze.v1.FreezeService/Freeze", FreezeRequest.SerializeToString)
        bomb = FreezeRequest()
        bomb.chunk.data = bytes(UNPACKED_BYTES)
        with pytest.raises(grpc.RpcError) as raised:
            list(call(iter([bomb]), compression=algorithm))
        assert grpc.StatusCode.UNIMPLEMENTED == raised.value.code()
        assert peak_bytes(server.process.pid) - before < UNPACKED_BYTES // 8
        capabilities(channel)
