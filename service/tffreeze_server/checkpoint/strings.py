"""String tensors of V2 bundles.

In the data file, a string tensor is the varint length of each element, a masked crc32c of the lengths, and the bytes
of all elements (WriteStringTensor in
tensorflow/core/util/tensor_bundle/tensor_bundle.cc). Both crcs cover a length as 4 bytes (8 if it
needs them), little-endian, not as the varint. The entry's crc covers the lengths, the masked crc and the bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from tffreeze_common.wire import WireError, read_varint
from tffreeze_server.checkpoint.problems import checksum_mismatch, malformed
from tffreeze_server.checkpoint.region import Region
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors import crc32c
from tffreeze_server.tensors.data import FileRange
from tffreeze_server.tensors.files import SourceFiles

MAX_STRING_TENSOR_BYTES = 1 << 28
"""Size limit of a string tensor, which is held in memory and becomes part of the graph."""

MAX_STRING_ELEMENTS = 1 << 24

_UINT32_MAX = 0xFFFFFFFF


def check_string_bounds(key: str, elements: int, size_bytes: int) -> None:
    """Refuse a string tensor that is too large to hold in memory.

    Raises:
        FreezeError: GRAPH_TOO_LARGE.

    """
    if elements > MAX_STRING_ELEMENTS or size_bytes > MAX_STRING_TENSOR_BYTES:
        raise FreezeError(
            Reason.GRAPH_TOO_LARGE,
            f"The string tensor {key!r} has {elements} elements in {size_bytes} bytes. At most "
            f"{MAX_STRING_ELEMENTS} elements in {MAX_STRING_TENSOR_BYTES} bytes can be a constant. "
            "Keep the variable with --deny.",
            subject=key,
        )


def read_strings(key: str, elements: int, where: FileRange, files: SourceFiles) -> list[bytes]:
    """Read a string tensor.

    Args:
        key: Its key, for messages.
        elements: Number of strings; at least one.
        where: Its byte range in the data file, with the entry's crc.
        files: The data files.

    Raises:
        FreezeError: GRAPH_TOO_LARGE, MALFORMED_CHECKPOINT, CHECKSUM_MISMATCH, or what reading raises.

    """
    check_string_bounds(key, elements, where.length_bytes)
    if where.length_bytes < elements + 4:
        raise malformed(where.file, f"{key!r} has {elements} strings in {where.length_bytes} bytes", key)
    data = files.pread(where.file, where.length_bytes, where.offset_bytes)
    lengths: list[int] = []
    position = 0
    try:
        for _ in range(elements):
            length, position = read_varint(data, position)
            lengths.append(length)
    except WireError as error:
        raise malformed(where.file, str(error), key) from None
    start = position + 4
    if start + sum(lengths) != len(data):
        raise malformed(where.file, f"the lengths of the strings of {key!r} do not add up to its size", key)
    crc = crc32c.extend(0, b"".join(map(_fixed, lengths)))
    if crc != crc32c.unmask(int.from_bytes(data[position:start], "little")):
        raise checksum_mismatch(where.file, f"the lengths of {key!r}", key)
    if crc32c.extend(crc, data[position:]) != where.crc32c:
        raise checksum_mismatch(where.file, repr(key), key)
    ends = list(itertools.accumulate(lengths, initial=start))
    return [data[begin:end] for begin, end in itertools.pairwise(ends)]


def _fixed(length: int) -> bytes:
    return length.to_bytes(4 if length <= _UINT32_MAX else 8, "little")


def gather(region: Region, parts: Sequence[tuple[Region, Sequence[bytes]]]) -> Sequence[bytes]:
    """Extract a box of strings from slices that cover it.

    Args:
        region: The requested box in the whole tensor.
        parts: Boxes in the whole tensor with their strings in row-major order. Together they cover `region`.

    """
    if len(parts) == 1 and parts[0][0] == region:
        return parts[0][1]
    found: dict[tuple[int, ...], bytes] = {}
    for box, strings in parts:
        found.update(zip(_indices(box), strings, strict=True))
    return [found[index] for index in _indices(region)]


def _indices(box: Region) -> Iterable[tuple[int, ...]]:
    return itertools.product(*map(range, box.starts, box.ends))
