"""V1 checkpoints: one or several tables with both index and values.

The empty key of each table holds a `SavedTensorSliceMeta`: for each tensor its name, shape, type and the slices in
this file. Each slice has a value under an encoded key (`ordered_code`), even if it is the whole tensor
(tensorflow/core/util/tensor_slice_reader.cc). A sharded checkpoint has several such files, each with other tensors or
slices.

Opening a file reads its first block, which may contain its first tensor. Reading a value holds its block in memory.
So memory grows with the largest tensor, unlike with V2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint import table
from tffreeze_server.checkpoint.assembly import Interleaved, Part
from tffreeze_server.checkpoint.checkpoint import (
    Checkpoint,
    Entry,
    empty_proto,
    entry_shape,
    entry_size_bytes,
)
from tffreeze_server.checkpoint.lookup import Lookup
from tffreeze_server.checkpoint.ordered_code import part_key
from tffreeze_server.checkpoint.parts import MAX_PARTS, Cover, box_of, cover_of, extents_of
from tffreeze_server.checkpoint.problems import malformed, unsupported_dtype
from tffreeze_server.checkpoint.region import Region, whole
from tffreeze_server.checkpoint.strings import check_string_bounds, gather
from tffreeze_server.checkpoint.v1_values import STRING_VAL, V1Value, is_decodable, value_runs
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.parse import parse
from tffreeze_server.tensors import dtypes
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.checkpoint_pb2 import SavedSliceMeta, SavedTensorSliceMeta, SavedTensorSlices
from tffreeze_server.tfproto.tensor_pb2 import TensorProto

VERSION = 1
"""TF_CHECKPOINT_VERSION in tensorflow/core/public/version.h."""

MAX_BLOCK_BYTES = (1 << 31) + (1 << 20)
"""A block ends after 256 KiB, so it may hold one value of up to 2 GiB beside small ones."""

META_KEY = b""


@dataclass(frozen=True, slots=True)
class _Holding:
    """The metadata of a tensor in one file."""

    values: Lookup
    meta: SavedSliceMeta

    @property
    def file(self) -> str:
        """Its name."""
        return self.values.table.file


def open_v1(name: str, paths: Sequence[Path], budget: Budget) -> V1Checkpoint:
    """Open a V1 checkpoint.

    Args:
        name: The last part of its prefix.
        paths: All its files.
        budget: The budget of the freeze.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH, UNSUPPORTED_MODEL (a newer format) or
            FILE_NOT_READABLE.

    """
    holdings: dict[str, list[_Holding]] = {}
    for path in paths:
        values, meta = _read_meta(path, budget)
        for tensor in meta.tensor:
            holdings.setdefault(tensor.name, []).append(_Holding(values, tensor))
    return V1Checkpoint(name, {path.name: path for path in paths}, holdings, budget)


def _read_meta(path: Path, budget: Budget) -> tuple[Lookup, SavedTensorSliceMeta]:
    file = path.name
    with SourceFiles({file: path}) as files:
        read = lambda length_bytes, offset_bytes: files.pread(file, length_bytes, offset_bytes)  # noqa: E731
        opened = table.open_table(file, files.size_bytes(file), read, MAX_BLOCK_BYTES, budget)
        lookup = Lookup(opened)
        found = lookup.find(META_KEY, read)
        # Unpacked it may be larger than it stands in the file.
        budget.add_input(min(len(found or b""), opened.blocks[0].size_bytes) if found is not None else 0)
    try:
        meta = parse(SavedTensorSlices, bytes(found or b"")).meta
    except DecodeError:
        raise malformed(file, "its list of tensors cannot be parsed") from None
    if found is None:
        raise malformed(file, "it has no list of tensors")
    if meta.versions.min_consumer > VERSION or VERSION in meta.versions.bad_consumers:
        raise FreezeError(
            Reason.UNSUPPORTED_MODEL,
            f"The checkpoint file {file!r} has format {meta.versions.min_consumer}, and tffreeze reads up to format "
            f"{VERSION}. Save it again with another TensorFlow.",
            subject=file,
        )
    return lookup, meta


class V1Checkpoint(Checkpoint):
    """An opened V1 checkpoint. Values are decoded when they are written, one in memory at a time.

    Args:
        name: The last part of its prefix.
        files: Its files by name.
        holdings: The metadata of each tensor in each file.
        budget: The budget for strings.

    """

    kind = "v1"

    def __init__(
        self,
        name: str,
        files: Mapping[str, Path],
        holdings: Mapping[str, Sequence[_Holding]],
        budget: Budget,
    ) -> None:
        self.budget = budget
        self._read_keys = set()
        self.name = name
        self.files = files
        self.entries = _V1Entries(name, holdings)
        self._holdings = holdings
        self._covers: dict[str, Cover[V1Value]] = {}

    def _numbers(self, entry: Entry, region: Region) -> TensorValue:
        if not is_decodable(entry.dtype):
            raise unsupported_dtype(entry.key, dtypes.name_of(entry.dtype))
        parts = self._cover(entry).touching(region)
        if len(parts) == 1 and parts[0][0] == region:
            return TensorValue(entry.dtype, region.sizes, parts[0][1])
        element_bytes = dtypes.size_bytes_of(entry.dtype)
        sources = tuple(Part(box, value) for box, value in parts)
        data = Interleaved(region.elements * element_bytes, region, element_bytes, sources)
        return TensorValue(entry.dtype, region.sizes, data)

    def _strings(self, entry: Entry, region: Region) -> TensorProto:
        proto = empty_proto(entry.dtype, region.sizes)
        if region.elements:
            parts = self._cover(entry).touching(region)
            with SourceFiles(self.files) as files:
                read = [(box, _read_strings(box, value, files)) for box, value in parts]
            strings = [len(string) for _, part in read for string in part]
            self._draw_strings(entry.key, len(strings), sum(strings), stored_bytes=0)
            proto.string_val.extend(gather(region, read))
        return proto

    def _cover(self, entry: Entry) -> Cover[V1Value]:
        if entry.key not in self._covers:
            self._covers[entry.key] = cover_of(self.name, entry.key, entry.shape, self._stored(entry))
        return self._covers[entry.key]

    def _stored(self, entry: Entry) -> list[tuple[Region, V1Value]]:
        """Return each stored slice of a tensor: its box and its value."""
        stored: list[tuple[Region, V1Value]] = []
        for holding in self._holdings[entry.key]:
            file = holding.file
            for slice_proto in holding.meta.slice:
                extents = extents_of(slice_proto)
                box = box_of(file, entry.key, extents, entry.shape)
                table_key = part_key(entry.key.encode(), extents)
                length_bytes = box.elements * dtypes.size_bytes_of(entry.dtype)
                stored.append((box, V1Value(length_bytes, holding.values, table_key, entry.key, entry.dtype)))
        return stored


def _read_strings(box: Region, value: V1Value, files: SourceFiles) -> list[bytes]:
    check_string_bounds(value.key, box.elements, 0)
    runs = list(value_runs(value, STRING_VAL, files))
    check_string_bounds(value.key, len(runs), sum(map(len, runs)))
    if len(runs) != box.elements:
        told = f"the value of {value.key!r} has {len(runs)} strings and its shape {box.elements}"
        raise malformed(value.file, told, value.key)
    return [bytes(run) for run in runs]


class _V1Entries(Mapping[str, Entry]):
    """The tensors of a V1 checkpoint, each checked at first access."""

    def __init__(self, name: str, holdings: Mapping[str, Sequence[_Holding]]) -> None:
        self._name = name
        self._holdings = holdings
        self._keys = sorted(holdings)
        self._read: dict[str, Entry] = {}

    def __getitem__(self, key: str) -> Entry:
        if key not in self._read:
            self._read[key] = _entry(key, self._holdings[key])
        return self._read[key]

    def __contains__(self, key: object) -> bool:
        return key in self._holdings

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _entry(key: str, holdings: Sequence[_Holding]) -> Entry:
    """Read and check what the files say of one tensor."""
    file, first = holdings[0].file, holdings[0].meta
    shape = entry_shape(file, key, first.shape)
    for holding in holdings:
        if holding.meta.type != first.type or entry_shape(holding.file, key, holding.meta.shape) != shape:
            raise malformed(holding.file, f"{key!r} has another type or shape in it than in {file!r}", key)
    parts = sum(len(holding.meta.slice) for holding in holdings)
    if parts > MAX_PARTS:
        raise malformed(file, f"{key!r} has {parts} slices, more than {MAX_PARTS}", key)
    sliced = any(
        box_of(holding.file, key, extents_of(part), shape) != whole(shape)
        for holding in holdings
        for part in holding.meta.slice
    )
    size_bytes = entry_size_bytes(file, key, first.type, shape)
    shards = tuple(sorted({holding.file for holding in holdings}))
    return Entry(key, first.type, shape, size_bytes, sliced, shards)
