"""Real server processes for tests: what they log is what tests wait for."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tffreeze.v1 import freeze_service_pb2, freeze_service_pb2_grpc, model_pb2, options_pb2
from tffreeze_server.tfproto import graph_pb2

WAIT_SECONDS = 40.0

COMMAND = (sys.executable, "-m", "tffreeze_server.server.main")

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Log:
    """The JSON lines of a stream, read by a thread; the stream ends when the last process that has it ends."""

    def __init__(self, stream: Any) -> None:
        self.events: list[dict[str, Any]] = []
        self.other: list[str] = []
        self.ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def wait(self, event: str, count: int = 1, **fields: object) -> dict[str, Any]:
        """Wait for the n-th event with these fields."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: len(self.find(event, **fields)) >= count or self.ended, WAIT_SECONDS
            ), (event, self.events, self.other)
        found = self.find(event, **fields)
        assert len(found) >= count, (event, self.events, self.other)
        return found[count - 1]

    def wait_for_end(self) -> None:
        """Wait until all that write to it are gone."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.ended, WAIT_SECONDS), self.events

    def find(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """All events with these fields."""
        return [e for e in self.events if e["event"] == event and fields.items() <= e.items()]

    def _read(self, stream: Any) -> None:
        with stream:
            for line in stream:
                with self._changed:
                    try:
                        self.events.append(json.loads(line))
                    except ValueError:
                        self.other.append(line.decode())
                    self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()


class Running:
    """A server process that listens.

    Attributes:
        process: It.
        log: What it logs.
        port: Where it listens.

    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.log = Log(process.stderr)
        address = self.log.wait("listening")["address"]
        self.port = 0 if address.startswith("unix:") else int(address.rpartition(":")[2])
        self.target = address if address.startswith("unix:") else f"127.0.0.1:{self.port}"

    def channel(self, credentials: grpc.ChannelCredentials | None = None) -> grpc.Channel:
        """A new connection."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        if credentials is not None:
            return grpc.secure_channel(self.target, credentials, options)
        return grpc.insecure_channel(self.target, options)

    def metrics(self) -> str:
        """The text of its metrics."""
        import urllib.request  # noqa: PLC0415 - few need it

        url = self.log.wait("metrics")["url"]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=WAIT_SECONDS) as response:
            text: str = response.read().decode()
        return text

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_SECONDS)


def command(folder: Path, flags: Sequence[str]) -> list[str]:
    """The command line of a server whose files are below a folder."""
    spool = ["--spool-dir", str(folder / "spool")]
    port = [] if "--port" in flags or "--unix-socket" in flags else ["--port", "0"]
    return [*COMMAND, *port, *spool, "--log-format", "json", "--log-level", "debug", *flags]


@contextlib.contextmanager
def running(
    folder: Path, *flags: str, environment: Mapping[str, str] | None = None, inside: Sequence[str] = ()
) -> Iterator[Running]:
    """Run a server for as long as the block lasts; `inside` is the start of a command that runs another."""
    process = subprocess.Popen(
        [*inside, *command(folder, flags)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | dict(environment or {}),
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.wait(WAIT_SECONDS)


def ended(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run a server that ends by itself."""
    return subprocess.run(
        command(folder, flags), capture_output=True, text=True, timeout=WAIT_SECONDS, check=False
    )


def capabilities(
    channel: grpc.Channel, metadata: Sequence[tuple[str, str]] = ()
) -> freeze_service_pb2.GetCapabilitiesResponse:
    """Ask for capabilities."""
    stub = freeze_service_pb2_grpc.FreezeServiceStub(channel)
    request = freeze_service_pb2.GetCapabilitiesRequest()
    response: freeze_service_pb2.GetCapabilitiesResponse = stub.GetCapabilities(
        request, metadata=metadata, timeout=WAIT_SECONDS
    )
    return response


def check_health(channel: grpc.Channel, service: str = "") -> int:
    """Ask for health."""
    request = health_pb2.HealthCheckRequest(service=service)
    status: int = health_pb2_grpc.HealthStub(channel).Check(request, timeout=WAIT_SECONDS).status
    return status


class Upload:
    """A freeze whose upload waits until `finish` is called: a call that goes on."""

    def __init__(
        self, server: Running, channel: grpc.Channel, metadata: Sequence[tuple[str, str]] = ()
    ) -> None:
        node = graph_pb2.NodeDef(name="answer", op="NoOp")
        self.graph = graph_pb2.GraphDef(node=[node]).SerializeToString()
        self._finish = threading.Event()
        stub = freeze_service_pb2_grpc.FreezeServiceStub(channel)
        self.call = stub.Freeze(self._requests(), metadata=metadata, timeout=WAIT_SECONDS)
        request_id = dict(self.call.initial_metadata())["tffreeze-request-id"]
        server.log.wait("call described", request_id=request_id, model="graph.pb")

    def finish(self) -> bytes:
        """Send the rest and give the result."""
        self._finish.set()
        return b"".join(response.content.data for response in self.call)

    def _requests(self) -> Iterator[freeze_service_pb2.FreezeRequest]:
        file = model_pb2.UploadedFile(name="graph.pb", size_bytes=len(self.graph))
        spec = freeze_service_pb2.FreezeSpec(
            source=model_pb2.ModelSource(upload=model_pb2.Upload(files=[file]), model="graph.pb"),
            options=options_pb2.FreezeOptions(output_nodes=["answer"]),
        )
        yield freeze_service_pb2.FreezeRequest(spec=spec)
        self._finish.wait(WAIT_SECONDS)
        yield freeze_service_pb2.FreezeRequest(chunk=model_pb2.FileChunk(data=self.graph))


def error_of(call: Any) -> tuple[grpc.StatusCode, str]:
    """Make a call that fails, and give its status and reason."""
    from google.rpc import error_details_pb2, status_pb2  # noqa: PLC0415 - few need it

    try:
        call()
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
        if details is None:
            return error.code(), ""
        info = error_details_pb2.ErrorInfo()
        for detail in status_pb2.Status.FromString(details).details:
            if detail.Unpack(info):
                return error.code(), info.reason
        return error.code(), ""
    raise AssertionError("the call did not fail")
