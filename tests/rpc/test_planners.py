"""Processes that plan: they answer, fail, are stopped, die, and others take over."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.internal import api_implementation

from tffreeze_files import access
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.parse import parse
from tffreeze_server.rpc.messages import relative_path
from tffreeze_server.rpc.plan_request import plan_freeze
from tffreeze_server.rpc.planner_main import DONE
from tffreeze_server.rpc.planner_pool import PlannerError, Planners
from tffreeze_server.rpc.planner_process import Cause, PlannerLimits, PlannerProcess, cause_of
from tffreeze_server.tfproto.graph_pb2 import GraphDef

WAIT_SECONDS = 30


@pytest.fixture
def planners() -> Iterator[Planners]:
    """One planner, ended at the end."""
    running = Planners(1)
    running.start()
    yield running
    running.close()


def result(future: Future[Any]) -> Any:
    """Wait for what a planner gives."""
    return future.result(WAIT_SECONDS)


def test_values_and_errors_come_back(planners: Planners) -> None:
    """A value is the function's; a FreezeError keeps its reason, message, subject and field; others are defects."""
    assert 12 == result(planners.submit(len, "a dozen of l").future)
    with pytest.raises(FreezeError) as raised:
        result(planners.submit(relative_path, "../x", Reason.INVALID_OPTION).future)
    assert (Reason.INVALID_OPTION, "../x") == (raised.value.reason, raised.value.subject)
    with pytest.raises(PlannerError, match="ZeroDivisionError"):
        result(planners.submit(divmod, 1, 0).future)
    with pytest.raises(PlannerError, match="pickle"):
        result(planners.submit(threading.Lock).future)
    assert os.getpid() != result(planners.submit(os.getpid).future)


def test_field_of_an_error(planners: Planners) -> None:
    """An error with a field is one on this side too."""
    with pytest.raises(FreezeError) as raised:
        result(planners.submit(fail_with_field).future)
    assert ("spec.source", "why") == (raised.value.field, raised.value.message)


def test_an_error_that_is_its_own_cause(planners: Planners) -> None:
    """Looking for what is behind an error ends."""
    with pytest.raises(FreezeError) as raised:
        result(planners.submit(fail_by_itself).future)
    assert Reason.MODEL_NOT_FOUND == raised.value.reason


def fail_by_itself() -> None:
    """Runs in the planner."""
    error = FreezeError(Reason.MODEL_NOT_FOUND, "why")
    raise error from error


def fail_with_field() -> None:
    """Runs in the planner."""
    raise FreezeError(Reason.INVALID_OPTION, "why", field="spec.source")


def test_a_stopped_plan_ends_now(planners: Planners) -> None:
    """Stopping kills the process; the next plan is made by a new one."""
    first = result(planners.submit(os.getpid).future)
    planning = planners.submit(time.sleep, 3600)
    planning.stop()
    with pytest.raises(FreezeError) as raised:
        result(planning.future)
    assert Reason.CANCELLED == raised.value.reason
    assert Path(f"/proc/{result(planners.submit(os.getpid).future)}").exists()
    assert isinstance(first, int)


def test_one_stopped_before_it_begins_never_does(planners: Planners) -> None:
    """A plan that waits for a process and is stopped leaves the one that works alone."""
    first = planners.submit(time.sleep, 0.2)
    second = planners.submit(time.sleep, 3600)
    second.stop()
    assert result(first.future) is None
    with pytest.raises(FreezeError):
        result(second.future)


@dataclass
class Limited:
    """One planner with limits, and what it was told that planners were lost to."""

    planners: Planners
    lost: list[Cause]


@contextlib.contextmanager
def limited(**limits: Any) -> Iterator[Limited]:
    """Run a planner with these limits."""
    lost: list[Cause] = []
    planners = Planners(1, PlannerLimits(**limits), lost.append)
    planners.start()
    try:
        yield Limited(planners, lost)
    finally:
        planners.close()


def test_a_planner_that_dies_is_replaced() -> None:
    """A planner killed while idle is no defect at all, and lost to no plan."""
    with limited() as one:
        idle = result(one.planners.submit(os.getpid).future)
        os.kill(idle, signal.SIGKILL)
        os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)  # until it has ended, with all its threads
        assert idle != result(one.planners.submit(os.getpid).future)
        assert [] == one.lost


