"""The spool: private, bounded, and empty after everybody who used it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.spool import Spool, SpoolUnusableError, write_all

HOLD = """
import sys
from pathlib import Path
from tffreeze_server.rpc.spool import Spool, write_all
spool = Spool(Path(sys.argv[1]), 0, 0, lambda size: None)
spool.open()
write_all(spool.begin("me", 0).create_file("a/weights"), b"left behind")
print("ready", flush=True)
sys.stdin.read()
"""


def opened(folder: Path) -> Spool:
    """A spool in use."""
    spool = Spool(folder, 0, 0, lambda _: None)
    spool.open()
    return spool


def files_in(folder: Path) -> list[str]:
    """Files that are not locks."""
    return [path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def test_files_of_killed_processes_are_swept(tmp_path: Path) -> None:
    """What a process killed with SIGKILL left is removed by the next; what a living one has is not."""
    holders = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(2)
    ]
    try:
        for holder in holders:
            assert holder.stdout is not None
            assert b"ready\n" == holder.stdout.readline()
        assert ["weights"] * 2 == files_in(tmp_path)
        holders[0].send_signal(signal.SIGKILL)
        holders[0].wait()
        spool = opened(tmp_path)
        assert ["weights"] == files_in(tmp_path)
        holders[1].kill()
        holders[1].wait()
        opened(tmp_path).close()
        assert [] == files_in(tmp_path)
        spool.close()
    finally:
        for holder in holders:
            holder.kill()
            holder.wait()
            for stream in (holder.stdin, holder.stdout):
                assert stream is not None
                stream.close()


def test_only_own_folders_are_swept(tmp_path: Path) -> None:
    """What is not a worker's folder is not touched: links and files of other names stay."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o700)
    (folder / "worker-0123456789abcdef").symlink_to(outside)
    (folder / "notes").mkdir()
    opened(folder).close()
    assert (outside / "file").exists()
    assert (folder / "notes").exists()


def test_everything_is_private(tmp_path: Path) -> None:
    """Nobody but the owner may look into the spool, its folders or its files, whatever the umask."""
    before = os.umask(0)
    try:
        spool = opened(tmp_path / "spool")
        folder = spool.begin("me", 0)
        os.close(folder.create_file("deep/down/file"))
        for path in (tmp_path / "spool").rglob("*"):
            assert 0 == stat.S_IMODE(path.lstat().st_mode) & 0o077, path
        assert 0o700 == stat.S_IMODE((tmp_path / "spool").stat().st_mode)
        spool.close()
    finally:
        os.umask(before)


def test_a_folder_of_others_is_refused(tmp_path: Path) -> None:
    """A spool folder that others may write to, or that is a link or a file, is not used."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    file = tmp_path / "file"
    file.touch()
    for folder in (shared, link, file, file / "below"):
        with pytest.raises(SpoolUnusableError, match="spool folder"):
            opened(folder)


def test_room_is_reserved_and_given_back(tmp_path: Path) -> None:
    """What does not fit is refused; what was given back fits again; every change is told."""
    told: list[int] = []
    spool = Spool(tmp_path / "spool", 10, 0, told.append)
    spool.open()
    first, second = spool.begin("me", 6), spool.begin("you", 10)
    first.take(6)
    with pytest.raises(FreezeError) as raised:
        second.take(5)
    assert Reason.QUOTA_EXCEEDED == raised.value.reason
    second.take(4)
    first.release()
    second.take(6)
    second.release()
    assert [6, 10, 4, 10, 0] == told
    spool.close()


def test_what_is_only_declared_keeps_nothing_from_others(tmp_path: Path) -> None:
    """Room is taken by bytes, not by words; what does not fit beside the bytes that are there is refused at once."""
    spool = Spool(tmp_path / "spool", 10, 0, lambda _: None)
    spool.open()
    silent = [spool.begin(f"caller {number}", 10) for number in range(5)]
    spool.begin("me", 10).take(9)
    for declared_bytes in (2, 10):
        with pytest.raises(FreezeError) as raised:
            spool.begin("late", declared_bytes)
        assert Reason.QUOTA_EXCEEDED == raised.value.reason
    spool.begin("late", 1)
    with pytest.raises(FreezeError):
        silent[0].take(2)
    spool.close()


def test_a_caller_has_its_own_quota(tmp_path: Path) -> None:
    """One caller cannot fill the spool for all, with however many uploads."""
    spool = Spool(tmp_path / "spool", 100, 10, lambda _: None)
    spool.open()
    uploads = [spool.begin("greedy", 5) for _ in range(3)]
    uploads[0].take(5)
    uploads[1].take(5)
    for refused in (lambda: uploads[2].take(1), lambda: spool.begin("greedy", 1)):
        with pytest.raises(FreezeError, match="'greedy' has 10 bytes") as raised:
            refused()
        assert Reason.QUOTA_EXCEEDED == raised.value.reason
    spool.begin("modest", 10).take(10)
    uploads[0].release()
    uploads[2].take(5)
    spool.close()


def test_files_are_new(tmp_path: Path) -> None:
    """A file that is there, or a link, is never written through."""
    spool = opened(tmp_path / "spool")
    folder = spool.begin("me", 0)
    descriptor = folder.create_file("a")
    write_all(descriptor, b"bytes")
    os.close(descriptor)
    (tmp_path / "elsewhere").mkdir()
    (folder.path / "link").symlink_to(tmp_path / "elsewhere/file")
    (folder.path / "folder").symlink_to(tmp_path / "elsewhere")
    for name in ("a", "link"):
        with pytest.raises(FileExistsError):
            folder.create_file(name)
    with pytest.raises(NotADirectoryError):
        folder.create_file("folder/file")
    assert [] == list((tmp_path / "elsewhere").iterdir())
    assert b"bytes" == (folder.path / "a").read_bytes()
    folder.remove()
    assert not folder.path.exists()
    spool.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o1777])
def test_a_folder_made_by_someone_else_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever owns the folder may exchange what is in it, whatever its mode says: it must be the server's own."""
    folder = tmp_path / "spool"
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, 65534, 65534)
    with pytest.raises(SpoolUnusableError, match="belongs to user 65534"):
        opened(folder)
    assert [] == list(folder.iterdir())


def test_an_exchanged_folder_gets_nothing(tmp_path: Path) -> None:
    """Who puts another folder in the place of the spool of a running server gets no file, and loses none."""
    spool = opened(tmp_path / "spool")
    before = spool.begin("me", 0)
    (tmp_path / "spool").rename(tmp_path / "moved")
    other = tmp_path / "spool" / before.path.parent.name / before.path.name
    other.mkdir(parents=True)
    (other / "kept").touch()
    os.close(before.create_file("a/b"))
    after = spool.begin("me", 0)
    os.close(after.create_file("c"))
    moved = tmp_path / "moved" / before.path.parent.name
    assert (moved / before.path.name / "a/b").exists()
    assert (moved / after.path.name / "c").exists()
    before.remove()
    after.remove()
    spool.close()
    assert not moved.exists()
    assert ["kept"] == files_in(tmp_path / "spool")
