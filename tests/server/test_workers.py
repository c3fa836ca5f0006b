"""Several processes on one port: one that dies is replaced, and none outlives the supervisor."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from server.running import (
    SERVING,
    Running,
    Upload,
    capabilities,
    check_health,
    ended,
    running,
)
from tffreeze_server.rpc.process import exit_codes
from tffreeze_server.rpc.process.config import Raw
from tffreeze_server.rpc.process.supervisor import PortTakenError, hold_port, pause_seconds
from tffreeze_server.rpc.process.task import decode_task, encode_task


def workers(server: Running, count: int = 2) -> dict[int, int]:
    """Wait for so many starts of workers; give the newest pid of each number."""
    server.log.wait("worker", count, serving=True)
    return {event["worker"]: event["worker_pid"] for event in server.log.find("worker", serving=True)}


def serving_worker(server: Running, name: str) -> int:
    """Make a call on a connection of its own; give the number of the worker that served it."""
    with server.channel() as channel:
        capabilities(channel, [("tffreeze-request-id", name)])
    number: int = server.log.wait("call", request_id=name)["worker"]
    return number


def test_all_workers_serve_the_port(tmp_path: Path) -> None:
    """The kernel spreads connections over all of them."""
    with running(tmp_path, "--workers", "2") as server:
        assert 2 == len(set(workers(server).values()))
        seen: set[int] = set()
        for attempt in range(200):  # a fair coin fails 200 times in 10^60 years
            seen.add(serving_worker(server, f"call-{attempt}"))
            if seen == {0, 1}:
                break
        assert {0, 1} == seen
        assert exit_codes.OK == server.stop()


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    """Its number comes back with another pid, and serves; the metrics count it, and go on from where they were.

    One that dies again soon is replaced more slowly.
    """
    with running(tmp_path, "--workers", "2", "--metrics-port", "0") as server:
        before = workers(server)
        number = serving_worker(server, "before")
        os.kill(before[number], signal.SIGKILL)
        died = server.log.wait("worker died")
        assert (number, -signal.SIGKILL) == (died["worker"], died["code"])
        after = workers(server, 3)
        assert before[number] != after[number]
        assert before[1 - number] == after[1 - number]
        with server.channel() as channel:
            assert SERVING == check_health(channel)
        text = server.metrics()
        assert 'tffreeze_calls_total{method="GetCapabilities",reason="OK"} 1.0' in text
        assert "tffreeze_worker_restarts_total 1.0" in text
        assert "tffreeze_workers 2.0" in text
        os.kill(after[number], signal.SIGKILL)
        again = server.log.wait("worker died", 2)
        assert [0.2, 0.4] == [death["replaced_in_seconds"] for death in (died, again)]


def test_no_worker_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    """Workers notice the end of the supervisor, cut off what runs and clean up."""
    folders = {"TMPDIR": str(tmp_path)}
    with running(tmp_path, "--workers", "2", "--metrics-port", "0", environment=folders) as server:
        workers(server)
        with server.channel() as channel:
            Upload(server, channel)
            server.process.kill()
            server.log.wait_for_end()
    assert [] == [file for file in (tmp_path / "spool").rglob("*") if file.name == "graph.pb"]
    assert [] == list(tmp_path.glob("tffreeze-metrics-*"))


def test_a_signal_lets_calls_of_all_workers_finish(tmp_path: Path) -> None:
    """The supervisor passes the signal on and ends when the last worker has."""
    with running(tmp_path, "--workers", "2") as server, server.channel() as channel:
        upload = Upload(server, channel)
        server.process.send_signal(signal.SIGTERM)
        server.log.wait("draining", 3)
        assert upload.graph in upload.finish()
        assert exit_codes.OK == server.process.wait(40)
        server.log.wait_for_end()


def test_a_second_signal_ends_all_workers_at_once(tmp_path: Path) -> None:
    """And the exit code tells that calls were cut off."""
    flags = ("--workers", "2", "--drain-seconds", "1000")
    with running(tmp_path, *flags) as server, server.channel() as channel:
        Upload(server, channel)
        server.process.send_signal(signal.SIGTERM)
        server.log.wait("draining", 3)
        assert exit_codes.CALLS_CUT == server.stop()
        server.log.wait_for_end()


def test_a_port_that_is_taken_is_an_error_for_workers_too(tmp_path: Path) -> None:
    """Sharing a port is for the workers of one server, not for two servers."""
    with running(tmp_path, "--workers", "2") as first:
        second = ended(tmp_path, "--workers", "2", "--port", str(first.port))
        assert exit_codes.CANNOT_LISTEN == second.returncode
        assert f":{first.port}" in second.stderr


def test_a_worker_that_cannot_start_ends_the_server(tmp_path: Path) -> None:
    """What a replacement would not mend is not tried again."""
    (tmp_path / "occupied").write_text("a file")
    spool = tmp_path / "occupied" / "spool"
    result = ended(tmp_path, "--workers", "2", "--spool-dir", str(spool))
    assert exit_codes.CONFIG == result.returncode
    assert "--spool-dir" in result.stderr


def test_the_port_is_held_and_shared() -> None:
    """Who holds a port keeps others from having it alone, and is found out by who wants to hold it too."""
    with hold_port("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        assert 0 < port
        with hold_port("127.0.0.1", 0) as other:
            other.listen(1)
            with pytest.raises(PortTakenError, match=str(other.getsockname()[1])):
                hold_port("127.0.0.1", other.getsockname()[1])
    with pytest.raises(PortTakenError):
        hold_port("192.0.2.1", 0)  # an address for documentation: nobody's


def test_pauses_grow_and_end_growing() -> None:
    """A worker that dies again and again is replaced ever more slowly, down to twice a minute."""
    pauses = [pause_seconds(deaths) for deaths in range(1, 40)]
    assert pauses == sorted(pauses)
    assert (0.2, 30.0) == (pauses[0], pauses[-1])
    assert 0.0 == pause_seconds(0)


def test_a_task_survives_the_way_to_a_worker() -> None:
    """Numbers, texts, lists and tables keep their types."""
    raw = {
        "port": Raw(1, ""),
        "model-root": Raw({"a": "/b"}, "from file"),
        "host": Raw("h\n", "from X"),
    }
    assert (3, raw) == decode_task(encode_task(3, raw))
    assert 1 == encode_task(3, raw).count(b"\n")


def test_temporary_folders_are_not_left_behind(tmp_path: Path) -> None:
    """The folder of the workers' metrics goes with the server."""
    folders = {"TMPDIR": str(tmp_path)}
    with running(tmp_path, "--workers", "2", "--metrics-port", "0", environment=folders) as server:
        workers(server)
        assert 1 == len(list(tmp_path.glob("tffreeze-metrics-*")))
        assert exit_codes.OK == server.stop()
    assert [] == list(tmp_path.glob("tffreeze-metrics-*"))
