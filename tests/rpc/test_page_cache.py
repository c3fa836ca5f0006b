"""What can be made without waiting for a disk: literals, and bytes that the kernel has in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tffreeze_server.plan.plan import Plan, Segment
from tffreeze_server.rpc.page_cache import MAX_PIECES, PageCache, open_page_cache
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles

SIZE_BYTES = 1 << 20

pytestmark = pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="only Linux can tell")


class Computed(Assembled):
    """Ten bytes that must be put together."""

    length_bytes = 10

    def chunks(self, files: SourceFiles) -> Iterator[bytes]:  # noqa: ARG002 - as `Assembled` has it
        """Give them."""
        yield bytes(10)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A megabyte on the disk, of which the kernel has nothing in memory; to ask for a byte may bring its page there."""
    probe = on_disk(tmp_path / "probe")
    descriptor = on_disk(tmp_path / "weights")
    try:
        os.preadv(probe, [bytearray(1)], 0, os.RWF_NOWAIT)
        pytest.skip("this file system keeps its files in memory")
    except BlockingIOError:
        yield descriptor
    finally:
        os.close(probe)
        os.close(descriptor)


def on_disk(path: Path) -> int:
    """Write a file and have the kernel forget it."""
    path.write_bytes(os.urandom(SIZE_BYTES))
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)  # what is read is read, and nothing ahead of it
    return descriptor


def page_cache(file: int, *segments: Segment) -> PageCache:
    """Over these segments, of one file."""
    return PageCache(segments, {"weights": file})


@pytest.mark.parametrize("behind", [Computed(), FileRange("weights", 0, SIZE_BYTES, None)])
def test_literals_is_cached(file: int, behind: Segment) -> None:
    """And what stands behind the bytes that are asked for is not looked at."""
    some = page_cache(file, b"head", behind)
    assert some.has(0, 4)
    assert some.has(2, 4)
    assert not some.has(0, 5)


def test_a_file_is_cached_once_it_has_been_read(file: int) -> None:
    """To its last byte, and no further."""
    whole = page_cache(file, FileRange("weights", 0, SIZE_BYTES, None))
    assert not whole.has(0, SIZE_BYTES)
    os.pread(file, SIZE_BYTES, 0)
    assert whole.has(0, SIZE_BYTES)
    assert whole.has(SIZE_BYTES - 1, 2 * SIZE_BYTES)
    assert not page_cache(file, FileRange("weights", 1, SIZE_BYTES, None)).has(0, SIZE_BYTES)


def test_a_part_that_is_missing_is_noticed(file: int) -> None:
    """At the end of a range, in its middle, and in the second of two."""
    os.pread(file, SIZE_BYTES // 2, 0)
    half = FileRange("weights", 0, SIZE_BYTES // 2, None)
    rest = FileRange("weights", SIZE_BYTES // 2, SIZE_BYTES // 2, None)
    both = page_cache(file, b"head", half, rest)
    assert both.has(0, 4 + SIZE_BYTES // 2)
    assert not both.has(0, 4 + SIZE_BYTES)
    assert not both.has(4 + SIZE_BYTES // 2, 4 + SIZE_BYTES)
    os.pread(file, 1, SIZE_BYTES - 1)
    assert not both.has(0, 4 + SIZE_BYTES)
    assert both.has(3 + SIZE_BYTES, 4 + SIZE_BYTES)


def test_many_pieces_are_not_cached(file: int) -> None:
    """They take long to put together, wherever they are; some of them do not."""
    many = page_cache(file, *[b"ab"] * (MAX_PIECES + 10))
    for start in (0, 1, 6):
        assert many.has(start, start + 2 * MAX_PIECES - 1 - start % 2)
        assert not many.has(start, start + 2 * MAX_PIECES + 1)


def test_a_file_that_cannot_be_opened_is_not_cached(tmp_path: Path) -> None:
    """It fails when it is read, where its error belongs."""
    segments = (FileRange("missing", 0, 10, None),)
    plan = Plan(segments, {"missing": tmp_path / "missing"}, 10, 0)
    with SourceFiles(plan.files) as files:
        assert not open_page_cache(plan, files).has(0, 10)
