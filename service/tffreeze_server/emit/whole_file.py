"""A file that appears whole or not at all.

Where the system can, the file has no name until it is complete (O_TMPFILE, then linkat), so
that even SIGKILL leaves nothing behind. Elsewhere it has a temporary name beside the target, with a random
part, so that one left behind by a killed run is in nobody's way.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tffreeze_server.errors import FreezeError, Reason

_DISK_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
_MODE = 0o666  # the umask takes away from it, as for any new file
_O_TMPFILE: int = getattr(os, "O_TMPFILE", 0)
# What file systems and kernels without O_TMPFILE answer; old kernels take it for O_DIRECTORY.
_NO_TMPFILE = frozenset((errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL))


@contextmanager
def whole_file(target: Path, length_bytes: int, *, fsync: bool) -> Iterator[int]:
    """Open a file to write; it takes its name when the block ends without an exception.

    Args:
        target: Its path; a file that is there is replaced.
        length_bytes: How long it will be; the room is taken at once, where the file system can.
        fsync: Whether it shall be on disk before it has its name.

    Yields:
        Its descriptor.

    Raises:
        FreezeError: DISK_FULL or OUTPUT_NOT_WRITABLE for any OSError of the block or of this function.

    """
    try:
        with _nameless(target) as descriptor:
            _take_room(descriptor, length_bytes)
            yield descriptor
            if fsync:
                os.fsync(descriptor)
    except OSError as error:
        raise output_error(error, target) from None


def is_special(path: Path) -> bool:
    """Whether this is a device, a pipe or a socket: something to write to, not to replace."""
    return path.exists() and not path.is_file() and not path.is_dir()


def checked_target(path: Path, sources: Iterable[Path]) -> Path:
    """Find where a file is to be written: symlinks are followed, as `cp` does.

    Args:
        path: What was asked for.
        sources: Files that will be read; none may be the target.

    Raises:
        FreezeError: OUTPUT_NOT_WRITABLE.

    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise refused(path, "is a folder. Name a file in it")
    if not target.parent.is_dir():
        raise refused(path, f"would lie in {str(target.parent)!r}, which is not a folder. Make it first")
    if target.exists() and any(source.exists() and target.samefile(source) for source in sources):
        raise refused(path, "is one of the files that are read. Choose another path")
    return target


def refused(path: Path, because: str) -> FreezeError:
    """Say why a path is no place for an output."""
    return FreezeError(Reason.OUTPUT_NOT_WRITABLE, f"The output {str(path)!r} {because}.", subject=str(path))


def temporary_name() -> str:
    """Make up a name that no other file has."""
    return f".tffreeze-{os.urandom(8).hex()}.tmp"


def output_error(error: OSError, target: Path) -> FreezeError:
    """Say why an output could not be written."""
    if error.errno in _DISK_FULL:
        return FreezeError(
            Reason.DISK_FULL,
            f"The output {str(target)!r} does not fit: {error.strerror}. Nothing was written. "
            "Make room, or write it elsewhere.",
            subject=str(target),
        )
    return FreezeError(
        Reason.OUTPUT_NOT_WRITABLE,
        f"The output {str(target)!r} cannot be written: {error.strerror}. Nothing was written. "
        "Choose a path in a folder that exists and that you may write to.",
        subject=str(target),
    )


@contextmanager
def _nameless(target: Path) -> Iterator[int]:
    descriptor, temporary = _open(target.parent)
    try:
        yield descriptor
        if temporary is None:
            _give_name(descriptor, target)
        else:
            temporary.replace(target)
    except BaseException:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _open(folder: Path) -> tuple[int, Path | None]:
    """Open a new file without a name, else one with a temporary name, which is given too."""
    if _O_TMPFILE and Path("/proc/self/fd").is_dir():
        try:
            return os.open(folder, _O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, _MODE), None
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
    temporary = folder / temporary_name()
    return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE), temporary


def _give_name(descriptor: int, target: Path) -> None:
    try:
        _link(descriptor, target)
    except FileExistsError:
        temporary = target.parent / temporary_name()
        _link(descriptor, temporary)
        try:
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _link(descriptor: int, path: Path) -> None:
    """Give the open file a name: open(2) states this use of /proc for O_TMPFILE."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Without a directory's descriptor Python calls link(2), which does not follow the symlink in /proc.
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _take_room(descriptor: int, length_bytes: int) -> None:
    """Take the room first: a full disk shows at once, and ext4 writes a tenth faster into taken room."""
    if length_bytes and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, length_bytes)
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise
