"""Which stored parts of a tensor make up a wanted box of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from tffreeze_server.checkpoint.ordered_code import WHOLE_DIMENSION
from tffreeze_server.checkpoint.problems import malformed
from tffreeze_server.checkpoint.region import Region, fits, intersection
from tffreeze_server.tfproto.checkpoint_pb2 import TensorSliceProto

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
    if _overlap([box for _, box in touching]):
        raise malformed(file, f"parts of {key!r} overlap", key)
    if sum(box.elements for _, box in touching) != wanted.elements:
        raise malformed(file, f"parts of {key!r} are missing, so it is not whole", key)
    return sorted((part for part, _ in touching), key=lambda part: part[0].starts)


def cut_along_first_dimension(wanted: Region, boxes: Sequence[Region]) -> bool:
    """Whether boxes in order of their start, put one after the other, are the wanted box's elements in order.

    Args:
        wanted: A box.
        boxes: Boxes that make up just this box, sorted.

    """
    axis = next((axis for axis, size in enumerate(wanted.sizes) if size > 1), 0)
    return all(box.sizes[axis + 1 :] == wanted.sizes[axis + 1 :] for box in boxes)


def _overlap(boxes: list[Region]) -> bool:
    """Whether two boxes share an element: a sweep along the dimension that tells most boxes apart."""
    if len(boxes) < 2:
        return False
    ranks = range(len(boxes[0].starts))
    axis = max(ranks, key=lambda axis: len({box.starts[axis] for box in boxes}), default=None)
    if axis is None:
        return True
    open_boxes: list[Region] = []
    for box in sorted(boxes, key=lambda box: box.starts[axis]):
        open_boxes = [other for other in open_boxes if other.ends[axis] > box.starts[axis]]
        if any(intersection(box, other) for other in open_boxes):
            return True
        open_boxes.append(box)
    return False
