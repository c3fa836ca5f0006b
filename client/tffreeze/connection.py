"""How a client reaches its servers: addresses, TLS, tokens."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import grpc

from tffreeze._version import __version__
from tffreeze.allocator import keep_freed_megabytes
from tffreeze.errors import TffreezeError, error_for
from tffreeze.loopback import is_loopback
from tffreeze.options import check_utf8

MAX_RESPONSE_BYTES = 64 << 20
"""Enough for the report of some hundred thousand variables; chunks are much smaller."""

_IDENTITY_ONLY = 1
"""Accept uncompressed messages only: a kilobyte of gzip can become a gigabyte."""

_URL = re.compile(r"https?:", re.IGNORECASE)
_PORT = re.compile(r"^(?!unix)(?:.*[^:])?:([0-9]+)$", re.DOTALL)
_MAX_PORT = (1 << 16) - 1
_MAX_PORT_DIGITS = 5
_WITH_COMMAS = ("ipv4:", "ipv6:", "unix:", "unix-abstract:")
"""Schemes whose addresses may hold commas."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS files, as PEM bytes.

    Attributes:
        root_certificates: CA certificates to trust. None: gRPC's default.
        certificate: The client's certificate chain, for mutual TLS.
        private_key: Its private key.

    """

    root_certificates: bytes | None = None
    certificate: bytes | None = None
    private_key: bytes | None = field(default=None, repr=False)


class Connection:
    """Channels to one or more servers, opened when first used. Calls rotate.

    Args:
        addresses: Such as `localhost:50051`, `dns:///freeze.example:50051` or `unix:///run/tffreeze.sock`.
        tls: None: plaintext.
        token: A bearer token. It is sent over TLS or to this machine only.
        insecure: Allow sending the token in plaintext to other machines.

    Raises:
        RequestError: INVALID_OPTION.

    """

    def __init__(
        self, addresses: Sequence[str], tls: Tls | None, token: str | None, *, insecure: bool
    ) -> None:
        if not addresses:
            raise error_for(
                "INVALID_OPTION", "A client needs the address of a server, such as `localhost:50051`."
            )
        if token is not None and not all("!" <= letter <= "~" for letter in token):
            raise error_for(
                "INVALID_OPTION",
                "The token contains spaces or characters that are not ASCII. Check the token file.",
            )
        for address in addresses:
            _check_address(address)
        if tls is not None:
            _check_tls(tls)
        far = next((address for address in addresses if not is_loopback(address)), None)
        if token and tls is None and far and not insecure:
            message = f"The token would go to {far!r} in plaintext. Give `tls`, or `insecure=True` to send it anyway."
            raise error_for("INVALID_OPTION", message, far)
        self._addresses = tuple(addresses)
        self._tls = tls
        self._turn = itertools.count()
        self._channels: dict[str, grpc.Channel] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self.metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def next_channel(self) -> tuple[str, grpc.Channel]:
        """The next address in rotation, and its channel.

        Raises:
            RequestError: INVALID_OPTION: the client is closed.

        """
        address = self._addresses[next(self._turn) % len(self._addresses)]
        with self._lock:
            if self._is_closed:
                raise client_is_closed()
            if address not in self._channels:
                self._channels[address] = self._open(address)
            return address, self._channels[address]

    def begin(self, call: Callable[[], _T]) -> _T:
        """Start a call on a channel that another thread may have closed.

        Raises:
            RequestError: INVALID_OPTION: the client is closed.

        """
        try:
            return call()
        except ValueError:  # gRPC raises it for a closed channel
            if self._is_closed:
                raise client_is_closed() from None
            raise

    def close(self) -> None:
        """Close all channels, cancel running calls and refuse further ones."""
        with self._lock:
            self._is_closed = True
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

    def _open(self, address: str) -> grpc.Channel:
        keep_freed_megabytes()
        options = [
            ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
            ("grpc.primary_user_agent", f"tffreeze/{__version__}"),
            ("grpc.compression_enabled_algorithms_bitset", _IDENTITY_ONLY),
        ]
        if is_loopback(address):
            options.append(("grpc.enable_http_proxy", 0))  # a call to this machine must not use a proxy
        if self._tls is None:
            return grpc.insecure_channel(address, options)
        tls = self._tls
        credentials = grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate)
        return grpc.secure_channel(address, credentials, options)


def _check_address(address: str) -> None:
    """Refuse what gRPC would take for something else, or look up as the name of a host, again and again."""
    check_utf8(address)
    port = _PORT.search(address)
    if not address or any(map(str.isspace, address)) or _URL.match(address):
        why = "is no address"
    elif "," in address and not address.startswith(_WITH_COMMAS):
        why = "is more than one address: give each by itself"
    elif port and (len(port[1]) > _MAX_PORT_DIGITS or int(port[1]) > _MAX_PORT):
        why = f"has the port {port[1]}, and {_MAX_PORT} is the highest"
    else:
        return
    raise error_for("INVALID_OPTION", f"{address!r} {why}. An address is such as `localhost:50051`.", address)


def _check_tls(tls: Tls) -> None:
    """Refuse what is not PEM. gRPC only logs that, and ends the process where a certificate has no key."""
    for name, data, mark in (
        ("root_certificates", tls.root_certificates, b"-----BEGIN CERTIFICATE-----"),
        ("certificate", tls.certificate, b"-----BEGIN CERTIFICATE-----"),
        ("private_key", tls.private_key, b"PRIVATE KEY-----"),
    ):
        if data is not None and mark not in data:
            raise error_for(
                "INVALID_OPTION", f"The `{name}` of TLS is not PEM: it has no {mark.decode()!r}.", name
            )
    if (tls.certificate is None) is not (tls.private_key is None):
        message = "A client's certificate is of no use without its private key, nor the key alone: give both, or none."
        raise error_for("INVALID_OPTION", message)


def client_is_closed() -> TffreezeError:
    """Make the error for a call after `close`."""
    return error_for("INVALID_OPTION", "The client is closed. Create a new one, or close it later.")
