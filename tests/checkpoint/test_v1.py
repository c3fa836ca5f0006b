"""V1 checkpoints that TensorFlow would not write: damaged, hostile, snappy."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from checkpoint.bundle_writer import outcome, read, slice_proto, table_bytes, write_v1
from tffreeze_server.checkpoint.open import open_checkpoint
from tffreeze_server.checkpoint.region import Region
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.checkpoint_pb2 import SavedTensorSlices
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

FLOATS = [0.5, -1.0, 2.0, 3.0, 4.0, 5.0]
ALL = [(0, -1)]
TENSORS = [
    ("f", 1, (2, 3), [(0, -1), (0, -1)], TensorProto(float_val=FLOATS)),
    ("i", 3, (3,), ALL, TensorProto(int_val=[-1, 300, 2**31 - 1])),
    ("p", 1, (2, 3), [(0, -1), (0, 1)], TensorProto(float_val=[0.5, 3.0])),
    ("p", 1, (2, 3), [(0, -1), (1, 2)], TensorProto(float_val=[-1.0, 2.0, 4.0, 5.0])),
    ("s", 7, (2,), ALL, TensorProto(string_val=[b"one", b""])),
    ("z", 9, (), [], TensorProto(int64_val=[-(2**63)])),
]
VALUES = {
    "f": struct.pack("<6f", *FLOATS),
    "i": struct.pack("<3i", -1, 300, 2**31 - 1),
    "p": struct.pack("<6f", *FLOATS),
    "s": [b"one", b""],
    "z": struct.pack("<q", -(2**63)),
}


def all_values(path: Path) -> dict[str, object]:
    """Every value of a checkpoint."""
    checkpoint = open_checkpoint(path)
    return {key: read(checkpoint, key) for key in checkpoint.entries}


def reason_of(path: Path) -> Reason:
    """Why not all values of a checkpoint can be read."""
    with pytest.raises(FreezeError) as caught:
        all_values(path)
    return caught.value.reason


@pytest.mark.parametrize("snappy", [False, True])
def test_every_value_reads_back(tmp_path: Path, snappy: bool) -> None:
    """Floats, integers, strings, scalars, and a whole from its parts."""
    path = write_v1(tmp_path / "m", TENSORS, snappy=snappy)
    assert VALUES == all_values(path)
    assert ("v1", "m") == (open_checkpoint(path).kind, open_checkpoint(path).name)


def test_boxes_of_decoded_values(tmp_path: Path) -> None:
    """A box of a whole, of parts and of integers."""
    checkpoint = open_checkpoint(write_v1(tmp_path / "m", TENSORS))
    expected = struct.pack("<4f", -1.0, 2.0, 4.0, 5.0)
    assert expected == read(checkpoint, "f", Region((0, 1), (2, 2)))
    assert expected == read(checkpoint, "p", Region((0, 1), (2, 2)))
    assert struct.pack("<i", 300) == read(checkpoint, "i", Region((1,), (1,)))
    assert [b""] == read(checkpoint, "s", Region((1,), (1,)))


def test_long_lists_of_numbers_are_decoded_in_windows(tmp_path: Path) -> None:
    """Numbers of one to ten bytes, more than any window holds, none cut at its border."""
    numbers = [(-1) ** n * 3 ** (n % 39) for n in range(70_000)]
    path = write_v1(tmp_path / "m", [("n", 9, (70_000,), ALL, TensorProto(int64_val=numbers))])
    checkpoint = open_checkpoint(path)
    assert struct.pack("<70000q", *numbers) == read(checkpoint, "n")
    with SourceFiles(checkpoint.files) as files:
        assert max(map(len, checkpoint.value("n").data.chunks(files))) <= 1 << 18


def test_unpacked_lists_are_lists_too(tmp_path: Path) -> None:
    """A writer may give each element its own field (all protobuf readers take both)."""
    value = b"".join(b"\x2d" + struct.pack("<f", number) for number in FLOATS[:3])
    body = b"\x1a" + bytes([len(value)]) + value
    saved = b"\x12" + bytes([len(body)]) + body
    path = write_v1(tmp_path / "m", [("f", 1, (3,), ALL, TensorProto())])
    meta = SavedTensorSlices()
    meta.meta.tensor.add(name="f", type=1, slice=[slice_proto(ALL)]).shape.dim.add(size=3)
    path.write_bytes(table_bytes([(b"", meta.SerializeToString()), (b"\0f\0\1\1\1\x80\x7f", saved)]))
    assert {"f": struct.pack("<3f", *FLOATS[:3])} == all_values(path)


def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    """No beginning of a file opens."""
    path = write_v1(tmp_path / "m", TENSORS)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        assert Reason.MALFORMED_CHECKPOINT == reason_of(path)


def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """Values are covered by the crc of their block."""
    path = write_v1(tmp_path / "m", TENSORS)
    data = path.read_bytes()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << (position % 8)
        path.write_bytes(bytes(flipped))
        expected = (VALUES, Reason.MALFORMED_CHECKPOINT, Reason.CHECKSUM_MISMATCH)
        assert outcome(all_values, path) in expected


@pytest.mark.parametrize(
    ("dtype", "shape", "value"),
    [
        (1, (3,), TensorProto(float_val=[1.0])),
        (1, (1,), TensorProto(float_val=[1.0, 2.0])),
        (1, (1,), TensorProto(int_val=[1])),
        (3, (2,), TensorProto(int_val=[1])),
        (3, (2,), TensorProto()),
        (4, (1,), TensorProto(int_val=[256])),
        (4, (1,), TensorProto(int_val=[-1])),
        (6, (1,), TensorProto(int_val=[128])),
        (19, (1,), TensorProto(half_val=[1 << 16])),
        (7, (2,), TensorProto(string_val=[b"a"])),
        (1, (-1,), TensorProto(float_val=[1.0])),
        (1, (2**62,), TensorProto(float_val=[1.0])),
        (1, (1, 1), TensorProto(float_val=[1.0])),
    ],
)
def test_a_value_that_does_not_fit_its_shape_or_type_is_refused(
    tmp_path: Path, dtype: int, shape: tuple[int, ...], value: TensorProto
) -> None:
    """Too few, too many, in another list, out of the type's range, of no possible shape."""
    assert Reason.MALFORMED_CHECKPOINT == reason_of(
        write_v1(tmp_path / "m", [("t", dtype, shape, ALL, value)])
    )


