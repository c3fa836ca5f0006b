"""One process that serves: start, listen, drain, end.

Start: the port, then the spool, then calls are served and whoever waits is told. End, asked by a signal: health
says NOT_SERVING and new calls are refused with DRAINING while those that run go on; when they have ended, or
`drain_seconds` are over, or a second signal has come, the port is closed and what is left is cut off: with
DRAINING where the client still reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2_grpc

from tffreeze.v1 import freeze_service_pb2
from tffreeze_server.rpc.freeze_service import SERVICE_NAME, FreezeService, add_to_server
from tffreeze_server.rpc.observer import Observer
from tffreeze_server.rpc.process import exit_codes, health
from tffreeze_server.rpc.process.auth import CertificateInterceptor, TokenInterceptor
from tffreeze_server.rpc.process.certificates import load_certificates
from tffreeze_server.rpc.process.config import ServerSettings, listening_address
from tffreeze_server.rpc.process.ending import Ending
from tffreeze_server.rpc.process.logs import event
from tffreeze_server.rpc.process.metrics import ProcessMetrics
from tffreeze_server.rpc.process.reflection import Reflection
from tffreeze_server.rpc.process.reload import Reloaded
from tffreeze_server.rpc.process.tls import server_credentials
from tffreeze_server.rpc.process.tokens import load_tokens
from tffreeze_server.rpc.spool import SpoolUnusableError

_CLEAN_UP_SECONDS = 5.0

_NO_COMPRESSION = 1
"""Of the algorithms that gRPC knows, by bit, only the first: none."""

_PARTING_SECONDS = 1.0
"""How long a call that is cut off has to tell its client why: part of `_CLEAN_UP_SECONDS`."""

METHODS = frozenset(
    f"{SERVICE_NAME}/{method.name}"
    for method in freeze_service_pb2.DESCRIPTOR.services_by_name["FreezeService"].methods
)


class CannotListenError(Exception):
    """The server cannot listen where it was told to."""


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who is told what happens: of calls, and of the process."""

    calls: Observer
    process: ProcessMetrics


class Server:
    """The gRPC server and all that it serves.

    Args:
        settings: What was configured.
        watchers: Who is told.
        shared: Whether other workers listen on the same port.

    """

    def __init__(self, settings: ServerSettings, watchers: Watchers, *, shared: bool = False) -> None:
        self._settings = settings
        self._watchers = watchers
        self._options = channel_options(settings, shared=shared)
        self._service = FreezeService(settings.calls, watchers.calls)
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

    async def drain(self, ending: Ending) -> bool:
        """Finish the calls that run, then stop.

        Args:
            ending: Says when not to wait any longer.

        Returns:
            Whether every call was finished.

        """
        assert self._server is not None
        until = time.monotonic() + self._settings.drain_seconds
        self._health.drain()
        work = asyncio.ensure_future(self._service.drain())
        finished = await ending.finished_before(work, self._settings.drain_seconds)
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
        finished = await ending.finished_before(stop, grace + _CLEAN_UP_SECONDS)
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
            interceptors.append(TokenInterceptor(tokens, self._watchers.calls, METHODS))
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
            self._watchers.process.reloaded(what, "failed" if error else "ok")
            if error:
                event(logging.ERROR, "reload failed", what=what, message=f"{error} The last good ones stay.")
            else:
                event(logging.INFO, "reloaded", what=what)

        return told


def channel_options(settings: ServerSettings, *, shared: bool) -> list[tuple[str, int]]:
    """Give what gRPC's core is told; names as in its `grpc_types.h` and `channel_arg_names.h`."""

    def milliseconds(seconds: float) -> int:
        return int(seconds * 1000) if seconds else 2**31 - 1  # the greatest: never

    max_call_seconds = settings.calls.max_call_seconds
    return [
        # Old versions of gRPC unpack a message before they look at its size: 1.59 makes 683 MB of 611 KB.
        ("grpc.compression_enabled_algorithms_bitset", _NO_COMPRESSION),
        ("grpc.per_message_decompression", 0),
        # Else a second server on the port would share its calls in silence.
        ("grpc.so_reuseport", int(shared)),
        ("grpc.keepalive_time_ms", milliseconds(settings.keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", milliseconds(settings.keepalive_timeout_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", milliseconds(settings.min_client_ping_seconds)),
        ("grpc.max_connection_idle_ms", milliseconds(settings.max_connection_idle_seconds)),
        ("grpc.max_connection_age_ms", milliseconds(settings.max_connection_age_seconds)),
        # Every call is over by then. What is left are answers that nobody reads.
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
    watchers: Watchers,
    ending: Ending,
    listening: Callable[[int], Any],
    *,
    shared: bool = False,
) -> int:
    """Serve until asked to end.

    Args:
        settings: What was configured.
        watchers: Who is told.
        ending: Says when to end.
        listening: Called with the port once calls are served.
        shared: Whether other workers listen on the same port.

    Returns:
        The exit code.

    """
    server = Server(settings, watchers, shared=shared)
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
        return await _given_up(server, ending)
    await ending.asked.wait()
    event(logging.INFO, "draining", why=ending.why, drain_seconds=settings.drain_seconds)
    finished = await server.drain(ending)
    await server.close()
    event(logging.INFO, "ended", why=ending.why, finished=finished)
    return exit_codes.OK if finished else exit_codes.CALLS_CUT


async def _given_up(server: Server, ending: Ending) -> int:
    ending.force("the start failed")
    await server.drain(ending)
    await server.close()
    return exit_codes.FAULT
