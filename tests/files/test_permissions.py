"""Folders and files of others: what may be written is written, all else has a reason."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tffreeze.errors import TffreezeError
from tffreeze.local_model import find_model
from tffreeze_files.target import OutputError
from tffreeze_files.writer import open_output, write_whole

SOMEBODY, SOMEBODY_ELSE = 65534, 65533

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of root's that all can enter. The test begins as root and ends as somebody."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def _shared(folder: Path, mode: int) -> Path:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(mode)
    return shared


def _write(target: Path, *, as_folder: bool) -> None:
    with open_output(target, as_folder=as_folder) as output:
        output.begin("saved_model.pb", 5)
        output.write(b"after")


def test_a_folder_that_cannot_be_listed_takes_files(folder: Path) -> None:
    """One that may only be entered and written to; the second time a file is replaced."""
    target = _shared(folder, 0o733) / "x.pb"
    os.seteuid(SOMEBODY)
    for data in (b"first", b"second"):
        write_whole(target, data)
        assert data == target.read_bytes()
    _write(target.with_name("model"), as_folder=True)
    os.seteuid(0)
    assert {"x.pb", "model"} == {path.name for path in target.parent.iterdir()}


@pytest.mark.parametrize("as_folder", [False, True])
def test_what_another_user_left_stays(as_folder: bool, folder: Path) -> None:
    """Left-overs of others are not ours to remove; our own go, whatever they are."""
    shared = _shared(folder, 0o777)
    theirs, ours = (shared / f".tffreeze-{number:016x}.part" for number in range(2))
    theirs.write_bytes(b"half")
    os.chown(theirs, SOMEBODY_ELSE, -1)
    os.seteuid(SOMEBODY)
    os.mkfifo(ours)
    if not as_folder:
        (shared / "out").write_bytes(b"before")
    _write(shared / "out", as_folder=as_folder)
    assert {theirs.name, "out"} == {path.name for path in shared.iterdir()}


@pytest.mark.parametrize("as_folder", [False, True])
@pytest.mark.parametrize(("mode", "is_there"), [(0o555, False), (0o700, False), (0o1777, True)])
def test_what_may_not_be_written_has_a_reason(
    mode: int, is_there: bool, as_folder: bool, folder: Path
) -> None:
    """A folder that is read-only or not ours, and what is another's in a sticky one; nothing is left there."""
    target = _shared(folder, mode) / "out"
    if is_there:
        target.mkdir() if as_folder else target.write_bytes(b"theirs")
        target.chmod(0o777)
        os.chown(target, SOMEBODY_ELSE, -1)
    os.seteuid(SOMEBODY)
    with pytest.raises(OutputError, match="that you may write to") as raised:
        _write(target, as_folder=as_folder)
    os.seteuid(0)
    assert "OUTPUT_NOT_WRITABLE" == raised.value.reason
    assert (["out"] if is_there else []) == [path.name for path in target.parent.iterdir()]


def test_a_folder_of_variables_that_cannot_be_listed_has_a_reason(folder: Path) -> None:
    """It is not taken for a SavedModel without any."""
    (folder / "sm" / "variables").mkdir(parents=True)
    (folder / "sm" / "saved_model.pb").write_bytes(b"")
    (folder / "sm" / "variables").chmod(0o700)
    os.seteuid(SOMEBODY)
    with pytest.raises(TffreezeError, match="Permission denied") as raised:
        find_model(folder / "sm", {})
    assert ("FILE_NOT_READABLE", str(folder / "sm" / "variables")) == (
        raised.value.reason,
        raised.value.subject,
    )
