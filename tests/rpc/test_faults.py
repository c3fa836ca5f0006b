"""What goes wrong on the way: callers that vanish, lag, or ask for too much. Nothing is left of any."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import itertools
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import pytest

from rpc.harness import WAIT_SECONDS, Feed, Served, answer, failure, served
from rpc.models import (
    DIGITS,
    FIXTURES,
    LARGE_BYTES,
    MOVING_AVERAGE,
    SPLICE,
    FreezeRequest,
    FreezeSpec,
    large_model,
    large_request,
)
from server.processes import children, wait_until
from tffreeze.v1 import freeze_service_pb2, model_pb2
from tffreeze.v1.freeze_service_pb2 import GetCapabilitiesRequest
from tffreeze_server.rpc.chunk import Chunk
from tffreeze_server.rpc.deliver import Content
from tffreeze_server.rpc.job import Job
from tffreeze_server.rpc.place import DeclaredFile
from tffreeze_server.rpc.receive import PROGRESS_BYTES, Writer
from tffreeze_server.rpc.spool import Spool

TICK_SECONDS = 0.2
"""A limit short enough to wait for."""

ANOTHER = [("caller", "another"), ("roots", "")]
"""Metadata of a second caller."""


def upload_of(size_bytes: int) -> FreezeRequest:
    """A spec with one file of this size."""
    files = [model_pb2.UploadedFile(name="model.pb", size_bytes=size_bytes)]
    upload = model_pb2.Upload(files=files)
    return FreezeRequest(spec=FreezeSpec(source=model_pb2.ModelSource(upload=upload, model="model.pb")))


def chunk_of(size_bytes: int, offset_bytes: int = 0) -> FreezeRequest:
    """The next bytes of that file."""
    return FreezeRequest(chunk=model_pb2.FileChunk(offset_bytes=offset_bytes, data=bytes(size_bytes)))


def test_caller_gone_during_upload(tmp_path: Path) -> None:
    """A caller that vanishes while it sends leaves nothing behind, and is told of as CANCELLED."""
    with served(tmp_path) as server:
        feed = Feed(upload_of(1000), chunk_of(10))
        call = server.stub.Freeze(iter(feed))
        server.recorder.wait(lambda: server.recorder.received_bytes == 10)
        assert 10 == server.recorder.spool_bytes
        call.cancel()
        server.wait_until_idle()
        assert ["CANCELLED"] == server.recorder.reasons()
        feed.end()


def test_connection_lost_during_upload(tmp_path: Path) -> None:
    """So does one whose connection breaks."""
    with served(tmp_path) as server:
        feed = Feed(upload_of(1000), chunk_of(10))
        with grpc.insecure_channel(
            f"127.0.0.1:{server.port}", [("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            call = channel.stream_stream(
                "/tffreeze.v1.FreezeService/Freeze", FreezeRequest.SerializeToString
            )(iter(feed))
            server.recorder.wait(lambda: server.recorder.received_bytes == 10)
        server.wait_until_idle()
        assert ["CANCELLED"] == server.recorder.reasons()
        feed.end()
        del call


def test_caller_gone_during_download(tmp_path: Path) -> None:
    """A caller that vanishes while it receives ends the work at once."""
    large_model(tmp_path / "large")
    with served(tmp_path, model_roots={"large": tmp_path / "large"}) as server:
        call = server.stub.Freeze(iter([large_request()]))
        kinds = [next(call).WhichOneof("message") for _ in range(3)]
        assert ["progress", "started", "content"] == kinds
        call.cancel()
        server.wait_until_idle()
        assert ["CANCELLED"] == server.recorder.reasons()
        assert server.recorder.sent_bytes < LARGE_BYTES / 2


def test_deadline_of_the_caller(tmp_path: Path) -> None:
    """When the caller's time is over while it sends, nothing is left."""
    with served(tmp_path) as server:
        feed = Feed(upload_of(1000), chunk_of(10))
        with pytest.raises(grpc.RpcError) as raised:
            list(server.stub.Freeze(iter(feed), timeout=TICK_SECONDS))
        assert grpc.StatusCode.DEADLINE_EXCEEDED == raised.value.code()
        server.wait_until_idle()
        assert ["DEADLINE_EXCEEDED"] == server.recorder.reasons()
        feed.end()


