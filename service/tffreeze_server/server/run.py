"""Run the only serving process, and what it has in common with one of several: who is told of calls, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os

from tffreeze_server.rpc.observer import Observer
from tffreeze_server.server import exit_codes, logs, metrics
from tffreeze_server.server.flags import ServerSettings
from tffreeze_server.server.grpc_server import Watchers, serve
from tffreeze_server.server.lifecycle import announce, metrics_served, prepared
from tffreeze_server.server.observers import Observers
from tffreeze_server.server.shutdown import Shutdown
from tffreeze_server.server.tracing import start_tracing


def run_alone(settings: ServerSettings) -> int:
    """Serve as the only process, until asked to end; give the exit code."""
    logs.configure(settings.log_format, settings.log_level)
    return asyncio.run(_alone(settings))


async def _alone(settings: ServerSettings) -> int:
    shutdown = Shutdown()
    shutdown.listen_to_signals()
    with contextlib.ExitStack() as stack:
        stack.enter_context(prepared(settings, shutdown))
        counted = metrics.Metrics() if settings.metrics_port is not None else None
        if counted is not None:
            metrics.add_process_metrics(counted.registry)
            stack.enter_context(metrics_served(settings, counted.registry))
        watchers = watchers_of(settings, counted, stack)
        code = await serve(settings, watchers, shutdown, lambda port: announce(settings, port))
    end_now_if_cut(code)
    return code


def end_now_if_cut(code: int) -> None:
    """End the process without waiting for threads that work for calls which were cut off."""
    if code == exit_codes.CALLS_CUT:
        logging.shutdown()
        os._exit(code)


def watchers_of(
    settings: ServerSettings, counted: metrics.Metrics | None, stack: contextlib.ExitStack
) -> Watchers:
    """Put together who is told of calls."""
    observers: list[Observer] = [logs.LogObserver()]
    if counted is not None:
        observers.append(counted)
    if settings.tracing:
        tracing = start_tracing()
        if tracing is None:
            message = "--tracing: OpenTelemetry is not installed: pip install 'tffreeze[tracing]'."
            logs.event(logging.WARNING, "no tracing", message=message)
        else:
            stack.callback(tracing.close)
            observers.append(tracing)
    return Watchers(Observers(observers), counted or metrics.NoMetrics())
