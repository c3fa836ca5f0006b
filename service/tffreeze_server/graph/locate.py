"""Where the file of a model is."""

from __future__ import annotations

from pathlib import Path

from tffreeze_files.layout import SAVED_MODEL_FILES, instead_of_model
from tffreeze_server.errors import FreezeError, Reason, listed, nearest

_CHUNKED = "saved_model.cpb"


def locate(model: Path) -> tuple[Path, str]:
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
        if model.is_dir():
            return _in_directory(model, name), name
        if model.exists():
            return model, name
        siblings = [path.name for path in model.parent.iterdir()] if model.parent.is_dir() else []
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
        if (directory / file).is_file():
            return directory / file
    if (directory / _CHUNKED).is_file():
        raise FreezeError(
            Reason.UNSUPPORTED_MODEL,
            f"The SavedModel {name!r} is written in chunks ({_CHUNKED}), which tffreeze does not read. "
            "Save it again without chunks (experimental_image_format=False), or as a MetaGraphDef.",
            subject=name,
        )
    present = sorted(path.name for path in directory.iterdir())
    below = [f"{name}/{child}" for child in present if _is_saved_model(directory / child)]
    raise FreezeError(
        Reason.MODEL_NOT_FOUND,
        f"The directory {name!r} holds neither saved_model.pb nor saved_model.pbtxt. "
        + (f"Give one of the SavedModels in it: {listed(below)}." if below else _holds(present)),
        subject=name,
    )


def _is_saved_model(directory: Path) -> bool:
    return any((directory / file).is_file() for file in (*SAVED_MODEL_FILES, _CHUNKED))


def _holds(present: list[str]) -> str:
    return f"It holds {listed(present)}." if present else "It is empty."


def _instead(name: str, siblings: list[str]) -> str:
    return f"Beside it: {nearest(name, siblings)}" if siblings else "Its folder is empty, or not there."