def test_time_limit_of_the_server(tmp_path: Path) -> None:
    """A call that takes longer than the server allows ends with DEADLINE_EXCEEDED."""
    with served(tmp_path, max_call_seconds=TICK_SECONDS) as server:
        feed = Feed(upload_of(1000), chunk_of(10))
        failed = failure(lambda: list(server.stub.Freeze(iter(feed))))
        assert (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED") == (failed.code, failed.reason)
        server.wait_until_idle()
        feed.end()


@pytest.mark.parametrize("sent", [(), (upload_of(1000),), (upload_of(1000), chunk_of(10))])
def test_slow_writer(tmp_path: Path, sent: tuple[FreezeRequest, ...]) -> None:
    """A caller that stops sending (before the spec, before the first chunk, in a file) is CLIENT_TOO_SLOW."""
    with served(tmp_path, max_idle_seconds=TICK_SECONDS) as server:
        feed = Feed(*sent)
        failed = failure(lambda: list(server.stub.Freeze(iter(feed))))
        assert (grpc.StatusCode.ABORTED, "CLIENT_TOO_SLOW", True) == (
            failed.code,
            failed.reason,
            failed.retry,
        )
        server.wait_until_idle()
        feed.end()


def test_slow_reader(tmp_path: Path) -> None:
    """A caller that stops reading loses its slot; when it reads on it finds CLIENT_TOO_SLOW, not the result."""
    large_model(tmp_path / "large")
    with served(tmp_path, model_roots={"large": tmp_path / "large"}, max_idle_seconds=TICK_SECONDS) as server:
        call = server.stub.Freeze(iter([large_request()]))
        assert ["progress", "started"] == [next(call).WhichOneof("message") for _ in range(2)]
        server.wait_until_idle()
        assert ["CLIENT_TOO_SLOW"] == server.recorder.reasons()
        assert server.recorder.sent_bytes < LARGE_BYTES / 2
        failed = failure(lambda: list(call))
        assert ("CLIENT_TOO_SLOW", True) == (failed.reason, failed.retry)


def test_a_caller_that_never_reads_holds_nothing(tmp_path: Path) -> None:
    """Its call has ended, so it has no job, and does not count for its caller: others are behind the same proxy."""
    settings: dict[str, Any] = {"max_jobs": 1, "max_jobs_per_caller": 1, "max_idle_seconds": TICK_SECONDS}
    large_model(tmp_path / "large")
    roots = {"large": tmp_path / "large", "samples": FIXTURES}
    with served(tmp_path, model_roots=roots, **settings) as server:
        stuck = server.stub.Freeze(iter([large_request()]))
        assert ["progress", "started"] == [next(stuck).WhichOneof("message") for _ in range(2)]
        server.wait_until_idle()
        spec = FreezeSpec(source=DIGITS.in_root("samples", FIXTURES))
        answer(server.stub.Freeze(iter([FreezeRequest(spec=spec)])))
        stuck.cancel()


@contextlib.contextmanager
def busy(folder: Path, **settings: Any) -> Iterator[tuple[Served, Any]]:
    """Run a server with one job slot, and a call that has it until it is cancelled: its client does not read."""
    large_model(folder / "large")
    with served(folder, model_roots={"large": folder / "large"}, max_jobs=1, **settings) as server:
        working = server.stub.Freeze(iter([large_request()]))
        assert ["progress", "started", "content"] == [next(working).WhichOneof("message") for _ in range(3)]
        assert (1, 0) == server.recorder.jobs
        yield server, working


def test_jobs_queue_and_refusal(tmp_path: Path) -> None:
    """One works, one waits in line and is told so, the next is refused at once; all give back what they held."""
    with busy(tmp_path, max_queued_jobs=1) as (server, working):
        waiting = server.stub.Freeze(MOVING_AVERAGE.requests(), metadata=ANOTHER)
        assert freeze_service_pb2.Progress.STAGE_QUEUED == next(waiting).progress.stage
        server.recorder.wait(lambda: server.recorder.jobs == (1, 1))
        failed = failure(lambda: answer(server.stub.Freeze(MOVING_AVERAGE.requests())))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS", True) == (
            failed.code,
            failed.reason,
            failed.retry,
        )
        working.cancel()
        assert answer(waiting).frozen
        server.wait_until_idle()


