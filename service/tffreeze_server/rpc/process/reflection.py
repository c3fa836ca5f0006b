"""Reflection: tools ask what can be called. Both names of the service, v1 and v1alpha; their messages are the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1_NAME = "grpc.reflection.v1.ServerReflection"
NAMES = (reflection.SERVICE_NAME, V1_NAME)


class Reflection(reflection.aio.ReflectionServicer):  # type: ignore[misc]  # has no types
    """Tells of services; tools may keep its stream open for as long as they like, until the end."""

    def __init__(self, services: tuple[str, ...]) -> None:
        super().__init__((*services, reflection.SERVICE_NAME))
        self._streams: set[asyncio.Task[Any]] = set()

    def end(self) -> None:
        """End open streams, so that the server need not wait for them."""
        for stream in self._streams:
            stream.cancel()

    async def ServerReflectionInfo(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802, ANN401 - as generated
        """Answer questions."""
        stream = asyncio.current_task()
        assert stream is not None
        self._streams.add(stream)
        try:
            async for response in super().ServerReflectionInfo(requests, context):
                yield response
        finally:
            self._streams.discard(stream)

    def add_to_server(self, server: grpc.aio.Server) -> None:
        """Have a server answer questions."""
        handler = grpc.stream_stream_rpc_method_handler(
            self.ServerReflectionInfo,
            request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
            response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        handlers = {"ServerReflectionInfo": handler}
        server.add_generic_rpc_handlers(
            tuple(grpc.method_handlers_generic_handler(name, handlers) for name in NAMES)
        )
