"""A freeze can be followed, step by step, and left at every step."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tffreeze
from rpc.harness import Served, served
from rpc.models import FIXTURES
from tffreeze.local_model import find_model

DIGITS = FIXTURES / "digits"
DELIVERIES = ["content", "splice"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server."""
    with served(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def client(server: Served) -> Iterator[tffreeze.Client]:
    """A client of that server."""
    with tffreeze.Client(f"localhost:{server.port}", timeout_seconds=60) as made:
        yield made


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_events_tell_what_happens(delivery: Any, client: tffreeze.Client, tmp_path: Path) -> None:
    """First the work on the server, then the report, then the bytes; the last one is what `freeze` gives."""
    working, started, writing, finished = client.freeze_events(
        DIGITS, output=tmp_path / "f", delivery=delivery
    )
    sent = [file for file in find_model(DIGITS, {}).files if delivery == "content" or not file.is_weights]
    upload_bytes = sum(file.size_bytes for file in sent)
    expected = tffreeze.freeze_bytes(DIGITS)
    size_bytes = len(expected.data)
    assert tffreeze.Working("PLANNING", upload_bytes, upload_bytes) == working
    assert tffreeze.Started(expected.report, size_bytes) == started
    assert tffreeze.Writing(size_bytes, size_bytes) == writing
    assert tffreeze.Finished(tffreeze.FreezeResult(expected.report, tmp_path / "f")) == finished
    assert expected.data == (tmp_path / "f").read_bytes()


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_leaving_ends_the_call(
    count: int, delivery: Any, server: Served, client: tffreeze.Client, tmp_path: Path
) -> None:
    """After every event but the last, leaving cancels the call and leaves no file."""
    for number, _ in enumerate(client.freeze_events(DIGITS, output=tmp_path / "f", delivery=delivery), 1):
        if number == count:
            break
    assert [] == list(tmp_path.iterdir())
    server.wait_until_idle()


def test_closing_before_the_first_event_is_no_call(
    server: Served, client: tffreeze.Client, tmp_path: Path
) -> None:
    """What is never asked for is never done."""
    before = len(server.recorder.calls)
    client.freeze_events(DIGITS, output=tmp_path / "f").close()
    assert (before, []) == (len(server.recorder.calls), list(tmp_path.iterdir()))


def test_an_error_comes_out_of_the_iterator(client: tffreeze.Client, tmp_path: Path) -> None:
    """What `freeze` raises is raised where the iterator is."""
    with pytest.raises(tffreeze.NotFoundError, match="OUTPUT_NOT_FOUND"):
        list(client.freeze_events(DIGITS, output=tmp_path / "f", output_nodes="nope"))
    assert [] == list(tmp_path.iterdir())


def test_async_events_are_the_same(server: Served, client: tffreeze.Client, tmp_path: Path) -> None:
    """From asyncio the same happens."""
    expected = list(client.freeze_events(DIGITS, output=tmp_path / "f"))

    async def run() -> list[Any]:
        async with tffreeze.AsyncClient(f"localhost:{server.port}") as aio:
            return [event async for event in aio.freeze_events(DIGITS, output=tmp_path / "f")]

    assert expected == asyncio.run(run())


@pytest.mark.parametrize("at_once", [True, False])
def test_leaving_async_events_ends_the_call(at_once: bool, server: Served, tmp_path: Path) -> None:
    """With `aclosing` all is over when the block is left; without, when the loop comes to it."""

    async def run() -> list[Path]:
        async with tffreeze.AsyncClient(f"localhost:{server.port}") as client:
            events = client.freeze_events(DIGITS, output=tmp_path / "f")
            async with contextlib.aclosing(events) if at_once else contextlib.nullcontext(events):
                async for event in events:
                    if isinstance(event, tffreeze.Started):
                        break
            return list(tmp_path.iterdir()) if at_once else []

    assert [] == asyncio.run(run())
    assert [] == list(tmp_path.iterdir())
    server.wait_until_idle()


def test_cancelling_a_task_ends_its_events(server: Served, tmp_path: Path) -> None:
    """A task that is cancelled while it waits for an event, even twice, leaves neither call nor file."""

    async def follow(client: tffreeze.AsyncClient, begun: asyncio.Event) -> None:
        async for _ in client.freeze_events(DIGITS, output=tmp_path / "f"):
            begun.set()

    async def run() -> None:
        async with tffreeze.AsyncClient(f"localhost:{server.port}") as client:
            begun = asyncio.Event()
            task = asyncio.ensure_future(follow(client, begun))
            await begun.wait()
            task.cancel()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert [] == list(tmp_path.iterdir())
    server.wait_until_idle()
