"""How a client reaches its servers: addresses, TLS, tokens."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from tffreeze._version import __version__
from tffreeze.allocator import keep_freed_megabytes
from tffreeze.errors import error_for

MAX_RESPONSE_BYTES = 256 << 20
"""Chunks are small; a report grows with the number of variables."""

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "unix")


@dataclass(frozen=True, slots=True)
class Tls:
    """How to speak TLS. All are PEM.

    Attributes:
        root_certificates: Whom to trust; None: whom the system's gRPC trusts.
        certificate: The client's own chain, for mutual TLS.
        private_key: Its key.

    """

    root_certificates: bytes | None = None
    certificate: bytes | None = None
    private_key: bytes | None = None


class Connection:
    """Channels to one or more servers, opened when first used; calls go round them.

    Args:
        addresses: Such as `localhost:50051`, `dns:///freeze.example:50051` or `unix:///run/tffreeze.sock`.
        tls: None: plaintext.
        token: A bearer token; goes over TLS or to this machine only.
        insecure: Send the token in plaintext to other machines too.

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
        far = next((address for address in addresses if not _is_loopback(address)), None)
        if token and tls is None and far and not insecure:
            message = f"The token would go to {far!r} in plaintext. Give `tls`, or `insecure=True` to send it anyhow."
            raise error_for("INVALID_OPTION", message, far)
        self._addresses = tuple(addresses)
        self._tls = tls
        self._turn = itertools.count()
        self._channels: dict[str, grpc.Channel] = {}
        self._lock = threading.Lock()
        self.metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def next_channel(self) -> tuple[str, grpc.Channel]:
        """The address whose turn it is, and its channel."""
        address = self._addresses[next(self._turn) % len(self._addresses)]
        with self._lock:
            if address not in self._channels:
                self._channels[address] = self._open(address)
            return address, self._channels[address]

    def close(self) -> None:
        """Close all channels; calls that are on their way are cancelled."""
        with self._lock:
            for channel in self._channels.values():
                channel.close()
            self._channels.clear()

    def _open(self, address: str) -> grpc.Channel:
        keep_freed_megabytes()
        options = [
            ("grpc.max_receive_message_length", MAX_RESPONSE_BYTES),
            ("grpc.primary_user_agent", f"tffreeze/{__version__}"),
        ]
        if self._tls is None:
            return grpc.insecure_channel(address, options)
        tls = self._tls
        credentials = grpc.ssl_channel_credentials(tls.root_certificates, tls.private_key, tls.certificate)
        return grpc.secure_channel(address, credentials, options)


def _is_loopback(address: str) -> bool:
    target = (
        address.rsplit("///", maxsplit=1)[-1]
        if "///" in address and not address.startswith("unix")
        else address
    )
    return target.removeprefix("ipv4:").removeprefix("ipv6:").startswith(_LOOPBACK)
