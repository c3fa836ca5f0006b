"""Run the server's process: from its settings to its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

from tffreeze_server.rpc.observer import Observer
from tffreeze_server.server import exit_codes, logs, metrics
from tffreeze_server.server.flags import ServerSettings
from tffreeze_server.server.grpc_server import serve
from tffreeze_server.server.lifecycle import announce, metrics_served, prepared
from tffreeze_server.server.observers import Observers
from tffreeze_server.server.shutdown import Shutdown
from tffreeze_server.server.tracing import start_tracing


def run(settings: ServerSettings) -> int:
    """Serve until asked to end; give the exit code."""
    logs.configure(settings.log_format, settings.log_level)
    return asyncio.run(_run(settings))


async def _run(settings: ServerSettings) -> int:
    shutdown = Shutdown()
    shutdown.listen_to_signals()
    with contextlib.ExitStack() as stack:
        stack.enter_context(prepared(settings, shutdown))
        observer = Observers(_observers(settings, stack))
        code = await serve(settings, observer, shutdown, lambda port: announce(settings, port))
    if code == exit_codes.CALLS_CUT:
        # Threads that work for calls which were cut off are not waited for.
        logging.shutdown()
        os._exit(code)
    return code


def _observers(settings: ServerSettings, stack: contextlib.ExitStack) -> list[Observer]:
    """Logs, and metrics and traces where they are configured."""
    observers: list[Observer] = [logs.LogObserver()]
    if settings.metrics_port is not None:
        counted = metrics.Metrics()
        stack.enter_context(metrics_served(settings, counted.registry))
        observers.append(counted)
    if settings.tracing:
        tracing = start_tracing()
        if tracing is None:
            message = "--tracing: OpenTelemetry is not installed: pip install 'tffreeze[tracing]'."
            logs.event(logging.WARNING, "no tracing", message=message)
        else:
            stack.callback(tracing.close)
            observers.append(tracing)
    return observers