def die_by(number: signal.Signals) -> None:
    """Runs in the planner."""
    os.kill(os.getpid(), number)


def die_first(file: Path, number: signal.Signals) -> str:
    """Runs in the planner: dies the first time, and remembers it in a file."""
    if not file.exists():
        file.touch()
        die_by(number)
    return "done"


def fill_memory(file: Path | None = None) -> int:
    """Runs in the planner: takes more than 512 MiB, each time or only the first."""
    if file is not None and file.exists():
        return 0
    if file is not None:
        file.touch()
    return len([bytearray(1 << 20) for _ in range(512)])


def malformed_for_want_of_memory() -> None:
    """Runs in the planner: an error that hides what is behind it."""
    try:
        fill_memory()
    except MemoryError:
        raise FreezeError(Reason.MALFORMED_MODEL, "This cannot be read.") from None


def parse_much() -> None:
    """Runs in the planner: protobuf has no room for 16 million messages."""
    parse(GraphDef, b"\x0a\x00" * (1 << 24))


MEMORY_BYTES = 448 << 20


def test_memory_is_limited() -> None:
    """More than a planner may have is PLANNER_LIMIT_EXCEEDED, after a second try; then the next plan is made."""
    with limited(max_memory_bytes=MEMORY_BYTES) as one:
        for function in (fill_memory, malformed_for_want_of_memory):
            with pytest.raises(FreezeError) as raised:
                result(one.planners.submit(function).future)
            assert Reason.PLANNER_LIMIT_EXCEEDED == raised.value.reason
        assert [Cause.MEMORY] * 4 == one.lost
        assert 3 == result(one.planners.submit(len, "abc").future)


@pytest.mark.skipif(api_implementation.Type() == "python", reason="in pure Python it takes minutes")
def test_memory_of_protobuf_is_limited() -> None:
    """The C code of protobuf tells of it by a DecodeError of its own, which is no malformed model."""
    with limited(max_memory_bytes=MEMORY_BYTES) as one:
        with pytest.raises(FreezeError) as raised:
            result(one.planners.submit(parse_much).future)
        assert Reason.PLANNER_LIMIT_EXCEEDED == raised.value.reason
        assert [Cause.MEMORY] * 2 == one.lost


@pytest.mark.parametrize(("number", "cause"), [(signal.SIGKILL, Cause.MEMORY), (signal.SIGSEGV, Cause.CRASH)])
def test_what_is_lost_once_is_tried_again(tmp_path: Path, number: signal.Signals, cause: Cause) -> None:
    """A planner killed for the machine's memory, or that crashed, does not end its call."""
    with limited() as one:
        assert "done" == result(one.planners.submit(die_first, tmp_path / "died", number).future)
        assert [cause] == one.lost


def test_what_is_lost_twice_is_over() -> None:
    """A planner killed twice for memory is a limit, one that crashed twice a defect."""
    with limited() as one:
        with pytest.raises(FreezeError) as raised:
            result(one.planners.submit(die_by, signal.SIGKILL).future)
        assert Reason.PLANNER_LIMIT_EXCEEDED == raised.value.reason
        with pytest.raises(PlannerError, match="exit status -11"):
            result(one.planners.submit(die_by, signal.SIGSEGV).future)
        assert [Cause.MEMORY] * 2 + [Cause.CRASH] * 2 == one.lost


def test_cpu_time_is_limited_for_each_plan() -> None:
    """What earlier plans took does not count; one that takes more is ended, and not tried again."""
    with limited(max_cpu_seconds=1) as one:
        for _ in range(3):
            assert result(one.planners.submit(burn, 0.6).future) >= 0.6
        with pytest.raises(FreezeError, match="1 seconds of CPU") as raised:
            result(one.planners.submit(burn, 3600.0).future)
        assert Reason.PLANNER_LIMIT_EXCEEDED == raised.value.reason
        assert [Cause.CPU] == one.lost


