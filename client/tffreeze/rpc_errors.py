"""From a failed call to an exception: the contract's details first, then the status."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]  # untyped in old versions

from tffreeze.errors import (
    CLASSES,
    AccessError,
    BusyError,
    ModelFileError,
    NotFoundError,
    RequestError,
    ServiceError,
    TffreezeError,
    TimeLimitError,
    UnavailableError,
    error_for,
)

DOMAIN = "tffreeze"
DETAILS_KEY = "grpc-status-details-bin"

CLIENT_ONLY = ("OUTPUT_NOT_WRITABLE", "ENGINE_NOT_INSTALLED", "UNAVAILABLE")
"""Reasons that no server may give: the contract says so."""

_REASON = re.compile(r"[A-Z][A-Z0-9_]{1,62}")

_Code = grpc.StatusCode

_STATUSES: dict[grpc.StatusCode, tuple[str, type[TffreezeError]]] = {
    _Code.UNAVAILABLE: ("UNAVAILABLE", UnavailableError),
    _Code.DEADLINE_EXCEEDED: ("DEADLINE_EXCEEDED", TimeLimitError),
    _Code.CANCELLED: ("CANCELLED", TimeLimitError),
    _Code.UNAUTHENTICATED: ("UNAUTHENTICATED", AccessError),
    _Code.PERMISSION_DENIED: ("PERMISSION_DENIED", AccessError),
    _Code.INVALID_ARGUMENT: ("INTERNAL", RequestError),
    _Code.FAILED_PRECONDITION: ("INTERNAL", RequestError),
    _Code.NOT_FOUND: ("INTERNAL", NotFoundError),
    _Code.DATA_LOSS: ("INTERNAL", ModelFileError),
    _Code.RESOURCE_EXHAUSTED: ("INTERNAL", BusyError),
    _Code.ABORTED: ("INTERNAL", BusyError),
}
"""For each status: the reason if there are no details (the status comes from gRPC or a proxy), and the class for an
unknown reason."""


@dataclass(frozen=True, slots=True)
class _Details:
    """The details of a status.

    Attributes:
        reason: From the contract's ErrorInfo; empty if there is none.
        subject: From the same.
        has_error_info: Whether there is an ErrorInfo of any domain.
        retry_after_seconds: From RetryInfo; None if there is none.

    """

    reason: str = ""
    subject: str = ""
    has_error_info: bool = False
    retry_after_seconds: float | None = None


def error_of_call(error: grpc.RpcError, address: str) -> TffreezeError:
    """Make the exception for a failed call. It is retryable if the server says so, or if no server answered.

    Args:
        error: gRPC's exception, which is also the call.
        address: Address of the server, for the message.

    """
    code, text = error.code(), error.details() or ""
    details = _details(error)
    made = _told(code, text, details) if details.reason else _untold(code, text, address)
    is_gone = code is _Code.UNAVAILABLE and not details.has_error_info
    made.retryable = is_gone or details.retry_after_seconds is not None
    made.retry_after_seconds = details.retry_after_seconds
    return made


def _told(code: grpc.StatusCode, text: str, details: _Details) -> TffreezeError:
    """Choose the class by the reason, or by the status if a newer server sends an unknown reason."""
    if details.reason in CLIENT_ONLY:
        message = f"The server sent the reason {details.reason}, which only a client may use: {text}"
        return error_for("INTERNAL", message, details.subject)
    if details.reason in CLASSES:
        return error_for(details.reason, text, details.subject)
    return _STATUSES.get(code, ("", ServiceError))[1](details.reason, text, details.subject)


def _untold(code: grpc.StatusCode, text: str, address: str) -> TffreezeError:
    if code is _Code.UNIMPLEMENTED:
        message = f"The server at {address} does not speak tffreeze.v1: {text}"
    elif code is _Code.UNAVAILABLE:
        message = f"The server at {address} cannot be reached: {text}"
    elif code is _Code.DEADLINE_EXCEEDED:
        message = f"The server at {address} did not finish in the time given. Allow more time."
    else:
        message = f"The call to {address} failed: {code.name}: {text}"
    return error_for(_STATUSES.get(code, ("INTERNAL", ServiceError))[0], message)


def _details(error: grpc.RpcError) -> _Details:
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())  # type: ignore[arg-type]  # pairs, in fact
    status = status_pb2.Status()
    try:
        status.ParseFromString(trailers.get(DETAILS_KEY, b""))
        return _unpacked(status)
    except (DecodeError, TypeError, ValueError):
        return _Details()


def _unpacked(status: Any) -> _Details:  # noqa: ANN401 - untyped in old versions
    infos = _of_kind(status, error_details_pb2.ErrorInfo)
    ours = next((info for info in infos if info.domain == DOMAIN and _REASON.fullmatch(info.reason)), None)
    delays = [retry.retry_delay for retry in _of_kind(status, error_details_pb2.RetryInfo)]
    return _Details(
        ours.reason if ours else "",
        ours.metadata.get("subject", "") if ours else "",
        bool(infos),
        max((max(delay.ToMilliseconds(), 0) / 1000 for delay in delays), default=None),
    )


def _of_kind(status: Any, kind: Any) -> list[Any]:  # noqa: ANN401 - untyped in old versions
    return [kind.FromString(detail.value) for detail in status.details if detail.Is(kind.DESCRIPTOR)]
