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
        output: Where to write. A path appears whole or not at all. Whatever is no path is a binary stream.
        on_progress: Called now and then while bytes are written.
        fsync: Whether to wait until the file is on disk, so that not even a power cut leaves less than all of it.
        sha256: Whether `sha256` of the result is wanted.
        **options: See `FreezeArguments`.

    Raises:
        TffreezeError: Nothing was written to a path then.

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
        TffreezeError: INVALID_OPTION for `as_saved_model`: that is a directory.

    """
    check_form(options, is_path=False)
    return engine().freeze_bytes(model_source(model, options), freeze_options(options), sha256=sha256)


def inspect(model: StrPath, **options: Unpack[FreezeArguments]) -> Inspection:
    """Tell what a model is, what would be frozen and what would stand in the way.

    Args:
        model: As for `freeze`.
        **options: What a freeze would be asked for: tags, checkpoint and saver count.

    Raises:
        TffreezeError: For a model that cannot be read.

    """
    return engine().inspect(model_source(model, options), freeze_options(options))
