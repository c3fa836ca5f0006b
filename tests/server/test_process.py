"""A server process begins, serves, drains and ends as it is asked to."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from rpc.models import large_model, large_request
from server.running import (
    NOT_SERVING,
    SERVING,
    WAIT_SECONDS,
    Running,
    Upload,
    capabilities,
    check_health,
    command,
    ended,
    error_of,
    running,
)
from tffreeze.v1.freeze_service_pb2_grpc import FreezeServiceStub
from tffreeze_server.server import exit_codes
from tffreeze_server.server.reflection import NAMES

FREEZE_SERVICE = "tffreeze.v1.FreezeService"


def test_the_port_file_appears_when_calls_are_served_and_goes_with_the_server(tmp_path: Path) -> None:
    """What an earlier server left in the port file is replaced; at the end the file is gone."""
    file = tmp_path / "port"
    file.write_text("1\n")
    with running(tmp_path, "--port-file", str(file)) as server:
        server.log.wait("listening")
        with server.channel() as channel:
            capabilities(channel)
        assert f"{server.port}\n" == file.read_text()
        assert exit_codes.OK == server.stop()
        assert not file.exists()
        assert [] == [left.name for left in tmp_path.iterdir() if left.name.startswith(".port")]


def test_a_port_that_is_taken_is_an_error(tmp_path: Path) -> None:
    """Two servers never share a port by accident: the second ends and says why."""
    with running(tmp_path) as first:
        second = ended(tmp_path, "--port", str(first.port))
        assert exit_codes.CANNOT_LISTEN == second.returncode
        assert f"127.0.0.1:{first.port}" in second.stderr


def test_health_serves_who_asks(tmp_path: Path) -> None:
    """The server and its service are SERVING; another service is not known."""
    with running(tmp_path) as server, server.channel() as channel:
        assert SERVING == check_health(channel)
        assert SERVING == check_health(channel, FREEZE_SERVICE)
        assert (grpc.StatusCode.NOT_FOUND, "") == error_of(lambda: check_health(channel, "other"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_running_call_finish(tmp_path: Path, number: signal.Signals) -> None:
    """From the signal on health says NOT_SERVING and new calls are refused; the one that runs gets its result."""
    with running(tmp_path) as server, server.channel() as channel, server.channel() as other:
        upload = Upload(server, channel)
        watch = health_pb2_grpc.HealthStub(other).Watch(
            health_pb2.HealthCheckRequest(service=FREEZE_SERVICE), timeout=WAIT_SECONDS
        )
        assert SERVING == next(watch).status
        server.process.send_signal(number)
        assert NOT_SERVING == next(watch).status
        assert NOT_SERVING == check_health(other)
        assert (grpc.StatusCode.UNAVAILABLE, "DRAINING") == error_of(lambda: capabilities(other))
        assert upload.graph in upload.finish()
        assert exit_codes.OK == server.process.wait(WAIT_SECONDS)
        assert number.name == server.log.wait("draining")["why"]
        assert (grpc.StatusCode.UNAVAILABLE, "") == error_of(lambda: list(watch))


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """A call that runs is cut off, nothing stays in the spool, and the exit code tells of it."""
    with running(tmp_path, "--drain-seconds", "1000") as server, server.channel() as channel:
        upload = Upload(server, channel)
        server.process.send_signal(signal.SIGTERM)
        server.log.wait("draining")
        assert exit_codes.CALLS_CUT == server.stop()
        assert (grpc.StatusCode.UNAVAILABLE, "DRAINING") == error_of(upload.finish)
        server.log.wait_for_end()
        assert ["DRAINING"] == [call["reason"] for call in server.log.find("call")]
        assert [] == [file for file in (tmp_path / "spool").rglob("*") if file.name == "graph.pb"]


def test_calls_are_cut_off_when_the_time_to_drain_is_over(tmp_path: Path) -> None:
    """--drain-seconds bounds how long the end takes; the caller is told DRAINING, which is worth a retry."""
    with running(tmp_path, "--drain-seconds", "0.1") as server, server.channel() as channel:
        upload = Upload(server, channel)
        assert exit_codes.CALLS_CUT == server.stop()
        assert (grpc.StatusCode.UNAVAILABLE, "DRAINING") == error_of(upload.finish)


def test_a_client_that_does_not_read_is_cut_off_too(tmp_path: Path) -> None:
    """Who cannot be told why does not hold up the end."""
    large_model(tmp_path / "large")
    flags = ("--drain-seconds", "0.1", "--model-root", f"large={tmp_path / 'large'}")
    with running(tmp_path, *flags) as server, server.channel() as channel:
        call = FreezeServiceStub(channel).Freeze(iter([large_request()]))
        assert ["progress", "started", "content"] == [next(call).WhichOneof("message") for _ in range(3)]
        assert exit_codes.CALLS_CUT == server.stop()
        server.log.wait_for_end()
        assert ["DRAINING"] == [ended["reason"] for ended in server.log.find("call")]


def test_a_watcher_and_an_open_reflection_do_not_hold_up_the_end(tmp_path: Path) -> None:
    """Streams that never end by themselves are ended by the server, long before its time to drain."""
    with running(tmp_path, "--drain-seconds", "1000") as server, server.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=1000)
        assert SERVING == next(watch).status
        with opened_reflection(channel, NAMES[0]) as responses:
            next(responses)
            assert exit_codes.OK == server.stop()


@pytest.mark.parametrize("name", NAMES)
def test_reflection_lists_the_services(tmp_path: Path, name: str) -> None:
    """Tools find what can be called, by both names of reflection."""
    with running(tmp_path) as server, server.channel() as channel, opened_reflection(channel, name) as found:
        services = {service.name for service in next(found).list_services_response.service}
        assert {FREEZE_SERVICE, "grpc.health.v1.Health", NAMES[0]} == services


def test_reflection_can_be_switched_off(tmp_path: Path) -> None:
    """With --no-reflection nothing is told."""
    with (
        running(tmp_path, "--no-reflection") as server,
        server.channel() as channel,
        opened_reflection(channel, NAMES[0]) as responses,
    ):
        assert (grpc.StatusCode.UNIMPLEMENTED, "") == error_of(lambda: next(responses))


def test_channelz_is_served_when_wanted(tmp_path: Path) -> None:
    """With --channelz the server tells of its sockets."""
    channelz_pb2 = pytest.importorskip("grpc_channelz.v1.channelz_pb2")
    channelz_pb2_grpc = pytest.importorskip("grpc_channelz.v1.channelz_pb2_grpc")
    with running(tmp_path, "--channelz") as server, server.channel() as channel:
        stub = channelz_pb2_grpc.ChannelzStub(channel)
        servers = stub.GetServers(channelz_pb2.GetServersRequest(), timeout=WAIT_SECONDS).server
        assert 1 == len(servers)
        assert 1 <= servers[0].data.calls_started


def test_a_unix_socket_serves(tmp_path: Path) -> None:
    """A server can listen on a unix socket instead of a port."""
    with running(tmp_path, "--unix-socket", str(tmp_path / "s")) as server, server.channel() as channel:
        assert "" != capabilities(channel).server_version
        assert exit_codes.OK == server.stop()


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """With --die-with-parent the server is gone when its parent is killed, and calls are cut off."""
    with parented(tmp_path) as (parent, server), server.channel() as channel:
        Upload(server, channel)
        parent.kill()
        server.log.wait_for_end()
        assert [] == [file for file in (tmp_path / "spool").rglob("*") if file.name == "graph.pb"]


def test_the_server_survives_the_thread_that_started_it(tmp_path: Path) -> None:
    """The parent is a process, not a thread of it that may end earlier."""
    in_a_thread = "import threading; t = threading.Thread(target=start); t.start(); t.join()"
    with parented(tmp_path, in_a_thread) as (_, server), server.channel() as channel:
        assert SERVING == check_health(channel)
        assert [] == server.log.find("draining")


@pytest.mark.parametrize("flag", ["--max-connection-idle-seconds=0.1", "--max-connection-age-seconds=0.1"])
def test_connections_end_when_they_are_idle_or_old(tmp_path: Path, flag: str) -> None:
    """The client is asked to connect anew, and does so for its next call."""
    states: queue.Queue[grpc.ChannelConnectivity] = queue.Queue()
    with running(tmp_path, flag) as server, server.channel() as channel:
        channel.subscribe(states.put)
        capabilities(channel)
        seen = [states.get(timeout=WAIT_SECONDS)]
        while grpc.ChannelConnectivity.READY not in seen or seen[-1] is not grpc.ChannelConnectivity.IDLE:
            seen.append(states.get(timeout=WAIT_SECONDS))
        capabilities(channel)


def test_no_model_is_served_without_a_usable_spool(tmp_path: Path) -> None:
    """A spool that cannot be used is told at the start, by its flag."""
    (tmp_path / "spool").write_text("a file")
    result = ended(tmp_path)
    assert exit_codes.CONFIG == result.returncode
    assert "--spool-dir" in result.stderr


def test_plaintext_is_refused_off_loopback(tmp_path: Path) -> None:
    """Without --insecure the server does not start on an address that others can reach."""
    result = ended(tmp_path, "--host", "0.0.0.0")
    assert exit_codes.CONFIG == result.returncode
    assert "--host 0.0.0.0" in result.stderr
    assert "--insecure" in result.stderr


@pytest.mark.skipif(
    0 != subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode,
    reason="needs a network namespace of its own",
)
def test_plaintext_off_loopback_works_where_it_is_asked_for(tmp_path: Path) -> None:
    """With --insecure the server listens on all addresses (here: in a network with no other machine)."""
    serve = command(tmp_path, ["--host", "0.0.0.0", "--insecure"])
    script = 'ip link set lo up && exec "$@"'
    process = subprocess.Popen(["unshare", "-rn", "sh", "-c", script, "sh", *serve], stderr=subprocess.PIPE)
    try:
        server = Running(process)
        assert 0 < server.port
        assert exit_codes.OK == server.stop()
    finally:
        process.kill()
        process.wait()


def test_the_server_imports_no_tensorflow(tmp_path: Path) -> None:
    """A server process has nothing of TensorFlow mapped."""
    with running(tmp_path) as server, server.channel() as channel:
        capabilities(channel)
        mapped = Path(f"/proc/{server.process.pid}/maps")
        if not mapped.exists():
            pytest.skip("needs /proc")
        assert "tensorflow" not in mapped.read_text()


@contextlib.contextmanager
def opened_reflection(channel: grpc.Channel, name: str):  # noqa: ANN201 - an iterator of messages
    """Ask for the services, and keep the stream open."""
    end, ours = socket.socketpair()

    def requests():  # noqa: ANN202 - an iterator of messages
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        end.recv(1)

    call = channel.stream_stream(
        f"/{name}/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    try:
        yield call(requests(), timeout=1000)
    finally:
        ours.close()


@contextlib.contextmanager
def parented(folder: Path, how: str = "start()"):  # noqa: ANN201 - two values
    """Run a server as the child of another process."""
    program = f"""
import subprocess, sys
def start(): subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
{how}
sys.stdin.read()
"""
    serve = command(folder, ["--die-with-parent"])
    parent = subprocess.Popen(
        [sys.executable, "-c", program, *serve], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    server = None
    try:
        server = Running(parent)
        yield parent, server
    finally:
        parent.kill()
        parent.wait()
        if server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(server.log.wait("listening")["pid"], signal.SIGKILL)
