"""A server killed with SIGKILL in the middle of a call."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from rpc.harness import Feed
from rpc.models import MOVING_AVERAGE, large_model, large_request
from server.running import running
from tffreeze.v1.freeze_service_pb2_grpc import FreezeServiceStub


def files_below(folder: Path) -> list[str]:
    """Files that are not locks."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


@pytest.mark.parametrize("kinds", [("RECEIVING",), ("progress",), ("progress", "started", "content")])
def test_a_killed_server_leaves_nothing(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    """During upload, work or download: the caller gets UNAVAILABLE, and the next server sweeps the spool."""
    large_model(tmp_path / "large")
    flags = ("--model-root", f"large={tmp_path / 'large'}")
    with running(tmp_path, *flags) as server, server.channel() as channel:
        feed = Feed(*list(MOVING_AVERAGE.requests())[:-1])
        is_upload = kinds == ("RECEIVING",)
        call = FreezeServiceStub(channel).Freeze(iter(feed) if is_upload else iter([large_request()]))
        if is_upload:
            request_id = dict(call.initial_metadata())["tffreeze-request-id"]
            server.log.wait("call described", request_id=request_id, upload_files=3)
        else:
            assert list(kinds) == [next(call).WhichOneof("message") for _ in kinds]
        server.process.kill()
        with pytest.raises(grpc.RpcError) as raised:
            list(call)
        assert grpc.StatusCode.UNAVAILABLE == raised.value.code()
        assert "grpc-status-details-bin" not in dict(raised.value.trailing_metadata() or ())
        feed.end()
        server.process.wait()
        # The log ends when the last process that can write to it is gone: no planner outlives its server.
        server.log.wait_for_end()
    with running(tmp_path, *flags):
        assert [] == files_below(tmp_path / "spool")
