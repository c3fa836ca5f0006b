"""One process that serves: start, listen, drain, end.

Start: the server takes the port, then the spool, then serves calls. Graceful shutdown: health says NOT_SERVING, new
calls fail with DRAINING, and running calls continue. The server stops when they have ended, when `drain_seconds`
are over, or at a second signal; calls that still run then fail with DRAINING, if their client still reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from tffreeze.v1 import freeze_service_pb2
from tffreeze_server.rpc.freeze_service import SERVICE_NAME, FreezeService, add_to_server
from tffreeze_server.rpc.observer import Observer
from tffreeze_server.rpc.spool import SpoolUnusableError
from tffreeze_server.server import exit_codes, health
from tffreeze_server.server.auth import CertificateInterceptor, TokenInterceptor
from tffreeze_server.server.certificates import load_certificates
from tffreeze_server.server.config import listening_address
from tffreeze_server.server.flags import ServerSettings
from tffreeze_server.server.logs import event
from tffreeze_server.server.reflection import Reflection
from tffreeze_server.server.reload import Reloaded
from tffreeze_server.server.shutdown import Shutdown
from tffreeze_server.server.tls import server_credentials
from tffreeze_server.server.tokens import load_tokens

_CLEAN_UP_SECONDS = 5.0

_NO_COMPRESSION = 1
"""Of the algorithms that gRPC knows, by bit, only the first: none."""

_MIN_CLIENT_PING_MILLISECONDS = 10_000
"""A connection whose client pings more often is closed."""

_PARTING_SECONDS = 1.0
"""How long a call that is cut off has to tell its client why: part of `_CLEAN_UP_SECONDS`."""

METHODS = frozenset(
    f"{SERVICE_NAME}/{method.name}"
    for method in freeze_service_pb2.DESCRIPTOR.services_by_name["FreezeService"].methods
)


class CannotListenError(Exception):
    """The server cannot listen where it was told to."""


class Server:
    """The gRPC server and all that it serves.

    Args:
        settings: What was configured.
        observer: Told what happens.

    """

    def __init__(self, settings: ServerSettings, observer: Observer) -> None:
        self._settings = settings
        self._observer = observer
        self._options = channel_options(settings)
        self._service = FreezeService(settings.calls, observer)
        self._health = health.Health((SERVICE_NAME,))
        self._reflection = Reflection((SERVICE_NAME, health.SERVICE_NAME)) if settings.reflection else None
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Begin to serve.

        Returns:
            The port; on a unix socket any number.

        Raises:
            CannotListenError: The port is taken, or the address is not ours.

        """
        self._server = server = grpc.aio.server(
            interceptors=self._interceptors(),
            options=self._options,
        )
        add_to_server(self._service, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._reflection is not None:
            self._reflection.add_to_server(server)
        if self._settings.channelz:
            _add_channelz(server)
        port = self._listen(server)
        await self._service.start()
        await server.start()
        return port

    async def drain(self, shutdown: Shutdown) -> bool:
        """Finish the calls that run, then stop.

        Args:
            shutdown: Says when not to wait any longer.

        Returns:
            Whether every call was finished.

        """
        assert self._server is not None
        until = time.monotonic() + self._settings.drain_seconds
        self._health.drain()
        work = asyncio.ensure_future(self._service.drain())
        finished = await shutdown.finished_before(work, self._settings.drain_seconds)
        self._health.end()
        if self._reflection is not None:
            self._reflection.end()
        if not finished:
            self._service.cut_off()
            stop = asyncio.ensure_future(self._server.stop(_PARTING_SECONDS))
            await asyncio.wait({stop}, timeout=_CLEAN_UP_SECONDS)
            return False
        # What is left are last bytes on their way to clients: they have the rest of the time.
        grace = max(0.0, until - time.monotonic())
        stop = asyncio.ensure_future(self._server.stop(grace))
        finished = await shutdown.finished_before(stop, grace + _CLEAN_UP_SECONDS)
        if not stop.done():
            await asyncio.wait({asyncio.ensure_future(self._server.stop(0))}, timeout=_CLEAN_UP_SECONDS)
        return finished

    async def close(self) -> None:
        """Give everything back. Never waits long."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._service.close(), _CLEAN_UP_SECONDS)

    def _interceptors(self) -> list[grpc.aio.ServerInterceptor[Any, Any]]:
        interceptors: list[grpc.aio.ServerInterceptor[Any, Any]] = []
        file = self._settings.auth_tokens
        if file is not None:
            tokens = Reloaded([file], lambda: load_tokens(file), told=self._told("tokens"))
            interceptors.append(TokenInterceptor(tokens, self._observer, METHODS))
        if self._settings.tls_client_ca is not None:
            interceptors.append(CertificateInterceptor())
        return interceptors

    def _listen(self, server: grpc.aio.Server) -> int:
        address = listening_address(self._settings)
        try:
            if self._settings.tls_cert is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, self._credentials())
        except RuntimeError:
            port = 0
        if port == 0:
            raise CannotListenError(
                f"Cannot listen on {address}: the port is taken, or the address is not this machine's. "
                "Choose another --port or --host."
            )
        return port

    def _credentials(self) -> grpc.ServerCredentials:
        cert, key, ca = self._settings.tls_cert, self._settings.tls_key, self._settings.tls_client_ca
        assert cert is not None
        assert key is not None
        files = [file for file in (cert, key, ca) if file is not None]
        load = lambda: load_certificates(cert, key, ca)  # noqa: E731 - no name is needed
        return server_credentials(Reloaded(files, load, told=self._told("tls")))

    def _told(self, what: str) -> Callable[[Exception | None], None]:
        def told(error: Exception | None) -> None:
            self._observer.reloaded(what, "failed" if error else "ok")
            if error:
                event(logging.ERROR, "reload failed", what=what, message=f"{error} The last good ones stay.")
            else:
                event(logging.INFO, "reloaded", what=what)

        return told


def channel_options(settings: ServerSettings) -> list[tuple[str, int]]:
    """The options of gRPC's core; their names are in its `grpc_types.h` and `channel_arg_names.h`."""

    def milliseconds(seconds: float) -> int:
        return int(seconds * 1000) if seconds else 2**31 - 1  # the greatest: never

    max_call_seconds = settings.calls.max_call_seconds
    return [
        # Old versions of gRPC unpack a message before they look at its size: 1.59 makes 683 MB of 611 KB.
        ("grpc.compression_enabled_algorithms_bitset", _NO_COMPRESSION),
        ("grpc.per_message_decompression", 0),
        # Otherwise a second server on the port would silently take some of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.keepalive_time_ms", milliseconds(settings.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", milliseconds(settings.keepalive_timeout_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", _MIN_CLIENT_PING_MILLISECONDS),
        ("grpc.max_connection_idle_ms", milliseconds(settings.max_connection_idle_seconds)),
        ("grpc.max_connection_age_ms", milliseconds(settings.max_connection_age_seconds)),
        # Every call has ended by then. Only answers that nobody reads are left.
        (
            "grpc.max_connection_age_grace_ms",
            milliseconds(max_call_seconds and max_call_seconds + _CLEAN_UP_SECONDS),
        ),
        ("grpc.max_concurrent_streams", settings.max_connection_calls),
        ("grpc.enable_channelz", int(settings.channelz)),
    ]


def _add_channelz(server: grpc.aio.Server) -> None:
    from grpc_channelz.v1 import channelz  # noqa: PLC0415 - wanted by few

    channelz.add_channelz_servicer(server)


async def serve(
    settings: ServerSettings,
    observer: Observer,
    shutdown: Shutdown,
    listening: Callable[[int], Any],
) -> int:
    """Serve until asked to end.

    Args:
        settings: What was configured.
        observer: Told what happens.
        shutdown: Says when to end.
        listening: Called with the port once calls are served.

    Returns:
        The exit code.

    """
    server = Server(settings, observer)
    try:
        listening(await server.start())
    except CannotListenError as error:
        event(logging.ERROR, "cannot listen", message=str(error))
        return exit_codes.CANNOT_LISTEN
    except SpoolUnusableError as error:
        event(logging.ERROR, "cannot start", message=f"--spool-dir {settings.calls.spool_dir}: {error}")
        return exit_codes.CONFIG
    except OSError as error:
        event(logging.ERROR, "cannot start", message=str(error))
        return await _given_up(server, shutdown)
    await shutdown.asked.wait()
    event(logging.INFO, "draining", why=shutdown.why, drain_seconds=settings.drain_seconds)
    finished = await server.drain(shutdown)
    await server.close()
    event(logging.INFO, "ended", why=shutdown.why, finished=finished)
    return exit_codes.OK if finished else exit_codes.CALLS_CUT


async def _given_up(server: Server, shutdown: Shutdown) -> int:
    shutdown.force("the start failed")
    await server.drain(shutdown)
    await server.close()
    return exit_codes.FAULT
