"""V2 checkpoints: their values, and what is wrong with damaged and hostile ones."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoint.bundle_writer import (
    Stored,
    data_file,
    outcome,
    read,
    records_of,
    shape_proto,
    slice_proto,
    strings_stored,
    table_bytes,
    varint,
    write_bundle,
    write_index,
)
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.checkpoint.region import Region
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors import crc32c
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tfproto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto
from tffreeze_server.tfproto.object_graph_pb2 import TrackableObjectGraph

FLOAT, INT8, INT32 = 1, 6, 3
TENSORS = [
    Stored("bias", FLOAT, (3,), bytes(range(12))),
    Stored("empty", FLOAT, (0, 4), b""),
    Stored("kernel", INT8, (2, 3), b"abcdef"),
    strings_stored("names", (2, 1), [b"one", b""]),
    Stored("scalar", INT32, (), b"\1\2\3\4"),
    Stored("table", INT8, (4,), b"wx", extents=[(0, 2)]),
    Stored("table", INT8, (4,), b"yz", extents=[(2, 2)]),
]
VALUES = {
    "bias": bytes(range(12)),
    "empty": b"",
    "kernel": b"abcdef",
    "names": [b"one", b""],
    "scalar": b"\1\2\3\4",
    "table": b"wxyz",
}


def all_values(prefix: Path) -> dict[str, object]:
    """Every value of a checkpoint."""
    checkpoint = open_checkpoint(prefix)
    return {key: read(checkpoint, key) for key in checkpoint.entries}


def reason_of(prefix: Path, key: str | None = None) -> Reason:
    """Why a checkpoint, or one key of it, cannot be read."""
    with pytest.raises(FreezeError) as caught:
        all_values(prefix) if key is None else read(open_checkpoint(prefix), key)
    return caught.value.reason


@pytest.mark.parametrize("snappy", [False, True])
def test_every_value_reads_back(tmp_path: Path, snappy: bool) -> None:
    """Numbers, strings, scalars, empty and partitioned tensors, from plain and snappy indexes."""
    assert VALUES == all_values(write_bundle(tmp_path / "m", TENSORS, snappy=snappy))


def test_a_whole_tensor_is_a_range_of_its_file(tmp_path: Path) -> None:
    """It is never decoded: file, place, length and crc say all."""
    checkpoint = open_checkpoint(write_bundle(tmp_path / "m", TENSORS))
    expected = FileRange("m.data-00000-of-00001", 12, 6, crc32c.extend(0, b"abcdef"))
    assert expected == checkpoint.value("kernel").data
    assert ("m", "v2", {"m.data-00000-of-00001"}) == (checkpoint.name, checkpoint.kind, set(checkpoint.files))


def test_parts_along_the_first_dimension_are_ranges_too(tmp_path: Path) -> None:
    """A partitioned embedding can be copied as its parts are, without being read."""
    value = open_checkpoint(write_bundle(tmp_path / "m", TENSORS)).value("table")
    assert [b"wx", b"yz"] == [
        data_file(tmp_path / "m").read_bytes()[part.offset_bytes :][: part.length_bytes]
        for part in value.data.ranges
    ]


def test_an_entry_tells_type_shape_size_and_files(tmp_path: Path) -> None:
    """Without any value being read."""
    tensors = [*TENSORS[:-1], Stored("table", INT8, (4,), b"yz", extents=[(2, 2)], shard=1)]
    entries = open_checkpoint(write_bundle(tmp_path / "m", tensors, num_shards=2)).entries
    shards = ("m.data-00000-of-00002", "m.data-00001-of-00002")
    table, names = entries["table"], entries["names"]
    assert (INT8, (4,), 4, True, shards) == (
        table.dtype,
        table.shape,
        table.size_bytes,
        table.sliced,
        table.shards,
    )
    assert (7, (2, 1), 0, False) == (names.dtype, names.shape, names.size_bytes, names.sliced)
    assert sorted(VALUES) == list(entries)


def test_a_box_of_strings(tmp_path: Path) -> None:
    """Strings are cut and put together as numbers are."""
    tensors = [strings_stored("s", (2, 2), [b"a", b"b", b"c", b"d"])]
    checkpoint = open_checkpoint(write_bundle(tmp_path / "m", tensors))
    assert [b"b", b"d"] == read(checkpoint, "s", Region((0, 1), (2, 1)))


def test_an_unknown_key_is_told_the_nearest(tmp_path: Path) -> None:
    """The error names what is there."""
    with pytest.raises(FreezeError, match="Did you mean 'kernel'") as caught:
        open_checkpoint(write_bundle(tmp_path / "m", TENSORS)).value("kernal")
    assert Reason.VARIABLE_NOT_IN_CHECKPOINT == caught.value.reason


@pytest.mark.parametrize("region", [Region((0,), (1,)), Region((0, 2), (2, 2)), Region((-1, 0), (1, 1))])
def test_a_box_outside_the_tensor_is_a_mismatch(tmp_path: Path, region: Region) -> None:
    """Of another rank, past the end, before the start."""
    with pytest.raises(FreezeError) as caught:
        open_checkpoint(write_bundle(tmp_path / "m", TENSORS)).value("kernel", region)
    assert Reason.VARIABLE_MISMATCH == caught.value.reason


def test_an_index_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    """No beginning of an index opens."""
    prefix = write_bundle(tmp_path / "m", TENSORS)
    index = tmp_path / "m.index"
    data = index.read_bytes()
    for length in range(len(data)):
        index.write_bytes(data[:length])
        assert Reason.MALFORMED_CHECKPOINT == reason_of(prefix)


def test_a_flipped_bit_in_the_index_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """No bit gives other values."""
    prefix = write_bundle(tmp_path / "m", TENSORS)
    index = tmp_path / "m.index"
    data = index.read_bytes()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << (position % 8)
        index.write_bytes(bytes(flipped))
        expected = (VALUES, Reason.MALFORMED_CHECKPOINT, Reason.CHECKSUM_MISMATCH)
        assert outcome(all_values, prefix) in expected


def test_a_data_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    """A tensor past the end is found when it is asked for, before it is read."""
    prefix = write_bundle(tmp_path / "m", TENSORS)
    data = data_file(prefix).read_bytes()
    for length in range(len(data)):
        data_file(prefix).write_bytes(data[:length])
        assert Reason.MALFORMED_CHECKPOINT == reason_of(prefix)
    data_file(prefix).write_bytes(data + b"more")
    assert VALUES == all_values(prefix)


def test_a_flipped_bit_in_strings_is_found(tmp_path: Path) -> None:
    """Lengths, their checksum and the bytes are all covered."""
    prefix = write_bundle(tmp_path / "m", [strings_stored("s", (3,), [b"ab", b"", b"c" * 200])])
    data = data_file(prefix).read_bytes()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << (position % 8)
        data_file(prefix).write_bytes(bytes(flipped))
        assert reason_of(prefix) in (Reason.CHECKSUM_MISMATCH, Reason.MALFORMED_CHECKPOINT)


def test_flipped_bits_in_parts_are_found_while_they_are_put_together(tmp_path: Path) -> None:
    """Ranges one after the other and interleaved ones are checked on their way."""
    parts = [
        Stored("first", INT8, (4,), b"wx", extents=[(0, 2)]),
        Stored("first", INT8, (4,), b"yz", extents=[(2, 2)]),
        Stored("last", INT8, (2, 2), b"ac", extents=[(0, -1), (0, 1)]),
        Stored("last", INT8, (2, 2), b"bd", extents=[(0, -1), (1, 1)]),
    ]
    prefix = write_bundle(tmp_path / "m", parts)
    assert {"first": b"wxyz", "last": b"abcd"} == all_values(prefix)
    data = data_file(prefix).read_bytes()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 0x10
        data_file(prefix).write_bytes(bytes(flipped))
        assert Reason.CHECKSUM_MISMATCH == reason_of(prefix)


def test_a_missing_data_file_is_named(tmp_path: Path) -> None:
    """By the name it should have, when what it holds is asked for, and not before."""
    prefix = write_bundle(
        tmp_path / "m", [Stored("a", INT8, (1,), b"a"), Stored("b", INT8, (1,), b"b", shard=1)], num_shards=2
    )
    data_file(prefix, 1, 2).unlink()
    assert b"a" == read(open_checkpoint(prefix), "a")
    with pytest.raises(FreezeError, match=r"'m\.data-00001-of-00002' with 'b'") as caught:
        open_checkpoint(prefix).value("b")
    assert Reason.SHARD_NOT_FOUND == caught.value.reason


def test_without_weights_places_are_given_unchecked(tmp_path: Path) -> None:
    """Where the data files stay with the caller, numbers need none of them; strings do."""
    prefix = write_bundle(tmp_path / "m", TENSORS)
    expected = open_checkpoint(prefix).value("kernel")
    data_file(prefix).unlink()
    checkpoint = open_checkpoint(prefix, weights_present=False)
    assert expected == checkpoint.value("kernel")
    assert 2 == len(checkpoint.value("table").data.ranges)
    assert Reason.SHARD_NOT_FOUND == reason_of(prefix, "names")


def test_a_data_file_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    """Nor can a pipe; neither is opened."""
    prefix = write_bundle(tmp_path / "m", TENSORS)
    data_file(prefix).unlink()
    data_file(prefix).mkdir()
    assert Reason.FILE_NOT_READABLE == reason_of(prefix, "kernel")


def test_a_big_endian_bundle_says_so(tmp_path: Path) -> None:
    """Its bytes would be wrong numbers."""
    header = BundleHeaderProto(num_shards=1, endianness=BundleHeaderProto.BIG)
    assert Reason.BIG_ENDIAN_CHECKPOINT == reason_of(write_index(tmp_path / "m", {}, header))


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """By what the file says of its readers."""
    header = BundleHeaderProto(num_shards=1)
    header.version.min_consumer = 2
    assert Reason.UNSUPPORTED_MODEL == reason_of(write_index(tmp_path / "m", {}, header))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_under_right_checksums_is_an_error_or_a_value(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever an entry says, all that comes of it is a value or an error with a reason."""
    records, shards = records_of(TENSORS)
    entries = {key: record.SerializeToString() for key, record in records.items()}
    entries[b""] = BundleHeaderProto(num_shards=1).SerializeToString()
    key = data.draw(st.sampled_from(sorted(entries)))
    at, removed = data.draw(st.integers(0, len(entries[key]))), data.draw(st.integers(0, 3))
    inserted = data.draw(st.one_of(st.binary(max_size=4), st.just(b"\xff" * 9 + b"\1")))
    entries[key] = entries[key][:at] + inserted + entries[key][at + removed :]
    (tmp_path / "m.index").write_bytes(table_bytes(sorted(entries.items())))
    data_file(tmp_path / "m").write_bytes(shards[0])
    found = outcome(all_values, tmp_path / "m")
    assert isinstance(found, Reason) or found.keys() == VALUES.keys()


