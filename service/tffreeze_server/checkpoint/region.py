"""Boxes in tensors: the slices of partitioned variables and of restore ops."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.tensors.dtypes import MAX_DIMENSIONS

MAX_DIGITS = 19
"""Digits of a number below 2**63."""


@dataclass(frozen=True, slots=True)
class Region:
    """A box: start and size in each dimension."""

    starts: tuple[int, ...]
    sizes: tuple[int, ...]

    @property
    def ends(self) -> tuple[int, ...]:
        """The end of each dimension (exclusive)."""
        return tuple(start + size for start, size in zip(self.starts, self.sizes, strict=True))

    @property
    def elements(self) -> int:
        """The number of elements; 1 for a scalar."""
        return math.prod(self.sizes)


def whole(shape: tuple[int, ...]) -> Region:
    """The box of a whole tensor."""
    return Region((0,) * len(shape), shape)


def fits(region: Region, shape: tuple[int, ...]) -> bool:
    """Whether the box is inside of a tensor of this shape."""
    return (
        len(region.starts) == len(region.sizes) == len(shape)
        and all(start >= 0 and size >= 0 for start, size in zip(region.starts, region.sizes, strict=True))
        and all(end <= size for end, size in zip(region.ends, shape, strict=True))
    )


def intersection(a: Region, b: Region) -> Region | None:
    """Return the intersection of two boxes of the same rank; None if it is empty."""
    starts = tuple(map(max, a.starts, b.starts))
    sizes = tuple(min(ends) - start for *ends, start in zip(a.ends, b.ends, starts, strict=True))
    return Region(starts, sizes) if all(size > 0 for size in sizes) else None


def within(outer: Region, inner: Region) -> Region:
    """Return `inner` relative to the start of `outer`."""
    return Region(tuple(i - o for i, o in zip(inner.starts, outer.starts, strict=True)), inner.sizes)


def parse_shape_and_slice(text: str) -> tuple[tuple[int, ...], Region] | None:
    """Parse one of the `shape_and_slices` of a save or restore op.

    Args:
        text: Such as `10 4 0,5:-`: the shape of the whole, then for each dimension `start,length`, or `-` for
            all of it (ParseShapeAndSlice in tensorflow/core/util/saved_tensor_slice_util.cc).

    Returns:
        The shape of the whole and the box in it; None for an empty text, which means the whole tensor.

    Raises:
        FreezeError: MALFORMED_MODEL, because the text comes from the model's graph.

    """
    if not text:
        return None
    *dims, spec = text.split(" ")
    extents = [item for item in spec.split(":") if item]
    if not dims or len(extents) != len(dims) or len(dims) > MAX_DIMENSIONS:
        raise _bad_spec(text)
    shape = tuple(_number(text, dim) for dim in dims)
    pairs = [_extent(text, extent, size) for extent, size in zip(extents, shape, strict=True)]
    region = Region(tuple(start for start, _ in pairs), tuple(size for _, size in pairs))
    if not fits(region, shape):
        raise _bad_spec(text)
    return shape, region


def _extent(text: str, extent: str, dimension: int) -> tuple[int, int]:
    if extent == "-":
        return 0, dimension
    numbers = [_number(text, part) for part in extent.split(",") if part]
    if len(numbers) != 2 or numbers[1] == 0:
        raise _bad_spec(text)
    return numbers[0], numbers[1]


def _number(text: str, digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS):
        raise _bad_spec(text)
    return int(digits)


def _bad_spec(text: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"A restore op of the model has the invalid slice {text[:200]!r}. A slice is the shape of the whole and, for "
        "each dimension, 'start,length' or '-', such as '10 4 0,5:-'. Export the model again.",
        subject=text[:200],
    )