def burn(seconds: float) -> float:
    """Runs in the planner: takes CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def test_time_is_limited() -> None:
    """A plan that takes longer than it may is ended, and not tried again; the next one is made."""
    with limited(max_seconds=5) as one:
        waiting = one.planners.submit(time.sleep, 3600)
        with pytest.raises(FreezeError, match="longer than the 5 seconds") as raised:
            result(waiting.future)
        assert Reason.PLANNER_LIMIT_EXCEEDED == raised.value.reason
        assert [Cause.TIME] == one.lost
        assert 3 == result(one.planners.submit(len, "abc").future)


@pytest.mark.parametrize(
    ("status", "used", "limit", "cause"),
    [
        (-signal.SIGXCPU, 0, 0, Cause.CPU),
        (-signal.SIGKILL, 0, 0, Cause.MEMORY),
        (-signal.SIGSEGV, 51, 100, Cause.MEMORY),
        (-signal.SIGABRT, 51, 100, Cause.MEMORY),
        (-signal.SIGSEGV, 50, 100, Cause.CRASH),
        (-signal.SIGSEGV, 51, 0, Cause.CRASH),
        (1, 51, 100, Cause.CRASH),
        (0, 0, 0, Cause.CRASH),
    ],
)
def test_causes(status: int, used: int, limit: int, cause: Cause) -> None:
    """Memory: the kernel's SIGKILL, and any signal near the limit; CPU: SIGXCPU; all else is a crash."""
    assert cause == cause_of(status, used, limit)


def test_a_planner_imports_nothing_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is called as a module of Python's does not take its place."""
    (tmp_path / "select.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    with limited() as one:
        assert 3 == result(one.planners.submit(len, "abc").future)
        assert [] == one.lost


@pytest.mark.parametrize("look", [access.open_path, access.status, partial(access.names_in, max_names=9)])
def test_a_planner_reads_no_file_that_is_not_asked_for(
    planners: Planners, tmp_path: Path, look: Callable[[Path], Any]
) -> None:
    """A function that does not say which files it may read gets none."""
    with pytest.raises(PlannerError, match="RefusedError"):
        result(planners.submit(look, tmp_path).future)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_stop_the_server_ends_no_planner(number: signal.Signals) -> None:
    """Ctrl-C at a terminal goes to planners too: from their first moment they do not heed it."""
    from server.processes import children  # noqa: PLC0415 - it imports grpc, and planners import this module

    before = children(os.getpid())
    process = PlannerProcess(PlannerLimits())
    (pid,) = set(children(os.getpid())) - set(before)
    os.kill(pid, number)
    try:
        assert (DONE, 3) == process.ask((len, ("abc",)))
    finally:
        process.end()
    assert number not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_planners_end_with_their_server(planners: Planners) -> None:
    """`close` stops plans that are being made, and leaves no process."""
    pid = result(planners.submit(os.getpid).future)
    planning = planners.submit(time.sleep, 3600)
    planners.close()
    with pytest.raises((FreezeError, CancelledError)):
        result(planning.future)
    assert not Path(f"/proc/{pid}").exists()


def test_a_planner_ends_in_the_middle_of_its_work_when_its_server_is_killed() -> None:
    """It does not work on for nobody."""
    server = subprocess.Popen(
        [sys.executable, "-c", f"import {__name__} as test; test.plan_for_ever()"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
    )
    assert server.stderr is not None
    planner = int(server.stderr.readline())
    try:
        server.kill()
        # What it writes to ends when the last process that can write to it has ended.
        assert (None, b"") == server.communicate(timeout=WAIT_SECONDS)
    except subprocess.TimeoutExpired:
        os.kill(planner, signal.SIGKILL)
        raise


def plan_for_ever() -> None:
    """Runs in a process of its own."""
    planners = Planners(1)
    planners.start()
    planners.submit(work_for_ever).future.result()


def work_for_ever() -> None:
    """Runs in the planner."""
    print(os.getpid(), file=sys.stderr, flush=True)
    while True:
        pass


def test_planners_do_not_import_grpc(planners: Planners) -> None:
    """A planner is small: the engine and the messages of the contract."""
    assert "grpc" not in result(planners.submit(modules, plan_freeze).future)


def modules(_: object) -> list[str]:
    """Runs in the planner: what it has imported."""
    import sys  # noqa: PLC0415

    return sorted(sys.modules)