def entry(dtype: int, shape: list[int], **fields: int) -> BundleEntryProto:
    """An index entry as hostile as it is told to be."""
    return BundleEntryProto(dtype=dtype, shape=shape_proto(shape), **fields)


@pytest.mark.parametrize(
    "record",
    [
        entry(INT8, [4], size=3),
        entry(INT8, [4], size=-4),
        entry(INT8, [4], size=4, offset=-1),
        entry(INT8, [4], size=4, offset=2**62),
        entry(INT8, [2**62], size=2**62),
        entry(INT8, [4], size=4, shard_id=1),
        entry(INT8, [4], size=4, shard_id=-1),
        entry(INT8, [-4], size=4),
        entry(INT8, [-2, -2], size=4),
        entry(FLOAT, [2**31, 2**31, 2**31], size=0),
        entry(FLOAT, [2**62, 4, 0], size=0),
        entry(FLOAT, [1] * 255, size=4),
        entry(101, [1], size=4),
        entry(7, [2**40], size=100),
        entry(7, [5], size=5),
    ],
)
def test_a_hostile_entry_is_refused_at_once(tmp_path: Path, record: BundleEntryProto) -> None:
    """Sizes, places and shapes that cannot be, in no time and no memory."""
    data_file(tmp_path / "m").write_bytes(b"\1" * 100)
    prefix = write_index(tmp_path / "m", {b"k": record})
    begin = time.monotonic()
    expected = Reason.GRAPH_TOO_LARGE if record.shape.dim[0].size == 2**40 else Reason.MALFORMED_CHECKPOINT
    assert expected == reason_of(prefix, "k")
    assert time.monotonic() - begin < 1


