"""The keys under which checkpoints hold the parts of a tensor.

A part's key is the tensor's name and the part's box in an encoding that sorts as its values do
(EncodeTensorNameSlice in tensorflow/core/util/saved_tensor_slice_util.cc, OrderedCode in
tensorflow/core/lib/strings/ordered_code.cc): the number 0, the name, the rank, and for each dimension
start and length, which are 0 and -1 where the part spans the whole dimension.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PART_KEY_START = b"\x00"
"""Keys of parts, and no others, begin so: it is the encoding of the number 0."""

WHOLE_DIMENSION = -1

_SPECIAL = re.compile(rb"[\x00\xff]")
_ESCAPES = {b"\x00": b"\x00\xff", b"\xff": b"\xff\x00"}


def part_key(name: bytes, extents: Sequence[tuple[int, int]]) -> bytes:
    """Encode a part's key from its tensor's name and its (start, length) in each dimension."""
    numbers = b"".join(_signed(number) for extent in extents for number in extent)
    return PART_KEY_START + _string(name) + _unsigned(len(extents)) + numbers


def _string(text: bytes) -> bytes:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text) + b"\x00\x01"


def _unsigned(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _signed(number: int) -> bytes:
    """Encode a number of 64 bits.

    The first bits, as many as there are bytes, are ones for a number >= 0; a zero ends them and the sign and
    value fill the rest. A negative number has all bits of its complement's encoding the other way round.
    """
    magnitude = ~number if number < 0 else number
    length = magnitude.bit_length() // 7 + 1
    ones = ((1 << length) - 1) << (7 * length)
    encoded = (ones | magnitude).to_bytes(length, "big")
    return bytes(byte ^ 0xFF for byte in encoded) if number < 0 else encoded
