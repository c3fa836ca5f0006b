"""crc32c (Castagnoli) as TensorFlow's files use it: a C library, plus masking and combining.

Files store a masked crc, because the crc of data that contains its own crc is problematic
(tensorflow/core/lib/hash/crc32c.h). Combining computes the crc of `a + b` from the crcs of `a` and `b`: appending n
zero bytes is a linear map on the 32 bits of a crc, so maps for 1, 2, 4, 8, … zero bytes give the map for any n in at
most 64 steps. Each map is stored as four tables, one for each byte of the crc.
"""

from __future__ import annotations

from functools import cache

import google_crc32c

_POLYNOMIAL = 0x82F63B78  # reflected
_MASK_DELTA = 0xA282EAD8
_WORD = 0xFFFFFFFF

_Table = tuple[int, ...]
_Map = tuple[_Table, _Table, _Table, _Table]


def extend(crc: int, data: bytes) -> int:
    """Extend a crc (0 at the start) by `data`."""
    return int(google_crc32c.extend(crc, data))


def unmask(masked: int) -> int:
    """Give the crc of its masked form, which is the one that files hold."""
    rotated = (masked - _MASK_DELTA) & _WORD
    return ((rotated >> 17) | (rotated << 15)) & _WORD


def combine(crc_a: int, crc_b: int, length_b_bytes: int) -> int:
    """Compute the crc of `a + b` without reading either.

    Args:
        crc_a: The crc of `a`.
        crc_b: The crc of `b`.
        length_b_bytes: The length of `b`, below 2**64.

    """
    power = 0
    while length_b_bytes:
        if length_b_bytes & 1:
            t0, t1, t2, t3 = _append_zeros(power)
            crc_a = t0[crc_a & 255] ^ t1[(crc_a >> 8) & 255] ^ t2[(crc_a >> 16) & 255] ^ t3[crc_a >> 24]
        length_b_bytes >>= 1
        power += 1
    return crc_a ^ crc_b


@cache
def _append_zeros(power: int) -> _Map:
    """Map a crc to the one after 2**power zero bytes."""
    if power == 0:
        columns = [_append_zero_byte(1 << bit) for bit in range(32)]
    else:
        half = _append_zeros(power - 1)
        columns = [_apply(half, _apply(half, 1 << bit)) for bit in range(32)]
    low, second, third, high = (_byte_table(columns[start : start + 8]) for start in (0, 8, 16, 24))
    return low, second, third, high


def _append_zero_byte(crc: int) -> int:
    for _ in range(8):
        crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
    return crc


def _apply(tables: _Map, crc: int) -> int:
    t0, t1, t2, t3 = tables
    return t0[crc & 255] ^ t1[(crc >> 8) & 255] ^ t2[(crc >> 16) & 255] ^ t3[crc >> 24]


def _byte_table(columns: list[int]) -> _Table:
    """Tabulate the map of 8 bits whose images are `columns`."""
    table = [0]
    for column in columns:
        table += [value ^ column for value in table]
    return tuple(table)
