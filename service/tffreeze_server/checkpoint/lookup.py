"""Values of a table by their keys, each block looked through once.

Theory of operation. When the first value of a block is asked for, the block is read and checked against its crc.
Where each value stands in it is remembered, with a crc32c of its own. All others are read from where they stand and
checked by that: many values of one block cost the block once, not once each.

A packed block must be unpacked for each of its values. No TensorFlow packs the tables that are read so (V1
checkpoints), so there is a limit to it. Keys may repeat each other at hardly any bytes: what is remembered of a block
is bounded by its size too.
"""

from __future__ import annotations

import bisect
from typing import NamedTuple

from tffreeze_server.checkpoint.problems import checksum_mismatch, malformed
from tffreeze_server.checkpoint.table import Read, Table, entries_of, read_stored
from tffreeze_server.tensors import crc32c
from tffreeze_server.tensors.data import MAX_CHUNK_BYTES

MAX_UNPACKED_BYTES, MAX_UNPACKED_RATIO = 1 << 30, 64
"""That all values of a table may ask to be unpacked: for any table, and for each byte of the file."""
MAX_ENTRIES, MIN_ENTRY_BYTES = 1000, 8
"""Of a block: as many for any, and above that none smaller. A value that TensorFlow writes has fifteen bytes."""
MAX_KEY_BYTES, MAX_KEY_RATIO = 1 << 20, 32
"""Of all keys of a block: for any block, and for each of its bytes."""


class _Place(NamedTuple):
    """Where a value stands.

    Attributes:
        start: In the block, unpacked.
        end: Behind it.
        crc32c: Of the value; None where the whole block is read for it.

    """

    start: int
    end: int
    crc32c: int | None


class Lookup:
    """Finds the values of a table.

    Args:
        table: The table.

    """

    __slots__ = ("_places", "_unpacked_bytes", "table")

    def __init__(self, table: Table) -> None:
        self.table = table
        self._places: dict[int, dict[bytes, _Place]] = {}
        self._unpacked_bytes = 0

    def __reduce__(self) -> tuple[type[Lookup], tuple[Table]]:
        """What is remembered stays in its process."""
        return Lookup, (self.table,)

    def find(self, key: bytes, read: Read) -> memoryview | None:
        """Give the value of one key, or None.

        Raises:
            FreezeError: MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH, or what `read` raises.

        """
        number = bisect.bisect_left(self.table.last_keys, key)
        if number == len(self.table.blocks):
            return None
        block = self._look_through(number, read) if number not in self._places else None
        place = self._places[number].get(key)
        if place is None:
            return None
        if block is None and place.crc32c is not None:
            return self._value(number, place, read)
        return memoryview(block or self._block(number, read)[0])[place.start : place.end]

    def _look_through(self, number: int, read: Read) -> bytes:
        """Read a block and remember where its values are."""
        block, is_packed = self._block(number, read)
        places: dict[bytes, tuple[int, int]] = {}
        key_bytes = 0
        for key, start, end in entries_of(self.table.file, block):
            places[key] = start, end
            key_bytes += len(key)
            if len(places) > MAX_ENTRIES + len(
                block
            ) // MIN_ENTRY_BYTES or key_bytes > MAX_KEY_BYTES + MAX_KEY_RATIO * len(block):
                raise malformed(self.table.file, "a block holds more keys than any values need")
        # For the only value of a block the block is read again, whose crc there is already.
        is_by_block = is_packed or len(places) == 1
        self._places[number] = {
            key: _Place(start, end, None if is_by_block else _crc32c(block, start, end))
            for key, (start, end) in places.items()
        }
        return block

    def _value(self, number: int, place: _Place, read: Read) -> memoryview:
        """A value of a plain block that has been looked through."""
        offset_bytes = self.table.blocks[number].offset_bytes
        value = read(place.end - place.start, offset_bytes + place.start)
        if crc32c.extend(0, value) != place.crc32c:
            raise checksum_mismatch(self.table.file, f"the block at byte {offset_bytes}")
        return memoryview(value)

    def _block(self, number: int, read: Read) -> tuple[bytes, bool]:
        """A whole block, and whether it was packed."""
        block, is_packed = read_stored(self.table, self.table.blocks[number], read)
        self._unpacked_bytes += len(block) if is_packed else 0
        if self._unpacked_bytes > MAX_UNPACKED_BYTES + MAX_UNPACKED_RATIO * self.table.size_bytes:
            raise malformed(self.table.file, "its compressed blocks would have to be unpacked too often")
        return block, is_packed


def _crc32c(block: bytes, start: int, end: int) -> int:
    """The crc32c of a part of a block, which is copied piece by piece only."""
    crc = 0
    for at in range(start, end, MAX_CHUNK_BYTES):
        crc = crc32c.extend(crc, block[at : min(at + MAX_CHUNK_BYTES, end)])
    return crc
