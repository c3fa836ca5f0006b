"""Who calls. Authentication sets it for the task that serves the call; without it, the peer's address."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


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


def caller_of(peer: str) -> Caller:
    """Give the caller of the current task.

    Args:
        peer: gRPC's name for the other end, such as `ipv4:127.0.0.1:34567` or `ipv6:%5B::1%5D:34567`.

    """
    known = CALLER.get()
    if known is not None:
        return known
    kind, _, address = peer.partition(":")
    host = address.rpartition(":")[0] if kind in ("ipv4", "ipv6") else address
    return Caller(f"{kind}:{host}")