def test_an_unknown_rank_is_no_shape(tmp_path: Path) -> None:
    """A stored tensor has sizes."""
    record = BundleEntryProto(dtype=INT8)
    record.shape.unknown_rank = True
    assert Reason.MALFORMED_CHECKPOINT == reason_of(write_index(tmp_path / "m", {b"k": record}), "k")


@pytest.mark.parametrize("dtype", [0, 20, 21, 34, 9999])
def test_a_type_without_a_value_is_refused_when_it_is_asked_for(tmp_path: Path, dtype: int) -> None:
    """Variants, resources and unknown types do not keep the rest from being read."""
    records, shards = records_of(TENSORS)
    records[b"odd"] = entry(dtype, [1], offset=1000, size=5)
    data_file(tmp_path / "m").write_bytes(shards[0].ljust(2000, b"\0"))
    checkpoint = open_checkpoint(write_index(tmp_path / "m", records))
    assert dtype == checkpoint.entries["odd"].dtype
    assert b"abcdef" == read(checkpoint, "kernel")
    with pytest.raises(FreezeError) as caught:
        checkpoint.value("odd")
    assert Reason.UNSUPPORTED_DTYPE == caught.value.reason


def test_two_tensors_in_the_same_bytes_are_refused(tmp_path: Path) -> None:
    """TensorFlow writes each tensor to bytes of its own; padding between them is no harm."""
    records = {b"a": entry(INT8, [4], size=4), b"b": entry(INT8, [4], size=4, offset=3)}
    assert Reason.MALFORMED_CHECKPOINT == reason_of(write_index(tmp_path / "m", records))
    records[b"b"].offset = 64
    assert ["a", "b"] == list(open_checkpoint(write_index(tmp_path / "m", records)).entries)


