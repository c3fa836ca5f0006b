"""What a server sets up before it serves and removes at exit: port files, the watch on its parent, metrics by HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tffreeze import __version__
from tffreeze_server.server import logs
from tffreeze_server.server.config import listening_address
from tffreeze_server.server.flags import ServerSettings
from tffreeze_server.server.parent import watch_parent
from tffreeze_server.server.port_file import remove_port_file, write_port_file
from tffreeze_server.server.shutdown import Shutdown

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


@contextlib.contextmanager
def prepared(settings: ServerSettings, shutdown: Shutdown) -> Iterator[None]:
    """Remove stale port files, and ours at exit; watch the parent if that is configured."""
    remove_port_file(settings.port_file)
    remove_port_file(settings.metrics_port_file)
    if settings.die_with_parent:
        loop = asyncio.get_running_loop()

        def gone() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
                loop.call_soon_threadsafe(shutdown.force, "the parent ended")

        watch_parent(gone)
    try:
        yield
    finally:
        remove_port_file(settings.port_file)
        remove_port_file(settings.metrics_port_file)


@contextlib.contextmanager
def metrics_served(settings: ServerSettings, registry: CollectorRegistry) -> Iterator[None]:
    """Serve metrics by HTTP.

    Raises:
        OSError: It cannot listen there; names the flag.

    """
    from prometheus_client import start_http_server  # noqa: PLC0415 - needed only with --metrics-port

    assert settings.metrics_port is not None
    try:
        # On a thread of its own: it answers even while the event loop is busy.
        server, _ = start_http_server(settings.metrics_port, settings.metrics_host.strip("[]"), registry)
    except OSError as error:
        where = f"--metrics-host {settings.metrics_host} --metrics-port {settings.metrics_port}"
        raise OSError(f"{where}: cannot listen there: {error.strerror}.") from None
    try:
        if settings.metrics_port_file is not None:
            write_port_file(settings.metrics_port_file, server.server_port)
        url = f"http://{settings.metrics_host}:{server.server_port}/metrics"
        logs.event(logging.INFO, "metrics", url=url)
        yield
    finally:
        server.shutdown()
        server.server_close()


def announce(settings: ServerSettings, port: int) -> None:
    """Write the port file and log the address: calls are served now.

    Raises:
        OSError: The port file cannot be written.

    """
    address = listening_address(settings)
    if settings.unix_socket is None:
        address = f"{address.rpartition(':')[0]}:{port}"
    # Before the log line: its reader may look for the file.
    if settings.port_file is not None:
        write_port_file(settings.port_file, port)
    logs.event(
        logging.INFO,
        "listening",
        address=address,
        tls="mutual" if settings.tls_client_ca else "yes" if settings.tls_cert else "no",
        tokens="yes" if settings.auth_tokens else "no",
        version=__version__,
        pid=os.getpid(),
    )
