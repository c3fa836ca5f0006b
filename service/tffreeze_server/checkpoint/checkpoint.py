"""A checkpoint: tensors by key, for both formats."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from tffreeze_server.budget import Budget
from tffreeze_server.checkpoint.problems import malformed, unsupported_dtype
from tffreeze_server.checkpoint.region import Region, fits, whole
from tffreeze_server.errors import FreezeError, Reason, nearest
from tffreeze_server.graph.node import TensorValue
from tffreeze_server.parse import parse
from tffreeze_server.tensors import dtypes
from tffreeze_server.tfproto.object_graph_pb2 import TrackableObjectGraph
from tffreeze_server.tfproto.tensor_pb2 import TensorProto, TensorShapeProto

OBJECT_GRAPH_KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The key of the object graph of a TF2 checkpoint (tensorflow/python/checkpoint/trackable_view.py's saver)."""

MAX_TENSOR_BYTES = (1 << 63) - 1

# Cost of a string, in steps and bytes of the budget.
_STRING_STEPS, _STRING_BYTES = 2, 60


@dataclass(frozen=True, slots=True)
class Entry:
    r"""A whole tensor of a checkpoint.

    Attributes:
        key: Its key. Bytes that are not UTF-8 are written as `\xNN`.
        dtype: The number of a `DataType`, never a ref type; it may be a type that cannot be a constant.
        shape: The sizes of its dimensions.
        size_bytes: Size of its value; 0 for strings and other types without a fixed size.
        sliced: Whether it was saved in slices (a partitioned variable).
        shards: Names of the files with its value, sorted.

    """

    key: str
    dtype: int
    shape: tuple[int, ...]
    size_bytes: int
    sliced: bool
    shards: tuple[str, ...]


class Checkpoint(abc.ABC):
    """An opened checkpoint. It reads strings on request, and numbers never: they are references.

    Attributes:
        name: The last part of its prefix.
        kind: `v1` or `v2`.
        entries: Whole tensors by key, in key order. An entry is parsed at first access, which may raise
            FreezeError MALFORMED_CHECKPOINT.
        files: Path of each file with values, by its name; a file may be missing.
        budget: The budget for strings.

    """

    name: str
    kind: str
    entries: Mapping[str, Entry]
    files: Mapping[str, Path]
    budget: Budget
    _read_keys: set[str]

    def _draw_strings(self, key: str, elements: int, size_bytes: int, stored_bytes: int) -> None:
        """Draw the cost of strings from the budget. At first access their stored size also adds to the budget."""
        if key not in self._read_keys:
            self._read_keys.add(key)
            self.budget.add_input(stored_bytes)
        self.budget.draw(
            "the strings of the checkpoint",
            _STRING_STEPS * elements + (size_bytes >> 8),
            _STRING_BYTES * elements + 2 * size_bytes,
            subject=key,
        )

    @abc.abstractmethod
    def _numbers(self, entry: Entry, region: Region) -> TensorValue:
        """Return a box of a numeric tensor by reference. The box fits and is not empty."""

    @abc.abstractmethod
    def _strings(self, entry: Entry, region: Region) -> TensorProto:
        """Read a box of a string tensor."""

    def value(self, key: str, region: Region | None = None) -> TensorValue:
        """Return a tensor or a box of it.

        Args:
            key: Key of a whole tensor.
            region: A box in it; None for the whole tensor.

        Returns:
            Numbers by reference: a `FileRange` if the bytes are contiguous and their crc32c is stored, else an
            `Assembled`. Strings as a TensorProto with `string_val`, read now.

        Raises:
            FreezeError: VARIABLE_NOT_IN_CHECKPOINT, VARIABLE_MISMATCH (the box does not fit),
                UNSUPPORTED_DTYPE, SHARD_NOT_FOUND, MALFORMED_CHECKPOINT; for strings also
                CHECKSUM_MISMATCH, FILE_NOT_READABLE and GRAPH_TOO_LARGE.

        """
        entry = self._entry(key)
        region = _checked(entry, region)
        if entry.dtype == dtypes.STRING:
            return TensorValue(entry.dtype, region.sizes, self._strings(entry, region))
        if not dtypes.size_bytes_of(entry.dtype):
            raise unsupported_dtype(key, dtypes.name_of(entry.dtype))
        if not region.elements:
            return TensorValue(entry.dtype, region.sizes, empty_proto(entry.dtype, region.sizes))
        return self._numbers(entry, region)

    def object_graph(self) -> TrackableObjectGraph | None:
        """Read the object graph of a TF2 checkpoint; None if it has none.

        Raises:
            FreezeError: As `value` does for strings.

        """
        if OBJECT_GRAPH_KEY not in self.entries:
            return None
        proto = self.value(OBJECT_GRAPH_KEY).data
        if not isinstance(proto, TensorProto) or len(proto.string_val) != 1:
            raise malformed(self.name, "its object graph is not one string", OBJECT_GRAPH_KEY)
        try:
            return parse(TrackableObjectGraph, proto.string_val[0])
        except DecodeError:
            raise malformed(self.name, "its object graph cannot be parsed", OBJECT_GRAPH_KEY) from None

    def _entry(self, key: str) -> Entry:
        if key in self.entries:
            return self.entries[key]
        raise FreezeError(
            Reason.VARIABLE_NOT_IN_CHECKPOINT,
            f"The checkpoint {self.name!r} has no tensor {key!r}. {nearest(key, self.entries)} "
            "Give the checkpoint of this graph.",
            subject=key,
        )


def _checked(entry: Entry, region: Region | None) -> Region:
    if region is None:
        return whole(entry.shape)
    if not fits(region, entry.shape):
        raise FreezeError(
            Reason.VARIABLE_MISMATCH,
            f"The slice of {entry.key!r} that starts at {list(region.starts)} with sizes {list(region.sizes)} is "
            f"outside of the checkpoint's tensor, whose shape is {list(entry.shape)}. "
            "Give the checkpoint of this graph.",
            subject=entry.key,
        )
    return region


def entry_shape(file: str, key: str, proto: TensorShapeProto) -> tuple[int, ...]:
    """Read and check a shape.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT if the rank is unknown or a size is negative.

    """
    shape = tuple(dim.size for dim in proto.dim)
    if proto.unknown_rank or len(shape) > dtypes.MAX_DIMENSIONS or any(size < 0 for size in shape):
        raise malformed(file, f"the shape of {key!r} is invalid", key)
    return shape


def entry_size_bytes(file: str, key: str, dtype: int, shape: tuple[int, ...]) -> int:
    """Size of a value of this shape; 0 for types without a fixed size.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT if the size exceeds 2**63, or the type is a ref type.

    """
    if dtypes.is_ref(dtype) and dtypes.is_known(dtype):
        raise malformed(
            file, f"{key!r} has a ref dtype ({dtypes.name_of(dtypes.base(dtype))}), which has no value", key
        )
    elements = 1
    for size in shape:
        # As in TensorShape: the product of the other sizes must fit even if one is 0.
        elements *= max(size, 1)
        if elements * max(dtypes.size_bytes_of(dtype), 1) > MAX_TENSOR_BYTES:
            raise malformed(file, f"the shape of {key!r}, {list(shape)}, is larger than any memory", key)
    return math.prod(shape) * dtypes.size_bytes_of(dtype)


def empty_proto(dtype: int, shape: tuple[int, ...]) -> TensorProto:
    """Make a TensorProto of this type and shape without values."""
    dims = [TensorShapeProto.Dim(size=size) for size in shape]
    return TensorProto(dtype=dtype, tensor_shape=TensorShapeProto(dim=dims))  # type: ignore[arg-type]
