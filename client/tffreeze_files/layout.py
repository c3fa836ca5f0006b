"""How the files of a model lie beside each other, and what a path is that leads to something else than was asked for.

The client asks these questions of the caller's files, the engine of the files it was given. Nothing but names and the
last bytes of a file are looked at.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

from tffreeze_files.access import RefusedError, exists, is_file, is_folder
from tffreeze_files.reader import NotReadableError, open_regular

SAVED_MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
"""In the order of TensorFlow's loader (tensorflow/cc/saved_model/reader.cc)."""

VARIABLES = "variables"
"""A SavedModel's checkpoint is the prefix of this name in its folder of this name."""

_TABLE_MAGIC = bytes.fromhex("57fb808b247547db")
"""The last bytes of a checkpoint's index, and of a V1 checkpoint (tensorflow/core/lib/io/format.h)."""

_URL = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:/")
_DATA_FILE = re.compile(r"(?P<prefix>.+)\.data-\d{5,}-of-\d{5,}", re.DOTALL)


def is_url(path: Path) -> bool:
    """Whether this is a URL, such as gs://bucket/model."""
    return _URL.match(str(path)) is not None


def shown_url(path: Path) -> str:
    """Write a URL as it was given: a path has one slash where it has two."""
    return str(path).replace(":/", "://", 1)


def is_saved_model(folder: Path) -> bool:
    """Whether a folder is a SavedModel."""
    return any(is_file(folder / file) for file in SAVED_MODEL_FILES)


def named_inside(state: str) -> PurePosixPath | None:
    """Read the path that a `checkpoint` state file names as one below the file's folder; None: it is no such path.

    A state file never leads out of its folder: of an absolute path, which is mostly one of another machine, only the
    last part counts.
    """
    windows = PureWindowsPath(state)
    path = PurePosixPath(state)
    if state.startswith("/") or windows.is_absolute() or windows.drive:
        path = PurePosixPath(windows.name)
    return None if not any(path.parts) or ".." in path.parts or "\0" in state else path


def own_checkpoint(saved_model: Path) -> Path:
    """Give the prefix of a SavedModel's checkpoint."""
    return saved_model / VARIABLES / VARIABLES


def checkpoint_beside(model: Path) -> Path | None:
    """Give the prefix of the checkpoint that a `Saver` wrote together with this `.meta` file; None: there is none."""
    prefix = model.with_suffix("")
    if model.suffix != ".meta" or not prefix.name:
        return None
    is_there = is_file(prefix.with_name(f"{prefix.name}.index")) or _is_table(prefix)
    return prefix if is_there else None


def instead_of_model(model: Path) -> str | None:
    """Say what a path is that was given as a model and is something else; None where nothing is known of it.

    Args:
        model: What was given; it need not exist.

    """
    if "\0" in str(model):
        return None
    if is_url(model) and not exists(model):
        return (
            f"{shown_url(model)!r} is a URL, and only files of this machine are read. "
            "Copy the model here, and give the path of the copy."
        )
    if model.name == VARIABLES and is_folder(model) and is_saved_model(model.absolute().parent):
        name = model.absolute().parent.name
        return f"{VARIABLES!r} is the folder of a SavedModel's variables. Freeze the SavedModel above it: {name!r}."
    found = _checkpoint_of(model)
    if found is None:
        return None
    prefix, what = found
    return f"{model.name!r} is {what}, not a model. {_next_step(prefix)}"


def instead_of_checkpoint(location: Path) -> str | None:
    """Say what a path is that was given as a checkpoint and is something else."""
    if is_url(location) and not exists(location):
        return (
            f"{shown_url(location)!r} is a URL, and only files of this machine are read. "
            "Copy all files of the checkpoint here, and give the prefix of the copy."
        )
    return None


def _checkpoint_of(path: Path) -> tuple[Path, str] | None:
    """The prefix of the checkpoint that a path belongs to, and what the path is."""
    if not path.name:
        return None
    if not exists(path):
        index = path.with_name(f"{path.name}.index")
        return (path, "the prefix of a checkpoint") if is_file(index) else None
    data = _DATA_FILE.fullmatch(path.name)
    if data:
        return path.with_name(data["prefix"]), "a file of a checkpoint's weights"
    if not _is_table(path):
        return None
    if path.suffix == ".index":
        return path.with_suffix(""), "the index of a checkpoint"
    return path, "a checkpoint of the first format (V1)"


def _next_step(prefix: Path) -> str:
    folder = prefix.absolute().parent
    if folder.name == VARIABLES and is_saved_model(folder.parent):
        return f"Freeze the SavedModel above it: {folder.parent.name!r}."
    meta = prefix.with_name(f"{prefix.name}.meta")
    if is_file(meta):
        return f"The graph that belongs to it is in {meta.name!r}: give that as the model."
    return f"Give the graph as the model, and {prefix.name!r} with --checkpoint."


def _is_table(path: Path) -> bool:
    """Whether a file ends as checkpoints of both formats do: as a LevelDB table."""
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
