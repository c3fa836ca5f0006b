"""Calls of a caller, places, and the end of both."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.admission import Admission
from tffreeze_server.rpc.limits import CallSettings


def admission(**settings: Any) -> Admission:
    """Counts for nobody."""
    return Admission(CallSettings(Path(), **settings), lambda running, queued, receiving: None)


def is_refused(doors: Admission, caller: str) -> bool:
    """Whether there is no place for a caller; one that there is, is taken."""
    try:
        doors.take_place(caller)
    except FreezeError as error:
        return error.reason is Reason.TOO_MANY_JOBS
    return False


def test_as_many_places_as_may_run_and_wait() -> None:
    """Who finds none is refused at once; one that is given back is there for the next."""
    doors = admission(max_jobs=1, max_queued_jobs=1)
    assert [False, False, True] == [is_refused(doors, caller) for caller in "abc"]
    doors.leave_place("a")
    assert not is_refused(doors, "c")


def test_no_caller_has_all_places() -> None:
    """However many calls one caller makes, another one is let into the line."""
    doors = admission(max_jobs=1, max_queued_jobs=2)
    assert [False, False, True, False] == [is_refused(doors, caller) for caller in "aaab"]


def test_drain_refuses_who_waits_and_who_comes() -> None:
    """After `drain` nobody is let in; what runs keeps its slot, and an upload that comes in may still run."""

    async def scenario() -> None:
        doors = admission(max_jobs=1, max_uploads=1)
        await doors.uploads.take("a")
        await doors.jobs.take("b")
        waiting = [asyncio.ensure_future(slots.take("c")) for slots in (doors.uploads, doors.jobs)]
        await asyncio.sleep(0)
        doors.drain()
        for error in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(error, FreezeError)
            assert Reason.DRAINING == error.reason
        with pytest.raises(FreezeError) as raised:
            doors.enter("d")
        assert Reason.DRAINING == raised.value.reason
        doors.uploads.release("a")
        doors.jobs.release("b")
        await doors.jobs.take("a")

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


def test_all_is_told() -> None:
    """Jobs that run, calls that wait for either slot, and uploads that come in."""
    told: list[tuple[int, int, int]] = []

    async def scenario() -> None:
        settings = CallSettings(Path(), max_jobs=1, max_uploads=1)
        doors = Admission(settings, lambda *numbers: told.append(numbers))
        await doors.uploads.take("a")
        await doors.jobs.take("b")
        waiting = [asyncio.ensure_future(slots.take("c")) for slots in (doors.uploads, doors.jobs)]
        await asyncio.sleep(0)
        assert (1, 2, 1) == told[-1]
        doors.drain()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (1, 0, 1) == told[-1]

    asyncio.run(scenario())
