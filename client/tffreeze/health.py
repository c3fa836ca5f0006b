"""Health check of a server: `grpc.health.v1.Health/Check`.

The two messages are parsed by hand, which saves a dependency: the request is empty (the whole server), and the
response has one field, `status = 1`, where SERVING is 1.
"""

from __future__ import annotations

from tffreeze.connection import Connection
from tffreeze.errors import error_for
from tffreeze.retry import check_timeout
from tffreeze.unary import call_unary

METHOD = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"


def check_health(connection: Connection, timeout_seconds: float) -> str:
    """Check the next server in rotation.

    Returns:
        Its address.

    Raises:
        RequestError: INVALID_OPTION: the time is none.
        UnavailableError: It cannot be reached, or does not take calls now.

    """
    check_timeout(timeout_seconds)
    address, status = call_unary(connection, METHOD, iter([b""]), timeout_seconds)
    if status != _SERVING:
        message = f"The server at {address} does not accept calls: it is starting or shutting down."
        raise error_for("UNAVAILABLE", message, retryable=True)
    return address
