"""OpenTelemetry: a span for each call, a child for each of its stages, in the caller's trace if it sent one.

The extra `tffreeze[tracing]` brings OpenTelemetry; without it `start_tracing` gives None. What is exported, where
to and how much of it is said by the OTEL_* variables of OpenTelemetry itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tffreeze_server.rpc.observer import CallInfo, CallObserver, CallOutcome, Observer, Stage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

SERVICE = "tffreeze.v1.FreezeService"

_FLUSH_SECONDS = 3.0


class Tracing(Observer):
    """Makes spans of calls.

    Args:
        provider: OpenTelemetry's, with a processor that exports.

    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("tffreeze_server")

    def call_started(self, call: CallInfo) -> CallSpan:
        """Begin a span."""
        return CallSpan(self._tracer, call)

    def close(self) -> None:
        """Export what is left; takes some seconds at most, also where nobody listens."""
        flush = threading.Thread(target=self._provider.shutdown, name="tracing-flush", daemon=True)
        flush.start()
        flush.join(_FLUSH_SECONDS)


class CallSpan(CallObserver):
    """The span of one call. Attributes are named as in OpenTelemetry's conventions for RPC."""

    def __init__(self, tracer: Tracer, call: CallInfo) -> None:
        from opentelemetry import propagate, trace  # noqa: PLC0415 - an extra

        texts = {key: value for key, value in call.metadata.items() if isinstance(value, str)}
        self._tracer = tracer
        self._received_bytes = 0
        self._sent_bytes = 0
        self._span: Span = tracer.start_span(
            f"{SERVICE}/{call.method}",
            context=propagate.extract(texts),
            kind=trace.SpanKind.SERVER,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": SERVICE,
                "rpc.method": call.method,
                "network.peer.address": call.peer,
                "tffreeze.request_id": call.request_id,
                "tffreeze.caller": call.caller,
            },
        )

    def described(self, fields: Mapping[str, str | int]) -> None:
        """Add attributes."""
        self._span.set_attributes({f"tffreeze.{key}": value for key, value in fields.items()})

    def stage(self, stage: Stage, seconds: float) -> None:
        """Add a child that ends now."""
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        now = time.time_ns()
        child = self._tracer.start_span(
            stage.value,
            context=trace.set_span_in_context(self._span),
            start_time=now - int(seconds * 1e9),
        )
        child.end(now)

    def received(self, size_bytes: int) -> None:
        """Count bytes that came in."""
        self._received_bytes += size_bytes

    def sent(self, size_bytes: int) -> None:
        """Count bytes that went out."""
        self._sent_bytes += size_bytes

    def ended(self, outcome: CallOutcome) -> None:
        """End the span."""
        from opentelemetry import trace  # noqa: PLC0415 - an extra

        self._span.set_attributes(
            {
                "tffreeze.reason": outcome.reason,
                "tffreeze.received_bytes": self._received_bytes,
                "tffreeze.sent_bytes": self._sent_bytes,
            }
        )
        if outcome.reason != "OK":
            self._span.set_status(trace.StatusCode.ERROR, outcome.message)
        if isinstance(outcome.error, Exception):
            self._span.record_exception(outcome.error)
        self._span.end()


def start_tracing() -> Tracing | None:
    """Set OpenTelemetry up to export by OTLP over HTTP.

    Returns:
        What makes spans; None where OpenTelemetry is not installed.

    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    own: dict[str, Any] = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "tffreeze-server"}
    # Not on exit: that waits for as long as it likes.
    provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
