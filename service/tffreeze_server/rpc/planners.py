"""The engine in processes of its own.

Reading a graph is Python from end to end, and holds Python's one lock for as long as it takes. In a thread of the
server it starves the event loop: measured, sending 1 GB takes 33 s instead of 1 s while others plan. In
processes plans also use all cores, are over at once when their caller is (SIGKILL), and take nothing along when
a hostile model exhausts memory. A plan comes back as some hundred kilobytes.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import Pipe
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc import planner
from tffreeze_server.rpc.field_error import FieldError

T = TypeVar("T")


class PlannerError(Exception):
    """A planner failed in a way that it should not; the message is its traceback, or how it ended."""


@dataclass(frozen=True)
class Planning(Generic[T]):
    """A plan that is being made.

    Attributes:
        future: Its result; when it is done no process works for it any more.
        stop: Makes it end now.

    """

    future: Future[T]
    stop: Callable[[], None]


class Planners:
    """A few processes, each with a thread that waits for it.

    Args:
        count: How many.

    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._threads = ThreadPoolExecutor(count, "planning")
        self._idle: SimpleQueue[_Process] = SimpleQueue()
        self._orders: set[_Order] = set()

    def start(self) -> None:
        """Start the processes; they get ready by themselves."""
        for _ in range(self._count):
            self._idle.put(_Process())

    def submit(self, function: Callable[..., T], *arguments: object) -> Planning[T]:
        """Run a function of a module in a process; arguments and value are pickled.

        The future raises what the function raises, if that is a FreezeError; else PlannerError.
        """
        order = _Order((function, arguments))
        self._orders.add(order)
        future = self._threads.submit(self._run, order)
        future.add_done_callback(lambda _: self._orders.discard(order))
        return Planning(future, order.stop)

    def close(self) -> None:
        """Stop what is at work, and end the processes."""
        for order in tuple(self._orders):
            order.stop()
        self._threads.shutdown(cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().end()

    def _run(self, order: _Order) -> Any:  # noqa: ANN401 - what the function gives
        process = self._idle.get()
        try:
            process = _living(process)
            return order.run_in(process)
        finally:
            # One that was killed is replaced now: the next plan need not wait, and nothing is left of the old one.
            with contextlib.suppress(OSError):
                process = _living(process)
            self._idle.put(process)


class _Order:
    """A request on its way, which may be stopped at any time."""

    def __init__(self, request: planner.Request) -> None:
        self._request = request
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._stopped = False

    def stop(self) -> None:
        """Kill the process that works for it; have none begin."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def run_in(self, process: _Process) -> Any:  # noqa: ANN401 - what the function gives
        """Have a process work for it."""
        with self._lock:
            if self._stopped:
                raise _stopped()
            self._process = process
        try:
            answer = process.ask(self._request)
        except (EOFError, OSError):
            if self._stopped:
                raise _stopped() from None
            raise PlannerError(
                f"A planner ended in the middle of its work: {process.how_it_ended()}."
            ) from None
        finally:
            with self._lock:
                self._process = None
        return _value(answer)


class _Process:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        self._killed = False
        self._pipe, others_end = Pipe()
        with others_end:
            descriptor = others_end.fileno()
            self._process = subprocess.Popen(  # noqa: S603 - this Python, this package
                [sys.executable, "-m", planner.__name__, str(descriptor)],
                pass_fds=(descriptor,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return not self._killed and self._process.poll() is None

    def ask(self, request: planner.Request) -> planner.Answer:
        """Send a request and wait for the answer."""
        self._pipe.send(request)
        answer: planner.Answer = self._pipe.recv()
        return answer

    def kill(self) -> None:
        """End it now; who waits for it gets an error."""
        self._killed = True  # it is still there for a moment
        self._process.kill()

    def how_it_ended(self) -> str:
        """Tell its exit status."""
        return f"exit status {self._process.wait()}"

    def end(self) -> None:
        """Kill it, and wait until it is gone: it has nothing to lose."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()


def _living(process: _Process) -> _Process:
    """Give a process that can be asked: this one, or another in its place."""
    if process.is_alive():
        return process
    process.end()
    return _Process()


def _value(answer: planner.Answer) -> Any:  # noqa: ANN401 - what the function gives
    kind, value = answer
    if kind == planner.DONE:
        return value
    if kind == planner.FAILED:
        raise PlannerError(value)
    reason, message, subject, field = value
    if field:
        raise FieldError(reason, field, message, subject=subject)
    raise FreezeError(reason, message, subject=subject)


def _stopped() -> FreezeError:
    return FreezeError(Reason.CANCELLED, "The call ended before its plan was made.")
