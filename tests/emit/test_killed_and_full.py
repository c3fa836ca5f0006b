"""A run that is killed, and a disk that is full: a whole file or none, nothing in the way of the next run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Writes 8 MB; says so when half is written and waits for its end.
_WRITER = """
import resource, sys
from pathlib import Path
from tffreeze_server.errors import FreezeError
from tffreeze_files import temporary
from tffreeze_server.emit.emit import write_file
from tffreeze_server.emit.directory import write_directory
from tffreeze_server.plan.plan import Plan

target, kind, way, limit = sys.argv[1:]
if way == "named":
    temporary._O_TMPFILE = 0
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
plan = Plan((bytes(1 << 20),) * 8, {}, 8 << 20, 0)

def wait(done, total):
    if done == total // 2 and not int(limit):
        print("half", flush=True)
        sys.stdin.read()

try:
    if kind == "file":
        write_file(plan, Path(target), wait)
    else:
        write_directory(plan, Path(target), {}, progress=wait)
except FreezeError as error:
    print(error.reason.name)
"""


def start(target: Path, kind: str, way: str, limit_bytes: int = 0) -> subprocess.Popen[bytes]:
    """Start a writer in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(target), kind, way, str(limit_bytes)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def run(target: Path, kind: str, way: str, limit_bytes: int = 0) -> bytes:
    """Run a writer to its end and give what it printed."""
    with start(target, kind, way, limit_bytes) as writer:
        return writer.communicate(timeout=60)[0].strip()


@pytest.mark.parametrize("way", ["nameless", "named"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_killed_run_leaves_no_output_and_does_not_trip_the_next(
    tmp_path: Path, kind: str, way: str
) -> None:
    """SIGKILL in the middle: the target is not there, and the same run then succeeds."""
    target = tmp_path / "frozen"
    with start(target, kind, way) as writer:
        assert writer.stdout is not None
        assert b"half\n" == writer.stdout.readline()
        writer.kill()
        writer.wait(timeout=60)
    assert not target.exists()
    run(target, kind, way)
    run(
        target, kind, way
    )  # a folder that is there is refused; a file is replaced, which takes a temporary name
    assert [target] == list(tmp_path.iterdir())
    written = target if kind == "file" else target / "saved_model.pb"
    assert 8 << 20 == written.stat().st_size


def test_a_killed_run_leaves_nothing_at_all(tmp_path: Path) -> None:
    """Where the system has O_TMPFILE a killed run leaves not even a temporary file."""
    with start(tmp_path / "frozen", "file", "nameless") as writer:
        assert writer.stdout is not None
        assert b"half\n" == writer.stdout.readline()
        writer.kill()
        writer.wait(timeout=60)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("way", ["nameless", "named"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_limit_on_file_size_leaves_nothing(tmp_path: Path, kind: str, way: str) -> None:
    """A file may not grow to its size: DISK_FULL, and an empty folder."""
    assert b"DISK_FULL" == run(tmp_path / "frozen", kind, way, limit_bytes=3 << 20)
    assert [] == list(tmp_path.iterdir())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, where we may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs to mount a small file system, as root can")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("way", ["nameless", "named"])
@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_full_disk_leaves_nothing(small_disk: Path, kind: str, way: str) -> None:
    """8 MB on a disk of 4 MB: DISK_FULL, and the disk is as empty as before."""
    before = os.statvfs(small_disk).f_bfree
    assert b"DISK_FULL" == run(small_disk / "frozen", kind, way)
    assert [] == list(small_disk.iterdir())
    assert before == os.statvfs(small_disk).f_bfree
