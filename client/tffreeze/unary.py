"""A call with one response.

It uses gRPC's stream API: for a unary call, gRPC returns None if there is no response, and waits forever if there
is a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import grpc

from tffreeze.connection import Connection
from tffreeze.parse import broken
from tffreeze.rpc_errors import error_of_call


class Watcher(Protocol):
    """Something that may cancel a call."""

    def watch(self, cancel: Callable[[], object]) -> None:
        """Remember the function that cancels the call."""


def call_unary(
    connection: Connection,
    method: str,
    requests: Iterator[bytes],
    timeout_seconds: float | None,
    *watchers: Watcher,
) -> tuple[str, bytes]:
    """Call the next server in rotation.

    Args:
        connection: The servers.
        method: The method's path.
        requests: The request messages.
        timeout_seconds: Time limit; None: no limit.
        *watchers: What may cancel the call.

    Returns:
        The address of the server, and its response.

    Raises:
        TffreezeError: The server's error; INTERNAL if there is not exactly one response.

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
