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
        self._ended = asyncio.Event()

    def end(self) -> None:
        """End open streams, so that the server need not wait for them."""
        self._ended.set()

    async def ServerReflectionInfo(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802, ANN401 - as generated
        """Answer questions."""
        async for response in super().ServerReflectionInfo(self._until_end(requests), context):
            yield response

    async def _until_end(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        ended = asyncio.ensure_future(self._ended.wait())
        questions = aiter(requests)
        try:
            while True:
                question = asyncio.ensure_future(_next(questions))
                both: tuple[asyncio.Future[Any], ...] = (question, ended)
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                question.cancel()  # does nothing to one that has come
                if ended.done() or question.result() is None:
                    return
                yield question.result()
        finally:
            ended.cancel()

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


async def _next(questions: AsyncIterator[Any]) -> Any:  # noqa: ANN401 - a message, or None at the end
    return await anext(questions, None)
