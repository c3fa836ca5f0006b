"""Model roots: folders of the server that callers may name, and may not leave.

The engine opens files by path, so every file that it may open for a request is checked first: links are
followed on paper, and where one ends outside of the root the call is refused. What the plan names is
checked again before it is read. Who may write to a model root while a call is running can win a race against
this: a model root belongs to the operator, not to callers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tffreeze_files.layout import checkpoint_beside
from tffreeze_server.errors import FreezeError, Reason, listed
from tffreeze_server.options import ModelSource
from tffreeze_server.rpc.caller import Caller
from tffreeze_server.rpc.field_error import FieldError
from tffreeze_server.rpc.limits import CallSettings

MAX_FILES = 100_000
"""Files of a model's folders that are looked at."""


def model_root(name: str, settings: CallSettings, caller: Caller) -> Path:
    """Give the folder of a model root.

    Raises:
        FreezeError: MODEL_ROOT_NOT_FOUND: there is none, or it is not for this caller, who is told the same.

    """
    if name in settings.model_roots and caller.may_use(name):
        return settings.model_roots[name]
    raise FreezeError(
        Reason.MODEL_ROOT_NOT_FOUND,
        f"The server has no model root {name!r}. There are: {listed(roots_of(settings, caller)) or 'none'}.",
        subject=name,
    )


def roots_of(settings: CallSettings, caller: Caller) -> list[str]:
    """Names of the model roots that a caller may use, sorted."""
    return sorted(name for name in settings.model_roots if caller.may_use(name))


def check_source(source: ModelSource, root: Path) -> None:
    """Check all files that the engine may open for a model in a root.

    Raises:
        FreezeError: FILE_NOT_READABLE for a link that leads out of the root; INVALID_OPTION for a folder
            with more files than any model has.

    """
    for count, path in enumerate(_files_of(source)):
        check_inside([path], root)
        if count >= MAX_FILES:
            raise FieldError(
                Reason.INVALID_OPTION,
                "spec.source",
                f"The folder of this model holds more than {MAX_FILES:,} files. Name the model's own folder.",
            )


def check_inside(paths: Iterable[Path], root: Path) -> None:
    """Check that paths, links followed, are in the root.

    Raises:
        FreezeError: FILE_NOT_READABLE.

    """
    inside = os.path.realpath(root)
    for path in paths:
        if not Path(os.path.realpath(path)).is_relative_to(inside):
            name = os.path.relpath(path, root)
            raise FreezeError(
                Reason.FILE_NOT_READABLE,
                f"{name!r} leads out of the model root by a link, which is not followed. "
                "Ask the operator to put the file itself there.",
                subject=name,
            )


def _files_of(source: ModelSource) -> Iterator[Path]:
    """The paths that belong to a model, each folder before what is in it."""
    for named in (source.model, source.saver, source.op_list):
        if named is not None:
            yield named
    seen: set[str] = set()
    if source.model.is_dir():
        for entry in _entries(source.model):
            if entry.name.startswith(("saved_model.", "variables", "assets")):
                yield from _with_below(entry, seen)
    checkpoint = source.checkpoint or checkpoint_beside(source.model)
    if checkpoint is not None:
        yield from (checkpoint.parent, checkpoint)
        if checkpoint.is_dir():
            yield from _with_below(checkpoint, seen)
        else:
            stem = _stem(checkpoint.name)
            names = (f"{stem}.", f"{stem}-")
            yield from (entry for entry in _entries(checkpoint.parent) if entry.name.startswith(names))


def _with_below(path: Path, seen: set[str]) -> Iterator[Path]:
    """Give a path and, where it is a folder, all below it; folders that links lead to are gone into too."""
    yield path
    real = os.path.realpath(path)
    if path.is_dir() and real not in seen:
        seen.add(real)
        for entry in _entries(path):
            yield from _with_below(entry, seen)


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except OSError:
        return  # not there, or not to be read: the engine says so better


def _stem(name: str) -> str:
    """What the names of all files of a checkpoint begin with, given any of them."""
    return re.split(r"\.(?:index|meta|data-)|-(?:\d{5}|\?{5})", name)[0] or name