def test_two_thousand_million_data_files_allocate_nothing(tmp_path: Path) -> None:
    """Only files that hold something are named."""
    header = BundleHeaderProto(num_shards=2**31 - 1)
    prefix = write_index(tmp_path / "m", {b"k": entry(INT8, [4], size=4, shard_id=2**31 - 2)}, header)
    checkpoint = open_checkpoint(prefix, weights_present=False)
    assert ["m.data-2147483646-of-2147483647"] == list(checkpoint.files)
    assert ("m.data-2147483646-of-2147483647",) == checkpoint.entries["k"].shards


@pytest.mark.parametrize("num_shards", [0, -1])
def test_a_bundle_of_no_files_is_refused(tmp_path: Path, num_shards: int) -> None:
    """A header speaks of one data file at least."""
    header = BundleHeaderProto(num_shards=num_shards)
    assert Reason.MALFORMED_CHECKPOINT == reason_of(write_index(tmp_path / "m", {}, header))


@pytest.mark.parametrize(
    "second",
    [
        [(1, 3)],  # overlaps the first
        [(3, 1)],  # leaves a gap
        [(2, 3)],  # past the end
        [(-2, 4)],
        [(2, -5)],
        [(2, 2), (0, 1)],  # of another rank
        [],
        [(0, -1)],  # the whole beside a part
    ],
)
def test_parts_that_do_not_make_up_the_whole_are_refused(
    tmp_path: Path, second: list[tuple[int, int]]
) -> None:
    """Overlaps, gaps, boxes outside, and boxes of another rank."""
    size = second[0][1] if second and second[0][1] > 0 else 4
    parts = [
        Stored("t", INT8, (4,), b"ab", extents=[(0, 2)]),
        Stored("t", INT8, (4,), b"c" * size, extents=second),
    ]
    assert Reason.MALFORMED_CHECKPOINT == reason_of(write_bundle(tmp_path / "m", parts), "t")


def test_a_part_that_is_missing_or_of_another_type_is_refused(tmp_path: Path) -> None:
    """The whole's entry and its parts' must agree."""
    records, shards = records_of(
        [Stored("t", INT8, (2,), b"a", extents=[(0, 1)]), Stored("t", INT8, (2,), b"b", extents=[(1, 1)])]
    )
    data_file(tmp_path / "m").write_bytes(shards[0])
    part = max(key for key in records if key != b"t")
    records[part].dtype = 4
    assert Reason.MALFORMED_CHECKPOINT == reason_of(write_index(tmp_path / "m", records))
    del records[part]
    assert Reason.MALFORMED_CHECKPOINT == reason_of(write_index(tmp_path / "m", records))


