"""The service on a port of this machine, without TLS, tokens and all else that runs a process."""

from __future__ import annotations

import grpc

from tffreeze_server.rpc.freeze_service import FreezeService, add_to_server
from tffreeze_server.rpc.limits import CallSettings
from tffreeze_server.rpc.observer import Observer


class PlainServer:
    """The service and the gRPC server around it; both belong to one event loop."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._service: FreezeService | None = None
        self._server: grpc.aio.Server | None = None

    async def start(self) -> int:
        """Listen on a free port; the port."""
        self._service = FreezeService(self._settings, Observer())
        await self._service.start()
        self._server = grpc.aio.server()
        add_to_server(self._service, self._server)
        port: int = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return port

    async def stop(self) -> None:
        """End all calls."""
        if self._server is not None:
            await self._server.stop(None)  # at once
        if self._service is not None:
            await self._service.close()
