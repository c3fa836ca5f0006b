"""Traces: the server's spans stand in the caller's trace, and the server works without OpenTelemetry."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from server.running import WAIT_SECONDS, Upload, running
from tffreeze_server.server import exit_codes

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector() -> Iterator[tuple[str, queue.Queue[bytes]]]:
    """A collector of traces: its address, and what it was sent."""
    received: queue.Queue[bytes] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", received
    server.shutdown()
    server.server_close()


def test_spans_of_a_call_continue_the_trace_of_its_caller(
    tmp_path: Path, collector: tuple[str, queue.Queue[bytes]]
) -> None:
    """One span for the call, below the caller's; one for each stage, below that; all exported at the end."""
    pytest.importorskip("opentelemetry.sdk")
    service_pb2 = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    address, received = collector
    environment = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": address, "NO_PROXY": "*"}
    with running(tmp_path, "--tracing", environment=environment) as server, server.channel() as channel:
        upload = Upload(server, channel, [("traceparent", f"00-{TRACE}-{PARENT}-01")])
        upload.finish()
        assert exit_codes.OK == server.stop()
    request = service_pb2.ExportTraceServiceRequest.FromString(received.get(timeout=WAIT_SECONDS))
    resource = request.resource_spans[0]
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    call = spans.pop("tffreeze.v1.FreezeService/Freeze")
    assert (TRACE, PARENT) == (call.trace_id.hex(), call.parent_span_id.hex())
    assert {"receiving", "planning", "sending"} == set(spans)
    assert {(call.trace_id, call.span_id)} == {(s.trace_id, s.parent_span_id) for s in spans.values()}
    for span in spans.values():
        assert span.start_time_unix_nano <= span.end_time_unix_nano
    assert "OK" == texts(call)["tffreeze.reason"]
    assert "graph.pb" == texts(call)["tffreeze.model"]
    assert "tffreeze-server" == texts(resource.resource)["service.name"]


def test_the_server_works_without_opentelemetry(tmp_path: Path) -> None:
    """With --tracing and no OpenTelemetry it says so and serves."""
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "opentelemetry.py").write_text("raise ImportError('not installed')\n")
    environment = {"PYTHONPATH": str(tmp_path / "none")}
    with running(tmp_path, "--tracing", environment=environment) as server, server.channel() as channel:
        assert "tffreeze[tracing]" in server.log.wait("no tracing")["message"]
        upload = Upload(server, channel)
        assert upload.graph in upload.finish()


def test_opentelemetry_is_imported_only_when_it_is_wanted() -> None:
    """It is large; so is the metrics' library."""
    program = (
        "import sys, tffreeze_server.server.main, tffreeze_server.server.run\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('opentelemetry', 'prometheus_client', 'tensorflow')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert "[]" == result.stdout.strip()


def texts(owner: Any) -> dict[str, str]:
    """Attributes that are text."""
    return {attribute.key: attribute.value.string_value for attribute in owner.attributes}
