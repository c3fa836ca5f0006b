"""Which stored slices of a tensor cover a requested box."""

from __future__ import annotations

import itertools
import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tffreeze_server.checkpoint.ordered_code import WHOLE_DIMENSION
from tffreeze_server.checkpoint.problems import malformed
from tffreeze_server.checkpoint.region import Region, fits
from tffreeze_server.tfproto.checkpoint_pb2 import TensorSliceProto

MAX_CELLS = 1 << 17
"""Cells of a tensor that is sliced along several dimensions."""

MAX_PARTS = 10_000
"""Slices of one tensor. A variable has one for each parameter server, at most a few thousand."""

Stored = TypeVar("Stored")
"""Where the value of a slice is."""


def extents_of(slice_proto: TensorSliceProto) -> tuple[tuple[int, int], ...]:
    """Read (start, length) for each dimension, as in the slice's key; length -1 is the whole dimension."""
    return tuple(
        (extent.start, extent.length if extent.HasField("length") else WHOLE_DIMENSION)
        for extent in slice_proto.extent
    )


def box_of(file: str, key: str, extents: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> Region:
    """Return the box of a slice in its tensor.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT if it is outside of the tensor.

    """
    if len(extents) == len(shape):
        pairs = [
            (0, size) if length == WHOLE_DIMENSION else (start, length)
            for (start, length), size in zip(extents, shape, strict=True)
        ]
        box = Region(tuple(start for start, _ in pairs), tuple(length for _, length in pairs))
        if fits(box, shape):
            return box
    raise malformed(
        file, f"a slice of {key!r} at {list(extents)[:8]} is outside of its shape {list(shape)}", key
    )


@dataclass(frozen=True, slots=True)
class Cover(Generic[Stored]):
    """The stored slices of a tensor, indexed to find those that overlap a box.

    The borders of all slices divide the tensor into cells; each cell belongs to at most one slice. So a lookup costs
    the cells of its box, not the number of slices. A variable in thousands of slices may be read in as many boxes.

    Attributes:
        file: The index, for messages.
        key: The tensor's key, for messages.
        parts: The slices, in order of their start.
        edges: For each dimension the borders of the cells, sorted.
        cells: For each cell, the last dimension fastest, the index of its slice; -1 if it has none.

    """

    file: str
    key: str
    parts: Sequence[tuple[Region, Stored]]
    edges: Sequence[Sequence[int]]
    cells: array[int]

    def touching(self, wanted: Region) -> list[tuple[Region, Stored]]:
        """Choose the slices that overlap a box.

        Args:
            wanted: The box, inside of the tensor and not empty.

        Returns:
            The slices that overlap the box, in order of their start. Together they have each of its elements once.

        Raises:
            FreezeError: MALFORMED_CHECKPOINT if slices leave a gap.

        """
        lows = [
            bisect_right(edges, start) - 1 for edges, start in zip(self.edges, wanted.starts, strict=True)
        ]
        highs = [bisect_left(edges, end) for edges, end in zip(self.edges, wanted.ends, strict=True)]
        found = {self.cells[cell] for cell in _cells(self.edges, lows, highs)}
        if -1 in found:
            raise malformed(self.file, f"slices of {self.key!r} are missing", self.key)
        return [self.parts[index] for index in sorted(found)]


def cover_of(
    file: str, key: str, shape: tuple[int, ...], parts: Sequence[tuple[Region, Stored]]
) -> Cover[Stored]:
    """Index the slices of a tensor.

    Args:
        file: The index, for messages.
        key: The tensor's key, for messages.
        shape: Shape of the tensor, which is not empty.
        parts: All its slices; each is inside of it.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT if slices overlap, or divide the tensor into more than `MAX_CELLS`.

    """
    held = sorted((part for part in parts if part[0].elements), key=lambda part: part[0].starts)
    boxes = [box for box, _ in held]
    edges = [
        sorted({0, size, *(edge for box in boxes for edge in (box.starts[axis], box.ends[axis]))})
        for axis, size in enumerate(shape)
    ]
    count = math.prod(len(each) - 1 for each in edges)
    if count > MAX_CELLS:
        raise malformed(file, f"{key!r} has more slices than any partitioner makes", key)
    places = [{edge: place for place, edge in enumerate(each)} for each in edges]
    cells = array("i", [-1]) * count
    for index, box in enumerate(boxes):
        lows = [place[start] for place, start in zip(places, box.starts, strict=True)]
        highs = [place[end] for place, end in zip(places, box.ends, strict=True)]
        for cell in _cells(edges, lows, highs):
            if cells[cell] >= 0:
                raise malformed(file, f"slices of {key!r} overlap", key)
            cells[cell] = index
    return Cover(file, key, held, edges, cells)


def _cells(edges: Sequence[Sequence[int]], lows: Sequence[int], highs: Sequence[int]) -> Iterator[int]:
    """The numbers of the cells between two corners."""
    counts = [len(each) - 1 for each in edges]
    strides = [math.prod(counts[axis + 1 :]) for axis in range(len(counts))]
    for place in itertools.product(*map(range, lows, highs)):
        yield sum(map(int.__mul__, place, strides))


def cut_along_first_dimension(wanted: Region, boxes: Sequence[Region]) -> bool:
    """Whether the concatenation of boxes gives the elements of the wanted box in order.

    Args:
        wanted: A box.
        boxes: Boxes that exactly cover it, sorted by their start.

    """
    axis = next((axis for axis, size in enumerate(wanted.sizes) if size > 1), 0)
    return all(box.sizes[axis + 1 :] == wanted.sizes[axis + 1 :] for box in boxes)
