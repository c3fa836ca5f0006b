"""Which files of a local model a server needs, and their names in the upload.

A freeze reads the model's file, the checkpoint's index and its state file. It reads weights only if it must assemble or
decode them. Uploaded files keep their names below one folder for each part, so that the server's messages name
files as the caller does:

    model/NAME            the file, or the SavedModel directory of that name
    checkpoint/…          files of the checkpoint
    saver/NAME, op_list/NAME
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tffreeze.errors import TffreezeError, error_for
from tffreeze.local_file import LocalFile, open_local
from tffreeze.options import FreezeArguments, StrPath, check_utf8
from tffreeze_files.layout import (
    SAVED_MODEL_FILES,
    checkpoint_beside,
    instead_of_checkpoint,
    instead_of_model,
    is_saved_model,
)
from tffreeze_files.layout import own_checkpoint as checkpoint_of

if TYPE_CHECKING:
    from tffreeze.v1 import model_pb2

STATE_FILE = "checkpoint"

_WEIGHTS = re.compile(r".+\.data-\d{5,}-of-\d{5,}", re.DOTALL)
_PART = re.compile(r"(?P<prefix>.+?)(\.index|\.meta|(\.data)?-[\d?]{5,}-of-[\d?]{5,})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model and its files.

    Attributes:
        files: In the order of declaration.
        model: The path of the model in the upload.
        checkpoint: The path of the checkpoint in the upload; empty if not given.
        saver: The path of the saver file; empty if not given.
        op_list: The path of the op list; empty if not given.

    """

    files: tuple[LocalFile, ...]
    model: str
    checkpoint: str
    saver: str
    op_list: str

    def source(self, *, with_weights: bool) -> model_pb2.ModelSource:
        """Declare the files. Weights that are not sent are declared absent."""
        from tffreeze.v1 import model_pb2  # noqa: PLC0415 - `import tffreeze` needs no protobuf

        upload = model_pb2.Upload()
        for file in self.files:
            absent = file.is_weights and not with_weights
            upload.files.add(name=file.name, size_bytes=file.size_bytes, absent=absent)
        return model_pb2.ModelSource(
            upload=upload,
            model=self.model,
            checkpoint=self.checkpoint,
            saver=self.saver,
            op_list=self.op_list,
        )


def find_model(model: StrPath, options: FreezeArguments) -> LocalModel:
    """Find the files of a model on this machine.

    Raises:
        NotFoundError: MODEL_NOT_FOUND or CHECKPOINT_NOT_FOUND.
        ModelFileError: FILE_NOT_READABLE.
        RequestError: INVALID_OPTION: the name of a file is not UTF-8.

    """
    found: dict[str, Path] = {}
    try:
        name, location, names = _add_all(found, Path(model), options)
        files = tuple(_local_file(name, path) for name, path in found.items())
    except OSError as error:
        file = str(error.filename or model)
        message = f"The file {file!r} cannot be read: {error.strerror}. Check its permissions and its disk."
        raise error_for("FILE_NOT_READABLE", message, file) from None
    except ValueError:  # Python raises it for names that no system call accepts
        message = (
            f"There is no model {str(model)!r}: its name, or the name of one of its files, has a zero byte."
        )
        raise error_for("MODEL_NOT_FOUND", message, str(model)) from None
    check_utf8(*found)
    return LocalModel(files, name, location, names["saver"], names["op_list"])


def input_files(model: StrPath, options: FreezeArguments) -> list[Path]:
    """List the local files that a freeze may read, including assets.

    If something is missing, the list ends there; the freeze itself reports the error.
    """
    found: dict[str, Path] = {}
    with_assets: FreezeArguments = {**options, "as_saved_model": True}
    with contextlib.suppress(OSError, ValueError, TffreezeError):
        _add_all(found, Path(model), with_assets)
    return list(found.values())


def _add_all(found: dict[str, Path], path: Path, options: FreezeArguments) -> tuple[str, str, dict[str, str]]:
    """Add all files; return the paths of model and checkpoint in the upload, and those of the other parts."""
    checkpoint = options.get("checkpoint")
    name = _add_model(found, path, own_checkpoint=not checkpoint, assets=bool(options.get("as_saved_model")))
    names = {part: _add_file(found, part, options.get(part)) for part in ("saver", "op_list")}  # type: ignore[arg-type]  # paths, or None
    location = _add_checkpoint(found, Path(checkpoint)) if checkpoint else ""
    return name, location, names


