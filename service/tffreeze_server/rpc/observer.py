"""What logs, metrics and traces are told of calls and of the process.

All methods are called on the event loop, but `reloaded` on any thread. They must not block and must not raise.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Clock = Callable[[], float]
"""Seconds that only go forward, such as `time.monotonic`."""


class Stage(enum.Enum):
    """What a call spends its time on, in order; the value is its name in logs and metrics."""

    QUEUED = "queued"
    RECEIVING = "receiving"
    PLANNING = "planning"
    SENDING = "sending"


@dataclass(frozen=True, slots=True)
class CallInfo:
    """What is known when a call begins.

    Attributes:
        method: `Freeze`, `Inspect` or `GetCapabilities`.
        request_id: Given by the caller, or made; safe to log.
        caller: `Caller.name`.
        peer: gRPC's name for the other end.
        metadata: What came with the call (trace context is in there, and so are tokens: do not log it).

    """

    method: str
    request_id: str
    caller: str
    peer: str
    metadata: Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """How a call ended.

    Attributes:
        reason: `OK`, or the name of the `Reason`.
        seconds: From its first to its last moment.
        message: What the caller was told; empty if all went well.
        subject: What that is about.
        error: The exception behind INTERNAL, to be logged with its traceback; else None.

    """

    reason: str
    seconds: float
    message: str = ""
    subject: str = ""
    error: BaseException | None = None


class CallObserver:
    """Told what happens in one call. Does nothing: who wants to know overrides a method."""

    def described(self, fields: Mapping[str, str | int]) -> None:
        """Say what the call is about, as it becomes known: `delivery`, `source`, `model`, and so on."""

    def stage(self, stage: Stage, seconds: float) -> None:
        """Say how long a stage took, at its end, also when it failed; each once, but a call may wait twice."""

    def received(self, size_bytes: int) -> None:
        """Say that bytes of files came in."""

    def sent(self, size_bytes: int) -> None:
        """Say that bytes of the result went out."""

    def ended(self, outcome: CallOutcome) -> None:
        """Say how it ended; once, the last word."""


class Observer:
    """Told what happens in a server process. Does nothing: who wants to know overrides a method."""

    def call_started(self, call: CallInfo) -> CallObserver:  # noqa: ARG002 - for those that override it
        """Say that a call begins; give what is told of it."""
        return CallObserver()

    def jobs_changed(self, running: int, queued: int, receiving: int) -> None:
        """Say how many jobs run, how many calls wait, and how many uploads come in now."""

    def spool_changed(self, reserved_bytes: int) -> None:
        """Say how much of the spool is reserved now."""

    def planner_lost(self, cause: str) -> None:
        """Say that a planner was lost to its work and is replaced: to `memory`, `cpu`, `time` or `crash`."""

    def reloaded(self, what: str, result: str) -> None:
        """Say that files were reloaded: `tls` or `tokens`; `ok` or `failed`."""
