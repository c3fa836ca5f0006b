"""V2 checkpoints: tensor bundles.

Theory of operation (tensorflow/core/util/tensor_bundle/tensor_bundle.cc). An entry of the index has dtype,
shape, the byte range of the value in a `P.data-SSSSS-of-NNNNN`, and its masked crc32c. Numbers are raw little-endian
elements; types below one byte take one byte. A sliced tensor has an entry with the boxes of its slices and no bytes,
and each slice has an entry under an encoded key (`ordered_code`). So a value is a box and the slices that cover it.
The cheapest form is chosen: one range, ranges one after another, or interleaved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint.assembly import Concatenated, Interleaved, Part, StoredRange
from tffreeze_server.checkpoint.bundle_index import BundleIndex, key_text
from tffreeze_server.checkpoint.checkpoint import (
    Checkpoint,
    Entry,
    empty_proto,
    entry_shape,
    entry_size_bytes,
)
from tffreeze_server.checkpoint.ordered_code import PART_KEY_START, part_key
from tffreeze_server.checkpoint.parts import (
    MAX_PARTS,
    Cover,
    box_of,
    cover_of,
    cut_along_first_dimension,
    extents_of,
)
from tffreeze_server.checkpoint.problems import file_size_bytes, malformed, shard_not_found
from tffreeze_server.checkpoint.region import Region, whole
from tffreeze_server.checkpoint.strings import check_string_bounds, gather, read_strings
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.tensors import crc32c, dtypes
from tffreeze_server.tensors.data import Assembled, FileRange
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.checkpoint_pb2 import BundleEntryProto
from tffreeze_server.tfproto.tensor_pb2 import TensorProto


class Bundle(Checkpoint):
    """An opened V2 checkpoint.

    Args:
        index: Its index.
        folder: The folder of its files.
        weights_present: Whether the data files are there, so that ranges can be checked against them.
        budget: The budget for strings.

    """

    kind = "v2"
    entries: _BundleEntries

    def __init__(self, index: BundleIndex, folder: Path, weights_present: bool, budget: Budget) -> None:
        self.name = index.prefix
        self.files = {
            index.shard_name(shard_id): folder / index.shard_name(shard_id) for shard_id in index.shard_ids
        }
        self.entries = _BundleEntries(index)
        self.budget = budget
        self._read_keys = set()
        self._index = index
        self._weights_present = weights_present
        self._shard_sizes_bytes: dict[str, int] = {}
        self._covers: dict[str, Cover[FileRange]] = {}

    def _numbers(self, entry: Entry, region: Region) -> TensorValue:
        if not entry.sliced and region.sizes == entry.shape:  # nearly all tensors
            record = self._index.record(self.entries.raw(entry.key))
            return TensorValue(entry.dtype, region.sizes, self._range(entry.key, record))
        parts = self._cover(entry).touching(region)
        return TensorValue(entry.dtype, region.sizes, _numeric_data(entry, region, parts))

    def _strings(self, entry: Entry, region: Region) -> TensorProto:
        proto = empty_proto(entry.dtype, region.sizes)
        if region.elements:
            parts = self._cover(entry).touching(region)
            size_bytes = sum(where.length_bytes for _, where in parts)
            elements = sum(box.elements for box, _ in parts)
            check_string_bounds(entry.key, elements, size_bytes)
            self._draw_strings(entry.key, elements, size_bytes, stored_bytes=size_bytes)
            with SourceFiles(self.files) as files:
                read = [(box, read_strings(entry.key, box.elements, where, files)) for box, where in parts]
            proto.string_val.extend(gather(region, read))
        return proto

    def _cover(self, entry: Entry) -> Cover[FileRange]:
        """Return the slices of a tensor; a whole tensor is one slice. Each tensor's entries are read once."""
        if entry.key not in self._covers:
            parts = self._stored(entry)
            self._covers[entry.key] = cover_of(self._index.file, entry.key, entry.shape, parts)
        return self._covers[entry.key]

    def _stored(self, entry: Entry) -> list[tuple[Region, FileRange]]:
        key = self.entries.raw(entry.key)
        record = self._index.record(key)
        if not record.slices:
            return [(whole(entry.shape), self._range(entry.key, record))]
        parts = stored_parts(self._index, key, record, entry.shape)
        return [(box, self._range(entry.key, part)) for box, part in parts]

    def _range(self, key: str, record: BundleEntryProto) -> FileRange:
        file = self._index.shard_name(record.shard_id)
        if self._weights_present and record.offset + record.size > self._shard_size_bytes(file, key):
            raise malformed(file, f"it ends before {key!r} does, at byte {record.offset + record.size}", key)
        return FileRange(file, record.offset, record.size, crc32c.unmask(record.crc32c))

    def _shard_size_bytes(self, file: str, key: str) -> int:
        if file not in self._shard_sizes_bytes:
            try:
                self._shard_sizes_bytes[file] = file_size_bytes(self.files[file], file)
            except FileNotFoundError:
                raise shard_not_found(file, key) from None
        return self._shard_sizes_bytes[file]


