"""Freeze without a server: the engine in this process.

Options and report are converted through the contract's messages, so the result equals a server's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tffreeze import report
from tffreeze.engine import load, translated_errors
from tffreeze.local_model import input_files
from tffreeze.options import FreezeArguments, StrPath, check_form, options_message
from tffreeze.output import check_output
from tffreeze.result import FreezeResult, FrozenBytes

if TYPE_CHECKING:
    from hashlib import _Hash
    from typing import Unpack

    from tffreeze.inspection import Inspection
    from tffreeze.report import Report

OnProgress = Callable[[int, int], None]
"""Called with the bytes written so far and the total."""


def freeze(
    model: StrPath,
    *,
    output: StrPath | BinaryIO,
    on_progress: OnProgress | None = None,
    fsync: bool = False,
    sha256: bool = False,
    **options: Unpack[FreezeArguments],
) -> FreezeResult:
    """Freeze a model into a file, a SavedModel directory or a stream.

    Args:
        model: A SavedModel directory, or a file with a SavedModel, MetaGraphDef or GraphDef, binary or text.
        output: A path, which appears complete or not at all, or a binary stream.
        on_progress: Called repeatedly while bytes are written.
        fsync: Whether to flush the file to disk before it appears, as a guard against a power cut.
        sha256: Whether to compute the sha256 of the result.
        **options: See `FreezeArguments`.

    Raises:
        TffreezeError: Nothing was written to a path.

    """
    path = Path(output) if isinstance(output, (str, os.PathLike)) else None
    check_form(options, is_path=path is not None)
    check_output(output, input_files(model, options), as_saved_model=bool(options.get("as_saved_model")))
    digest = _new_sha256() if sha256 else None
    with translated_errors():
        result = _frozen(model, options)
        done = _report(result)
        if path is None:
            _emit().write_stream(result.plan, output, on_progress, digest)
        elif options.get("as_saved_model"):
            load("emit.directory").write_directory(
                result.plan,
                path,
                result.assets,
                as_text=bool(options.get("as_text")),
                progress=on_progress,
                fsync=fsync,
                digest=digest,
            )
        else:
            _emit().write_file(result.plan, path, on_progress, fsync=fsync, digest=digest)
        return FreezeResult(done, path, digest.hexdigest() if digest else None)


def freeze_bytes(model: StrPath, *, sha256: bool = False, **options: Unpack[FreezeArguments]) -> FrozenBytes:
    """Freeze a model in memory. For small models: `freeze` never holds the weights.

    Raises:
        TffreezeError: INVALID_OPTION for `as_saved_model`, which needs a directory; else as for `freeze`.

    """
    check_form(options, is_path=False)
    digest = _new_sha256() if sha256 else None
    with translated_errors():
        result = _frozen(model, options)
        with load("tensors.files").SourceFiles(result.plan.files) as files:
            data = b"".join(_emit().chunks(result.plan, files))
        if digest is not None:
            digest.update(data)
        return FrozenBytes(_report(result), data, digest.hexdigest() if digest else None)


def inspect(model: StrPath, **options: Unpack[FreezeArguments]) -> Inspection:
    """Find out what a model contains, what a freeze would do and what would make it fail.

    Args:
        model: As for `freeze`.
        **options: The options of the freeze; tags, checkpoint and saver matter most.

    Raises:
        TffreezeError: For a model that cannot be read.

    """
    from tffreeze import inspection  # noqa: PLC0415 - a freeze needs none of it

    with translated_errors():
        found = load("inspection.inspect").inspect(_source(model, options), _options(options))
        return inspection.Inspection.from_message(load("rpc.messages").inspection_to_message(found))


def freeze_graph(**flags: Any) -> Report:  # noqa: ANN401 - the flags of TensorFlow's script
    """Freeze like TensorFlow's freeze_graph script, into `output_graph` if it is given.

    Raises:
        TffreezeError: Where the script raises a ValueError or an IOError.

    """
    with translated_errors():
        compat = load("compat.freeze_graph")
        return _report(compat.freeze_to_file(compat.Flags(**flags)))


def freeze_graph_words(text: str) -> str:
    """Replace the flags of `tffreeze freeze` in a text with those of TensorFlow's script."""
    words: str = load("compat.freeze_graph").own_flags(text)
    return words


def load_engine() -> None:
    """Import the modules of a freeze now instead of in the first freeze.

    Raises:
        RequestError: ENGINE_NOT_INSTALLED.

    """
    for module in ("freeze", "emit.emit", "rpc.messages"):
        load(module)


def serve(arguments: Sequence[str]) -> int:
    """Run a server in this process until it is stopped; return the exit code.

    Raises:
        RequestError: ENGINE_NOT_INSTALLED.

    """
    exit_code: int = load("server.main").main(list(arguments), "tffreeze serve")
    return exit_code


def _frozen(model: StrPath, options: FreezeArguments) -> Any:  # noqa: ANN401 - the engine's, imported late
    return load("freeze").freeze(_source(model, options), _options(options))


def _report(result: Any) -> Report:  # noqa: ANN401 - the engine's, imported late
    return report.Report.from_message(load("rpc.messages").report_to_message(result.report))


def _new_sha256() -> _Hash:
    import hashlib  # noqa: PLC0415 - OpenSSL takes longer to load than a small model to freeze

    return hashlib.sha256()


def _emit() -> Any:  # noqa: ANN401 - the engine's, imported late
    return load("emit.emit")


def _options(options: FreezeArguments) -> Any:  # noqa: ANN401 - the engine's, imported late
    return load("rpc.messages").options_from_message(options_message(options))


def _source(model: StrPath, options: FreezeArguments) -> Any:  # noqa: ANN401 - the engine's, imported late
    files = {name: options.get(name) for name in ("checkpoint", "saver", "op_list")}
    paths = {name: Path(path) for name, path in files.items() if path}  # type: ignore[arg-type]  # paths, or None
    return load("options").ModelSource(model=Path(model), **paths)
