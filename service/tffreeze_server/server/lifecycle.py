"""What stands around a server, alone or with workers: port files, the parent, metrics by HTTP. Imports no gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tffreeze import __version__
from tffreeze_server.server import logs
from tffreeze_server.server.config import listening_address
from tffreeze_server.server.flags import ServerSettings
from tffreeze_server.server.metrics_http import MetricsServer
from tffreeze_server.server.parent import watch_parent
from tffreeze_server.server.port_file import remove_port_file, write_port_file
from tffreeze_server.server.shutdown import Shutdown

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


@contextlib.contextmanager
def prepared(settings: ServerSettings, shutdown: Shutdown) -> Iterator[None]:
    """Watch the parent if that is wanted; hold port files of the past and of now away from who comes after us."""
    remove_port_file(settings.port_file)
    remove_port_file(settings.metrics_port_file)
    if settings.die_with_parent:
        loop = asyncio.get_running_loop()
        watch_parent(on_loop(loop, lambda: shutdown.force("the parent ended")))
    try:
        yield
    finally:
        remove_port_file(settings.port_file)
        remove_port_file(settings.metrics_port_file)


def on_loop(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> Callable[[], None]:
    """Make a function that calls another on the loop, from any thread, unless the loop is gone."""

    def call() -> None:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(function)

    return call


@contextlib.contextmanager
def metrics_served(settings: ServerSettings, registry: CollectorRegistry) -> Iterator[None]:
    """Serve metrics by HTTP.

    Raises:
        OSError: It cannot listen there; names the flag.

    """
    assert settings.metrics_port is not None
    try:
        server = MetricsServer(settings.metrics_host, settings.metrics_port, registry)
    except OSError as error:
        where = f"--metrics-host {settings.metrics_host} --metrics-port {settings.metrics_port}"
        raise OSError(f"{where}: cannot listen there: {error.strerror}.") from None
    server.start()
    try:
        if settings.metrics_port_file is not None:
            write_port_file(settings.metrics_port_file, server.port)
        logs.event(logging.INFO, "metrics", url=f"http://{settings.metrics_host}:{server.port}/metrics")
        yield
    finally:
        server.close()


def announce(settings: ServerSettings, port: int) -> None:
    """Tell that calls are served.

    Raises:
        OSError: The port file cannot be written.

    """
    address = listening_address(settings)
    if settings.unix_socket is None:
        address = f"{address.rpartition(':')[0]}:{port}"
    # First: who reads the log may look for the file.
    if settings.port_file is not None:
        write_port_file(settings.port_file, port)
    logs.event(
        logging.INFO,
        "listening",
        address=address,
        tls="mutual" if settings.tls_client_ca else "yes" if settings.tls_cert else "no",
        tokens="yes" if settings.auth_tokens else "no",
        workers=settings.workers,
        version=__version__,
        pid=os.getpid(),
    )
