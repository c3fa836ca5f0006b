"""The errors of the checkpoint reader, each worded once."""

from __future__ import annotations

import os
from pathlib import Path

from tffreeze_files.reader import NotReadableError, open_regular
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors.files import unreadable

COPY_AGAIN = "Copy the checkpoint again from its source, or save it again with TensorFlow."


def malformed(file: str, detail: str, subject: str = "") -> FreezeError:
    """Build the error for bytes that TensorFlow never writes.

    Args:
        file: The file's name, without its folder.
        detail: What is wrong, as a clause: `its footer lacks the magic number`.
        subject: The key that it is about; default: the file.

    """
    message = f"The checkpoint file {file!r} is damaged or not a checkpoint: {detail}. {COPY_AGAIN}"
    return FreezeError(Reason.MALFORMED_CHECKPOINT, message, subject=subject or file)


def checksum_mismatch(file: str, what: str, subject: str = "") -> FreezeError:
    """Build the error for bytes that have changed since they were written."""
    message = f"The checksum of {what} in the checkpoint file {file!r} is wrong: the bytes have changed. {COPY_AGAIN}"
    return FreezeError(Reason.CHECKSUM_MISMATCH, message, subject=subject or file)


def shard_not_found(file: str, key: str) -> FreezeError:
    """Build the error for a missing data file."""
    message = (
        f"The file {file!r} with {key!r} of this checkpoint is missing. "
        "Put all files of the checkpoint (every .data-… and the .index) into one folder."
    )
    return FreezeError(Reason.SHARD_NOT_FOUND, message, subject=file)


def not_readable(file: str, detail: str) -> FreezeError:
    """Build the error for a file that exists and cannot be read."""
    message = f"The file {file!r} cannot be read: {detail}. Check its type, its permissions and its disk."
    return FreezeError(Reason.FILE_NOT_READABLE, message, subject=file)


def unsupported_dtype(key: str, dtype_name: str) -> FreezeError:
    """Build the error for a tensor whose dtype cannot be a constant."""
    message = (
        f"The dtype of {key!r} in the checkpoint is {dtype_name}, which cannot be a constant. "
        "Keep the variable with --deny, or choose outputs that do not need it."
    )
    return FreezeError(Reason.UNSUPPORTED_DTYPE, message, subject=key)


def file_size_bytes(path: Path, file: str) -> int:
    """Return the size of a file.

    Raises:
        FileNotFoundError: It does not exist.
        FreezeError: FILE_NOT_READABLE.

    """
    try:
        descriptor = open_regular(path, file)
    except NotReadableError as error:
        raise unreadable(error) from None
    try:
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
