"""Values are found by their keys, each at its own cost; what asks for more than its size is refused."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import cramjam
import pytest

from checkpoint.bundle_writer import table_bytes, table_of_blocks, varint, with_trailer
from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint import lookup, table
from tffreeze_server.checkpoint.lookup import Lookup
from tffreeze_server.errors import FreezeError, Reason

ENTRIES = [(f"k{n:04}".encode(), f"value {n}".encode()) for n in range(300)]


class Bytes:
    """A file in memory; counts the bytes that are read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.read_bytes = 0

    def read(self, length_bytes: int, offset_bytes: int) -> bytes:
        """Give bytes."""
        self.read_bytes += length_bytes
        return self.data[offset_bytes : offset_bytes + length_bytes]

    def open(self) -> Lookup:
        """Open the table."""
        return Lookup(table.open_table("t", len(self.data), self.read, 1 << 26, Budget()))


def reason_of(function: Callable[[], object]) -> Reason:
    """Why a call fails."""
    with pytest.raises(FreezeError) as caught:
        function()
    return caught.value.reason


@pytest.mark.parametrize("entries_per_block", [1, 7, 300])
def test_many_values_of_a_block_cost_the_block_once(entries_per_block: int) -> None:
    """In any order each value is right, and no more is read than blocks and values."""
    file = Bytes(table_bytes(ENTRIES, entries_per_block=entries_per_block))
    values = file.open()
    file.read_bytes = 0
    for key, value in reversed(ENTRIES):
        assert value == bytes(values.find(key, file.read) or b"")
    assert file.read_bytes <= 2 * len(file.data)


def test_a_value_is_found_again() -> None:
    """The only value of a block, one of several, and one of a packed block, which is none shorter for it."""
    for entries, snappy in ((ENTRIES[:1], False), (ENTRIES, False), (ENTRIES, True)):
        file = Bytes(table_bytes(entries, entries_per_block=300, snappy=snappy))
        values = file.open()
        assert [b"value 0"] * 3 == [bytes(values.find(b"k0000", file.read) or b"") for _ in range(3)]
        assert None is values.find(b"k0000a", file.read)


def test_a_file_that_changes_meanwhile() -> None:
    """A value that is read by itself is checked by itself."""
    file = Bytes(table_bytes(ENTRIES, entries_per_block=300))
    values = file.open()
    values.find(ENTRIES[0][0], file.read)
    file.data = file.data.replace(b"value 299", b"value 298")
    assert Reason.CHECKSUM_MISMATCH == reason_of(lambda: values.find(b"k0299", file.read))
    assert b"value 297" == values.find(b"k0297", file.read)


def test_what_is_remembered_stays_in_its_process() -> None:
    """A lookup is the table to another process."""
    file = Bytes(table_bytes(ENTRIES, entries_per_block=300))
    values = file.open()
    fresh = len(pickle.dumps(values))
    values.find(ENTRIES[0][0], file.read)
    assert fresh == len(pickle.dumps(values))
    assert b"value 7" == pickle.loads(pickle.dumps(values)).find(b"k0007", file.read)


def block_of(entries: int, unshared: Callable[[int], bytes]) -> bytes:
    """A block whose keys each end the one before; no values."""
    body = bytearray()
    length = 0
    for number in range(entries):
        end = unshared(number)
        body += varint(length) + varint(len(end)) + varint(0) + end
        length += len(end)
    return bytes(body) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


@pytest.mark.parametrize(("entries", "accepted"), [(1000, True), (10_000, False)])
def test_keys_that_each_extend_the_one_before(entries: int, accepted: bool) -> None:
    """A few bytes each, and hundreds of times as much in memory: many of them are refused."""
    block = block_of(entries, lambda _: b"a")
    last = b"a" * entries
    file = Bytes(table_of_blocks([(last, with_trailer(block))]))
    values = file.open()
    if accepted:
        assert b"" == values.find(last, file.read)
    else:
        assert Reason.MALFORMED_CHECKPOINT == reason_of(lambda: values.find(last, file.read))


def test_more_entries_than_values_need() -> None:
    """Entries of five bytes each: a thousand may be, not a hundred thousand."""
    for entries, accepted in ((1000, True), (100_000, False)):
        body = bytearray(varint(0) + varint(3) + varint(0) + bytes(3))
        for number in range(1, entries):
            before, key = (number - 1).to_bytes(3, "big"), number.to_bytes(3, "big")
            shared = next(k for k in range(3) if before[k] != key[k])
            body += varint(shared) + varint(3 - shared) + varint(0) + key[shared:]
        block = bytes(body) + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")
        last = (entries - 1).to_bytes(3, "big")
        file = Bytes(table_of_blocks([(last, with_trailer(block))]))
        values = file.open()
        if accepted:
            assert b"" == values.find(last, file.read)
        else:
            assert Reason.MALFORMED_CHECKPOINT == reason_of(
                lambda v=values, f=file: v.find(b"\0\0\0", f.read)
            )


def test_packed_blocks_are_not_unpacked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value of a packed block unpacks it: so many times, and no more."""
    monkeypatch.setattr(lookup, "MAX_UNPACKED_BYTES", 0)
    monkeypatch.setattr(lookup, "MAX_UNPACKED_RATIO", 2)
    file = Bytes(table_bytes([(b"k", bytes(3000))], snappy=True))
    assert len(cramjam.snappy.compress_raw(bytes(3000))) < 200
    values = file.open()
    assert Reason.MALFORMED_CHECKPOINT == reason_of(lambda: values.find(b"k", file.read))
