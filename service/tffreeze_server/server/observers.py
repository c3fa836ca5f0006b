"""Several observers as one: logs, metrics, traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tffreeze_server.rpc.observer import CallInfo, CallObserver, CallOutcome, Observer, Stage


class Observers(Observer):
    """Tells every observer, in order."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    def call_started(self, call: CallInfo) -> CallObserver:
        """A call begins."""
        return _CallObservers([observer.call_started(call) for observer in self._observers])

    def jobs_changed(self, running: int, queued: int, receiving: int) -> None:
        """How many jobs run, wait and upload."""
        for observer in self._observers:
            observer.jobs_changed(running, queued, receiving)

    def spool_changed(self, reserved_bytes: int) -> None:
        """How much of the spool is reserved."""
        for observer in self._observers:
            observer.spool_changed(reserved_bytes)

    def planner_lost(self, cause: str) -> None:
        """A planner was lost."""
        for observer in self._observers:
            observer.planner_lost(cause)

    def reloaded(self, what: str, result: str) -> None:
        """Files were reloaded."""
        for observer in self._observers:
            observer.reloaded(what, result)


class _CallObservers(CallObserver):
    def __init__(self, observers: Sequence[CallObserver]) -> None:
        self._observers = tuple(observers)

    def described(self, fields: Mapping[str, str | int]) -> None:
        for observer in self._observers:
            observer.described(fields)

    def stage(self, stage: Stage, seconds: float) -> None:
        for observer in self._observers:
            observer.stage(stage, seconds)

    def received(self, size_bytes: int) -> None:
        for observer in self._observers:
            observer.received(size_bytes)

    def sent(self, size_bytes: int) -> None:
        for observer in self._observers:
            observer.sent(size_bytes)

    def ended(self, outcome: CallOutcome) -> None:
        for observer in self._observers:
            observer.ended(outcome)
