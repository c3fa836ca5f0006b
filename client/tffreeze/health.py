"""Asking a server whether it takes calls: `grpc.health.v1.Health/Check`.

The two messages are small enough to be read by hand, which saves the client a dependency: the request may be
empty (the server as a whole), the response has one field, `status = 1`, and SERVING is 1.
"""

from __future__ import annotations

import grpc

from tffreeze.connection import Connection
from tffreeze.errors import error_for
from tffreeze.rpc_errors import error_of_call

METHOD = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"


def check_health(connection: Connection, timeout_seconds: float) -> str:
    """Ask the server whose turn it is.

    Returns:
        Its address.

    Raises:
        UnavailableError: It cannot be reached, or does not take calls now.

    """
    address, channel = connection.next_channel()
    check = channel.unary_unary(METHOD, _as_is, _as_is)
    try:
        status = check(b"", timeout=timeout_seconds, metadata=connection.metadata, wait_for_ready=False)
    except grpc.RpcError as error:
        raise error_of_call(error, address) from error
    if status != _SERVING:
        raise error_for(
            "UNAVAILABLE", f"The server at {address} takes no calls now: it starts, or is about to end."
        )
    return address


def _as_is(data: bytes) -> bytes:
    return data
