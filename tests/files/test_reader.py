"""Files that are read are regular files, whatever was there a moment ago."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tffreeze_files.reader import LFS_POINTER, NotReadableError, open_regular

POINTER = LFS_POINTER + b"v1\noid sha256:4d7a\nsize 12345\n"


def test_a_regular_file_is_opened(tmp_path: Path) -> None:
    """Through a link, too."""
    (tmp_path / "file").write_bytes(b"contents")
    (tmp_path / "link").symlink_to("file")
    descriptor = open_regular(tmp_path / "link", "link")
    assert b"contents" == os.read(descriptor, 99)
    os.close(descriptor)


@pytest.mark.parametrize("path", ["absent", "file/below"])
def test_a_file_that_is_not_there_is_told_apart(path: str, tmp_path: Path) -> None:
    """The caller knows what it would have held."""
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / path, path)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("fifo", "not a regular file"),
        ("folder", "not a regular file"),
        ("pointer", "git lfs pull"),
        ("nul\0", "zero"),
    ],
)
def test_anything_else_is_refused_without_waiting(kind: str, says: str, tmp_path: Path) -> None:
    """A FIFO without a writer would make the opening wait for ever. No descriptor stays open."""
    path = tmp_path / kind
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "pointer":
        path.write_bytes(POINTER)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(NotReadableError, match=says) as caught:
        open_regular(path, "name")
    assert ("name", True) == (caught.value.subject, "'name'" in caught.value.message)
    assert before == len(list(Path("/proc/self/fd").iterdir()))


def test_a_large_file_that_begins_like_a_pointer_is_none(tmp_path: Path) -> None:
    """A pointer is shorter than 1024 bytes."""
    (tmp_path / "file").write_bytes(POINTER + bytes(2000))
    os.close(open_regular(tmp_path / "file", "file"))
