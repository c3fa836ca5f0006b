"""Asking a server whether it takes calls: `grpc.health.v1.Health/Check`.

The two messages are small enough to be read by hand, which saves the client a dependency: the request may be
empty (the server as a whole), the response has one field, `status = 1`, and SERVING is 1.
"""

from __future__ import annotations

from tffreeze.connection import Connection
from tffreeze.errors import error_for
from tffreeze.retry import check_timeout
from tffreeze.unary import call_unary

METHOD = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"


def check_health(connection: Connection, timeout_seconds: float) -> str:
    """Ask the server whose turn it is.

    Returns:
        Its address.

    Raises:
        RequestError: INVALID_OPTION: the time is none.
        UnavailableError: It cannot be reached, or does not take calls now.

    """
    check_timeout(timeout_seconds)
    address, status = call_unary(connection, METHOD, iter([b""]), timeout_seconds)
    if status != _SERVING:
        message = f"The server at {address} takes no calls now: it starts, or is about to end."
        raise error_for("UNAVAILABLE", message, retryable=True)
    return address
