"""Outputs appear whole or not at all, and never in the place of what is read or of a device."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tffreeze_files import temporary
from tffreeze_files.target import OutputError, check_target
from tffreeze_files.writer import open_output, write_whole


@pytest.fixture(params=["nameless", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With O_TMPFILE, and as on a system without it."""
    if request.param == "named":
        monkeypatch.setattr(temporary, "_O_TMPFILE", 0)
    return str(request.param)


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return sorted(entry.name for entry in folder.iterdir())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("before", [None, b"before"])
def test_a_link_stays_and_the_file_at_its_end_is_replaced(before: bytes | None, tmp_path: Path) -> None:
    """Through two links, whether the file is there yet or not; nothing else is left."""
    target = tmp_path / "target"
    if before is not None:
        target.write_bytes(before)
        inode = target.stat().st_ino
    (tmp_path / "second").symlink_to("target")
    (tmp_path / "first").symlink_to("second")
    write_whole(tmp_path / "first", b"after")
    assert b"after" == target.read_bytes()
    assert ["first", "second", "target"] == names(tmp_path)
    assert (tmp_path / "first").is_symlink()
    assert before is None or inode != target.stat().st_ino


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_written_to(tmp_path: Path) -> None:
    """A device like /dev/null is the same device afterwards, also through a link."""
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | 0o020000, os.makedev(1, 3))
        device.write_bytes(b"")
    except OSError:
        pytest.skip("this file system has no devices")
    before = device.stat()
    (tmp_path / "link").symlink_to(device)
    for path in (device, tmp_path / "link"):
        write_whole(path, b"gone")
    assert (before.st_ino, before.st_rdev) == (device.stat().st_ino, device.stat().st_rdev)
    assert ["link", "null"] == names(tmp_path)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("as_folder", [False, True])
def test_what_killed_runs_left_is_removed(as_folder: bool, tmp_path: Path) -> None:
    """Temporary names whose lock is free go with the next run that makes one; all else stays."""
    left = [tmp_path / f".tffreeze-{number:016x}.part" for number in range(4)]
    left[0].mkdir()
    (left[0] / "saved_model.pb").write_bytes(b"half")
    left[1].write_bytes(b"half")
    left[2].mkdir()
    left[3].symlink_to("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / ".tffreeze-mine.part").mkdir()
    lock = os.open(left[2], os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    target = tmp_path / "out"
    if not as_folder:
        target.write_bytes(b"before")  # to replace a file takes a temporary name
    with open_output(target, as_folder=as_folder) as output:
        output.begin("saved_model.pb", 5)
        output.write(b"after")
    os.close(lock)
    assert sorted([left[2].name, left[3].name, ".tffreeze-mine.part", "mine", "out"]) == names(tmp_path)


def test_runs_at_the_same_time_leave_each_other_alone(tmp_path: Path) -> None:
    """A second folder that is written meanwhile does not take the first one's for a left-over."""
    with open_output(tmp_path / "first", as_folder=True) as first:
        first.begin("file", 1)
        with open_output(tmp_path / "second", as_folder=True) as second:
            second.begin("file", 1)
            second.write(b"2")
        first.write(b"1")
    assert [b"1", b"2"] == [(tmp_path / name / "file").read_bytes() for name in ("first", "second")]
    assert ["first", "second"] == names(tmp_path)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("as_folder", [False, True])
def test_exceptions_of_the_block_pass_unchanged(as_folder: bool, tmp_path: Path) -> None:
    """An OSError of the caller's own is not taken for one of the output."""
    error = OSError(28, "the caller's own")

    def write() -> None:
        with open_output(tmp_path / "out", as_folder=as_folder) as output:
            output.begin("file", 1)
            raise error

    with pytest.raises(OSError, match="own") as caught:
        write()
    assert error is caught.value
    assert [] == names(tmp_path)


@pytest.mark.parametrize("kind", ["itself", "hard link", "symlink"])
def test_a_file_that_is_read_is_no_output(kind: str, tmp_path: Path) -> None:
    """Files are compared, not their names."""
    source, path = tmp_path / "source", tmp_path / "out"
    source.write_bytes(b"precious")
    if kind == "hard link":
        path.hardlink_to(source)
    elif kind == "symlink":
        path.symlink_to(source)
    else:
        path = tmp_path / "." / "source"
    with pytest.raises(OutputError, match="one of the input files") as caught:
        check_target(path, [tmp_path / "absent", source])
    assert ("OUTPUT_NOT_WRITABLE", str(path)) == (caught.value.reason, caught.value.subject)


def test_two_names_of_a_file_that_is_not_there_yet_are_one(tmp_path: Path) -> None:
    """A dangling link and what it points to."""
    (tmp_path / "link").symlink_to("out")
    with pytest.raises(OutputError, match="is the output"):
        check_target(tmp_path / "link", [tmp_path / "out"], role="the output")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nul\0inside", "zero byte"),
        ("x" * 300, "File name too long"),
        ("gs://bucket/frozen.pb", "'gs://bucket/frozen.pb' is a URL"),
        ("file/frozen.pb", "is not a folder"),
        ("loop", "symbolic links"),
    ],
)
def test_a_path_that_cannot_be_has_a_reason(
    path: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the system says of a path, it is an error of the output."""
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("loop").symlink_to("loop")
    with pytest.raises(OutputError, match=says) as caught:
        write_whole(Path(path), b"x")
    assert "OUTPUT_NOT_WRITABLE" == caught.value.reason
    assert ["file", "loop"] == names(tmp_path)


def test_a_named_pipe_is_written_to(tmp_path: Path) -> None:
    """It is the same pipe afterwards."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with open_output(pipe) as output:
        output.begin("", 1)
        output.write(b"x")
    assert b"x" == os.read(reader, 9)
    os.close(reader)
    assert pipe.is_fifo()
