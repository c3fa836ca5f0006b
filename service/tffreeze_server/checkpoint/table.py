"""LevelDB-style tables: the sorted key-value files of checkpoints.

Theory of operation. A table is a sequence of blocks and a 48-byte footer at its end
(tensorflow/core/lib/io/format.cc). The footer holds two block handles (offset and size as varints: one of
an unused metaindex block, one of the index block), zero padding, and a magic number. Each block
is followed by one byte for its compression and the masked crc32c of the block and that byte. The
index block has one entry for each data block: a key no smaller than the block's last and no larger than
the next block's first, and the block's handle. A block (tensorflow/core/lib/io/block.cc) is a sequence of
entries: `shared, unshared, value length` as varint32, then the unshared end of the key, then the value. The first
`shared` bytes of a key are those of the previous key. A block ends with an array of restart offsets and its length,
for binary search; we read whole blocks and only check that the array fits.

Nothing here trusts a number: handles must be inside of the file, blocks are at most `max_block_bytes`, keys must
strictly increase, and every block's crc is checked before the block is parsed. Because of shared prefixes and
compression, keys may be much larger in memory than in the file: storing them draws from the budget of the freeze.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import cramjam

from tffreeze_common.wire import WireError, read_varint
from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint.problems import checksum_mismatch, malformed
from tffreeze_server.tensors import crc32c

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
TRAILER_BYTES = 5
MAX_SNAPPY_RATIO = 32
"""Snappy makes at most 64 bytes from 3. A larger ratio is a decompression bomb."""

# Cost of an entry, in steps and bytes of the budget.
_ENTRY_STEPS, _ENTRY_BYTES = 8, 700
_KEY_COPIES = 3
_DRAWN_AT_ONCE_BYTES = 1 << 20

Read = Callable[[int, int], bytes]
"""Reads exactly `length_bytes` from `offset_bytes` on, or raises FreezeError."""


@dataclass(frozen=True, slots=True)
class BlockHandle:
    """The byte range of a block; its trailer follows."""

    offset_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Table:
    """An opened table: the contents of its footer and index block.

    Attributes:
        file: The file's name, for messages.
        size_bytes: Size of the file.
        max_block_bytes: Size limit of a decompressed block.
        last_keys: For each data block a key no smaller than any in it.
        blocks: The data blocks in order.

    """

    file: str
    size_bytes: int
    max_block_bytes: int
    last_keys: tuple[bytes, ...]
    blocks: tuple[BlockHandle, ...]


def open_table(file: str, size_bytes: int, read: Read, max_block_bytes: int, budget: Budget) -> Table:
    """Read the footer and the index block of a table. Their size adds to the budget.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH, MODEL_TOO_COMPLEX, or what `read` raises.

    """
    if size_bytes < FOOTER_BYTES:
        raise malformed(file, f"it is {size_bytes} bytes long, but a table has at least {FOOTER_BYTES}")
    footer = read(FOOTER_BYTES, size_bytes - FOOTER_BYTES)
    if int.from_bytes(footer[-8:], "little") != MAGIC:
        raise malformed(file, "it does not end with the magic number of a table; it may be truncated")
    empty = Table(file, size_bytes, max_block_bytes, (), ())
    metaindex, position = _read_handle(empty, footer, 0)
    index, _ = _read_handle(empty, footer, position)
    read_block(empty, metaindex, read)
    budget.add_input(FOOTER_BYTES + index.size_bytes)
    entries = parse_block(file, read_block(empty, index, read), budget)
    handles = tuple(_read_handle(empty, value, 0)[0] for _, value in entries)
    for before, after in itertools.pairwise(handles):
        if after.offset_bytes < before.offset_bytes + before.size_bytes:
            raise malformed(file, "its blocks overlap")
    return Table(file, size_bytes, max_block_bytes, tuple(key for key, _ in entries), handles)


def items(table: Table, read: Read, budget: Budget) -> Iterator[tuple[bytes, bytes]]:
    """Yield every key and value in order, one block in memory at a time.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH, MODEL_TOO_COMPLEX, or what `read` raises.

    """
    previous: bytes | None = None
    for last_key, handle in zip(table.last_keys, table.blocks, strict=True):
        budget.add_input(handle.size_bytes)
        entries = parse_block(table.file, read_block(table, handle, read), budget)
        if not entries or entries[-1][0] > last_key or (previous is not None and entries[0][0] <= previous):
            raise malformed(table.file, "its blocks are not in key order")
        previous = entries[-1][0]
        yield from entries


def read_block(table: Table, handle: BlockHandle, read: Read) -> bytes:
    """Read, check and unpack one block."""
    return read_stored(table, handle, read)[0]


def read_stored(table: Table, handle: BlockHandle, read: Read) -> tuple[bytes, bool]:
    """Read, check and unpack one block; also say whether it is packed in the file.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH, or what `read` raises.

    """
    block = read(handle.size_bytes, handle.offset_bytes)
    trailer = read(TRAILER_BYTES, handle.offset_bytes + handle.size_bytes)
    stored = int.from_bytes(trailer[1:], "little")
    if crc32c.unmask(stored) != crc32c.extend(crc32c.extend(0, block), trailer[:1]):
        raise checksum_mismatch(table.file, f"the block at byte {handle.offset_bytes}")
    if trailer[0] == 0:
        return block, False
    if trailer[0] == 1:
        return _unpack_snappy(table, block), True
    raise malformed(table.file, f"a block has an unknown compression ({trailer[0]})")


def _unpack_snappy(table: Table, packed: bytes) -> bytes:
    try:
        size_bytes = cramjam.snappy.decompress_raw_len(packed)
        if size_bytes > min(table.max_block_bytes, MAX_SNAPPY_RATIO * len(packed)):
            raise malformed(
                table.file, f"a compressed block of {len(packed)} bytes claims to hold {size_bytes}"
            )
        return bytes(cramjam.snappy.decompress_raw(packed))
    except cramjam.DecompressionError:
        raise malformed(table.file, "a block cannot be decompressed") from None


def parse_block(file: str, block: bytes, budget: Budget) -> list[tuple[bytes, bytes]]:
    """Split a block into its keys and values.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT if a length does not fit or keys do not increase; MODEL_TOO_COMPLEX if
            there are too many or too long keys for the file's size.

    """
    found: list[tuple[bytes, bytes]] = []
    drawn = size_bytes = 0
    for key, start, end in entries_of(file, block):
        size_bytes += _ENTRY_BYTES + _KEY_COPIES * len(key) + end - start
        found.append((key, block[start:end]))
        if size_bytes > _DRAWN_AT_ONCE_BYTES:
            _draw(budget, len(found) - drawn, size_bytes, file)
            drawn, size_bytes = len(found), 0
    _draw(budget, len(found) - drawn, size_bytes, file)
    return found


def _draw(budget: Budget, entries: int, size_bytes: int, file: str) -> None:
    budget.draw(
        "the keys of the checkpoint", _ENTRY_STEPS * entries + (size_bytes >> 8), size_bytes, subject=file
    )


def entries_of(file: str, block: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield each key of a block, and where its value starts and ends.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT if a length does not fit or keys do not increase.

    """
    entries_end = _entries_end(file, block)
    key: bytes | None = None
    end = 0
    while end < entries_end:
        # Restart points and their count follow the entries, so these three bytes exist.
        shared, unshared, length = block[end], block[end + 1], block[end + 2]
        if (shared | unshared | length) < 128:
            position = end + 3
        else:
            shared, position = _number(file, block, end)
            unshared, position = _number(file, block, position)
            length, position = _number(file, block, position)
        start = position + unshared
        end = start + length
        if end > entries_end or shared > len(key or b""):
            raise malformed(file, "an entry of a block is longer than the block")
        following = block[position:start] if key is None else key[:shared] + block[position:start]
        if key is not None and following <= key:
            raise malformed(file, f"its keys are not in order, or one is repeated, at {following[:200]!r}")
        key = following
        yield key, start, end


def _entries_end(file: str, block: bytes) -> int:
    """Find where the entries end and the restart array begins."""
    if len(block) < 8:
        raise malformed(file, "a block is too short")
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 * (restarts + 1)
    if restarts == 0 or end < 0:
        raise malformed(file, f"a block of {len(block)} bytes claims {restarts} restart points")
    return end


def _read_handle(table: Table, data: bytes, position: int) -> tuple[BlockHandle, int]:
    offset_bytes, position = _number(table.file, data, position)
    size_bytes, position = _number(table.file, data, position)
    if offset_bytes + size_bytes + TRAILER_BYTES > table.size_bytes - FOOTER_BYTES:
        raise malformed(table.file, "a block is past the end of the file")
    if size_bytes > table.max_block_bytes:
        raise malformed(table.file, f"a block of {size_bytes} bytes is too large for an index")
    return BlockHandle(offset_bytes, size_bytes), position


def _number(file: str, data: bytes, position: int) -> tuple[int, int]:
    try:
        return read_varint(data, position)
    except WireError as error:
        raise malformed(file, str(error)) from None