@pytest.mark.parametrize("value", [b"\x12\x05ab", b"\x12\x02\x1a\x7f", b"\x0b", b"\xff" * 20, b"", b"\x1d\0"])
def test_a_value_that_is_no_message_is_refused(tmp_path: Path, value: bytes) -> None:
    """Cut, endless, groups, nothing."""
    meta = SavedTensorSlices()
    meta.meta.tensor.add(name="f", type=1, slice=[slice_proto(ALL)]).shape.dim.add(size=3)
    path = tmp_path / "m"
    path.write_bytes(table_bytes([(b"", meta.SerializeToString()), (b"\0f\0\1\1\1\x80\x7f", value)]))
    assert Reason.MALFORMED_CHECKPOINT == reason_of(path)


def test_an_endless_varint_in_a_value_is_refused(tmp_path: Path) -> None:
    """Eleven bytes that all say more follows, then one that ends."""
    meta = SavedTensorSlices()
    meta.meta.tensor.add(name="f", type=3, slice=[slice_proto(ALL)]).shape.dim.add(size=1)
    run = b"\xff" * 11 + b"\1"
    value = b"\x12\x10\x1a\x0e\x3a\x0c" + run
    path = tmp_path / "m"
    path.write_bytes(table_bytes([(b"", meta.SerializeToString()), (b"\0f\0\1\1\1\x80\x7f", value)]))
    assert Reason.MALFORMED_CHECKPOINT == reason_of(path)


@pytest.mark.parametrize("first", [b"\xff", None])
def test_a_table_without_a_list_of_tensors_is_no_checkpoint(tmp_path: Path, first: bytes | None) -> None:
    """Nor is one whose list cannot be parsed."""
    path = tmp_path / "m"
    path.write_bytes(table_bytes([(b"x", b"1")] if first is None else [(b"", first)]))
    assert Reason.MALFORMED_CHECKPOINT == reason_of(path)


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """By what the file says of its readers."""
    meta = SavedTensorSlices()
    meta.meta.versions.min_consumer = 2
    path = tmp_path / "m"
    path.write_bytes(table_bytes([(b"", meta.SerializeToString())]))
    assert Reason.UNSUPPORTED_MODEL == reason_of(path)


def test_a_type_that_v1_cannot_hold_is_refused(tmp_path: Path) -> None:
    """A float8 has no list in a value."""
    path = write_v1(tmp_path / "m", [("t", 24, (1,), ALL, TensorProto())])
    assert Reason.UNSUPPORTED_DTYPE == reason_of(path)


def test_shards_that_disagree_are_refused(tmp_path: Path) -> None:
    """The same tensor with another shape or type, or the same part twice."""
    one = ("t", 1, (2,), [(0, 1)], TensorProto(float_val=[1.0]))
    for other in (
        ("t", 3, (2,), [(1, 1)], TensorProto(int_val=[1])),
        ("t", 1, (3,), [(1, 1)], TensorProto(float_val=[1.0])),
        one,
    ):
        write_v1(tmp_path / "m-00000-of-00002", [one])
        write_v1(tmp_path / "m-00001-of-00002", [other])
        assert Reason.MALFORMED_CHECKPOINT == reason_of(tmp_path / "m")
