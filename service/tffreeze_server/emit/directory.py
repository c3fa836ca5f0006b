"""Writing a plan to a SavedModel directory that appears complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tffreeze_files.writer import Output, open_output
from tffreeze_server.emit.emit import Digest, Progress, output_failures, write_plan
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.plan import Plan
from tffreeze_server.tensors.data import MAX_CHUNK_BYTES
from tffreeze_server.tensors.files import SourceFiles

_BINARY_NAME = "saved_model.pb"
_TEXT_NAME = "saved_model.pbtxt"
_ASSETS = "assets"


def write_directory(  # noqa: PLR0913  what to write, where, and how: none belongs to another
    plan: Plan,
    path: Path,
    assets: Mapping[str, Path],
    *,
    as_text: bool = False,
    progress: Progress | None = None,
    fsync: bool = False,
    digest: Digest | None = None,
) -> None:
    """Write the plan of a SavedModel and its assets to a new directory.

    It is created beside the target and renamed. An existing directory must be empty.

    Args:
        plan: The plan of `saved_model.pb`.
        path: The directory.
        assets: The file to copy for each name below `assets/`.
        as_text: Whether the plan is in text format.
        progress: Called with the progress of the plan.
        fsync: Whether to flush all files to disk before the directory is renamed.
        digest: Updated with the bytes of the plan.

    Raises:
        FreezeError: OUTPUT_NOT_WRITABLE, DISK_FULL; MALFORMED_MODEL for an asset that is missing or
            outside of `assets/`; what reading the weights raises.

    """
    for name, source in assets.items():
        _check_asset(name, source)
    message = _TEXT_NAME if as_text else _BINARY_NAME
    with (
        output_failures(),
        SourceFiles(plan.files) as files,
        open_output(path, as_folder=True, fsync=fsync) as output,
    ):
        write_plan(plan, files, output, progress, digest, message)
        for name, source in sorted(assets.items()):
            _copy_asset(name, source, output)


def _check_asset(name: str, source: Path) -> None:
    if name.startswith("/") or ".." in name.split("/") or not name:
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The asset {name!r} is outside of the folder `assets`. The model was edited: export it again.",
            subject=name,
        )
    if not source.is_file():
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The model needs the asset {name!r}, and its folder `assets` does not contain it. "
            "Copy the whole SavedModel, `assets` included.",
            subject=name,
        )


def _copy_asset(name: str, source: Path, output: Output) -> None:
    with SourceFiles({name: source}) as files:
        size_bytes = os.fstat(files.descriptor(name)).st_size
        output.begin(f"{_ASSETS}/{name}", size_bytes)
        for start_bytes in range(0, size_bytes, MAX_CHUNK_BYTES):
            output.write(files.pread(name, min(MAX_CHUNK_BYTES, size_bytes - start_bytes), start_bytes))
