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
from tffreeze_server.rpc.spool import Spool, SpoolUnusableError, create_file, remove, write_all

HOLD = """
import sys
from pathlib import Path
from tffreeze_server.rpc.spool import Spool, create_file, write_all
spool = Spool(Path(sys.argv[1]), 0, lambda size: None)
spool.open()
write_all(create_file(spool.make_call_folder(), "a/weights"), b"left behind")
print("ready", flush=True)
sys.stdin.read()
"""


def opened(folder: Path, max_bytes: int = 0) -> Spool:
    """A spool in use."""
    spool = Spool(folder, max_bytes, lambda _: None)
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
        folder = spool.make_call_folder()
        os.close(create_file(folder, "deep/down/file"))
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
    spool = Spool(tmp_path, 10, told.append)
    spool.reserve(6)
    with pytest.raises(FreezeError) as raised:
        spool.reserve(5)
    assert Reason.QUOTA_EXCEEDED == raised.value.reason
    spool.reserve(4)
    spool.release(6)
    spool.reserve(6)
    assert [6, 10, 4, 10] == told


def test_files_are_new(tmp_path: Path) -> None:
    """A file that is there, or a link, is never written through."""
    spool = opened(tmp_path / "spool")
    folder = spool.make_call_folder()
    descriptor = create_file(folder, "a")
    write_all(descriptor, b"bytes")
    os.close(descriptor)
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("a", "link"):
        with pytest.raises(FileExistsError):
            create_file(folder, name)
    assert not (tmp_path / "elsewhere").exists()
    assert b"bytes" == (folder / "a").read_bytes()
    remove(folder)
    assert not folder.exists()
    spool.close()
