"""crc32c: known values, masks, and the crc of a whole from the crcs of its parts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from checkpoint.bundle_writer import masked
from tffreeze_server.tensors import crc32c


def test_the_check_value_of_the_standard() -> None:
    """The nine digits give the value that RFC 3720's polynomial is known by."""
    assert 0xE3069283 == crc32c.extend(0, b"123456789")


@given(st.binary(), st.binary())
def test_parts_combine_to_the_whole(a: bytes, b: bytes) -> None:
    """The crc of `a + b` follows from the crcs of both and the length of `b`."""
    combined = crc32c.combine(crc32c.extend(0, a), crc32c.extend(0, b), len(b))
    assert crc32c.extend(0, a + b) == combined


@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 2**32 - 1))
def test_lengths_add_up(a: int, b: int, crc: int) -> None:
    """To append a zeros and then b zeros is to append a + b, however long."""
    assert crc32c.combine(crc, 0, a + b) == crc32c.combine(crc32c.combine(crc, 0, a), 0, b)


@given(st.integers(0, 2**32 - 1))
def test_a_mask_comes_off(crc: int) -> None:
    """What was masked is unmasked to itself and is not itself."""
    assert crc == crc32c.unmask(masked(crc))
    assert crc != masked(crc)
