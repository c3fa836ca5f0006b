"""Slots and the line for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.admission import Admission


def admission(max_jobs: int = 1, max_queued_jobs: int = 2, max_jobs_per_caller: int = 0) -> Admission:
    """Counts for nobody."""
    return Admission(max_jobs, max_queued_jobs, max_jobs_per_caller, lambda running, queued: None)


async def begun(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run a coroutine until it waits."""
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    return task


def test_first_come_first_served() -> None:
    """Slots go to who waits longest; who finds the line full is refused at once."""

    async def scenario() -> None:
        doors = admission()
        await doors.slot()
        first, second = await begun(doors.slot()), await begun(doors.slot())
        with pytest.raises(FreezeError) as raised:
            await doors.slot()
        assert Reason.TOO_MANY_JOBS == raised.value.reason
        doors.release()
        await first
        assert not second.done()
        doors.release()
        await second

    asyncio.run(scenario())


def test_a_slot_given_to_one_who_left_goes_on() -> None:
    """A waiter cancelled in the moment of its turn passes the slot to the next."""

    async def scenario() -> None:
        doors = admission()
        await doors.slot()
        first, second = await begun(doors.slot()), await begun(doors.slot())
        doors.release()
        first.cancel()
        await asyncio.wait_for(second, 10)
        assert first.cancelled()
        doors.release()
        assert doors.take_free_slot()

    asyncio.run(scenario())


def test_drain_refuses_who_waits_and_who_comes() -> None:
    """After `drain` nobody is let in; a running job keeps its slot."""

    async def scenario() -> None:
        doors = admission()
        await doors.slot()
        waiting = await begun(doors.slot())
        doors.drain()
        for refused in (waiting, begun_enter(doors)):
            with pytest.raises(FreezeError) as raised:
                await refused
            assert Reason.DRAINING == raised.value.reason
        doors.release()

    async def begun_enter(doors: Admission) -> None:
        doors.enter("a")

    asyncio.run(scenario())


def test_callers_are_counted_apart() -> None:
    """A caller at its limit is refused; another is not; a call that left is forgotten."""
    doors = admission(max_jobs_per_caller=2)
    doors.enter("a")
    doors.enter("a")
    doors.enter("b")
    with pytest.raises(FreezeError) as raised:
        doors.enter("a")
    assert (Reason.TOO_MANY_JOBS, "a") == (raised.value.reason, raised.value.subject)
    doors.leave("a")
    doors.enter("a")


@settings(deadline=None)
@given(st.lists(st.integers(0, 2), max_size=60), st.integers(1, 3), st.integers(0, 3))
def test_counts_hold(steps: list[int], max_jobs: int, max_queued_jobs: int) -> None:
    """Whatever comes, ends or leaves: never more run or wait than may, nobody waits beside a free slot."""

    async def scenario() -> None:
        told = (0, 0)

        def changed(running: int, queued: int) -> None:
            nonlocal told
            told = (running, queued)
            assert 0 <= running <= max_jobs
            assert 0 <= queued <= max_queued_jobs

        doors = Admission(max_jobs, max_queued_jobs, 0, changed)
        running = 0
        waiting: list[asyncio.Task[None]] = []
        for step in steps:
            if step == 0:
                task = await begun(doors.slot())
                if task.done():
                    running += task.exception() is None
                else:
                    waiting.append(task)
            elif step == 1 and running:
                running -= 1
                doors.release()
            elif step == 2 and waiting:
                waiting.pop().cancel()
            await asyncio.sleep(0)
            running += sum(task.done() for task in waiting)
            waiting = [task for task in waiting if not task.done()]
            assert (running, len(waiting)) == told
            assert running == max_jobs or not waiting
        for task in waiting:
            task.cancel()

    asyncio.run(scenario())
