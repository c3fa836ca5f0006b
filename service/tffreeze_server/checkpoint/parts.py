"""Which stored parts of a tensor make up a wanted box of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TypeVar

from tffreeze_server.checkpoint.ordered_code import WHOLE_DIMENSION
from tffreeze_server.checkpoint.problems import malformed
from tffreeze_server.checkpoint.region import Region, fits, intersection
from tffreeze_server.tfproto.checkpoint_pb2 import TensorSliceProto

MAX_CELLS = 1 << 17
"""Of a tensor that is cut along several dimensions."""

MAX_PARTS = 10_000
"""Of one tensor. A variable has one for each parameter server, at most a few thousand."""

Stored = TypeVar("Stored")
"""Where the value of a part is."""


def extents_of(slice_proto: TensorSliceProto) -> tuple[tuple[int, int], ...]:
    """Read (start, length) for each dimension as the part's key holds them; length -1 is the whole dimension."""
    return tuple(
        (extent.start, extent.length if extent.HasField("length") else WHOLE_DIMENSION)
        for extent in slice_proto.extent
    )


def box_of(file: str, key: str, extents: Sequence[tuple[int, int]], shape: tuple[int, ...]) -> Region:
    """Give the box that a part's extents take in its tensor.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT where it does not lie in the tensor.

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
        file, f"a part of {key!r} at {list(extents)[:8]} does not lie in its shape {list(shape)}", key
    )


def covering(
    file: str, key: str, wanted: Region, parts: Sequence[tuple[Region, Stored]]
) -> list[tuple[Region, Stored]]:
    """Choose the parts that touch a box.

    Args:
        file: The index, for messages.
        key: The tensor's key, for messages.
        wanted: The box; it has elements.
        parts: All parts of the tensor.

    Returns:
        The parts that share elements with the box, which together hold each element of it once, in order of
        where they start.

    Raises:
        FreezeError: MALFORMED_CHECKPOINT where parts overlap or leave a gap.

    """
    shared = [(part, intersection(wanted, part[0])) for part in parts]
    touching = [(part, box) for part, box in shared if box is not None]
    _check_cover(file, key, wanted, [box for _, box in touching])
    return sorted((part for part, _ in touching), key=lambda part: part[0].starts)


def cut_along_first_dimension(wanted: Region, boxes: Sequence[Region]) -> bool:
    """Whether boxes in order of their start, put one after the other, are the wanted box's elements in order.

    Args:
        wanted: A box.
        boxes: Boxes that make up just this box, sorted.

    """
    axis = next((axis for axis, size in enumerate(wanted.sizes) if size > 1), 0)
    return all(box.sizes[axis + 1 :] == wanted.sizes[axis + 1 :] for box in boxes)


def _check_cover(file: str, key: str, wanted: Region, boxes: Sequence[Region]) -> None:
    """Check that boxes hold each element of a box that they lie in once.

    All their borders cut the wanted box into cells, which no box holds in part: each must be held once. So the
    work is bounded by the cells, however boxes overlap.
    """
    borders = [
        sorted({edge for box in (wanted, *boxes) for edge in (box.starts[axis], box.ends[axis])})
        for axis in range(len(wanted.sizes))
    ]
    counts = [len(edges) - 1 for edges in borders]
    if math.prod(counts) > MAX_CELLS:
        raise malformed(file, f"{key!r} is cut into parts in more ways than any partitioner does", key)
    places = [{edge: place for place, edge in enumerate(edges)} for edges in borders]
    held = bytearray(math.prod(counts))
    strides = [math.prod(counts[axis + 1 :]) for axis in range(len(counts))]
    for box in boxes:
        lows = [place[start] for place, start in zip(places, box.starts, strict=True)]
        highs = [place[end] for place, end in zip(places, box.ends, strict=True)]
        for cell in itertools.product(*map(range, lows, highs)):
            position = sum(map(int.__mul__, cell, strides))
            if held[position]:
                raise malformed(file, f"parts of {key!r} overlap", key)
            held[position] = 1
    if not all(held):
        raise malformed(file, f"parts of {key!r} are missing, so it is not whole", key)
