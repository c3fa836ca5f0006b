"""Open files beneath one folder and none outside: a model root, or the folder of a call in the spool.

Theory of operation. A path is walked one name at a time. Each name is opened relative to the folder before it
(`dir_fd`) and never through a link (O_NOFOLLOW). A link is read, and its own names are walked from the folder that
holds it; `..` goes back to the folder that was walked through. The walk keeps a descriptor of each folder between
the root and its position, so the system never follows a name by itself: if somebody replaces a folder by a link
during the walk, that is an error. A walk that would go above the root is refused, and so is an absolute link that
does not begin with the root's own path.

The identity (device, inode, size) of each file that was looked at or opened is remembered. If another file is found
at its path later, that is an error: a result is sent from the files that its plan was made of.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tffreeze_files.access import OPEN_FLAGS, RefusedError, possible_name
from tffreeze_server.errors import FreezeError, Reason

MAX_LINKS = 40
"""Links on the way to one file: as many as Linux follows."""

_FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC


class LeadsOutError(FreezeError, RefusedError):
    """FILE_NOT_READABLE: a path leads out of the folder."""


class Identity(NamedTuple):
    """Which file it was that was found at a path."""

    device: int
    inode: int
    size_bytes: int


class FilesBeneath:
    """The files beneath a folder, for `access.using`.

    Args:
        root: The folder. How it is reached is its owner's choice: links on the way to it are followed.
        found: What was found there before.

    Attributes:
        found: What was found, by path.

    """

    def __init__(self, root: Path, found: Mapping[Path, Identity] | None = None) -> None:
        self._root = root
        self.found = dict(found or {})

    def open(self, path: Path) -> int:
        """Open a path for reading.

        Raises:
            OSError: It cannot be opened.
            FreezeError: FILE_NOT_READABLE: a link leads out, or it is another file than was found before.

        """
        with self._walked(path) as (folder, name):
            descriptor = os.open(name, OPEN_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
        try:
            self._remember(path, os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def open_found(self, path: Path) -> int:
        """Open a file only if it was found before.

        Raises:
            OSError: As `open`; FileNotFoundError where nobody has found it.
            FreezeError: As `open`.

        """
        if path not in self.found:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return self.open(path)

    def status(self, path: Path) -> os.stat_result:
        """Look at a file or folder.

        Raises:
            OSError: It cannot be looked at.
            FreezeError: As `open`.

        """
        with self._walked(path) as (folder, name):
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            self._remember(path, status)
        return status

    def names(self, folder: Path, max_names: int) -> list[str]:
        """List a folder.

        Raises:
            OSError: It cannot be listed.
            FreezeError: FILE_NOT_READABLE: a link leads out.

        """
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._walked(folder) as (parent, name):
            descriptor = os.open(name, flags, dir_fd=parent)
        try:
            with os.scandir(descriptor) as entries:
                return [entry.name for entry in islice(entries, max_names)]
        finally:
            os.close(descriptor)

    def _remember(self, path: Path, status: os.stat_result) -> None:
        now = Identity(status.st_dev, status.st_ino, status.st_size)
        if self.found.setdefault(path, now) != now:
            raise FreezeError(
                Reason.FILE_NOT_READABLE,
                f"The file {path.name!r} was replaced, or its size changed, while it was worked with. Try again "
                "when nobody writes to it.",
                subject=path.name,
            )

    @contextlib.contextmanager
    def _walked(self, path: Path) -> Iterator[tuple[int, str]]:
        """Walk to a path; give an open folder and the last name in it, which was no link a moment ago."""
        try:
            names = path.relative_to(self._root).parts
        except ValueError:
            raise _leads_out(path.name) from None
        with possible_name():
            walk = _Walk(self._root)
            try:
                name = walk.to(names)
                yield walk.folder, name
            finally:
                walk.close()


class _Walk:
    """Descriptors of the folders from the root to where a walk is."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folders = [os.open(root, _FOLDER_FLAGS)]
        self._names: list[str] = []
        self._last_link = ".."

    @property
    def folder(self) -> int:
        """The folder where it is."""
        return self._folders[-1]

    def close(self) -> None:
        """Close all folders."""
        while self._folders:
            os.close(self._folders.pop())

    def to(self, names: tuple[str, ...]) -> str:
        """Go to the folder of the last of `names`, and give its name there.

        Raises:
            OSError: Something on the way is not there or no folder, or there are too many links.
            FreezeError: FILE_NOT_READABLE: a link leads out.

        """
        left = list(reversed(names))
        links = 0
        while left:
            name = left.pop()
            if name == "..":
                self._go_back()
            elif (target := self._link_at(name)) is not None:
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                self._last_link = "/".join([*self._names, name])
                left += reversed(self._names_of(target))
            elif left:
                self._enter(name)
            else:
                return name
        return "."

    def _link_at(self, name: str) -> str | None:
        """Read a link; None for what is there and is none."""
        try:
            return os.readlink(name, dir_fd=self.folder)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return None

    def _names_of(self, target: str) -> list[str]:
        """Split what a link says; of an absolute one that stays beneath the root, what comes after the root."""
        if target.startswith("/"):
            target = self._below_root(target)
            while self._names:
                self._go_back()
        return [name for name in target.split("/") if name not in {"", "."}]

    def _below_root(self, target: str) -> str:
        for root in (str(self._root.absolute()), os.path.realpath(self._root)):
            if target == root or target.startswith(root.rstrip("/") + "/"):
                return target[len(root) :]
        raise _leads_out(self._last_link)

    def _enter(self, name: str) -> None:
        self._folders.append(os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=self.folder))
        self._names.append(name)

    def _go_back(self) -> None:
        if not self._names:
            raise _leads_out(self._last_link)
        os.close(self._folders.pop())
        self._names.pop()


def _leads_out(name: str) -> LeadsOutError:
    return LeadsOutError(
        Reason.FILE_NOT_READABLE,
        f"{name!r} leads out of the model root by a link, which is not followed. "
        "Ask the operator to put the file itself there.",
        subject=name,
    )
