"""Files that are read anew when they change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.authority import replace
from tffreeze_server.server.reload import Reloaded


class Files:
    """Two files whose contents must be equal to be good."""

    def __init__(self, folder: Path) -> None:
        self.files = (folder / "a", folder / "b")
        self.told: list[str] = []
        self.loads = 0
        for file in self.files:
            file.write_bytes(b"1")

    def load(self) -> bytes:
        """Read both."""
        self.loads += 1
        a, b = (file.read_bytes() for file in self.files)
        if a != b:
            raise ValueError(f"{a!r} is not {b!r}")
        return a

    def reloaded(self) -> Reloaded[bytes]:
        """Watch both."""
        return Reloaded(self.files, self.load, told=lambda error: self.told.append(str(error)))


def test_a_value_is_as_new_as_its_files(tmp_path: Path) -> None:
    """It is read once while nothing changes, and again when something has."""
    files = Files(tmp_path)
    value = files.reloaded()
    assert (b"1", b"1", 1) == (value.get(), value.get(), files.loads)
    for file in files.files:
        replace(file, b"2")
    assert (b"2", b"2", 2) == (value.get(), value.get(), files.loads)
    assert (["None"], 1) == (files.told, value.version)


def test_a_bad_value_leaves_the_last_one_and_is_told_once(tmp_path: Path) -> None:
    """For each state of the files; a file that is gone is a bad value."""
    files = Files(tmp_path)
    value = files.reloaded()
    replace(files.files[0], b"2")
    assert (b"1", b"1") == (value.get(), value.get())
    assert ["b'2' is not b'1'"] == files.told
    files.files[1].unlink()
    assert (b"1", b"1", 2) == (value.get(), value.get(), len(files.told))
    replace(files.files[1], b"2")
    assert (b"2", "None", 1) == (value.get(), files.told[-1], value.version)


def test_files_that_change_while_they_are_read_are_read_again(tmp_path: Path) -> None:
    """A value of two states of the files is never taken."""
    files = Files(tmp_path)
    value = files.reloaded()
    load, files_read = files.load, []

    def slow_load() -> bytes:
        result = load()
        if not files_read:
            files_read.append(result)
            for file in files.files:
                replace(file, b"three")
        return result

    value._load = slow_load
    for file in files.files:
        replace(file, b"2")
    assert (b"1", [b"2"]) == (value.get(), files_read)
    assert b"three" == value.get()


def test_the_first_value_must_be_good(tmp_path: Path) -> None:
    """There is nothing to fall back to."""
    files = Files(tmp_path)
    files.files[0].write_bytes(b"2")
    with pytest.raises(ValueError, match="is not"):
        files.reloaded()


def test_the_time_of_contents_alone_is_not_believed(tmp_path: Path) -> None:
    """A file of the same size whose mtime was put back (`cp -p` onto it, `rsync -t`) is read anew all the same."""
    files = Files(tmp_path)
    value = files.reloaded()
    for file in files.files:
        before = file.stat()
        while (
            file.stat().st_ctime_ns == before.st_ctime_ns
        ):  # the clock of files ticks every few milliseconds
            file.write_bytes(b"2")
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert before.st_mtime_ns == file.stat().st_mtime_ns
    assert b"2" == value.get()
