"""Tables: what is written is read, what is damaged is refused."""

from __future__ import annotations

import struct
import time

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoint.bundle_writer import block_bytes, outcome, table_bytes, table_of_blocks, varint, with_trailer
from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint import table
from tffreeze_server.checkpoint.lookup import Lookup
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors import crc32c

ENTRIES = [(b"", b"header"), (b"a/b", b"1"), (b"a/bc", b"22" * 70), (b"a/c", b""), (b"b", b"4" * 300)]


def items_of(data: bytes, max_block_bytes: int = 1 << 20) -> list[tuple[bytes, bytes]]:
    """Read a table that is in memory."""

    def read(length_bytes: int, offset_bytes: int) -> bytes:
        assert 0 <= offset_bytes <= offset_bytes + length_bytes <= len(data)
        return data[offset_bytes : offset_bytes + length_bytes]

    opened = table.open_table("t.index", len(data), read, max_block_bytes, Budget())
    found = list(table.items(opened, read, Budget()))
    for key, value in found:
        assert value == bytes(Lookup(opened).find(key, read) or b"")
    return found


def refused(data: bytes, *reasons: Reason) -> str:
    """The message of the error that a table gives."""
    with pytest.raises(FreezeError) as caught:
        items_of(data)
    assert caught.value.reason in (reasons or (Reason.MALFORMED_CHECKPOINT,))
    assert "'t.index'" in caught.value.message
    return caught.value.message


@settings(deadline=None)
@given(
    st.dictionaries(st.binary(max_size=6), st.binary(max_size=200), min_size=1, max_size=30),
    st.integers(1, 7),
    st.booleans(),
)
def test_a_written_table_reads_back(
    entries: dict[bytes, bytes], entries_per_block: int, snappy: bool
) -> None:
    """Blocks of any size, plain or snappy, give the keys and values in order, and each by its key."""
    ordered = sorted(entries.items())
    assert ordered == items_of(table_bytes(ordered, entries_per_block=entries_per_block, snappy=snappy))


def test_a_key_that_is_not_there_is_not_found() -> None:
    """Keys before, between and after those of the table have no value."""
    data = table_bytes(ENTRIES[1:])
    read = lambda length, offset: data[offset : offset + length]  # noqa: E731
    opened = table.open_table("t", len(data), read, 1 << 20, Budget())
    assert [None] * 4 == [Lookup(opened).find(key, read) for key in (b"", b"a", b"a/bb", b"zz")]


def test_a_table_cut_at_any_byte_is_refused() -> None:
    """No beginning of a table is a table."""
    data = table_bytes(ENTRIES)
    for length in range(len(data)):
        refused(data[:length])


def test_a_table_with_more_behind_it_is_refused() -> None:
    """The footer is the end of the file."""
    assert "magic number" in refused(table_bytes(ENTRIES) + b"x")


def test_a_flipped_bit_is_found_or_changes_nothing() -> None:
    """Only padding, and where the unused metaindex block is, may change unseen."""
    data = table_bytes(ENTRIES, snappy=True)
    for position in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[position] ^= 1 << bit
            found = outcome(items_of, bytes(flipped))
            in_footer = position >= len(data) - table.FOOTER_BYTES
            errors = (Reason.MALFORMED_CHECKPOINT, Reason.CHECKSUM_MISMATCH)
            assert found in errors or (in_footer and ENTRIES == found)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_in_a_block_are_entries_or_an_error(block: bytes) -> None:
    """A block with a right checksum and anything in it is read in full or refused."""
    found = outcome(items_of, table_of_blocks([(b"\xff" * 400, with_trailer(block))]))
    assert Reason.MALFORMED_CHECKPOINT == found or isinstance(found, list)


def test_keys_that_do_not_increase_are_refused() -> None:
    """Within a block and across blocks: out of order, or there twice."""
    swapped = [ENTRIES[0], ENTRIES[2], ENTRIES[1]]
    twice = [ENTRIES[0], ENTRIES[1], ENTRIES[1]]
    for entries in (swapped, twice):
        for entries_per_block in (1, 3):
            assert "order" in refused(table_bytes(entries, entries_per_block=entries_per_block))


def test_an_index_that_lies_about_a_block_s_last_key_is_refused() -> None:
    """A key larger than the index says would never be found by its key."""
    assert "order" in refused(table_of_blocks([(b"a", with_trailer(block_bytes([(b"b", b"1")])))]))