def _numeric_data(
    entry: Entry, region: Region, parts: Sequence[tuple[Region, FileRange]]
) -> FileRange | Assembled:
    """Choose the cheapest form: one range, ranges one after another, or an interleaved box."""
    element_bytes = dtypes.size_bytes_of(entry.dtype)
    length_bytes = region.elements * element_bytes
    ranges = tuple(where for _, where in parts)
    if sum(where.length_bytes for where in ranges) == length_bytes:
        if len(ranges) == 1:
            return ranges[0]
        if cut_along_first_dimension(region, [box for box, _ in parts]):
            return Concatenated(entry.key, length_bytes, ranges)
    sources = tuple(Part(box, StoredRange(entry.key, where)) for box, where in parts)
    return Interleaved(length_bytes, region, element_bytes, sources)


class _BundleEntries(Mapping[str, Entry]):
    """The tensors of a bundle, each read at first access."""

    def __init__(self, index: BundleIndex) -> None:
        self._index = index
        self._keys = {key_text(key): key for key in index.records if not key.startswith(PART_KEY_START)}
        self._read: dict[str, Entry] = {}

    def __getitem__(self, key: str) -> Entry:
        if key not in self._read:
            self._read[key] = _entry(self._index, key, self._keys[key])
        return self._read[key]

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def raw(self, key: str) -> bytes:
        """Return a key in the file's bytes."""
        return self._keys[key]


def _entry(index: BundleIndex, text: str, key: bytes) -> Entry:
    """Read and check the entry of a whole tensor."""
    record = index.record(key)
    shape = entry_shape(index.file, text, record.shape)
    size_bytes = entry_size_bytes(index.file, text, record.dtype, shape)
    if record.slices:
        shard_ids = {part.shard_id for _, part in stored_parts(index, key, record, shape)}
    else:
        _check_size(index.file, text, record, size_bytes)
        shard_ids = {record.shard_id}
    shards = tuple(index.shard_name(shard_id) for shard_id in sorted(shard_ids))
    return Entry(text, record.dtype, shape, size_bytes, bool(record.slices), shards)


def stored_parts(
    index: BundleIndex, key: bytes, record: BundleEntryProto, shape: tuple[int, ...]
) -> Iterator[tuple[Region, BundleEntryProto]]:
    """Yield the box and the entry of each slice of a tensor.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT if a slice is missing or does not match its box.

    """
    text, file = key_text(key), index.file
    if len(record.slices) > MAX_PARTS:
        raise malformed(file, f"{text!r} has {len(record.slices)} slices, more than {MAX_PARTS}", text)
    for slice_proto in record.slices:
        extents = extents_of(slice_proto)
        box = box_of(file, text, extents, shape)
        encoded = part_key(key, extents)
        if encoded not in index.records:
            raise malformed(file, f"the slice of {text!r} at {list(extents)} is missing", text)
        part = index.record(encoded)
        if part.slices or part.dtype != record.dtype or entry_shape(file, text, part.shape) != box.sizes:
            raise malformed(
                file, f"the slice of {text!r} at {list(extents)} has another dtype or shape", text
            )
        _check_size(file, text, part, entry_size_bytes(file, text, part.dtype, box.sizes))
        yield box, part


def _check_size(file: str, key: str, record: BundleEntryProto, size_bytes: int) -> None:
    """Check the entry's size against the shape; types without a fixed size may have any size."""
    if dtypes.size_bytes_of(record.dtype) and record.size != size_bytes:
        raise malformed(
            file, f"the entry of {key!r} has {record.size} bytes, but its shape needs {size_bytes}", key
        )
