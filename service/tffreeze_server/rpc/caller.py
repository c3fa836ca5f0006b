"""Who calls. Authentication sets it for the task that serves the call; without it, the peer's address or network."""

from __future__ import annotations

import ipaddress
from contextvars import ContextVar
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and what is theirs.

    Attributes:
        name: What limits are counted by and logs tell: a token's name, a certificate's subject, or an address.
        model_roots: Names of the model roots the caller may use; None: all of them.

    """

    name: str
    model_roots: frozenset[str] | None = None

    def may_use(self, model_root: str) -> bool:
        """Whether this caller may use the model root of this name."""
        return self.model_roots is None or model_root in self.model_roots


CALLER: ContextVar[Caller | None] = ContextVar("tffreeze_caller", default=None)
"""Set by the interceptor that authenticates; gRPC runs it in the same task as the handler."""


_NETWORK_BITS = 64
"""Of an IPv6 address: the rest is the caller's own to choose, for each call another."""


def caller_of(peer: str) -> Caller:
    """Give the caller of the current task: of IPv6, all of one network are one.

    Args:
        peer: gRPC's name for the other end, such as `ipv4:127.0.0.1:34567` or `ipv6:%5B::1%5D:34567`.

    """
    known = CALLER.get()
    if known is not None:
        return known
    kind, _, address = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return Caller(peer)
    host = unquote(address.rpartition(":")[0]).strip("[]")
    return Caller(_network_of(host) if kind == "ipv6" else f"ipv4:{host}")


def _network_of(host: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return f"ipv6:{host}"
    if address.ipv4_mapped is not None:
        return f"ipv4:{address.ipv4_mapped}"
    return f"ipv6:{ipaddress.IPv6Network((int(address), _NETWORK_BITS), strict=False)}"
