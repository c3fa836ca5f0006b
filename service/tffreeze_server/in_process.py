"""The engine for a client in the same process: the other side of `tffreeze.engine.Engine`.

Each method imports what it uses: a freeze does not wait for what a server needs.
"""

# ruff: noqa: PLC0415 - as said above

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tffreeze.engine import Engine, OnProgress, TestServer, packages_needed
from tffreeze.errors import error_for
from tffreeze.result import FreezeResult, FrozenBytes
from tffreeze_server.errors import FreezeError

if TYPE_CHECKING:
    from hashlib import _Hash

    from tffreeze_common.freeze_graph_flags import FreezeGraphFlags
    from tffreeze_common.inspection import Inspection
    from tffreeze_common.options import FreezeOptions, ModelSource
    from tffreeze_common.report import Report


class InProcessEngine:
    """The engine; it holds nothing between calls."""

    def load(self) -> None:
        """Import what `freeze` uses."""
        with packages_needed():
            from tffreeze_server.emit import emit  # noqa: F401
            from tffreeze_server.freeze import freeze  # noqa: F401

    def freeze(  # noqa: PLR0913 - as the protocol says
        self,
        source: ModelSource,
        options: FreezeOptions,
        output: Path | BinaryIO,
        *,
        on_progress: OnProgress | None,
        fsync: bool,
        sha256: bool,
    ) -> FreezeResult:
        """Freeze into a file, a SavedModel directory or a stream."""
        digest = _new_sha256() if sha256 else None
        with _clients_errors():
            from tffreeze_server.emit.emit import write_file, write_stream
            from tffreeze_server.freeze import freeze

            result = freeze(source, options)
            if not isinstance(output, Path):
                write_stream(result.plan, output, on_progress, digest)
            elif options.as_saved_model:
                from tffreeze_server.emit.directory import write_directory

                write_directory(
                    result.plan,
                    output,
                    result.assets,
                    as_text=options.as_text,
                    progress=on_progress,
                    fsync=fsync,
                    digest=digest,
                )
            else:
                write_file(result.plan, output, on_progress, fsync=fsync, digest=digest)
        path = output if isinstance(output, Path) else None
        return FreezeResult(result.report, path, digest.hexdigest() if digest else None)

    def freeze_bytes(self, source: ModelSource, options: FreezeOptions, *, sha256: bool) -> FrozenBytes:
        """Freeze in memory."""
        with _clients_errors():
            from tffreeze_server.emit.emit import chunks
            from tffreeze_server.freeze import freeze
            from tffreeze_server.tensors.files import SourceFiles

            result = freeze(source, options)
            with SourceFiles(result.plan.files) as files:
                data = b"".join(chunks(result.plan, files))
        digest = _new_sha256() if sha256 else None
        if digest is not None:
            digest.update(data)
        return FrozenBytes(result.report, data, digest.hexdigest() if digest else None)

    def inspect(self, source: ModelSource, options: FreezeOptions) -> Inspection:
        """Tell what a model is."""
        with _clients_errors():
            from tffreeze_server.inspection.inspect import inspect

            return inspect(source, options)

    def freeze_graph(self, flags: FreezeGraphFlags) -> Report:
        """Freeze as TensorFlow's script does."""
        with _clients_errors():
            from tffreeze_server.compat.freeze_graph import freeze_to_file

            return freeze_to_file(flags).report

    def freeze_graph_words(self, text: str) -> str:
        """Name the script's flags instead of ours."""
        from tffreeze_server.compat.freeze_graph import own_flags

        return own_flags(text)

    def serve(self, arguments: Sequence[str]) -> int:
        """Run a server."""
        with packages_needed():
            from tffreeze_server.server.main import main

            return main(list(arguments), "tffreeze serve")

    def test_server(
        self, spool_dir: Path, model_roots: Mapping[str, Path], limits: Mapping[str, float]
    ) -> TestServer:
        """Make a server for tests."""
        from tffreeze_server.rpc.limits import CallSettings
        from tffreeze_server.rpc.plain_server import PlainServer

        return PlainServer(CallSettings(spool_dir=spool_dir, model_roots=model_roots, **limits))  # type: ignore[arg-type]  # whole numbers where those are asked for


ENGINE: Engine = InProcessEngine()


@contextlib.contextmanager
def _clients_errors() -> Iterator[None]:
    try:
        with packages_needed():
            yield
    except FreezeError as error:
        made = error_for(error.reason.name, error.message, error.subject)
        made.retryable = False  # no server is busy: what fails on this machine fails again
        raise made from error


def _new_sha256() -> _Hash:
    import hashlib  # OpenSSL takes longer to load than a small model to freeze

    return hashlib.sha256()
