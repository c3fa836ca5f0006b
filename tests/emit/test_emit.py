"""From a plan to a file, a stream, chunks."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from emit.samples import KERNEL, SHARD, Halves, dense_graph, write_shard
from tffreeze_files import temporary
from tffreeze_server.emit.emit import chunks, framed_chunks, write_file, write_stream
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.plan.measure import make_plan
from tffreeze_server.plan.plan import Plan
from tffreeze_server.tensors.crc32c import extend
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tensors.files import SourceFiles


@pytest.fixture(params=["nameless", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With O_TMPFILE, and as on a system without it."""
    if request.param == "named":
        monkeypatch.setattr(temporary, "_O_TMPFILE", 0)
    return str(request.param)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan over a shard in `tmp_path/in`, with an empty `tmp_path/out` beside it."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    return make_plan(dense_graph(), write_shard(tmp_path / "in"))


@pytest.fixture
def umask() -> Iterator[None]:
    """A umask that shows, for one test."""
    before = os.umask(0o027)
    yield
    os.umask(before)


def content(plan: Plan) -> bytes:
    """What the plan says, by the shortest way."""
    stream = io.BytesIO()
    write_stream(plan, stream)
    return stream.getvalue()


@pytest.mark.usefixtures("way")
def test_the_file_holds_what_the_plan_says(tmp_path: Path, plan: Plan) -> None:
    """Size and crc32c of the file are those of the plan, and it is alone in its folder."""
    target = tmp_path / "out" / "frozen.pb"
    write_file(plan, target)
    data = target.read_bytes()
    assert (plan.size_bytes, plan.crc32c) == (len(data), extend(0, data))
    assert [target] == list(target.parent.iterdir())


@pytest.mark.usefixtures("umask", "way")
def test_permissions_are_those_of_any_new_file(tmp_path: Path, plan: Plan) -> None:
    """The umask decides."""
    write_file(plan, tmp_path / "out" / "frozen.pb")
    assert 0o640 == (tmp_path / "out" / "frozen.pb").stat().st_mode & 0o777


@pytest.mark.usefixtures("way")
def test_a_file_that_is_there_is_replaced(tmp_path: Path, plan: Plan) -> None:
    """A longer file of before leaves nothing of itself."""
    target = tmp_path / "out" / "frozen.pb"
    target.write_bytes(b"before" * 1000)
    write_file(plan, target)
    assert content(plan) == target.read_bytes()
    assert [target] == list(target.parent.iterdir())


def test_a_symlink_is_followed(tmp_path: Path, plan: Plan) -> None:
    """The file it points to is replaced, the link stays, as with cp."""
    link = tmp_path / "link.pb"
    link.symlink_to(tmp_path / "out" / "frozen.pb")
    write_file(plan, link)
    assert link.is_symlink()
    assert content(plan) == (tmp_path / "out" / "frozen.pb").read_bytes()


@pytest.mark.usefixtures("way")
def test_a_name_of_any_length_works(tmp_path: Path, plan: Plan) -> None:
    """The temporary name is not made longer by the target's."""
    target = tmp_path / "out" / ("f" * 255)
    write_file(plan, target)
    assert content(plan) == target.read_bytes()


def test_progress_ends_with_all_bytes(tmp_path: Path, plan: Plan) -> None:
    """Progress only grows, is out of the plan's size, and ends there."""
    seen: list[tuple[int, int]] = []
    write_file(plan, tmp_path / "out" / "frozen.pb", lambda done, total: seen.append((done, total)))
    assert sorted(seen) == seen
    assert (plan.size_bytes, plan.size_bytes) == seen[-1]


def test_without_a_name_until_it_is_whole(tmp_path: Path, plan: Plan) -> None:
    """While it is written the folder shows nothing."""
    seen: list[list[Path]] = []
    out = tmp_path / "out"
    write_file(plan, out / "frozen.pb", lambda *_: seen.append(list(out.iterdir())))
    assert [] == seen[-1]


