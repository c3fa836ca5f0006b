"""A call with one answer.

It is made as if there could be more: gRPC's own call with one answer gives None where there is none, and waits for ever
where a second one comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import grpc

from tffreeze.connection import Connection
from tffreeze.parse import broken
from tffreeze.rpc_errors import error_of_call


class Watcher(Protocol):
    """Whoever may want to end a call."""

    def watch(self, cancel: Callable[[], object]) -> None:
        """Take what ends it."""


def call_unary(
    connection: Connection,
    method: str,
    requests: Iterator[bytes],
    timeout_seconds: float | None,
    *watchers: Watcher,
) -> tuple[str, bytes]:
    """Call the server whose turn it is.

    Args:
        connection: To whom.
        method: Its path.
        requests: The messages; a method that takes one gets one.
        timeout_seconds: None: no limit.
        *watchers: Who may end the call.

    Returns:
        The address of the server, and its answer.

    Raises:
        TffreezeError: As the server says; INTERNAL where it does not answer once.

    """
    address, channel = connection.next_channel()
    ready = channel.stream_stream(method, None, None)
    call = connection.begin(lambda: ready(requests, timeout=timeout_seconds, metadata=connection.metadata))
    for watcher in watchers:
        watcher.watch(call.cancel)
    answers: list[bytes] = []
    try:
        for answer in call:
            answers.append(answer)
            if len(answers) > 1:
                break
    except grpc.RpcError as error:
        raise error_of_call(error, address) from error
    finally:
        call.cancel()  # type: ignore[no-untyped-call]  # of a third-party stub
    if len(answers) != 1:
        raise broken("did not send exactly one response")
    return address, answers[0]
