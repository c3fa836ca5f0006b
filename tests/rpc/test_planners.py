"""Processes that plan: they answer, fail, are stopped, die, and others take over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.field_error import FieldError
from tffreeze_server.rpc.messages import relative_path
from tffreeze_server.rpc.model_roots import check_source
from tffreeze_server.rpc.planners import PlannerError, Planners

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
    with pytest.raises(FieldError) as raised:
        result(planners.submit(fail_with_field).future)
    assert ("spec.source", "why") == (raised.value.field, raised.value.message)


def fail_with_field() -> None:
    """Runs in the planner."""
    raise FieldError(Reason.INVALID_OPTION, "spec.source", "why")


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


def test_a_planner_that_dies_is_replaced(planners: Planners) -> None:
    """A planner killed at work is a defect for that call only; one killed while idle is no defect at all."""
    victim = result(planners.submit(os.getpid).future)
    with pytest.raises(PlannerError, match="exit status -9"):
        result(planners.submit(os.kill, victim, signal.SIGKILL).future)
    idle = result(planners.submit(os.getpid).future)
    assert victim != idle
    os.kill(idle, signal.SIGKILL)
    os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)  # until it has ended, with all its threads
    assert idle != result(planners.submit(os.getpid).future)


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
    assert "grpc" not in result(planners.submit(modules, check_source).future)


def modules(_: object) -> list[str]:
    """Runs in the planner: what it has imported."""
    import sys  # noqa: PLC0415

    return sorted(sys.modules)