@pytest.mark.usefixtures("way")
def test_a_damaged_weight_is_named_and_leaves_no_file(tmp_path: Path, plan: Plan) -> None:
    """One flipped bit: the error names constant, file and bytes; what was there before stays."""
    shard = tmp_path / "in" / SHARD
    damaged = bytearray(shard.read_bytes())
    damaged[10] ^= 1
    shard.write_bytes(damaged)
    target = tmp_path / "out" / "frozen.pb"
    target.write_bytes(b"before")
    with pytest.raises(FreezeError) as caught:
        write_file(plan, target)
    assert (Reason.CHECKSUM_MISMATCH, "kernel") == (caught.value.reason, caught.value.subject)
    for part in ("'kernel'", SHARD, "bytes 4 to 28"):
        assert part in caught.value.message
    assert b"before" == target.read_bytes()
    assert [target] == list(target.parent.iterdir())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda shard: shard.unlink(), Reason.SHARD_NOT_FOUND),
        (lambda shard: shard.write_bytes(b"short"), Reason.MALFORMED_CHECKPOINT),
        (lambda shard: (shard.unlink(), shard.mkdir()), Reason.FILE_NOT_READABLE),
        (lambda shard: (shard.unlink(), os.mkfifo(shard)), Reason.FILE_NOT_READABLE),
    ],
    ids=["missing", "cut short", "a folder", "a pipe that nobody writes to"],
)
def test_an_unreadable_shard_leaves_no_file(
    tmp_path: Path, plan: Plan, damage: Callable[[Path], object], reason: Reason
) -> None:
    """A shard that went away, was cut or cannot be read: its reason, and an empty folder."""
    damage(tmp_path / "in" / SHARD)
    with pytest.raises(FreezeError) as caught:
        write_file(plan, tmp_path / "out" / "frozen.pb")
    assert (reason, SHARD) == (caught.value.reason, caught.value.subject)
    assert [] == list((tmp_path / "out").iterdir())


@pytest.mark.usefixtures("way")
def test_an_interrupt_leaves_no_file(tmp_path: Path, plan: Plan) -> None:
    """Ctrl-C in the middle of a write."""

    def interrupt(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_file(plan, tmp_path / "out" / "frozen.pb", interrupt)
    assert [] == list((tmp_path / "out").iterdir())


def test_a_folder_is_no_output(tmp_path: Path, plan: Plan) -> None:
    """The error says to name a file in it."""
    with pytest.raises(FreezeError, match="is a folder") as caught:
        write_file(plan, tmp_path / "out")
    assert Reason.OUTPUT_NOT_WRITABLE is caught.value.reason


def test_a_missing_folder_is_named(tmp_path: Path, plan: Plan) -> None:
    """The error names the folder that is not there, and makes none."""
    with pytest.raises(FreezeError, match="missing', which is not a folder") as caught:
        write_file(plan, tmp_path / "missing" / "frozen.pb")
    assert Reason.OUTPUT_NOT_WRITABLE is caught.value.reason
    assert not (tmp_path / "missing").exists()


def test_a_source_is_no_output(tmp_path: Path, plan: Plan) -> None:
    """A shard is not overwritten, by another name of it either."""
    shard = tmp_path / "in" / SHARD
    before = shard.read_bytes()
    other_name = tmp_path / "out" / "other"
    other_name.hardlink_to(shard)
    for target in (shard, other_name):
        with pytest.raises(FreezeError, match="one of the input files") as caught:
            write_file(plan, target)
        assert Reason.OUTPUT_NOT_WRITABLE is caught.value.reason
    assert before == shard.read_bytes()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc, where nobody may make files")
def test_a_folder_that_takes_no_files_is_an_error(plan: Plan) -> None:
    """What the system says is passed on."""
    with pytest.raises(FreezeError, match="cannot be written") as caught:
        write_file(plan, Path("/proc/frozen.pb"))
    assert Reason.OUTPUT_NOT_WRITABLE is caught.value.reason


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_device_is_a_full_disk() -> None:
    """A device is written to, not replaced, and its errors are ours."""
    device = Path("/dev/full")
    with pytest.raises(FreezeError) as caught:
        write_file(Plan((b"x",), {}, 1, 0), device)
    assert Reason.DISK_FULL is caught.value.reason
    assert not device.is_file()


def test_a_named_pipe_is_written_to(tmp_path: Path, plan: Plan) -> None:
    """A reader at the other end gets the bytes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        write_file(plan, pipe)
        assert content(plan) == reader.communicate(timeout=30)[0]


def test_a_broken_pipe_is_the_callers_to_handle(plan: Plan) -> None:
    """A reader that went away shows as BrokenPipeError."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with pytest.raises(BrokenPipeError), os.fdopen(write_end, "wb", buffering=0) as stream:
        write_stream(plan, stream)


def test_an_unbuffered_stream_gets_every_byte() -> None:
    """A raw stream may take less than it is given."""

    class Sipping(io.RawIOBase):
        taken = b""

        def write(self, data: bytes, /) -> int:  # type: ignore[override]  # bytes are all it is given
            self.taken += data[:3]
            return len(data[:3])

    stream = Sipping()
    write_stream(Plan((b"0123456789", b"abcdef"), {}, 16, 0), stream)
    assert b"0123456789abcdef" == stream.taken


@pytest.mark.parametrize("max_chunk_bytes", [1, 7, 100, 1 << 20])
def test_chunks_have_a_greatest_length(plan: Plan, max_chunk_bytes: int) -> None:
    """Chunks are never empty or longer than asked for, and no shorter than they must be."""
    with SourceFiles(plan.files) as files:
        found = list(chunks(plan, files, max_chunk_bytes))
    assert content(plan) == b"".join(found)
    assert all(0 < len(chunk) <= max_chunk_bytes for chunk in found)
    assert all(len(a) + len(b) > max_chunk_bytes for a, b in pairwise(found))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100, 1 << 20])
