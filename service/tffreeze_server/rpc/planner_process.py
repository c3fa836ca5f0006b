"""One planner as its server sees it: a process, the pipe to it, its limits, and why it was lost.

Theory of operation. Three limits hold a planner, each where it cannot be evaded:

- memory: RLIMIT_AS, which the planner sets before it imports the engine. Every way to get memory counts, on
  every kernel (RLIMIT_DATA leaves `mmap` out on some). Python answers with MemoryError, and the planner tells.
  protobuf's C code does not check and dies by a signal: a planner that dies so with more than half of its
  limit in use is taken to have run out.
- CPU time: RLIMIT_CPU, raised before each job by what the process has used so far. The kernel sends SIGXCPU.
- time: here, by not waiting any longer. The process is killed.

SIGKILL that is not ours is the kernel's, which has no memory left. Whatever else ends a planner is a crash.
A planner that was lost is never asked again.
"""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe

from tffreeze_server.rpc import planner_main


@dataclass(frozen=True, slots=True)
class PlannerLimits:
    """What one plan may take; 0: no limit.

    Attributes:
        max_memory_bytes: Of address space of the process, its program (about 150 MB) included.
        max_cpu_seconds: Of all its threads.
        max_seconds: From the request to the answer.

    """

    max_memory_bytes: int = 0
    max_cpu_seconds: int = 0
    max_seconds: float = 0.0


class Cause(enum.Enum):
    """Why a planner was lost; the value is its name in logs and metrics."""

    MEMORY = "memory"
    CPU = "cpu"
    TIME = "time"
    CRASH = "crash"


class PlannerLostError(Exception):
    """A planner did not answer.

    Attributes:
        cause: Why.

    """

    def __init__(self, cause: Cause, how: str) -> None:
        super().__init__(how)
        self.cause = cause


class PlannerProcess:
    """A planner that runs.

    Args:
        limits: Of each plan.

    """

    def __init__(self, limits: PlannerLimits) -> None:
        self._limits = limits
        self._killed = False
        self._pipe, others_end = Pipe()
        with others_end, _stop_signals_blocked():
            descriptor = others_end.fileno()
            numbers = (descriptor, limits.max_memory_bytes, limits.max_cpu_seconds)
            self._process = subprocess.Popen(  # noqa: S603 - this Python, this package
                # -P: what lies in the working directory is not to be imported
                [sys.executable, "-P", "-m", planner_main.__name__, *map(str, numbers)],
                pass_fds=(descriptor,),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )

    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return not self._killed and self._process.poll() is None

    def ask(self, request: planner_main.Request) -> planner_main.Answer:
        """Send a request and wait for the answer.

        Raises:
            PlannerLostError: There is none.

        """
        try:
            self._pipe.send(request)
            if not self._pipe.poll(self._limits.max_seconds or None):
                self.kill()
                raise PlannerLostError(Cause.TIME, "it did not answer in time")
            answer: planner_main.Answer = self._pipe.recv()
        except (EOFError, OSError):
            raise self._lost() from None
        if answer[0] == planner_main.OUT_OF_MEMORY:
            self.kill()
            raise PlannerLostError(Cause.MEMORY, "MemoryError")
        return answer

    def kill(self) -> None:
        """End it now; who waits for it gets an error."""
        self._killed = True  # it is still there for a moment
        self._process.kill()

    def end(self) -> None:
        """Kill it, and wait until it is gone: it has nothing to lose."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    def _lost(self) -> PlannerLostError:
        """Say why it ended by itself."""
        used_bytes = self._reap()
        status = self._process.wait()
        return PlannerLostError(
            cause_of(status, used_bytes, self._limits.max_memory_bytes), f"exit status {status}"
        )

    def _reap(self) -> int:
        """Wait for its end.

        Returns:
            Bytes that it used at most; 0 where another thread was faster to take note of its end.

        """
        try:
            _, status, usage = os.wait4(self._process.pid, 0)
        except ChildProcessError:
            return 0
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_maxrss * 1024


@contextlib.contextmanager
def _stop_signals_blocked() -> Iterator[None]:
    """Block what stops a server, in this thread: a process that it starts is born with them blocked.

    Ctrl-C at a terminal goes to every process there, also to one that has not come to ignoring it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cause_of(status: int, used_bytes: int, max_memory_bytes: int) -> Cause:
    """Tell why a process ended by itself.

    Args:
        status: How it ended; -N: by signal N.
        used_bytes: Memory that it used at most.
        max_memory_bytes: Its limit; 0: none.

    """
    if status == -signal.SIGXCPU:
        return Cause.CPU
    is_near_limit = 0 < max_memory_bytes < 2 * used_bytes
    if status == -signal.SIGKILL or (status < 0 and is_near_limit):
        return Cause.MEMORY
    return Cause.CRASH
