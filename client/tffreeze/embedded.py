"""Freeze without a server: the engine in this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tffreeze.engine import OnProgress, engine
from tffreeze.local_model import input_files
from tffreeze.options import FreezeArguments, StrPath, check_form, freeze_options, model_source
from tffreeze.output import check_output

if TYPE_CHECKING:
    from typing import Unpack

    from tffreeze.result import FreezeResult, FrozenBytes
    from tffreeze_common.inspection import Inspection


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
    target = Path(output) if isinstance(output, (str, os.PathLike)) else output
    check_form(options, is_path=isinstance(target, Path))
    check_output(output, input_files(model, options), as_saved_model=bool(options.get("as_saved_model")))
    return engine().freeze(
        model_source(model, options),
        freeze_options(options),
        target,
        on_progress=on_progress,
        fsync=fsync,
        sha256=sha256,
    )


def freeze_bytes(model: StrPath, *, sha256: bool = False, **options: Unpack[FreezeArguments]) -> FrozenBytes:
    """Freeze a model in memory. For small models: `freeze` never holds the weights.

    Raises:
        TffreezeError: INVALID_OPTION for `as_saved_model`, which needs a directory; else as for `freeze`.

    """
    check_form(options, is_path=False)
    return engine().freeze_bytes(model_source(model, options), freeze_options(options), sha256=sha256)


def inspect(model: StrPath, **options: Unpack[FreezeArguments]) -> Inspection:
    """Find out what a model contains, what a freeze would do and what would make it fail.

    Args:
        model: As for `freeze`.
        **options: The options of the freeze; tags, checkpoint and saver matter most.

    Raises:
        TffreezeError: For a model that cannot be read.

    """
    return engine().inspect(model_source(model, options), freeze_options(options))