def test_uploads_hold_no_job(tmp_path: Path) -> None:
    """While uploads come in for as long as their clients like, a model of a model root is frozen."""
    settings: dict[str, Any] = {"max_jobs": 1, "max_uploads": 1, "model_roots": {"samples": FIXTURES}}
    with served(tmp_path, **settings) as server:
        feeds = [Feed(upload_of(1000), chunk_of(10)) for _ in range(2)]
        first = server.stub.Freeze(iter(feeds[0]))
        server.recorder.wait(lambda: server.recorder.receiving == 1)
        second = server.stub.Freeze(iter(feeds[1]))
        assert freeze_service_pb2.Progress.STAGE_QUEUED == next(second).progress.stage
        spec = FreezeSpec(source=DIGITS.in_root("samples", FIXTURES))
        answer(server.stub.Freeze(iter([FreezeRequest(spec=spec)])))
        for call, feed in zip((second, first), feeds, strict=True):
            call.cancel()
            feed.end()
        server.wait_until_idle()


def test_empty_files_wait_for_an_upload_slot(tmp_path: Path) -> None:
    """To make a thousand of them takes as long as to receive one, so they are an upload like any other."""
    with served(tmp_path, max_uploads=1) as server:
        feed = Feed(upload_of(1000), chunk_of(10))
        first = server.stub.Freeze(iter(feed))
        server.recorder.wait(lambda: server.recorder.receiving == 1)
        second = server.stub.Freeze(iter([upload_of(0)]))
        assert freeze_service_pb2.Progress.STAGE_QUEUED == next(second).progress.stage
        for call in (second, first):
            call.cancel()
        feed.end()
        server.wait_until_idle()


def test_plans_are_made_in_turn(tmp_path: Path) -> None:
    """Whose plans are all in line does not keep another caller waiting for more than one of them."""
    others = set(children(os.getpid()))
    with served(tmp_path, model_roots={"samples": FIXTURES}) as server:
        spec = FreezeSpec(source=DIGITS.in_root("samples", FIXTURES))
        (planner,) = set(children(os.getpid())) - others
        os.kill(planner, signal.SIGSTOP)
        ended: SimpleQueue[str] = SimpleQueue()
        for number, caller in enumerate(["greedy", "greedy", "greedy", "modest"], 1):
            metadata = [("caller", caller), ("roots", "samples")]
            call = server.stub.Freeze(iter([FreezeRequest(spec=spec)]), metadata=metadata)
            call.add_done_callback(lambda _, caller=caller: ended.put(caller))
            threading.Thread(target=list, args=(call,)).start()
            server.recorder.wait(lambda number=number: server.recorder.jobs == (number, 0))
        os.kill(planner, signal.SIGCONT)
        order = [ended.get(timeout=WAIT_SECONDS) for _ in range(4)]
        assert "modest" in order[:2], order  # two that end at once may be told in any order
        server.wait_until_idle()


def test_progress_of_an_upload(tmp_path: Path) -> None:
    """Its client hears every 16 MiB what has come."""
    chunk_bytes = 1 << 20
    size_bytes = 2 * PROGRESS_BYTES + chunk_bytes
    chunks = (chunk_of(chunk_bytes, start) for start in range(0, size_bytes, chunk_bytes))
    told: list[freeze_service_pb2.Progress] = []
    with served(tmp_path) as server:
        call = server.stub.Freeze(itertools.chain([upload_of(size_bytes)], chunks))
        failure(lambda: told.extend(response.progress for response in call))
    came = [progress.received_bytes for progress in told if progress.stage == progress.STAGE_RECEIVING]
    assert [PROGRESS_BYTES, 2 * PROGRESS_BYTES] == came


def test_a_trickling_upload(tmp_path: Path) -> None:
    """A client that sends all the time, and too little, is CLIENT_TOO_SLOW."""
    size_bytes = 1 << 20
    with served(tmp_path, max_idle_seconds=TICK_SECONDS, min_bytes_per_second=1 << 30) as server:

        def trickle() -> Iterator[FreezeRequest]:
            yield upload_of(size_bytes)
            for offset_bytes in range(size_bytes):
                server.recorder.wait(
                    lambda came=offset_bytes: (
                        server.recorder.received_bytes == came or bool(server.recorder.outcomes)
                    )
                )
                if server.recorder.outcomes:
                    return
                yield chunk_of(1, offset_bytes)

        failed = failure(lambda: list(server.stub.Freeze(trickle())))
        assert ("CLIENT_TOO_SLOW", True) == (failed.reason, failed.retry)
        assert 0 < server.recorder.received_bytes < size_bytes
        server.wait_until_idle()


