"""A real server for your tests, in your process.

    def test_my_build_step(tmp_path):
        with tffreeze.testing.serve(model_roots={"models": "tests/models"}) as address:
            with tffreeze.Client(address) as client:
                client.freeze("classifier", model_root="models", output=tmp_path / "frozen.pb")

It runs the service of `tffreeze-server` on a free port of this machine, without TLS and tokens.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tffreeze.engine import engine
from tffreeze.options import StrPath

START_SECONDS = 60

_T = TypeVar("_T")


@contextlib.contextmanager
def serve(*, model_roots: Mapping[str, StrPath] | None = None, **limits: float) -> Iterator[str]:
    """Run a server during the block.

    Args:
        model_roots: The folder of each model root, by name.
        **limits: Limits that differ from the defaults, named like the server's flags, such as `max_jobs=1`.

    Yields:
        Its address.

    """
    roots = {name: Path(folder).resolve() for name, folder in (model_roots or {}).items()}
    with tempfile.TemporaryDirectory(prefix="tffreeze-testing-") as spool:
        server = engine().test_server(Path(spool), roots, limits)
        with _loop() as loop:
            try:
                port = loop.run(server.start())
                yield f"127.0.0.1:{port}"
            finally:
                loop.run(server.stop())


class _Loop:
    """An event loop in its own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_SECONDS)


@contextlib.contextmanager
def _loop() -> Iterator[_Loop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tffreeze-testing")
    thread.start()
    try:
        yield _Loop(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
