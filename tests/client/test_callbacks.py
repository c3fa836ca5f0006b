"""What a function of the caller raises comes out as it is, whoever called it."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tffreeze
from rpc.harness import Served, served
from rpc.models import FIXTURES
from tffreeze.errors import error_for

DIGITS = FIXTURES / "digits"


class OwnError(Exception):
    """An exception of the caller."""


ERRORS: list[Exception] = [
    OwnError("mine"),
    OSError(28, "No space left on device"),
    BrokenPipeError(32, "Broken pipe"),
    ValueError("closed"),
    error_for("UNAVAILABLE", "another call", retryable=True),
]
CALLBACKS = ["on_progress", "on_upload"]


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


def _raiser(error: BaseException) -> Any:
    def call_back(*_: int) -> None:
        raise error

    return call_back


@pytest.mark.parametrize("callback", CALLBACKS)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_callbacks_exception_is_the_callers(
    callback: str,
    error: Exception,
    client: tffreeze.Client,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The very object, without a cause that is ours, without another attempt, a file or a line in a log."""
    error.__context__ = None
    with caplog.at_level(logging.WARNING), pytest.raises(type(error)) as caught:
        client.freeze(DIGITS, output=tmp_path / "f", delivery="content", **{callback: _raiser(error)})
    assert caught.value is error
    assert (None, None) == (error.__cause__, error.__context__)
    assert [] == list(tmp_path.iterdir()) == caplog.records


@pytest.mark.parametrize("callback", CALLBACKS)
def test_the_async_client_lets_it_through(callback: str, server: Served, tmp_path: Path) -> None:
    """From asyncio it is the same."""
    error = OSError(28, "No space left on device")

    async def run() -> None:
        async with tffreeze.AsyncClient(f"localhost:{server.port}") as client:
            await client.freeze(
                DIGITS,
                output=tmp_path / "f",
                delivery="content",
                **{callback: _raiser(error)},  # type: ignore[arg-type]  # by name
            )

    with pytest.raises(OSError, match="No space") as caught:
        asyncio.run(run())
    assert caught.value is error


class FullStream(io.RawIOBase):
    """A stream of the caller that is full."""

    def writable(self) -> bool:
        """It is, in principle."""
        return True

    def write(self, data: Any) -> int:  # noqa: ARG002 - as io says
        """Not now."""
        raise OSError(28, "mine")


def test_a_streams_exception_is_the_callers(client: tffreeze.Client) -> None:
    """A stream belongs to the caller as a callback does."""
    with pytest.raises(OSError, match="mine") as caught:
        client.freeze(DIGITS, output=FullStream())  # type: ignore[arg-type]  # a raw stream
    assert type(caught.value) is OSError


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_the_engine_lets_it_through(error: Exception, tmp_path: Path) -> None:
    """Without a server, too."""
    with pytest.raises(type(error)) as caught:
        tffreeze.freeze(DIGITS, output=tmp_path / "f", on_progress=_raiser(error))
    assert caught.value is error
    assert [] == list(tmp_path.iterdir())


def test_an_interrupt_in_a_callback_ends_the_call(
    client: tffreeze.Client, server: Served, tmp_path: Path
) -> None:
    """Ctrl-C leaves no file and no call."""
    with pytest.raises(KeyboardInterrupt):
        client.freeze(DIGITS, output=tmp_path / "f", on_progress=_raiser(KeyboardInterrupt()))
    assert [] == list(tmp_path.iterdir())
    server.wait_until_idle()


CALLS: dict[str, Any] = {
    "freeze": lambda client: client.freeze(DIGITS, output="never"),
    "freeze_bytes": lambda client: client.freeze_bytes(DIGITS),
    "freeze_events": lambda client: list(client.freeze_events(DIGITS, output="never")),
    "inspect": lambda client: client.inspect(DIGITS),
    "capabilities": lambda client: client.capabilities(),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_client_says_so(call: str, server: Served) -> None:
    """It does not open its channels anew, and closing it twice is no error."""
    client = tffreeze.Client(f"localhost:{server.port}")
    client.capabilities()
    client.close()
    client.close()
    with pytest.raises(tffreeze.RequestError, match="client is closed") as caught:
        CALLS[call](client)
    assert caught.value.reason == "INVALID_OPTION"


@pytest.mark.parametrize("call", ["freeze_bytes", "inspect", "capabilities"])
def test_a_closed_async_client_says_so(call: str, server: Served) -> None:
    """As the other one does."""

    async def run() -> None:
        client = tffreeze.AsyncClient(f"localhost:{server.port}")
        await client.capabilities()
        await client.close()
        await client.close()
        await CALLS[call](client)

    with pytest.raises(tffreeze.RequestError, match="client is closed"):
        asyncio.run(run())


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tffreeze")]


def test_the_async_client_has_threads_of_its_own(server: Served) -> None:
    """The event loop's default executor has no work of ours, and no thread is left when the client is closed."""

    async def run() -> list[str]:
        loop = asyncio.get_running_loop()
        async with tffreeze.AsyncClient(f"localhost:{server.port}") as client:
            await asyncio.gather(*(client.freeze_bytes(DIGITS) for _ in range(8)))
            assert loop._default_executor is None  # type: ignore[attr-defined]  # where it would be
            assert _threads()
        assert loop._default_executor is None  # type: ignore[attr-defined]  # closing takes none either
        return _threads()

    before = _threads()
    assert before == asyncio.run(run())


def test_closing_ends_calls_that_are_on_their_way(server: Served, tmp_path: Path) -> None:
    """A call and an iterator that were not finished end with the client, and leave no file."""

    async def run() -> tuple[object, list[Path]]:
        client = tffreeze.AsyncClient(f"localhost:{server.port}")
        events = client.freeze_events(DIGITS, output=tmp_path / "f")
        await anext(events)
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        held = threading.Event()

        def hold(*_: int) -> None:
            loop.call_soon_threadsafe(begun.set)
            held.wait(60)

        call = asyncio.ensure_future(client.freeze_bytes(DIGITS, on_upload=hold))
        await begun.wait()
        held.set()
        await client.close()
        ended = await asyncio.gather(call, return_exceptions=True)
        await events.aclose()
        return ended[0], list(tmp_path.iterdir())

    ended, left = asyncio.run(run())
    assert isinstance(ended, tffreeze.TffreezeError | tffreeze.FrozenBytes)
    assert [] == left
    server.wait_until_idle()
