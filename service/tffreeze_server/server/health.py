"""grpc.health.v1: SERVING until the shutdown begins, then NOT_SERVING.

The servicer of grpcio-health-checking writes to watchers under a lock: one watcher that does not read would keep
the others from seeing NOT_SERVING.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SERVICE_NAME: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # has no types
    """Answers checks and watches.

    Args:
        services: Names of the services, besides the empty name for the whole server.

    """

    def __init__(self, services: tuple[str, ...]) -> None:
        self._services = {"", *services}
        self._draining = asyncio.Event()
        self._ended = asyncio.Event()

    def drain(self) -> None:
        """Say NOT_SERVING from now on."""
        self._draining.set()

    def end(self) -> None:
        """End what watches, so that the server need not wait for them."""
        self._draining.set()
        self._ended.set()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802, ANN401 - as generated
        """Tell the status of a service; NOT_FOUND if there is no such service."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service.")
        return self._status()

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802, ANN401 - as generated
        """Tell the status of a service now and when it changes."""
        if request.service in self._services:
            status = self._status()
            await context.write(status)
            if status.status == health_pb2.HealthCheckResponse.SERVING:
                await self._draining.wait()
                await context.write(self._status())
        else:
            unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
            await context.write(health_pb2.HealthCheckResponse(status=unknown))
        await self._ended.wait()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "The server ends.")

    def _status(self) -> Any:  # noqa: ANN401 - a message without types
        status = health_pb2.HealthCheckResponse
        return status(status=status.NOT_SERVING if self._draining.is_set() else status.SERVING)