def test_caller_gone_while_it_waits(tmp_path: Path) -> None:
    """One that leaves the line frees its place in it, and the one before it is not disturbed."""
    with busy(tmp_path, max_queued_jobs=1) as (server, working):
        waiting = server.stub.Freeze(MOVING_AVERAGE.requests(), metadata=ANOTHER)
        server.recorder.wait(lambda: server.recorder.jobs == (1, 1))
        waiting.cancel()
        server.recorder.wait(
            lambda: server.recorder.jobs == (1, 0) and server.recorder.reasons() == ["CANCELLED"]
        )
        assert "content" == next(working).WhichOneof("message")
        working.cancel()
        server.wait_until_idle()


def test_calls_of_one_caller(tmp_path: Path) -> None:
    """A caller with as many calls as it may have is refused; another is not."""
    with served(tmp_path, max_jobs_per_caller=1) as server:
        feed = Feed(*MOVING_AVERAGE.requests())
        a, b = [[("caller", name), ("roots", "")] for name in "ab"]
        working = server.stub.Freeze(iter(feed), metadata=a)
        server.recorder.wait(lambda: server.recorder.received_bytes > 0)
        failed = failure(lambda: answer(server.stub.Freeze(MOVING_AVERAGE.requests(), metadata=a)))
        assert ("TOO_MANY_JOBS", "a", True) == (failed.reason, failed.subject, failed.retry)
        answer(server.stub.Freeze(MOVING_AVERAGE.requests(), metadata=b))
        feed.end()
        answer(working)
        answer(server.stub.Freeze(MOVING_AVERAGE.requests(), metadata=a))


def test_spool_quota(tmp_path: Path) -> None:
    """Room is taken by the bytes that come: what does not fit beside them is refused before a byte of it comes."""
    with served(tmp_path, max_spool_bytes=1500) as server:
        silent = Feed(upload_of(1500))
        waiting = server.stub.Freeze(iter(silent))
        feed = Feed(upload_of(1001), chunk_of(1000))
        holding = server.stub.Freeze(iter(feed))
        server.recorder.wait(lambda: server.recorder.spool_bytes == 1000)
        server.recorder.wait(lambda: len(server.recorder.calls) == 2)
        failed = failure(lambda: list(server.stub.Freeze(iter([upload_of(501)]))))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", True) == (
            failed.code,
            failed.reason,
            failed.retry,
        )
        never = failure(lambda: list(server.stub.Freeze(iter([upload_of(1501)]))))
        assert (grpc.StatusCode.INVALID_ARGUMENT, "UPLOAD_TOO_LARGE", False) == (
            never.code,
            never.reason,
            never.retry,
        )
        holding.cancel()
        waiting.cancel()
        server.wait_until_idle()
        feed.end()
        silent.end()


def test_spool_full_on_the_way(tmp_path: Path) -> None:
    """Of two uploads that do not fit together, the one that comes first goes on, the other may try again."""
    with served(tmp_path, max_spool_bytes=1500) as server:
        late = Feed(upload_of(1000), chunk_of(600))
        refused = server.stub.Freeze(iter(late))
        server.recorder.wait(lambda: server.recorder.spool_bytes == 600)
        early = Feed(upload_of(900), chunk_of(890))
        working = server.stub.Freeze(iter(early))
        server.recorder.wait(lambda: server.recorder.spool_bytes == 1490)
        late.send(chunk_of(400, 600))
        failed = failure(lambda: list(refused))
        assert ("QUOTA_EXCEEDED", True) == (failed.reason, failed.retry)
        server.recorder.wait(lambda: server.recorder.spool_bytes == 890)
        early.send(chunk_of(10, 890))
        early.end()
        assert "QUOTA_EXCEEDED" != failure(lambda: list(working)).reason
        late.end()
        server.wait_until_idle()


