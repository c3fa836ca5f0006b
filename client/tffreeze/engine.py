"""The seam to the engine: the protocol `Engine`, and the only place where the client imports the engine.

`tffreeze_server.in_process` implements it. It is imported by name, when it is first needed, so that a client of
servers never imports it.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from tffreeze.errors import error_for

if TYPE_CHECKING:
    from tffreeze.result import FreezeResult, FrozenBytes
    from tffreeze_common.freeze_graph_flags import FreezeGraphFlags
    from tffreeze_common.inspection import Inspection
    from tffreeze_common.options import FreezeOptions, ModelSource
    from tffreeze_common.report import Report

OnProgress = Callable[[int, int], None]
"""Called with the bytes that were written and the bytes that there will be."""

INSTALLED_BY = {
    **dict.fromkeys(("tffreeze_server", "google_crc32c", "cramjam"), "tffreeze"),
    **dict.fromkeys(
        ("grpc_channelz", "grpc_health", "grpc_reflection", "prometheus_client"), "'tffreeze[server]'"
    ),
}
"""For each package that a freeze or a server needs, what to install for it."""


class TestServer(Protocol):
    """A server for tests; both methods belong to one event loop."""

    async def start(self) -> int:
        """Listen on a free port of this machine; the port."""

    async def stop(self) -> None:
        """End all calls."""


class Engine(Protocol):
    """What the engine does for a client in its process. Every method raises the client's exceptions."""

    def load(self) -> None:
        """Import what a freeze uses, for a program that wants to have that behind it."""

    def freeze(  # noqa: PLR0913 - what to freeze, where to, and how: none belongs to another
        self,
        source: ModelSource,
        options: FreezeOptions,
        output: Path | BinaryIO,
        *,
        on_progress: OnProgress | None,
        fsync: bool,
        sha256: bool,
    ) -> FreezeResult:
        """Freeze a model into a file, a SavedModel directory or a stream: see `tffreeze.freeze`."""

    def freeze_bytes(self, source: ModelSource, options: FreezeOptions, *, sha256: bool) -> FrozenBytes:
        """Freeze a model in memory: see `tffreeze.freeze_bytes`."""

    def inspect(self, source: ModelSource, options: FreezeOptions) -> Inspection:
        """Tell what a model is: see `tffreeze.inspect`."""

    def freeze_graph(self, flags: FreezeGraphFlags) -> Report:
        """Freeze as TensorFlow's script does, into `output_graph` where that is given."""

    def freeze_graph_words(self, text: str) -> str:
        """Put the flags of TensorFlow's script into a text in the place of those of `tffreeze freeze`."""

    def serve(self, arguments: Sequence[str]) -> int:
        """Run a server until it is told to end; the exit code."""

    def test_server(
        self, spool_dir: Path, model_roots: Mapping[str, Path], limits: Mapping[str, float]
    ) -> TestServer:
        """Make a server without TLS and tokens, not yet started; `limits` other than its own, by name."""


def engine() -> Engine:
    """Import the engine."""
    with packages_needed():
        in_process: Engine = importlib.import_module("tffreeze_server.in_process").ENGINE
        return in_process


@contextlib.contextmanager
def packages_needed() -> Iterator[None]:
    """Raise an error with the next step where a package is missing.

    Raises:
        RequestError: ENGINE_NOT_INSTALLED.

    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing not in INSTALLED_BY:
            raise
        raise error_for(
            "ENGINE_NOT_INSTALLED",
            f"The package {missing!r} is not installed. You need it to freeze without a server, or to run one. "
            f"Install it with: pip install {INSTALLED_BY[missing]}",
            missing,
        ) from None