@pytest.mark.parametrize("restarts", [0, 3, 2**30, 2**32 - 1])
def test_a_false_count_of_restart_points_is_refused(restarts: int) -> None:
    """A count that the block has no room for allocates nothing."""
    block = block_bytes([(b"k", b"v")])[:-4] + struct.pack("<I", restarts)
    refused(table_of_blocks([(b"k", with_trailer(block))]))


@pytest.mark.parametrize(
    "entry",
    [
        varint(5) + varint(1) + varint(1) + b"kv",  # shares more than there was
        varint(0) + varint(200) + varint(1) + b"kv",
        varint(0) + varint(1) + varint(2**40) + b"kv",
        varint(0) + varint(2**63) + varint(2**63) + b"kv",
        b"\xff" * 20,
        b"\x80" * 2,
        b"\x00",
    ],
)
def test_lengths_that_pass_the_block_are_refused(entry: bytes) -> None:
    """Huge, endless and cut numbers end in an error, not in an allocation."""
    block = entry + struct.pack("<2I", 0, 1)
    refused(table_of_blocks([(b"k", with_trailer(block))]))


@pytest.mark.parametrize("handle", [(0, 10**6), (10**6, 1), (2**63, 2**63), (0, 2**63)])
def test_blocks_past_the_end_are_refused(handle: tuple[int, int]) -> None:
    """A block handle is held against the file before it is read."""
    assert "past the end" in refused(
        table_of_blocks([(b"k", with_trailer(block_bytes([(b"k", b"v")])))], [handle])
    )


def test_blocks_that_overlap_are_refused() -> None:
    """Else a small file could hold the same block a million times."""
    block = with_trailer(block_bytes([(b"k", b"v")]))
    handle = (0, len(block) - 5)
    assert "overlap" in refused(table_of_blocks([(b"k", block), (b"l", block)], [handle, handle]))


def test_a_snappy_bomb_is_refused_before_it_is_unpacked() -> None:
    """What claims more than snappy can make of so few bytes, or than a block may hold, is refused at once."""
    honest = bytes(cramjam.snappy.compress_raw(block_bytes([(b"k", b"v" * 100_000)])))
    for packed in (varint(2**32 - 1) + honest[3:], varint(2**26) + honest[3:], honest):
        begin = time.monotonic()
        with pytest.raises(FreezeError) as caught:
            items_of(table_of_blocks([(b"k", with_trailer(packed, 1))]), max_block_bytes=50_000)
        assert Reason.MALFORMED_CHECKPOINT == caught.value.reason
        assert time.monotonic() - begin < 1


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_called_snappy_are_a_block_or_an_error(packed: bytes) -> None:
    """The unpacker's own errors do not come through."""
    found = outcome(items_of, table_of_blocks([(b"\xff" * 70, with_trailer(packed, 1))]))
    assert Reason.MALFORMED_CHECKPOINT == found or isinstance(found, list)


def test_an_unknown_compression_is_refused() -> None:
    """Only 0 and 1 are known."""
    assert "unknown compression (2)" in refused(
        table_of_blocks([(b"k", with_trailer(block_bytes([(b"k", b"v")]), 2))])
    )


def test_a_changed_block_is_a_checksum_mismatch() -> None:
    """The crc of a block covers its bytes and its compression."""
    block = bytearray(with_trailer(block_bytes([(b"k", b"v")])))
    block[3] ^= 1
    refused(table_of_blocks([(b"k", bytes(block))]), Reason.CHECKSUM_MISMATCH)
    assert crc32c.unmask(int.from_bytes(block[-4:], "little")) != crc32c.extend(0, bytes(block[:-4]))


def test_a_key_that_ends_a_block_and_begins_the_next() -> None:
    """Keys increase from block to block, too."""
    blocks = [
        (b"a", with_trailer(block_bytes([(b"a", b"1")]))),
        (b"b", with_trailer(block_bytes([(b"a", b"2")]))),
    ]
    assert "not in key order" in refused(table_of_blocks(blocks))


def test_what_entries_draw() -> None:
    """A block of more than a megabyte draws for each of its entries once."""
    entries = [(f"{n:08}".encode(), bytes(100)) for n in range(20_000)]
    budget = Budget(10_000_000)
    assert entries == table.parse_block("t", block_bytes(entries), budget)
    size_bytes = 20_000 * (700 + 3 * 8 + 100)
    assert size_bytes == budget.size_bytes
    assert 0 <= 8 * 20_000 + (size_bytes >> 8) - budget.steps < 100