def test_framed_chunks_are_whole(plan: Plan, chunk_bytes: int) -> None:
    """Each chunk but the last has the length asked for; the head for its length is before it."""
    whole = content(plan)
    parts = [whole[start : start + chunk_bytes] for start in range(0, len(whole), chunk_bytes)]
    expected = [b"<%d>" % len(part) + part for part in parts]
    with SourceFiles(plan.files) as files:
        found = list(framed_chunks(plan, files, chunk_bytes, lambda length: b"<%d>" % length))
    assert expected == found


def test_the_last_framed_chunk_is_not_given_of_damaged_weights(tmp_path: Path) -> None:
    """A crc32c that differs is told before all has been given, also where the range is the last of all."""
    (tmp_path / "weights").write_bytes(b"damaged!")
    plan = Plan((b"head", FileRange("weights", 0, 8, 0)), {"weights": tmp_path / "weights"}, 12, 0)
    with SourceFiles(plan.files) as files:
        found = framed_chunks(plan, files, 8, lambda _: b"")
        assert b"headdama" == next(found)
        with pytest.raises(FreezeError) as raised:
            next(found)
    assert Reason.CHECKSUM_MISMATCH == raised.value.reason


def test_assembled_values_are_written(tmp_path: Path) -> None:
    """What is put together is written like what is copied."""
    halves = Halves(FileRange(SHARD, 4, 20, None), FileRange(SHARD, 24, 4, None), len(KERNEL))
    plan = make_plan(dense_graph(halves), write_shard(tmp_path))
    assert content(make_plan(dense_graph(), plan.files)) == content(plan)


_GROWTH = """
import resource, sys
from pathlib import Path
from tffreeze_server.tensors.crc32c import extend
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.emit.emit import write_file
from tffreeze_server.plan.plan import Plan

def peak_kb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

shard, target = Path(sys.argv[1]), Path(sys.argv[2])
def write(size):
    crc = 0
    for _ in range(size >> 20):
        crc = extend(crc, bytes(1 << 20))
    write_file(Plan((FileRange("s", 0, size, crc),), {"s": shard}, size, crc), target)

write(8 << 20)
before = peak_kb()
write(256 << 20)
print(peak_kb() - before)
"""


def test_memory_does_not_grow_with_the_weights(tmp_path: Path) -> None:
    """Peak memory for 256 MB is within 5 MB of that for 8 MB."""
    shard = tmp_path / "shard"
    with shard.open("wb") as stream:
        stream.truncate(256 << 20)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    printed = subprocess.run(
        [sys.executable, "-c", _GROWTH, str(shard), str(tmp_path / "out")],
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    ).stdout
    (tmp_path / "out").unlink()
    assert int(printed) < 5 * 1024
