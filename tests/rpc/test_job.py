"""Jobs: nothing is given back while a thread works with it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from tffreeze_server.rpc.job import Job


def test_a_plan_that_nobody_waits_for_keeps_what_it_uses() -> None:
    """A cancelled call is over at once; its files and counts are given back, in this order, when the thread ends."""
    given_back: list[str] = []
    may_end = threading.Event()

    async def scenario(threads: ThreadPoolExecutor) -> None:
        job = Job(threads, threads)
        job.files.callback(given_back.append, "files")
        job.counts.callback(given_back.append, "counts")
        planning = asyncio.ensure_future(job.plan(may_end.wait))
        await asyncio.sleep(0)
        planning.cancel()
        await asyncio.wait((planning,))
        assert job.is_busy
        closing = asyncio.ensure_future(job.close())
        await asyncio.sleep(0)
        assert [] == given_back
        may_end.set()
        await closing
        assert ["files", "counts"] == given_back

    with ThreadPoolExecutor(2) as threads:
        asyncio.run(scenario(threads))


def test_counts_are_given_back_though_files_fail() -> None:
    """A slot is never lost to an error of the disk."""
    given_back: list[str] = []

    def fail() -> None:
        raise OSError("disk")

    async def scenario(threads: ThreadPoolExecutor) -> None:
        job = Job(threads, threads)
        job.files.callback(fail)
        job.counts.callback(given_back.append, "counts")
        await asyncio.wait((asyncio.ensure_future(job.close()),))

    with ThreadPoolExecutor(1) as threads:
        asyncio.run(scenario(threads))
    assert ["counts"] == given_back
