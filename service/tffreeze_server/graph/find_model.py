"""Where the file of a model is."""

from __future__ import annotations

import stat
from pathlib import Path

from tffreeze_files.access import is_file, kind_of, names_in
from tffreeze_files.layout import SAVED_MODEL_FILES, instead_of_model
from tffreeze_server.errors import FreezeError, Reason, listed, nearest

_CHUNKED = "saved_model.cpb"
_MAX_FOLDER_ENTRIES = 100_000


def find_model(model: Path) -> tuple[Path, str]:
    """The file to read for a model, and what to call the model.

    Args:
        model: A SavedModel directory, or a file.

    Raises:
        FreezeError: MODEL_NOT_FOUND with what is there instead; UNSUPPORTED_MODEL; FILE_NOT_READABLE.

    """
    name = model.name or model.absolute().name or "."
    try:
        instead = instead_of_model(model)
        if instead is not None:
            raise FreezeError(Reason.MODEL_NOT_FOUND, instead, subject=name)
        kind = kind_of(model)
        if kind == stat.S_IFDIR:
            return _in_directory(model, name), name
        if kind:
            return model, name
        is_folder = kind_of(model.parent) == stat.S_IFDIR
        siblings = names_in(model.parent, _MAX_FOLDER_ENTRIES) if is_folder else []
    except OSError as error:
        raise FreezeError(
            Reason.FILE_NOT_READABLE, f"The model {name!r} cannot be read: {error.strerror}.", subject=name
        ) from None
    raise FreezeError(
        Reason.MODEL_NOT_FOUND,
        f"There is no file or directory {name!r}. {_instead(name, siblings)}",
        subject=name,
    )


def _in_directory(directory: Path, name: str) -> Path:
    for file in SAVED_MODEL_FILES:
        if _is_file(directory / file):
            return directory / file
    if _is_file(directory / _CHUNKED):
        raise FreezeError(
            Reason.UNSUPPORTED_MODEL,
            f"The SavedModel {name!r} is written in chunks ({_CHUNKED}), which tffreeze does not read. "
            "Save it again without chunks (experimental_image_format=False), or as a MetaGraphDef.",
            subject=name,
        )
    present = sorted(names_in(directory, _MAX_FOLDER_ENTRIES))
    below = [f"{name}/{child}" for child in present if _is_saved_model(directory / child)]
    raise FreezeError(
        Reason.MODEL_NOT_FOUND,
        f"The directory {name!r} holds neither saved_model.pb nor saved_model.pbtxt. "
        + (f"Give one of the SavedModels in it: {listed(below)}." if below else _holds(present)),
        subject=name,
    )


def _is_saved_model(directory: Path) -> bool:
    return any(is_file(directory / file) for file in (*SAVED_MODEL_FILES, _CHUNKED))


def _is_file(path: Path) -> bool:
    return kind_of(path) == stat.S_IFREG


def _holds(present: list[str]) -> str:
    return f"It holds {listed(present)}." if present else "It is empty."


def _instead(name: str, siblings: list[str]) -> str:
    return f"Beside it: {nearest(name, siblings)}" if siblings else "Its folder is empty, or not there."