def test_spool_quota_of_a_caller(tmp_path: Path) -> None:
    """A caller whose uploads fill its quota is refused; another is not."""
    with served(tmp_path, max_spool_bytes=1500, max_spool_bytes_per_caller=1000) as server:
        a, b = [[("caller", name), ("roots", "")] for name in "ab"]
        feed = Feed(upload_of(801), chunk_of(800))
        holding = server.stub.Freeze(iter(feed), metadata=a)
        server.recorder.wait(lambda: server.recorder.spool_bytes == 800)
        failed = failure(lambda: list(server.stub.Freeze(iter([upload_of(300)]), metadata=a)))
        assert ("QUOTA_EXCEEDED", True) == (failed.reason, failed.retry)
        assert "'a' has 800 bytes" in failed.message
        failed = failure(lambda: list(server.stub.Freeze(iter([upload_of(300), chunk_of(300)]), metadata=b)))
        assert "QUOTA_EXCEEDED" != failed.reason
        never = failure(lambda: list(server.stub.Freeze(iter([upload_of(1001)]), metadata=b)))
        assert "UPLOAD_TOO_LARGE" == never.reason
        holding.cancel()
        feed.end()
        server.wait_until_idle()


def test_a_stopped_writer_makes_no_more(tmp_path: Path) -> None:
    """A thread that makes and writes files for a call stops before the next when the call has ended."""
    spool = Spool(tmp_path / "spool", 0, 0, lambda _: None)
    spool.open()
    folder = spool.begin("me", 0)
    writer = Writer([DeclaredFile("empty", 0, False), DeclaredFile("file", 1, False)], folder)
    writer.stop()
    writer.make_empty_files()
    writer.write([Chunk(1, 0, b"x")])
    assert [] == list(folder.path.iterdir())
    spool.close()


def test_making_files_ends_with_the_call(tmp_path: Path) -> None:
    """A caller that vanishes while its files are made stops that: no thread goes on for it, and nothing is left."""
    names = ["/".join([f"{number:04}", *"x" * 14, "file"]) for number in range(60)]
    with served(tmp_path) as server:
        files = [model_pb2.UploadedFile(name=name, size_bytes=0) for name in names]
        files.append(model_pb2.UploadedFile(name="last", size_bytes=1))
        upload = model_pb2.Upload(files=files)
        feed = Feed(FreezeRequest(spec=FreezeSpec(source=model_pb2.ModelSource(upload=upload, model="last"))))
        call = server.stub.Freeze(iter(feed))
        server.recorder.wait(lambda: server.recorder.receiving == 1)
        call.cancel()
        server.wait_until_idle()
        feed.end()


def test_a_plan_beyond_what_the_operator_allows(tmp_path: Path) -> None:
    """The caller is told that it is this server's limit, and not to try again here; the operator is told, too."""
    with served(tmp_path, max_planning_seconds=1e-6) as server:
        failed = failure(lambda: answer(server.stub.Freeze(MOVING_AVERAGE.requests())))
        assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "PLANNER_LIMIT_EXCEEDED", False) == (
            failed.code,
            failed.reason,
            failed.retry,
        )
        server.recorder.wait(lambda: ["time"] == server.recorder.lost)
        server.wait_until_idle()


def test_draining(tmp_path: Path) -> None:
    """A draining server finishes what it works on; who waits, and who comes, is sent away to try elsewhere."""
    with served(tmp_path, max_uploads=1) as server:
        feed = Feed(*MOVING_AVERAGE.requests())
        working = server.stub.Freeze(iter(feed))
        server.recorder.wait(lambda: server.recorder.received_bytes > 0)
        waiting = server.stub.Freeze(MOVING_AVERAGE.requests())
        server.recorder.wait(lambda: server.recorder.jobs == (0, 1))
        draining = threading.Thread(target=server.drain)
        draining.start()
        for call in (lambda: answer(waiting), lambda: server.stub.GetCapabilities(GetCapabilitiesRequest())):
            failed = failure(call)
            assert (grpc.StatusCode.UNAVAILABLE, "DRAINING", True) == (
                failed.code,
                failed.reason,
                failed.retry,
            )
        assert draining.is_alive()
        feed.end()
        answer(working)
        draining.join(30)
        assert not draining.is_alive()