def _add_model(found: dict[str, Path], path: Path, *, own_checkpoint: bool, assets: bool) -> str:
    instead = instead_of_model(path)
    if instead is not None:
        raise error_for("MODEL_NOT_FOUND", instead, path.name)
    if not path.exists():
        raise error_for("MODEL_NOT_FOUND", f"There is no file or directory {str(path)!r}.", path.name)
    if path.is_dir():
        folder, name = path, f"model/{_plain(path.resolve().name)}"
        files = [file for file in SAVED_MODEL_FILES if (path / file).is_file()]
        if not files:
            message = f"The directory {str(path)!r} has no saved_model.pb or saved_model.pbtxt: it is no SavedModel."
            raise error_for("MODEL_NOT_FOUND", message, path.name)
        found[f"{name}/{files[0]}"] = path / files[0]
    else:
        folder, name = path.parent, "model"
        found[f"model/{_plain(path.name)}"] = path
        if path.name not in SAVED_MODEL_FILES:
            beside = checkpoint_beside(path) if own_checkpoint else None
            if beside is not None:
                _add_parts(found, beside, "model")
            return f"model/{_plain(path.name)}"
    if own_checkpoint:
        found.update(_below(folder / "variables", f"{name}/variables"))
    if assets:
        found.update(_below(folder / "assets", f"{name}/assets"))
    return name if path.is_dir() else f"{name}/{path.name}"


def _add_file(found: dict[str, Path], part: str, path: StrPath | None) -> str:
    if not path:
        return ""
    name = f"{part}/{_plain(Path(path).name)}"
    found[name] = Path(path)
    return name


def _add_checkpoint(found: dict[str, Path], location: Path) -> str:
    """Add the files of a checkpoint; return its path in the upload."""
    if location.is_dir() and is_saved_model(location) and not (location / STATE_FILE).is_file():
        location = checkpoint_of(location)
    if location.is_dir():
        state = location / STATE_FILE
        if not state.is_file():
            message = (
                f"The folder {str(location)!r} has no file {STATE_FILE!r} that names its newest checkpoint."
            )
            raise error_for("CHECKPOINT_NOT_FOUND", f"{message} Give the prefix of one.", location.name)
        from tffreeze.checkpoint_state import newest_checkpoint  # noqa: PLC0415 - needs protobuf

        named = newest_checkpoint(state)
        found[f"checkpoint/{STATE_FILE}"] = state
        parent = f"checkpoint/{named.parent}" if str(named.parent) != "." else "checkpoint"
        _add_named(found, location / named, parent)
        return "checkpoint"
    if not _add_named(found, location, "checkpoint"):
        instead = instead_of_checkpoint(location)
        if instead is not None:
            raise error_for("CHECKPOINT_NOT_FOUND", instead, location.name)
        message = f"There is no checkpoint {str(location)!r}. Give the prefix of one, or any of its files."
        raise error_for("CHECKPOINT_NOT_FOUND", message, location.name)
    return f"checkpoint/{location.name}"


def _add_named(found: dict[str, Path], location: Path, folder: str) -> bool:
    """Add the files of a checkpoint named by its prefix, its pattern or any of its files; False if there are none."""
    part = _PART.fullmatch(location.name)
    prefixes = {location.name, part["prefix"]} if part else {location.name}
    prefixes -= {".", ".."}  # folders, not names of files
    added = [_add_parts(found, location.with_name(prefix), folder) for prefix in sorted(prefixes)]
    return any(added)


def _add_parts(found: dict[str, Path], prefix: Path, folder: str) -> bool:
    """Add the files of a V1 or V2 checkpoint with this prefix; False if there are none."""
    parts = {
        f"{folder}/{entry.name}": entry
        for entry in (prefix.parent.iterdir() if prefix.parent.is_dir() else ())
        if _belongs(entry.name, prefix.name) and entry.is_file()
    }
    found.update(sorted(parts.items()))
    return bool(parts)


def _belongs(name: str, prefix: str) -> bool:
    if name.endswith(".meta"):
        return False
    if name == prefix:
        return True
    part = _PART.fullmatch(name)
    return bool(part) and name.startswith(prefix) and part["prefix"] == prefix  # type: ignore[index]  # matched


def _below(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Every file below a folder, by the name it will have."""
    for parent, folders, files in os.walk(folder, onerror=_raise_unless_missing):
        folders.sort()
        for file in sorted(files):
            path = Path(parent, file)
            if path.is_file():
                yield f"{name}/{path.relative_to(folder).as_posix()}", path


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _plain(name: str) -> str:
    """A name that the contract allows: it is only shown."""
    return re.sub(r"[\\\0\ud800-\udfff]", "_", name) or "model"


def _local_file(name: str, path: Path) -> LocalFile:
    descriptor = open_local(path)
    try:
        size_bytes = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    return LocalFile(name, path, size_bytes, _WEIGHTS.fullmatch(path.name) is not None)


def sent(files: Iterable[LocalFile], *, with_weights: bool) -> Iterator[tuple[int, LocalFile]]:
    """Select the files to upload, each with its index."""
    return ((index, file) for index, file in enumerate(files) if with_weights or not file.is_weights)
