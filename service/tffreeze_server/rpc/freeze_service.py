"""The calls of `tffreeze.v1.FreezeService`."""

from __future__ import annotations

import time
from typing import Any

import grpc

from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.observer import Clock, Observer

SERVICE_NAME = "tffreeze.v1.FreezeService"


class FreezeService:
    """Serves calls: put it into a server with `add_to_server`, not with the generated function.

    Requests and responses pass as bytes: a chunk of a result is then never copied into a message and out
    again, which doubles the throughput.
    """

    def __init__(self, settings: CallSettings, observer: Observer, clock: Clock = time.monotonic) -> None:
        self._settings = settings

    async def start(self) -> None:
        """Take the spool, and sweep what dead processes left in it. Before the server starts."""

    async def drain(self) -> None:
        """Refuse new and waiting calls with DRAINING, and return when the running ones have ended."""

    async def close(self) -> None:
        """Give the spool back. After the server has stopped."""

    async def Freeze(self, requests: Any, context: Any) -> None: ...
    async def Inspect(self, requests: Any, context: Any) -> bytes: ...
    async def GetCapabilities(self, request: bytes, context: Any) -> bytes: ...


def add_to_server(service: FreezeService, server: grpc.aio.Server) -> None:
    """Have a server serve these calls."""
    handlers = {
        "Freeze": grpc.stream_stream_rpc_method_handler(service.Freeze),
        "Inspect": grpc.stream_unary_rpc_method_handler(service.Inspect),
        "GetCapabilities": grpc.unary_unary_rpc_method_handler(service.GetCapabilities),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
