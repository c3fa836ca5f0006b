"""Where the files of a request are: below a model root, or uploaded. Imports no engine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DeclaredFile:
    """A file of an upload, checked.

    Attributes:
        name: Relative, with `/` between its parts.
        size_bytes: As declared.
        absent: Whether it stays with the client.

    """

    name: str
    size_bytes: int
    absent: bool

    @property
    def to_come_bytes(self) -> int:
        """How many bytes the client must send."""
        return 0 if self.absent else self.size_bytes


def to_come_bytes(files: Iterable[DeclaredFile]) -> int:
    """Sum what a client must send."""
    return sum(file.to_come_bytes for file in files)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of a request are.

    Attributes:
        folder: The model root, or the folder of the call in the spool.
        declared: The files of the upload; empty for a model root.

    """

    folder: Path
    declared: Sequence[DeclaredFile] = ()

    @property
    def upload_bytes(self) -> int:
        """Bytes of the upload."""
        return to_come_bytes(self.declared)

    @property
    def has_files_to_come(self) -> bool:
        """Whether files are made for the call, empty ones too."""
        return not all(file.absent for file in self.declared)

    @property
    def has_absent(self) -> bool:
        """Whether files stay with the client."""
        return any(file.absent for file in self.declared)

    def is_absent(self, path: Path) -> bool:
        """Whether the file at a path below `folder` stays with the client."""
        return any(file.absent and self.folder / file.name == path for file in self.declared)
