"""Checkpoints written byte by byte: odd and hostile ones that TensorFlow would not write."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import cramjam

from tffreeze_server.checkpoint.assembly import checked_chunks
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.checkpoint.ordered_code import part_key
from tffreeze_server.checkpoint.region import Region
from tffreeze_server.checkpoint.table import MAGIC
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.tensors import crc32c
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.checkpoint_pb2 import (
    BundleEntryProto,
    BundleHeaderProto,
    SavedTensorSlices,
    TensorSliceProto,
)
from tffreeze_server.tfproto.tensor_pb2 import TensorProto, TensorShapeProto

P = ParamSpec("P")
T = TypeVar("T")

Extents = Sequence[tuple[int, int]]
"""(start, length) for each dimension; length -1 is all of it."""


def varint(number: int) -> bytes:
    """The wire form of an unsigned number."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def block_bytes(entries: Sequence[tuple[bytes, bytes]], restart_interval: int = 4) -> bytes:
    """A block of a table, without its trailer."""
    body, restarts, before = bytearray(), [], b""
    for position, (key, value) in enumerate(entries):
        shared = 0
        if position % restart_interval == 0:
            restarts.append(len(body))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    return bytes(body) + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def masked(crc: int) -> int:
    """The form of a crc that files hold."""
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def with_trailer(block: bytes, compression: int = 0) -> bytes:
    """A block as it stands in a file."""
    body = block + bytes([compression])
    return body + struct.pack("<I", masked(crc32c.extend(0, body)))


def table_of_blocks(
    blocks: Sequence[tuple[bytes, bytes]], handles: Sequence[tuple[int, int]] | None = None
) -> bytes:
    """A table of finished blocks.

    Args:
        blocks: For each its last key, and the block with its trailer.
        handles: What the index says of where they are and how long, if not the truth.

    """
    data, true_handles = bytearray(), []
    for _, block in blocks:
        true_handles.append((len(data), len(block) - 5))
        data += block
    told = [varint(offset) + varint(size) for offset, size in handles or true_handles]
    metaindex_start, metaindex = len(data), with_trailer(block_bytes([]))
    index = with_trailer(block_bytes([(key, handle) for (key, _), handle in zip(blocks, told, strict=True)]))
    data += metaindex
    index_start = len(data)
    footer = (
        varint(metaindex_start) + varint(len(metaindex) - 5) + varint(index_start) + varint(len(index) - 5)
    )
    return bytes(data) + index + footer.ljust(40, b"\0") + struct.pack("<Q", MAGIC)


def table_bytes(
    entries: Iterable[tuple[bytes, bytes]], *, entries_per_block: int = 3, snappy: bool = False
) -> bytes:
    """A table with these entries, in this order."""
    entries = list(entries)
    blocks = []
    for start in range(0, len(entries), entries_per_block):
        some = entries[start : start + entries_per_block]
        block = block_bytes(some)
        packed = bytes(cramjam.snappy.compress_raw(block)) if snappy else block
        blocks.append((some[-1][0], with_trailer(packed, 1 if snappy else 0)))
    return table_of_blocks(blocks)


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor, or a part of one, to be written.

    Attributes:
        key: Of the whole tensor.
        dtype: Its number.
        shape: Of the whole tensor.
        data: The bytes that stand in the data file.
        shard: Which data file.
        extents: Where the part is; None for a whole tensor.
        crc: Of the entry; None for that of `data`.

    """

    key: str
    dtype: int
    shape: tuple[int, ...]
    data: bytes
    shard: int = 0
    extents: Extents | None = None
    crc: int | None = None


def shape_proto(shape: Iterable[int]) -> TensorShapeProto:
    """A shape."""
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])


def slice_proto(extents: Extents) -> TensorSliceProto:
    """A part's box; a length of -1 is left unset."""
    proto = TensorSliceProto()
    for start, length in extents:
        extent = proto.extent.add(start=start)
        if length >= 0:
            extent.length = length
    return proto


