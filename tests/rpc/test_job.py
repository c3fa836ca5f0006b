"""Jobs: nothing is given back while a thread works with it."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tffreeze_server.rpc.job import Job
from tffreeze_server.rpc.planner_pool import Planners


def test_a_thread_keeps_what_it_uses() -> None:
    """A cancelled call is over at once; its files and counts are given back, in this order, when its thread ends."""
    given_back: list[str] = []
    may_end = threading.Event()

    async def scenario(disk: ThreadPoolExecutor) -> None:
        job = Job(disk, Planners(1))
        job.files.callback(given_back.append, "files")
        job.counts.callback(given_back.append, "counts")
        reading = job.begin_io(may_end.wait)
        await asyncio.sleep(0)
        reading.cancel()
        assert job.is_busy
        closing = asyncio.ensure_future(job.close())
        await asyncio.sleep(0)
        assert [] == given_back
        may_end.set()
        await closing
        assert ["files", "counts"] == given_back

    with ThreadPoolExecutor(2) as disk:
        asyncio.run(scenario(disk))


def test_a_plan_that_nobody_waits_for_is_stopped() -> None:
    """The process of a cancelled plan is killed: all is given back long before the plan would be made."""
    given_back: list[str] = []

    async def scenario(disk: ThreadPoolExecutor) -> None:
        planners = Planners(1)
        planners.start()
        job = Job(disk, planners)
        job.counts.callback(given_back.append, "counts")
        planning = asyncio.ensure_future(job.plan(time.sleep, 3600))
        await asyncio.sleep(0)
        planning.cancel()
        await job.close()
        assert ["counts"] == given_back
        planners.close()

    with ThreadPoolExecutor(2) as disk:
        asyncio.run(scenario(disk))


def test_counts_are_given_back_though_files_fail() -> None:
    """A slot is never lost to an error of the disk."""
    given_back: list[str] = []

    def fail() -> None:
        raise OSError("disk")

    async def scenario(disk: ThreadPoolExecutor) -> None:
        job = Job(disk, Planners(1))
        job.files.callback(fail)
        job.counts.callback(given_back.append, "counts")
        with pytest.raises(OSError, match="disk"):
            await job.close()

    with ThreadPoolExecutor(1) as disk:
        asyncio.run(scenario(disk))
    assert ["counts"] == given_back
