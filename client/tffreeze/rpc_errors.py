"""From a failed call to an exception: the contract's details first, then the status."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # untyped in old versions

from tffreeze.errors import TffreezeError, error_for

DOMAIN = "tffreeze"
DETAILS_KEY = "grpc-status-details-bin"

_REASONS = {
    grpc.StatusCode.UNAVAILABLE: "UNAVAILABLE",
    grpc.StatusCode.DEADLINE_EXCEEDED: "DEADLINE_EXCEEDED",
    grpc.StatusCode.CANCELLED: "CANCELLED",
    grpc.StatusCode.UNAUTHENTICATED: "UNAUTHENTICATED",
    grpc.StatusCode.PERMISSION_DENIED: "PERMISSION_DENIED",
}
"""What a status means that comes without details: from gRPC itself or from something on the way."""


def error_of_call(error: grpc.RpcError, address: str) -> TffreezeError:
    """Make the exception for a failed call.

    Args:
        error: As gRPC raised it: also a call.
        address: Of the server, for the message.

    """
    code, details = error.code(), error.details() or ""
    info, retry_after_seconds = _details(error)
    if info is not None:
        made = error_for(info.reason, details, info.metadata.get("subject", ""))
    elif code is grpc.StatusCode.UNIMPLEMENTED:
        made = error_for("INTERNAL", f"The server at {address} does not speak tffreeze.v1: {details}")
    elif code is grpc.StatusCode.UNAVAILABLE:
        made = error_for("UNAVAILABLE", f"The server at {address} cannot be reached, or has ended: {details}")
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        made = error_for("DEADLINE_EXCEEDED", f"The server at {address} was not done in the time given.")
    else:
        made = error_for(
            _REASONS.get(code, "INTERNAL"), f"The call to {address} failed: {code.name}: {details}"
        )
    made.retry_after_seconds = retry_after_seconds
    return made


def _details(error: grpc.RpcError) -> tuple[Any, float | None]:
    """The ErrorInfo of the contract, and how long to wait; None where there is none."""
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type]  # pairs, in fact
    status = status_pb2.Status()
    try:
        status.ParseFromString(trailers.get(DETAILS_KEY, b""))
        return _unpacked(status)
    except (DecodeError, TypeError, UnicodeDecodeError):
        return None, None


def _unpacked(status: Any) -> tuple[Any, float | None]:  # noqa: ANN401 - untyped in old versions
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    has_info, retry_after_seconds = False, None
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
            has_info = info.domain == DOMAIN
        elif detail.Is(retry.DESCRIPTOR):
            detail.Unpack(retry)
            retry_after_seconds = retry.retry_delay.ToMilliseconds() / 1000
    return (info if has_info else None), retry_after_seconds