def records_of(tensors: Sequence[Stored]) -> tuple[dict[bytes, BundleEntryProto], dict[int, bytes]]:
    """The index entries of tensors, and the data files that hold them."""
    records: dict[bytes, BundleEntryProto] = {}
    shards: dict[int, bytes] = {}
    for tensor in tensors:
        before = shards.get(tensor.shard, b"")
        key, shape = tensor.key.encode(), tensor.shape
        if tensor.extents is not None:
            whole = records.setdefault(key, BundleEntryProto(dtype=tensor.dtype, shape=shape_proto(shape)))
            whole.slices.append(slice_proto(tensor.extents))
            key = part_key(key, tensor.extents)
            sizes = zip(tensor.extents, shape, strict=False)
            shape = tuple(size if length < 0 else length for (_, length), size in sizes)
        crc = crc32c.extend(0, tensor.data) if tensor.crc is None else tensor.crc
        records[key] = BundleEntryProto(
            dtype=tensor.dtype,
            shape=shape_proto(shape),
            shard_id=tensor.shard,
            offset=len(before),
            size=len(tensor.data),
            crc32c=masked(crc),
        )
        shards[tensor.shard] = before + tensor.data
    return records, shards


def write_index(
    prefix: Path,
    records: Mapping[bytes, BundleEntryProto],
    header: BundleHeaderProto | None = None,
    *,
    snappy: bool = False,
) -> Path:
    """Write `PREFIX.index` with just these entries; give the prefix."""
    header = header or BundleHeaderProto(num_shards=1)
    entries = [(b"", header.SerializeToString())]
    entries += [(key, records[key].SerializeToString()) for key in sorted(records)]
    prefix.with_name(f"{prefix.name}.index").write_bytes(table_bytes(entries, snappy=snappy))
    return prefix


def write_bundle(
    prefix: Path, tensors: Sequence[Stored], *, num_shards: int = 1, snappy: bool = False
) -> Path:
    """Write a whole V2 checkpoint; give the prefix."""
    records, shards = records_of(tensors)
    for shard in range(num_shards):
        data_file(prefix, shard, num_shards).write_bytes(shards.get(shard, b""))
    return write_index(prefix, records, BundleHeaderProto(num_shards=num_shards), snappy=snappy)


def data_file(prefix: Path, shard: int = 0, num_shards: int = 1) -> Path:
    """A data file of a V2 checkpoint."""
    return prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{num_shards:05d}")


def strings_stored(key: str, shape: tuple[int, ...], strings: Sequence[bytes]) -> Stored:
    """A string tensor as a data file holds it."""
    crc = crc32c.extend(0, b"".join(struct.pack("<I", len(string)) for string in strings))
    lengths = b"".join(varint(len(string)) for string in strings)
    rest = struct.pack("<I", masked(crc)) + b"".join(strings)
    return Stored(key, 7, shape, lengths + rest, crc=crc32c.extend(crc, rest))


def write_v1(
    path: Path,
    tensors: Sequence[tuple[str, int, tuple[int, ...], Extents, TensorProto]],
    *,
    snappy: bool = False,
) -> Path:
    """Write a V1 checkpoint file: for each part key, dtype, whole shape, box and value."""
    meta = SavedTensorSlices()
    meta.meta.versions.producer = 1
    values: dict[bytes, bytes] = {}
    for key, dtype, shape, extents, value in tensors:
        known = next((tensor for tensor in meta.meta.tensor if tensor.name == key), None)
        tensor = known or meta.meta.tensor.add(name=key, type=dtype, shape=shape_proto(shape))
        tensor.slice.append(slice_proto(extents))
        saved = SavedTensorSlices()
        saved.data.name = key
        saved.data.slice.CopyFrom(slice_proto(extents))
        saved.data.data.CopyFrom(value)
        values[part_key(key.encode(), extents)] = saved.SerializeToString()
    entries = [(b"", meta.SerializeToString()), *((key, values[key]) for key in sorted(values))]
    path.write_bytes(table_bytes(entries, snappy=snappy))
    return path


def content(checkpoint: Checkpoint, value: TensorValue) -> bytes | list[bytes]:
    """The bytes of a value, or its strings."""
    if isinstance(value.data, TensorProto):
        return list(value.data.string_val) if value.dtype == 7 else b""
    with SourceFiles(checkpoint.files) as files:
        if isinstance(value.data, FileRange):
            assert value.data.crc32c is not None
            return b"".join(checked_chunks("value", value.data, files))
        return b"".join(value.data.chunks(files))


def read(checkpoint: Checkpoint, key: str, region: Region | None = None) -> bytes | list[bytes]:
    """The bytes, or strings, of a tensor or a box of it."""
    return content(checkpoint, checkpoint.value(key, region))


def outcome(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Reason:
    """What a call gives, or the reason of its error; any other exception comes through."""
    try:
        return function(*args, **kwargs)
    except FreezeError as error:
        return error.reason
