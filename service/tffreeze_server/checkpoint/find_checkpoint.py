"""Finding a checkpoint's files from the path that a caller gives.

Callers give a checkpoint's prefix, its folder, or any of its files. In a folder, the state file `checkpoint` names the
newest checkpoint. A state file never leads out of its folder: a relative path with `..` is an error. Of an absolute
path, which usually comes from another machine, only the last part is used.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from tffreeze_files.access import kind_of, names_in
from tffreeze_files.layout import (
    VARIABLES,
    instead_of_checkpoint,
    is_saved_model,
    named_inside,
    own_checkpoint,
)
from tffreeze_server.checkpoint.problems import malformed, not_readable
from tffreeze_server.errors import FreezeError, Reason, listed, nearest
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.checkpoint_pb2 import CheckpointState

STATE_FILE = "checkpoint"
MAX_STATE_BYTES = 1 << 23
MAX_FOLDER_ENTRIES = 100_000
"""The largest number of names that are read from a folder."""

_DATA_FILE = re.compile(r"(?P<prefix>.+)\.data-[0-9]{5,}-of-[0-9]{5,}", re.DOTALL)
_V1_SHARD = re.compile(r"(?P<prefix>.+)-(?:[0-9]{5,}|\?{5})-of-(?P<count>[0-9]{5,}|\?{5})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """The files of a checkpoint.

    Attributes:
        name: The last part of its prefix.
        index: The `.index` file of a V2 checkpoint; None for V1.
        v1_files: The files of a V1 checkpoint, in order; empty for V2.

    """

    name: str
    index: Path | None
    v1_files: tuple[Path, ...]


def find_checkpoint(location: Path) -> CheckpointFiles:
    """Find the files of a checkpoint.

    Args:
        location: A prefix, a folder with a `checkpoint` state file, a SavedModel, or any file of a checkpoint.

    Raises:
        FreezeError: CHECKPOINT_NOT_FOUND, SHARD_NOT_FOUND (of V1), MALFORMED_CHECKPOINT (the state file) or
            FILE_NOT_READABLE.

    """
    if "\0" in str(location):
        raise FreezeError(
            Reason.CHECKPOINT_NOT_FOUND, "The checkpoint's name contains a zero byte. Give its prefix."
        )
    if _is_folder(location) and is_saved_model(location) and not _exists(location / STATE_FILE):
        location = own_checkpoint(location)
    if _is_folder(location) and not _exists(_beside(location, f"{location.name}.index")):
        return _newest_in(location)
    found = _at(location) or _of_file(location)
    if found is None:
        raise _not_found(location)
    return found


def _at(prefix: Path) -> CheckpointFiles | None:
    """Look for a checkpoint with this prefix: V2 first, like RestoreV2, then V1."""
    index = _beside(prefix, f"{prefix.name}.index")
    if _exists(index):
        return CheckpointFiles(prefix.name, index, ())
    if _exists(prefix) and _of_part_name(prefix.name) is None:
        return CheckpointFiles(prefix.name, None, (prefix,))
    return _v1_shards(prefix, None)


def _of_file(location: Path) -> CheckpointFiles | None:
    """Look for the checkpoint that a file, or a pattern of files, belongs to."""
    shard = _V1_SHARD.fullmatch(location.name)
    if shard and not _DATA_FILE.fullmatch(location.name):
        count = shard["count"]
        return _v1_shards(_beside(location, shard["prefix"]), None if "?" in count else count)
    prefix = _of_part_name(location.name)
    return _at(_beside(location, prefix)) if prefix else None


def _of_part_name(name: str) -> str | None:
    """Return the prefix in the name of a checkpoint's file; None for other names."""
    for suffix in (".index", ".meta"):
        if name.endswith(suffix) and name != suffix:
            return name.removesuffix(suffix)
    data = _DATA_FILE.fullmatch(name) or _V1_SHARD.fullmatch(name)
    return data["prefix"] if data else None


def _v1_shards(prefix: Path, count: str | None) -> CheckpointFiles | None:
    """Look for `PREFIX-SSSSS-of-NNNNN`; all files of one NNNNN must exist."""
    pattern = re.compile(re.escape(prefix.name) + r"-(?P<shard>[0-9]{5,})-of-(?P<count>[0-9]{5,})", re.DOTALL)
    matches = [match for name in _names_beside(prefix) if (match := pattern.fullmatch(name))]
    counts = sorted({match["count"] for match in matches if count in (None, match["count"])})
    if not counts:
        return None
    if len(counts) > 1:
        raise FreezeError(
            Reason.CHECKPOINT_NOT_FOUND,
            f"There are several checkpoints {prefix.name!r}, of {listed(counts)} files. Name a file of the one that "
            "you mean.",
            subject=prefix.name,
        )
    found = {int(match["shard"]): match.string for match in matches if match["count"] == counts[0]}
    total = int(counts[0])
    missing = next((shard for shard in range(total) if shard not in found), None)
    if missing is not None or len(found) != total:
        name = f"{prefix.name}-{missing or 0:05d}-of-{counts[0]}"
        raise FreezeError(
            Reason.SHARD_NOT_FOUND,
            f"The checkpoint {prefix.name!r} has {total} files, of which {len(found)} are here and {name!r} is "
            "missing. Put all its files into one folder.",
            subject=name,
        )
    return CheckpointFiles(prefix.name, None, tuple(_beside(prefix, found[shard]) for shard in range(total)))


