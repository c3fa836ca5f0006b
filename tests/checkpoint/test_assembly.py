"""Boxes of tensors put together from parts, against the same boxes cut in plain Python."""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoint.bundle_writer import Stored, read, write_bundle
from tffreeze_server.checkpoint import assembly
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.checkpoint.region import Region, whole
from tffreeze_server.tensors.data import Assembled
from tffreeze_server.tensors.files import SourceFiles

ELEMENT_BYTES = {6: 1, 5: 2, 1: 4, 9: 8, 18: 16}
"""By dtype, one of each size."""


def cut(data: bytes, shape: tuple[int, ...], box: Region, element_bytes: int) -> bytes:
    """A box of a tensor, element by element."""
    strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
    places = (
        sum(index * stride for index, stride in zip(indices, strides, strict=True)) * element_bytes
        for indices in itertools.product(*map(range, box.starts, box.ends))
    )
    return b"".join(data[place : place + element_bytes] for place in places)


@st.composite
def boxes(draw: st.DrawFn, shape: tuple[int, ...]) -> Region:
    """Any box with elements in a shape."""
    starts = tuple(draw(st.integers(0, size - 1)) for size in shape)
    sizes = tuple(draw(st.integers(1, size - start)) for size, start in zip(shape, starts, strict=True))
    return Region(starts, sizes)


@st.composite
def grids(draw: st.DrawFn, shape: tuple[int, ...]) -> list[Region]:
    """A tensor cut along any of its dimensions, the parts in any order."""
    axes = []
    for size in shape:
        borders = sorted({0, size, *draw(st.lists(st.integers(0, size), max_size=2))})
        axes.append([(low, high - low) for low, high in itertools.pairwise(borders)])
    parts = [
        Region(tuple(start for start, _ in extents), tuple(size for _, size in extents))
        for extents in itertools.product(*axes)
    ]
    return draw(st.permutations(parts))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(data=st.data())
def test_any_box_of_any_parts(tmp_path: Path, data: st.DataObject) -> None:
    """Whole from parts, box from whole, box from parts; of elements of each size, in windows of any size."""
    dtype = data.draw(st.sampled_from(sorted(ELEMENT_BYTES)))
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    parts, wanted = data.draw(grids(shape)), data.draw(st.one_of(st.just(whole(shape)), boxes(shape)))
    element_bytes = ELEMENT_BYTES[dtype]
    values = os.urandom(math.prod(shape) * element_bytes)
    stored = [
        Stored(
            "t",
            dtype,
            shape,
            cut(values, shape, part, element_bytes),
            extents=None if len(parts) == 1 else list(zip(part.starts, part.sizes, strict=True)),
            shard=position % 2,
        )
        for position, part in enumerate(parts)
    ]
    checkpoint = open_checkpoint(write_bundle(tmp_path / "m", stored, num_shards=2))
    limits = {"MAX_CHUNK_BYTES": 16, "MAX_SPAN_BYTES": 32, "MAX_WINDOW_BYTES": 64}
    with pytest.MonkeyPatch.context() as patch:
        for name, scale in limits.items():
            patch.setattr(assembly, name, data.draw(st.sampled_from([scale, 4 * scale, 1 << 20])))
        assert cut(values, shape, wanted, element_bytes) == read(checkpoint, "t", wanted)


def test_chunks_come_again_and_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plan measures in a first pass and writes in a second; no chunk is empty or over the bound."""
    monkeypatch.setattr(assembly, "MAX_CHUNK_BYTES", 1000)
    values = os.urandom(3 * 70 * 40)
    parts = [Region((0, 0, 0), (3, 70, 13)), Region((0, 0, 13), (3, 70, 27))]
    stored = [
        Stored(
            "t",
            6,
            (3, 70, 40),
            cut(values, (3, 70, 40), part, 1),
            extents=list(zip(part.starts, part.sizes, strict=True)),
        )
        for part in parts
    ]
    checkpoint = open_checkpoint(write_bundle(tmp_path / "m", stored))
    value = checkpoint.value("t").data
    assert isinstance(value, Assembled)
    assert (len(values), ()) == (value.length_bytes, value.ranges)
    with SourceFiles(checkpoint.files) as files:
        for _ in range(2):
            chunks = list(value.chunks(files))
            assert values == b"".join(chunks)
            assert all(1 <= len(chunk) <= 1000 for chunk in chunks)


def test_a_column_is_not_read_an_element_at_a_time(tmp_path: Path) -> None:
    """A small part of each row costs few reads for many rows."""
    rows = 20_000
    values = os.urandom(rows * 16)
    checkpoint = open_checkpoint(write_bundle(tmp_path / "m", [Stored("t", 6, (rows, 16), values)]))
    value = checkpoint.value("t", Region((0, 3), (rows, 1))).data
    assert isinstance(value, Assembled)
    reads: list[int] = []

    class Counting(SourceFiles):
        def pread(self, file: str, length_bytes: int, offset_bytes: int) -> bytes:
            reads.append(length_bytes)
            return super().pread(file, length_bytes, offset_bytes)

    with Counting(checkpoint.files) as files:
        assert values[3::16] == b"".join(value.chunks(files))
    assert len(reads) < 10
    assert max(reads) <= assembly.MAX_SPAN_BYTES


def test_a_box_that_stands_in_one_run_is_read_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the window is for boxes that do not."""
    monkeypatch.setattr(assembly, "MAX_WINDOW_BYTES", 64)
    values = os.urandom(3 * 40 * 50)
    checkpoint = open_checkpoint(write_bundle(tmp_path / "m", [Stored("t", 6, (3, 40, 50), values)]))
    value = checkpoint.value("t", Region((1, 10, 0), (1, 20, 50))).data
    assert isinstance(value, Assembled)
    reads: list[int] = []

    class Counting(SourceFiles):
        def pread(self, file: str, length_bytes: int, offset_bytes: int) -> bytes:
            reads.append(length_bytes)
            return super().pread(file, length_bytes, offset_bytes)

    with Counting(checkpoint.files) as files:
        assert values[2500:3500] == b"".join(value.chunks(files))
    assert [len(values), 1000] == reads


def test_a_grid_of_many_parts(tmp_path: Path) -> None:
    """A thousand parts that no one dimension tells apart are found to be whole, and put in their places."""
    cells = list(itertools.product(range(32), range(32)))
    parts = [
        Stored("t", 6, (32, 32), bytes([(row * 7 + column) % 256]), extents=[(row, 1), (column, 1)])
        for row, column in cells
    ]
    value = read(open_checkpoint(write_bundle(tmp_path / "m", parts)), "t")
    assert bytes((row * 7 + column) % 256 for row, column in cells) == value
