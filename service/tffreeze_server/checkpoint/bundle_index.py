"""The index of a V2 checkpoint: the table in `P.index`.

The empty key holds a header (number of data files, byte order, version); each other key holds an entry
(tensorflow/core/util/tensor_bundle/tensor_bundle.cc). The index is read once. Entries
are kept serialized and parsed at access. Two checks cover all entries at the start: each names a data file that the
header allows, and no two overlap. TensorFlow writes no overlapping entries, and in a hostile index they could make a
small file stand for any amount of weights.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from google.protobuf.message import DecodeError

from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint import table
from tffreeze_server.checkpoint.problems import malformed
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.parse import parse
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.checkpoint_pb2 import BundleEntryProto, BundleHeaderProto

VERSION = 1
"""kTensorBundleVersion: the newest format."""

MAX_BLOCK_BYTES = 1 << 26
"""Size limit of an index block. TensorFlow ends a block at 256 KiB, but one entry may be longer."""

HEADER_KEY = b""


@dataclass(frozen=True, slots=True)
class BundleIndex:
    """The contents of an index file.

    Attributes:
        file: Its name.
        prefix: Its name without `.index`.
        num_shards: Number of data files, as in their names.
        records: Serialized entries by key, without the header.
        shard_ids: Numbers of the data files that entries use, sorted.

    """

    file: str
    prefix: str
    num_shards: int
    records: Mapping[bytes, bytes]
    shard_ids: tuple[int, ...]

    def shard_name(self, shard_id: int) -> str:
        """Build the name of a data file."""
        return f"{self.prefix}.data-{shard_id:05d}-of-{self.num_shards:05d}"

    def record(self, key: bytes) -> BundleEntryProto:
        """Parse the entry of an existing key."""
        return _parse(self.file, key, self.records[key])


def key_text(key: bytes) -> str:
    r"""Decode a key as UTF-8, with other bytes as `\xNN`."""
    return key.decode("utf-8", "backslashreplace")


def read_index(path: Path, budget: Budget) -> BundleIndex:
    """Read the index file of a V2 checkpoint.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH, BIG_ENDIAN_CHECKPOINT, UNSUPPORTED_MODEL (a
            newer format), MODEL_TOO_COMPLEX or FILE_NOT_READABLE.

    """
    file = path.name
    with SourceFiles({file: path}) as files:
        read = lambda length_bytes, offset_bytes: files.pread(file, length_bytes, offset_bytes)  # noqa: E731
        opened = table.open_table(file, files.size_bytes(file), read, MAX_BLOCK_BYTES, budget)
        records = dict(table.items(opened, read, budget))
    if HEADER_KEY not in records:
        raise malformed(file, "it has no header")
    try:
        header = parse(BundleHeaderProto, records.pop(HEADER_KEY))
    except DecodeError:
        raise malformed(file, "its header cannot be parsed") from None
    _check_header(file, header)
    shard_ids = _check_places(file, header.num_shards, records)
    return BundleIndex(file, file.removesuffix(".index"), header.num_shards, records, shard_ids)


def _check_header(file: str, header: BundleHeaderProto) -> None:
    if header.endianness != BundleHeaderProto.LITTLE:
        raise FreezeError(
            Reason.BIG_ENDIAN_CHECKPOINT,
            f"The checkpoint of {file!r} was written on a big-endian machine, and tffreeze does not swap bytes. "
            "Load it with TensorFlow on this machine and save it again.",
            subject=file,
        )
    if header.version.min_consumer > VERSION or VERSION in header.version.bad_consumers:
        raise FreezeError(
            Reason.UNSUPPORTED_MODEL,
            f"The checkpoint of {file!r} has format {header.version.min_consumer}, and tffreeze reads up to format "
            f"{VERSION}. Save it again with another TensorFlow.",
            subject=file,
        )
    if header.num_shards < 1:
        raise malformed(file, f"its header announces {header.num_shards} data files")


def _check_places(file: str, num_shards: int, records: Mapping[bytes, bytes]) -> tuple[int, ...]:
    """Check the byte ranges of all entries; return the numbers of their data files."""
    places: defaultdict[int, list[tuple[int, int, bytes]]] = defaultdict(list)
    for key, value in records.items():
        record = _parse(file, key, value)
        offset, size, shard_id = record.offset, record.size, record.shard_id
        if not 0 <= shard_id < num_shards or offset < 0 or size < 0:
            text = key_text(key)
            raise malformed(
                file, f"the entry of {text!r} points to byte {offset} of data file {shard_id}", text
            )
        if not record.slices:
            places[shard_id].append((offset, offset + size, key))
    for shard_places in places.values():
        _check_disjoint(file, shard_places)
    return tuple(sorted(places))


def _check_disjoint(file: str, places: Iterable[tuple[int, int, bytes]]) -> None:
    for before, after in pairwise(sorted(place for place in places if place[0] < place[1])):
        if after[0] < before[1]:
            first, second = key_text(before[2]), key_text(after[2])
            raise malformed(file, f"the entries of {first!r} and {second!r} overlap in a data file", first)


def _parse(file: str, key: bytes, value: bytes) -> BundleEntryProto:
    try:
        return parse(BundleEntryProto, value)
    except DecodeError:
        text = key_text(key)
        raise malformed(file, f"the entry of {text!r} cannot be parsed", text) from None
