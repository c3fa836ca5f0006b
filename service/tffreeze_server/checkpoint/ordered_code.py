"""The keys of a tensor's slices in a checkpoint.

A slice's key is the tensor's name and the slice's box, in an encoding that preserves the order
(EncodeTensorNameSlice in tensorflow/core/util/saved_tensor_slice_util.cc, OrderedCode in
tensorflow/core/lib/strings/ordered_code.cc): the number 0, the name, the rank, and for each dimension
start and length, which are 0 and -1 if the slice spans the whole dimension.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PART_KEY_START = b"\x00"
"""The encoding of the number 0. Only keys of slices start with it."""

WHOLE_DIMENSION = -1

_SPECIAL = re.compile(rb"[\x00\xff]")
_ESCAPES = {b"\x00": b"\x00\xff", b"\xff": b"\xff\x00"}


def part_key(name: bytes, extents: Sequence[tuple[int, int]]) -> bytes:
    """Encode a slice's key from its tensor's name and its (start, length) in each dimension."""
    numbers = b"".join(_signed(number) for extent in extents for number in extent)
    return PART_KEY_START + _string(name) + _unsigned(len(extents)) + numbers


def _string(text: bytes) -> bytes:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text) + b"\x00\x01"


def _unsigned(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def _signed(number: int) -> bytes:
    """Encode a signed number of 64 bits.

    A number >= 0 in n bytes starts with n one bits and a zero bit; the value fills the rest. A negative number is
    encoded as its complement with all bits inverted.
    """
    magnitude = ~number if number < 0 else number
    length = magnitude.bit_length() // 7 + 1
    ones = ((1 << length) - 1) << (7 * length)
    encoded = (ones | magnitude).to_bytes(length, "big")
    return bytes(byte ^ 0xFF for byte in encoded) if number < 0 else encoded