def test_a_defect_is_internal_with_the_request_id(tmp_path: Path) -> None:
    """What nobody thought of is INTERNAL: the caller gets the request's id and no word of the server's insides."""
    with served(tmp_path) as server:
        shutil.rmtree(server.spool_dir)
        call = server.stub.Freeze(MOVING_AVERAGE.requests(), metadata=[("tffreeze-request-id", "my-id")])
        failed = failure(lambda: answer(call))
        assert (grpc.StatusCode.INTERNAL, "INTERNAL", False) == (failed.code, failed.reason, failed.retry)
        assert "my-id" in failed.message
        assert str(tmp_path) not in failed.message
        assert isinstance(server.recorder.outcomes[-1].error, FileNotFoundError)


def test_full_disk(tmp_path: Path) -> None:
    """A spool without room is DISK_FULL, worth a retry, and empty afterwards."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        with served(disk) as server:
            size_bytes = 4 << 20
            chunks = [chunk_of(1 << 20, start) for start in range(0, size_bytes, 1 << 20)]
            failed = failure(lambda: list(server.stub.Freeze(iter([upload_of(size_bytes), *chunks]))))
            assert (grpc.StatusCode.RESOURCE_EXHAUSTED, "DISK_FULL", True) == (
                failed.code,
                failed.reason,
                failed.retry,
            )
            server.wait_until_idle()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_weights_damaged(tmp_path: Path) -> None:
    """Damage that shows while weights are sent ends the call after `started`, before `finished`."""
    data = bytearray(MOVING_AVERAGE.paths[2].read_bytes())
    for name, path in zip(MOVING_AVERAGE.names, MOVING_AVERAGE.paths, strict=True):
        (tmp_path / name).write_bytes(path.read_bytes())
    data[:] = bytes(byte ^ 1 for byte in data)
    (tmp_path / MOVING_AVERAGE.names[2]).write_bytes(data)
    model = dataclasses.replace(MOVING_AVERAGE, folder=tmp_path)
    with served(tmp_path) as server:
        kinds: list[str] = []
        failed = failure(
            lambda: kinds.extend(r.WhichOneof("message") for r in server.stub.Freeze(model.requests()))
        )
        assert (grpc.StatusCode.DATA_LOSS, "CHECKSUM_MISMATCH") == (failed.code, failed.reason)
        assert "started" in kinds
        assert "finished" not in kinds
        server.wait_until_idle()


def test_a_call_that_failed_is_forgotten(tmp_path: Path) -> None:
    """Its messages, megabytes of them, do not wait for Python's collector: an idle server has none coming by."""
    large_model(tmp_path / "large")
    with served(tmp_path, model_roots={"large": tmp_path / "large"}, max_idle_seconds=TICK_SECONDS) as server:
        gc.collect()
        gc.disable()
        try:
            call = server.stub.Freeze(iter([large_request()]))
            assert ["progress", "started", "content"] == [next(call).WhichOneof("message") for _ in range(3)]
            server.recorder.wait(lambda: server.recorder.reasons() == ["CLIENT_TOO_SLOW"])
            assert "CLIENT_TOO_SLOW" == failure(lambda: list(call)).reason
            absent = large_request()
            absent.spec.source.model = "absent"
            assert "MODEL_NOT_FOUND" == failure(lambda: list(server.stub.Freeze(iter([absent])))).reason
            server.wait_until_idle()
            assert wait_until(lambda: not any(type(it) in (Job, Content) for it in gc.get_objects()))
        finally:
            gc.enable()


def test_nothing_piles_up(tmp_path: Path) -> None:
    """After many calls, good, malformed, cancelled and failed, as many files are open as after the first few."""
    large_model(tmp_path / "large")
    roots = {"large": tmp_path / "large", "samples": FIXTURES}
    with served(tmp_path, model_roots=roots) as server:

        def calls() -> None:
            answer(server.stub.Freeze(MOVING_AVERAGE.requests()))
            answer(server.stub.Freeze(MOVING_AVERAGE.requests(delivery=SPLICE)), MOVING_AVERAGE.paths)
            failure(lambda: list(server.stub.Freeze(iter([upload_of(10), chunk_of(5)]))))
            failure(lambda: list(server.stub.Freeze(iter([upload_of(10), chunk_of(5, 1)]))))
            cancelled = server.stub.Freeze(iter([large_request()]))
            next(cancelled)
            cancelled.cancel()

        def open_files() -> list[str]:
            server.wait_until_idle()
            links = (path for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
            return sorted(str(path.readlink()).split(":")[0] for path in links if path.exists())

        for _ in range(3):
            calls()
        before = open_files()
        for _ in range(6):
            calls()
        assert before == open_files()
