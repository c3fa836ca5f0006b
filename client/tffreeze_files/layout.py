"""How the files of a model are laid out, and what a path is if it is not what the caller should have given.

The client asks this about the caller's files, the engine about the files that it was given. Only names and the last
bytes of a file are read.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from tffreeze_files.access import RefusedError, exists, is_file, is_folder
from tffreeze_files.reader import NotReadableError, open_regular

SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
"""In the order in which TensorFlow's loader tries them (tensorflow/cc/saved_model/reader.cc)."""

VARIABLES = "variables"
"""A SavedModel's checkpoint has the prefix variables/variables."""

_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
"""The last bytes of a checkpoint's index, and of a V1 checkpoint (tensorflow/core/lib/io/format.h)."""

_URL = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:/")
_DATA_ENDING = re.compile(r"\.data-[0-9]{5,}-of-[0-9]{5,}\Z")


def is_url(path: Path) -> bool:
    """Whether this is a URL, such as gs://bucket/model."""
    return _URL.match(str(path)) is not None


def shown_url(path: Path) -> str:
    """Restore a URL's second slash, which `Path` drops."""
    return str(path).replace(":/", "://", 1)


def is_saved_model(folder: Path) -> bool:
    """Whether a folder is a SavedModel."""
    return any(is_file(folder / file) for file in SAVED_MODEL_FILES)


def saved_model_above(path: Path) -> Path | None:
    """Find the SavedModel that a path leads into; None if there is none. The result is as relative as the path."""
    return next((folder for folder in path.parents if is_saved_model(folder)), None)


def named_inside(state: str) -> PurePosixPath | None:
    """Parse the path in a `checkpoint` state file as a path below its folder; None if it is not one.

    A state file never leads out of its folder. Of an absolute path, which usually comes from another machine, only the
    last part is used.
    """
    windows = PureWindowsPath(state)
    path = PurePosixPath(state)
    if state.startswith("/") or windows.is_absolute() or windows.drive:
        path = PurePosixPath(windows.name)
    return None if not any(path.parts) or ".." in path.parts or "\0" in state else path


def own_checkpoint(saved_model: Path) -> Path:
    """Return the prefix of a SavedModel's checkpoint."""
    return saved_model / VARIABLES / VARIABLES


def checkpoint_beside(model: Path) -> Path | None:
    """Give the prefix of the checkpoint that a `Saver` wrote together with this `.meta` file; None: there is none."""
    prefix = _before(model, ".meta")
    if prefix is None:
        return None
    is_there = is_file(prefix.with_name(f"{prefix.name}.index")) or _is_table(prefix)
    return prefix if is_there else None


def instead_of_model(model: Path) -> str | None:
    """Explain what a path is, if it was given as a model and is something else; None if it cannot say.

    Args:
        model: The given path; it need not exist.

    """
    if "\0" in str(model):
        return None
    if is_url(model) and not exists(model):
        return (
            f"{shown_url(model)!r} is a URL, and tffreeze reads local files only. "
            "Copy the model to this machine and give the path of the copy."
        )
    if model.name == VARIABLES and is_folder(model) and is_saved_model(model.absolute().parent):
        name = model.absolute().parent.name
        return f"{VARIABLES!r} is the folder of a SavedModel's checkpoint. Freeze the SavedModel above it: {name!r}."
    found = _checkpoint_of(model)
    if found is None:
        return None
    prefix, what = found
    return f"{model.name!r} is {what}, not a model. {_next_step(prefix)}"


def instead_of_checkpoint(location: Path) -> str | None:
    """Explain what a path is, if it was given as a checkpoint and is something else; None if it cannot say."""
    if is_url(location) and not exists(location):
        return (
            f"{shown_url(location)!r} is a URL, and tffreeze reads local files only. "
            "Copy all files of the checkpoint to this machine and give the prefix of the copy."
        )
    return None


def _checkpoint_of(path: Path) -> tuple[Path, str] | None:
    """The prefix of the checkpoint that a path belongs to, and a description of the path."""
    if not path.name:
        return None
    if not exists(path):
        index = path.with_name(f"{path.name}.index")
        return (path, "the prefix of a checkpoint") if is_file(index) else None
    ending = _DATA_ENDING.search(path.name)
    prefix = _before(path, ending[0]) if ending else None
    if prefix is not None:
        return prefix, "a data file of a checkpoint"
    if not _is_table(path):
        return None
    prefix = _before(path, ".index")
    if prefix is not None:
        return prefix, "the index of a checkpoint"
    return path, "a V1 checkpoint"


def _before(path: Path, ending: str) -> Path | None:
    """A path without an ending of its name; None where it does not end so, or is nothing but that and dots."""
    name = path.name.removesuffix(ending)
    return None if name in (path.name, "", ".", "..") else path.with_name(name)


def _next_step(prefix: Path) -> str:
    folder = prefix.absolute().parent
    if folder.name == VARIABLES and is_saved_model(folder.parent):
        return f"Freeze the SavedModel above it: {folder.parent.name!r}."
    meta = prefix.with_name(f"{prefix.name}.meta")
    if is_file(meta):
        return f"Its graph is in {meta.name!r}: give that as the model."
    return f"Give the graph as the model, and {prefix.name!r} with --checkpoint."


def _is_table(path: Path) -> bool:
    """Whether a file ends like a LevelDB table, as checkpoints of both formats do."""
    try:
        descriptor = open_regular(path, path.name)
    except (FileNotFoundError, NotReadableError, RefusedError):
        return False
    try:
        size_bytes = os.fstat(descriptor).st_size
        return os.pread(descriptor, 8, max(size_bytes - 8, 0)) == _TABLE_MAGIC
    except OSError:
        return False
    finally:
        os.close(descriptor)