@pytest.mark.slow  # as below
def test_more_parts_than_any_variable_has_are_refused(tmp_path: Path) -> None:
    """In bounded time."""
    record = entry(INT8, [10**6])
    record.slices.extend(slice_proto([(0, 1)]) for _ in range(20_000))
    begin = time.monotonic()
    assert Reason.MALFORMED_CHECKPOINT == reason_of(write_index(tmp_path / "m", {b"k": record}))
    assert time.monotonic() - begin < 2


@pytest.mark.slow  # in pure Python it is protobuf that takes the time
@pytest.mark.parametrize("length", [1, 5_000])
def test_parts_that_overlap_in_all_ways_take_no_time(tmp_path: Path, length: int) -> None:
    """A staircase of parts, each of which overlaps or borders all others along each dimension."""
    parts = [
        Stored("t", INT8, (10_000, 10_000), b"", extents=[(step, length), (step, length)])
        for step in range(5_000)
    ]
    records, _ = records_of(parts)
    for position, record in enumerate(records.values()):
        record.size, record.offset = length * length, position * length * length
    records[b"t"].size = 0
    prefix = write_index(tmp_path / "m", records)
    begin = time.monotonic()
    with pytest.raises(FreezeError) as caught:
        open_checkpoint(prefix, weights_present=False).value("t")
    assert Reason.MALFORMED_CHECKPOINT == caught.value.reason
    assert time.monotonic() - begin < 3


def test_many_strings_of_nothing_are_refused(tmp_path: Path) -> None:
    """What would be far larger in memory than in the file is not read."""
    prefix = write_bundle(tmp_path / "m", [Stored("s", 7, (2**25,), b"\0" * 100)])
    assert Reason.GRAPH_TOO_LARGE == reason_of(prefix)


@pytest.mark.parametrize(
    "data", [b"\5\0\0\0\0abc", varint(2**63) + b"\0\0\0\0", b"\xff" * 40, b"\0\0\0\0", b"\0\0\0\0\0left"]
)
def test_string_lengths_that_do_not_add_up_are_refused(tmp_path: Path, data: bytes) -> None:
    """Too long, endless, too short, bytes left over."""
    assert Reason.MALFORMED_CHECKPOINT == reason_of(
        write_bundle(tmp_path / "m", [Stored("s", 7, (1,), data)])
    )


def test_a_key_that_is_not_text_is_written_out(tmp_path: Path) -> None:
    """It can be listed, reported and asked for."""
    prefix = write_index(tmp_path / "m", {b"k\xff": entry(INT8, [0])})
    assert ["k\\xff"] == list(open_checkpoint(prefix).entries)


def test_the_object_graph_of_a_checkpoint(tmp_path: Path) -> None:
    """A TF2 checkpoint has one, others none, and one that cannot be parsed is an error."""
    graph = TrackableObjectGraph()
    graph.nodes.add().attributes.add(full_name="dense/kernel", checkpoint_key="k/.ATTRIBUTES/VARIABLE_VALUE")
    key = "_CHECKPOINTABLE_OBJECT_GRAPH"
    assert open_checkpoint(write_bundle(tmp_path / "none", TENSORS)).object_graph() is None
    good = write_bundle(tmp_path / "good", [strings_stored(key, (), [graph.SerializeToString()])])
    assert graph == open_checkpoint(good).object_graph()
    for stored in (
        strings_stored(key, (), [b"\xff"]),
        strings_stored(key, (2,), [b"", b""]),
        Stored(key, INT8, (1,), b"a"),
    ):
        bad = open_checkpoint(write_bundle(tmp_path / "bad", [stored]))
        with pytest.raises(FreezeError) as caught:
            bad.object_graph()
        assert Reason.MALFORMED_CHECKPOINT == caught.value.reason


def test_a_hundred_thousand_tensors_open_quickly(tmp_path: Path) -> None:
    """One pass over the index, entries only when asked for: allowed twenty times what it takes."""
    records = {
        f"layer_{number:06d}/kernel/.ATTRIBUTES/VARIABLE_VALUE".encode(): entry(
            INT8, [1], offset=number, size=1
        )
        for number in range(100_000)
    }
    prefix = write_index(tmp_path / "m", records)
    begin = time.monotonic()
    checkpoint = open_checkpoint(prefix, weights_present=False)
    assert time.monotonic() - begin < 4
    assert 100_000 == len(checkpoint.entries)