def _newest_in(folder: Path) -> CheckpointFiles:
    """Find the checkpoint that a folder's state file names, by its prefix or its V1 pattern."""
    path = folder / STATE_FILE
    if not _exists(path):
        raise FreezeError(
            Reason.CHECKPOINT_NOT_FOUND,
            f"The folder {folder.name or str(folder)!r} has no file {STATE_FILE!r} that names its newest checkpoint. "
            f"{_what_is_there(folder)} Give the prefix of one.",
            subject=folder.name,
        )
    named = _read_state(path)
    parts = _parts_inside(named)
    prefix = folder.joinpath(*parts)
    found = _at(prefix) or _of_file(prefix)
    if found is None:
        raise FreezeError(
            Reason.CHECKPOINT_NOT_FOUND,
            f"The file {STATE_FILE!r} names the checkpoint {'/'.join(parts)!r}, which is not beside it. "
            f"{_what_is_there(prefix.parent)} Give the prefix of one, or copy the missing files.",
            subject="/".join(parts),
        )
    return found


def _read_state(path: Path) -> str:
    with SourceFiles({STATE_FILE: path}) as files:
        size_bytes = files.size_bytes(STATE_FILE)
        if size_bytes > MAX_STATE_BYTES:
            raise malformed(STATE_FILE, f"it is {size_bytes} bytes long, too long for a list of checkpoints")
        data = files.pread(STATE_FILE, size_bytes, 0)
    try:
        state = text_format.Parse(data.decode(), CheckpointState(), allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError, RecursionError):
        raise malformed(
            STATE_FILE, "it is not a checkpoint state file (text that names the newest checkpoint)"
        ) from None
    return state.model_checkpoint_path


def _parts_inside(named: str) -> tuple[str, ...]:
    """Split the path in a state file into parts below its folder."""
    path = named_inside(named)
    if path is None:
        raise malformed(STATE_FILE, f"it names {named[:200]!r}, which is not a checkpoint in its folder")
    return path.parts


def _beside(path: Path, name: str) -> Path:
    return path.parent / name


def _is_folder(path: Path) -> bool:
    return _kind_of(path) == stat.S_IFDIR


def _exists(path: Path) -> bool:
    """Whether a file exists; raises if the system does not tell."""
    return _kind_of(path) not in {0, stat.S_IFDIR}


def _kind_of(path: Path) -> int:
    try:
        return kind_of(path)
    except OSError as error:
        raise _refused(path, error) from None


def _names_beside(path: Path) -> list[str]:
    """List the folder of a path, up to `MAX_FOLDER_ENTRIES` names."""
    try:
        return sorted(names_in(path.parent, MAX_FOLDER_ENTRIES))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _refused(path.parent, error) from None


def _refused(path: Path, error: OSError) -> FreezeError:
    return not_readable(path.name[:200], error.strerror or "the system refuses")


def _prefixes_in(folder: Path) -> list[str]:
    """List the prefixes of the checkpoints in a folder."""
    names = _names_beside(folder / STATE_FILE)
    v2 = {name.removesuffix(".index") for name in names if name.endswith(".index")}
    v1 = {shard["prefix"] for name in names if (shard := _V1_SHARD.fullmatch(name)) and ".data-" not in name}
    return sorted(v2 | v1)


def _what_is_there(folder: Path) -> str:
    prefixes = _prefixes_in(folder)
    if prefixes:
        return f"Its checkpoints are: {listed(prefixes)}."
    return f"It contains no checkpoint; its files: {listed(_names_beside(folder / STATE_FILE)) or 'none'}."


def _not_found(location: Path) -> FreezeError:
    """Build the error, and say what is there instead."""
    instead = instead_of_checkpoint(location)
    if instead is not None:
        return FreezeError(Reason.CHECKPOINT_NOT_FOUND, instead, subject=location.name)
    folder, name = location.parent, location.name
    if is_saved_model(folder.parent) and not _is_folder(folder):
        return FreezeError(
            Reason.CHECKPOINT_NOT_FOUND,
            f"The SavedModel {folder.parent.absolute().name!r} has no folder {VARIABLES!r} with its "
            "checkpoint. Copy this folder too, or give another checkpoint with --checkpoint.",
            subject=name,
        )
    names = _names_beside(location)
    data = [other for other in names if (found := _DATA_FILE.fullmatch(other)) and found["prefix"] == name]
    prefixes = _prefixes_in(folder)
    if data:
        hint = f"There is {listed(data)} and no {name + '.index'!r}: copy that too."
    elif prefixes:
        hint = f"Beside it: {nearest(name, prefixes)} Give the prefix of one."
    else:
        hint = f"Its folder contains no checkpoint; its files: {listed(names) or 'none'}. Give the prefix of one."
    return FreezeError(
        Reason.CHECKPOINT_NOT_FOUND, f"There is no checkpoint {name!r}. {hint}", subject=name or str(location)
    )
