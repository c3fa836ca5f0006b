"""From a plan to a SavedModel directory that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tffreeze_server.emit.emit import Digest, Progress, write_file
from tffreeze_server.emit.whole_file import output_error, refused, temporary_name
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.plan import Plan

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

    It is made beside the target and renamed. A directory that is there must be empty.

    Args:
        plan: Of the SavedModel message.
        path: The directory.
        assets: The file to copy for each name below `assets/`.
        as_text: Whether the plan is of text format.
        progress: Told of the bytes of the plan.
        fsync: Whether the message shall be on disk before the directory has its name.
        digest: Updated with the bytes of the plan.

    Raises:
        FreezeError: OUTPUT_NOT_WRITABLE, DISK_FULL; MALFORMED_MODEL for an asset that is not there or would
            lie outside of `assets/`; what reading the weights raises.

    """
    target = _checked_target(path)
    temporary = target.parent / temporary_name()
    try:
        temporary.mkdir()
        message = temporary / (_TEXT_NAME if as_text else _BINARY_NAME)
        write_file(plan, message, progress, fsync=fsync, digest=digest)
        for name, source in sorted(assets.items()):
            _copy_asset(name, source, temporary / _ASSETS)
        temporary.rename(target)
    except OSError as error:
        raise output_error(error, path) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _checked_target(path: Path) -> Path:
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_dir():
        raise refused(path, "is a file, and a SavedModel is a folder. Choose another path")
    if target.is_dir() and any(target.iterdir()):
        raise refused(path, "is a folder with files in it. Choose a new one, or empty it first")
    if not target.parent.is_dir():
        raise refused(path, f"would lie in {str(target.parent)!r}, which is not a folder. Make it first")
    return target


def _copy_asset(name: str, source: Path, folder: Path) -> None:
    if name.startswith("/") or ".." in name.split("/") or not name:
        raise FreezeError(
            Reason.MALFORMED_MODEL, f"The asset {name!r} would lie outside of its folder.", subject=name
        )
    if not source.is_file():
        raise FreezeError(
            Reason.MALFORMED_MODEL,
            f"The model needs the asset {name!r}, and its folder of assets does not hold it. "
            "Copy the whole SavedModel, `assets` included.",
            subject=name,
        )
    copy = folder / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, copy)
    with copy.open("rb+") as stream:
        os.fsync(stream.fileno())
