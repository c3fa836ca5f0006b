"""Who may call what: bearer tokens, and the names of clients' certificates.

An interceptor checks each call before its handler runs. A call without permission is refused before any of its
messages is read. If a token is removed, running calls finish.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.caller import CALLER, Caller
from tffreeze_server.rpc.observer import CallInfo, CallOutcome, Observer
from tffreeze_server.rpc.request_id import METADATA_KEY, request_id
from tffreeze_server.rpc.status import abort
from tffreeze_server.server.reload import Reloaded
from tffreeze_server.server.tokens import MAX_TOKEN_CHARACTERS, Tokens, matches

_HEADER = "authorization"
_SCHEME = "bearer "

_Handler = Any  # grpc.RpcMethodHandler: generic in stubs only
_Metadata = tuple[tuple[str, str | bytes], ...]


def authenticate(tokens: Tokens, method: str, header: str | None) -> Caller | None:
    """Decide whether a call is allowed.

    Args:
        tokens: The current ones.
        method: `package.Service/Method`.
        header: The metadata `authorization`.

    Returns:
        The caller; None: anybody may call this, and the caller gave no token.

    Raises:
        FreezeError: UNAUTHENTICATED or PERMISSION_DENIED.

    """
    if header is None:
        if matches(tokens.anonymous_methods, method):
            return None
        raise FreezeError(
            Reason.UNAUTHENTICATED,
            f"{method} needs a token, and none was given. Send one as `authorization: Bearer TOKEN`.",
        )
    presented = header[len(_SCHEME) :].strip()
    if not header.lower().startswith(_SCHEME) or len(presented) > MAX_TOKEN_CHARACTERS:
        raise FreezeError(Reason.UNAUTHENTICATED, "`authorization` is not `Bearer TOKEN`.")
    token = tokens.find(presented)
    if token is None:
        raise FreezeError(
            Reason.UNAUTHENTICATED,
            "The server does not know this token, or not any more. Ask its operator for one.",
        )
    if not token.may_call(method) and not matches(tokens.anonymous_methods, method):
        raise FreezeError(
            Reason.PERMISSION_DENIED,
            f"The token {token.name!r} may not call {method}. Ask the server's operator.",
            subject=method,
        )
    return Caller(token.name, token.model_roots)


class TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in stubs only
    """Admits callers with a valid token.

    Args:
        tokens: Reloaded when their file changes.
        observer: Told of refused calls.
        methods: Names of our own methods, `package.Service/Method`; the observer sees others as `other`.

    """

    def __init__(self, tokens: Reloaded[Tokens], observer: Observer, methods: frozenset[str]) -> None:
        self._tokens = tokens
        self._observer = observer
        self._methods = methods

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Set the caller and go on, or refuse."""
        method = handler_call_details.method.lstrip("/")
        metadata = tuple(handler_call_details.invocation_metadata or ())
        try:
            caller = authenticate(self._tokens.get(), method, _header(metadata))
        except FreezeError as error:
            return self._refusal(error, method, metadata)
        if caller is not None:
            CALLER.set(caller)
        return await continuation(handler_call_details)

    def _refusal(self, error: FreezeError, method: str, metadata: _Metadata) -> _Handler:
        async def refuse(requests: Any, context: Any) -> None:  # noqa: ANN401, ARG001 - as gRPC calls it
            call = CallInfo(
                method=method.rpartition("/")[2] if method in self._methods else "other",
                request_id=request_id(metadata),
                caller="",
                peer=context.peer(),
                metadata={},
            )
            outcome = CallOutcome(error.reason.name, 0.0, error.message, error.subject)
            self._observer.call_started(call).ended(outcome)
            await context.send_initial_metadata(((METADATA_KEY, call.request_id),))
            await abort(context, error)

        # A stream for any kind of method: no message of the call is waited for.
        return grpc.stream_stream_rpc_method_handler(refuse)


class CertificateInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in stubs only
    """Names callers by their certificates (mutual TLS), unless a token has named them."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[_Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> _Handler:
        """Wrap the handler: the certificate is known only when it runs."""
        handler = await continuation(handler_call_details)
        if handler is None or CALLER.get() is not None or not _is_ours(handler_call_details.method):
            return handler
        return _named(handler)


def _is_ours(method: str) -> bool:
    return method.startswith("/tffreeze.")


def _named(handler: _Handler) -> _Handler:
    """The same handler, which sets the caller first. Handlers of ours are coroutines."""
    kinds = {
        (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
        (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
        (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
        (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
    }
    attribute, make = kinds[handler.request_streaming, handler.response_streaming]
    behaviour = getattr(handler, attribute)

    async def named(request: Any, context: Any) -> Any:  # noqa: ANN401 - as gRPC calls it
        name = certificate_name(context.auth_context())
        if name:
            CALLER.set(Caller(name))
        return await behaviour(request, context)

    return make(named, handler.request_deserializer, handler.response_serializer)


def certificate_name(auth_context: Mapping[str, Any]) -> str:
    """Give the name of a client's certificate: its first alternative name, else its common name."""
    for key in ("x509_subject_alternative_name", "x509_common_name"):
        for value in auth_context.get(key, ()):
            name = value.decode("utf-8", "replace")[:128]
            if name and name.isprintable():
                return f"cert:{name}"
    return ""


def _header(metadata: _Metadata) -> str | None:
    """The one `authorization`; several are as good as a bad one."""
    values = [str(value) for key, value in metadata if key == _HEADER]
    return values[0] if len(values) == 1 else "" if values else None
