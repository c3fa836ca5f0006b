"""The values of V1 checkpoints.

A value is a `SavedTensorSlices` whose `data.data` is a TensorProto. Its elements are in the repeated field of their
type (tensorflow/core/util/saved_tensor_slice_util.h), not raw bytes. On the wire, floats and complex numbers are
little-endian bytes, which are passed through. Integers, bools and halves are varints, which are decoded a window at a
time. We parse the wire format ourselves: protobuf would hold each tensor several times, and so only one block of
the file (one tensor, or 256 KiB of small ones) is in memory at a time.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from tffreeze_common.wire import WireError, fields_of
from tffreeze_common.wire import field as wire_field
from tffreeze_server.checkpoint.assembly import ReadAt
from tffreeze_server.checkpoint.lookup import Lookup
from tffreeze_server.checkpoint.problems import malformed
from tffreeze_server.parse import parse
from tffreeze_server.tensors import dtypes
from tffreeze_server.tensors.data import MAX_CHUNK_BYTES, Assembled
from tffreeze_server.tensors.files import SourceFiles
from tffreeze_server.tfproto.tensor_pb2 import (
    DT_BFLOAT16,
    DT_BOOL,
    DT_COMPLEX64,
    DT_COMPLEX128,
    DT_DOUBLE,
    DT_FLOAT,
    DT_HALF,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_QINT8,
    DT_QINT16,
    DT_QINT32,
    DT_QUINT8,
    DT_QUINT16,
    DT_UINT8,
    DT_UINT16,
    DT_UINT32,
    DT_UINT64,
    TensorProto,
)

_DATA, _TENSOR = 2, 3
"""Field numbers of SavedTensorSlices.data and SavedSlice.data."""

STRING_VAL = 8

_RAW_LISTS: dict[int, int] = {DT_FLOAT: 5, DT_DOUBLE: 6, DT_COMPLEX64: 9, DT_COMPLEX128: 12}
"""Field of TensorProto by dtype, for types whose wire format is their raw bytes."""

_VARINT_LISTS: dict[int, tuple[int, str, str]] = {
    DT_INT32: (7, "int_val", "i"),
    DT_UINT8: (7, "int_val", "B"),
    DT_INT16: (7, "int_val", "h"),
    DT_INT8: (7, "int_val", "b"),
    DT_INT64: (10, "int64_val", "q"),
    DT_BOOL: (11, "bool_val", "B"),
    DT_QINT8: (7, "int_val", "b"),
    DT_QUINT8: (7, "int_val", "B"),
    DT_QINT32: (7, "int_val", "i"),
    DT_BFLOAT16: (13, "half_val", "H"),
    DT_QINT16: (7, "int_val", "h"),
    DT_QUINT16: (7, "int_val", "H"),
    DT_UINT16: (7, "int_val", "H"),
    DT_HALF: (13, "half_val", "H"),
    DT_UINT32: (16, "uint32_val", "I"),
    DT_UINT64: (17, "uint64_val", "Q"),
}
"""Field of TensorProto and its name, and the array type of an element, by dtype."""

_WINDOW_BYTES = MAX_CHUNK_BYTES // 8
"""Window of varints: each has at least one byte and decodes to at most eight."""

_MORE_FOLLOWS = bytes(range(0x80, 0x100))
"""The bytes of a varint except its last."""


@dataclass(frozen=True, slots=True)
class V1Value(Assembled):
    """A stored value of a V1 checkpoint, decoded when it is read.

    Attributes:
        length_bytes: Of the decoded value.
        values: Of the file's table.
        table_key: The value's key in it.
        key: The tensor's key, for messages.
        dtype: Its dtype.

    """

    length_bytes: int
    values: Lookup
    table_key: bytes
    key: str
    dtype: int

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.values.table.file

    def chunks(self, files: SourceFiles) -> Iterator[bytes]:
        """Read the block, check its crc, and yield the value."""
        for run in self._runs(files):
            if self.dtype in _RAW_LISTS:
                for start in range(0, len(run), MAX_CHUNK_BYTES):
                    yield bytes(run[start : start + MAX_CHUNK_BYTES])
            else:
                yield from _decode_varints(self, run)

    def open(self, files: SourceFiles) -> ReadAt:
        """Decode the whole value into memory, and return a function that reads parts of it."""
        runs = self._runs(files)
        one_run = self.dtype in _RAW_LISTS and len(runs) == 1
        data = runs[0] if one_run else memoryview(b"".join(self.chunks(files)))
        return lambda length_bytes, offset_bytes: data[offset_bytes : offset_bytes + length_bytes]

    def _runs(self, files: SourceFiles) -> list[memoryview]:
        """Find the elements, and check their number first."""
        field = _RAW_LISTS.get(self.dtype) or _VARINT_LISTS[self.dtype][0]
        runs = list(value_runs(self, field, files))
        if self.dtype in _RAW_LISTS:
            size_bytes = sum(map(len, runs))
        else:
            size_bytes = sum(map(_count_varints, runs)) * dtypes.size_bytes_of(self.dtype)
        if size_bytes != self.length_bytes:
            told = f"the value of {self.key!r} has {size_bytes} bytes and its shape takes {self.length_bytes}"
            raise malformed(self.file, told, self.key)
        return runs


def _count_varints(run: memoryview) -> int:
    """Count the bytes that end a varint."""
    windows = (bytes(run[start : start + MAX_CHUNK_BYTES]) for start in range(0, len(run), MAX_CHUNK_BYTES))
    return sum(len(window.translate(None, _MORE_FOLLOWS)) for window in windows)


def is_decodable(dtype: int) -> bool:
    """Whether V1 checkpoints can store numbers of this type."""
    return dtype in _RAW_LISTS or dtype in _VARINT_LISTS


def value_runs(value: V1Value, field: int, files: SourceFiles) -> Iterator[memoryview]:
    """Yield the occurrences of a field of a value's TensorProto, in order. Each is a run of elements or one element.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH, or what reading raises.

    """
    file = value.file
    found = value.values.find(value.table_key, lambda length, offset: files.pread(file, length, offset))
    if found is None:
        raise malformed(file, f"the value of {value.key!r} is missing", value.key)
    for slice_ in _fields(file, found, _DATA):
        for tensor in _fields(file, slice_, _TENSOR):
            yield from _fields(file, tensor, field)


def _fields(file: str, message: memoryview, wanted: int) -> Iterator[memoryview]:
    """Parse a message's wire format and yield the contents of one field."""
    try:
        for each in fields_of(message):
            if each.number == wanted:
                yield message[each.value : each.end]
    except WireError as error:
        raise malformed(file, f"a value cannot be parsed: {error}") from None


def _decode_varints(value: V1Value, run: memoryview) -> Iterator[bytes]:
    """Decode packed varints a window at a time, with protobuf as the decoder."""
    field, name, element = _VARINT_LISTS[value.dtype]
    start = 0
    while start < len(run):
        end = min(start + _WINDOW_BYTES, len(run))
        while end > start and run[end - 1] >= 0x80:
            end -= 1
        try:
            # A window without the end of a varint is malformed, because no varint is that long.
            window = bytes(run[start:end] or run[start:])
            proto = parse(TensorProto, wire_field(field, window))
            elements = array.array(element, getattr(proto, name))
        except (DecodeError, OverflowError):
            raise malformed(value.file, f"the value of {value.key!r} cannot be parsed", value.key) from None
        if sys.byteorder == "big":
            elements.byteswap()
        yield elements.tobytes()
        start = end
