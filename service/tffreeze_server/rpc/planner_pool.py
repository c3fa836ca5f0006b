"""Run the engine in processes of its own.

Reading a graph is pure Python and holds the GIL all the time. In a thread of the server it starves the event
loop: sending 1 GB took 33 s instead of 1 s while other threads planned. Processes also use all cores, can be killed
as soon as their call ends, and keep a hostile model's memory away from the server. A plan comes back as some hundred
kilobytes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc import planner_main
from tffreeze_server.rpc.planner_process import Cause, PlannerLimits, PlannerLostError, PlannerProcess

T = TypeVar("T")

Told = Callable[[Cause], None]

_NO_LIMITS = PlannerLimits()

_TRIED_AGAIN = frozenset((Cause.MEMORY, Cause.CRASH))
"""Worth a second try on a fresh planner, which holds less memory. A second try would need the same time again."""


class PlannerError(Exception):
    """A planner failed in a way that it should not; the message is its traceback, or how it ended."""


@dataclass(frozen=True)
class PendingPlan(Generic[T]):
    """A plan that a planner makes or will make.

    Attributes:
        future: Its result. When it is done, no process works for it.
        stop: Ends it now.

    """

    future: Future[T]
    stop: Callable[[], None]


class Planners:
    """A few processes, each with a thread that waits for it.

    Args:
        count: How many.
        limits: Of each plan.
        lost: Called in a thread for each planner that was lost during a plan.

    """

    def __init__(
        self, count: int, limits: PlannerLimits = _NO_LIMITS, lost: Told = lambda _cause: None
    ) -> None:
        self._count = count
        self._limits = limits
        self._lost = lost
        self._threads = ThreadPoolExecutor(count, "planning")
        self._idle: SimpleQueue[PlannerProcess] = SimpleQueue()
        self._orders: set[_Order] = set()

    def start(self) -> None:
        """Start the processes; does not wait until they are ready."""
        for _ in range(self._count):
            self._idle.put(PlannerProcess(self._limits))

    def submit(self, function: Callable[..., T], *arguments: object) -> PendingPlan[T]:
        """Run a function of a module in a process; arguments and value are pickled.

        The future raises what the function raises, if that is a FreezeError; PLANNER_LIMIT_EXCEEDED where the
        plan takes more than it may; else PlannerError.
        """
        order = _Order((function, arguments))
        self._orders.add(order)
        future = self._threads.submit(self._run, order)
        future.add_done_callback(lambda _: self._orders.discard(order))
        return PendingPlan(future, order.stop)

    def close(self) -> None:
        """Stop all requests and end the processes."""
        for order in tuple(self._orders):
            order.stop()
        self._threads.shutdown(cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().end()

    def _run(self, order: _Order) -> Any:  # noqa: ANN401 - what the function gives
        process = self._idle.get()
        try:
            process = self._living(process)
            try:
                return self._ask(order, process)
            except PlannerLostError as lost:
                if lost.cause not in _TRIED_AGAIN:
                    raise
                process = self._living(process)
                return self._ask(order, process)
        except PlannerLostError as lost:
            raise _error_of(lost, self._limits) from None
        finally:
            # One that was killed is replaced now: the next plan need not wait, and nothing is left of the old one.
            with contextlib.suppress(OSError):
                process = self._living(process)
            self._idle.put(process)

    def _ask(self, order: _Order, process: PlannerProcess) -> Any:  # noqa: ANN401 - what the function gives
        try:
            return _value(order.run_in(process))
        except PlannerLostError as lost:
            self._lost(lost.cause)
            raise

    def _living(self, process: PlannerProcess) -> PlannerProcess:
        """Give a process that can be asked: this one, or a fresh one in its place."""
        if process.is_alive():
            return process
        process.end()
        return PlannerProcess(self._limits)


class _Order:
    """A request that may be stopped at any time."""

    def __init__(self, request: planner_main.Request) -> None:
        self._request = request
        self._lock = threading.Lock()
        self._process: PlannerProcess | None = None
        self._stopped = False

    def stop(self) -> None:
        """Kill the process that works for it, and let none begin."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def run_in(self, process: PlannerProcess) -> planner_main.Answer:
        """Run it in a process.

        Raises:
            FreezeError: CANCELLED, where it was stopped.
            PlannerLostError: The process did not answer.

        """
        with self._lock:
            if self._stopped:
                raise _stopped()
            self._process = process
        try:
            return process.ask(self._request)
        except PlannerLostError:
            if self._stopped:
                raise _stopped() from None
            raise
        finally:
            with self._lock:
                self._process = None


def _value(answer: planner_main.Answer) -> Any:  # noqa: ANN401 - what the function gives
    kind, value = answer
    if kind == planner_main.DONE:
        return value
    if kind == planner_main.FAILED:
        raise PlannerError(value)
    raise value


def _error_of(lost: PlannerLostError, limits: PlannerLimits) -> Exception:
    """What a call is told whose planner was lost."""
    if lost.cause is Cause.CRASH:
        return PlannerError(f"A planner ended in the middle of its work: {lost}.")
    limit = {
        Cause.MEMORY: f"as much memory as this server has for it ({limits.max_memory_bytes:,} bytes at most)",
        Cause.CPU: f"more than the {limits.max_cpu_seconds} seconds of CPU time that this server allows",
        Cause.TIME: f"longer than the {limits.max_seconds:g} seconds that this server allows",
    }[lost.cause]
    return FreezeError(
        Reason.PLANNER_LIMIT_EXCEEDED,
        f"Planning took {limit}. Freeze without a server, or ask its operator for a higher limit.",
    )


def _stopped() -> FreezeError:
    return FreezeError(Reason.CANCELLED, "The call ended before its plan was made.")
