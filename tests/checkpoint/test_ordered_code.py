"""Keys of parts. That they are TensorFlow's is shown where its own checkpoints are read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tffreeze_server.checkpoint.ordered_code import part_key

INT64 = st.integers(-(2**63), 2**63 - 1)


def test_a_part_s_key_is_the_one_tensorflow_writes() -> None:
    """Known bytes: name, rank, and (0, 5), (all) of two dimensions."""
    assert b"\x00w\x00\x01\x01\x02\x80\x85\x80\x7f" == part_key(b"w", [(0, 5), (0, -1)])


def test_long_numbers_are_those_of_ordered_code_cc() -> None:
    """The examples in the comments of ordered_code.cc, and the ends of 64 bits."""
    start = len(part_key(b"", [])) + 1  # a rank of 1 takes a byte more than one of 0
    examples = {
        0x424242: "f0424242",
        -0x800: "3800",
        64: "c040",
        -64: "40",
        -65: "3fbf",
        2**63 - 1: "ffc07fffffffffffffff",
        -(2**63): "003f8000000000000000",
    }
    encoded = {number: part_key(b"", [(number, 0)])[start:-1].hex() for number in examples}
    assert examples == encoded


@given(
    st.lists(st.tuples(INT64, INT64), min_size=1, max_size=3), st.lists(st.tuples(INT64, INT64), max_size=3)
)
def test_keys_sort_as_their_boxes_do(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    """The order of bytes is the order of rank, then numbers."""
    assert ((len(a), a) < (len(b), b)) == (part_key(b"x", a) < part_key(b"x", b))


@given(st.binary(max_size=8), st.binary(max_size=8))
def test_keys_sort_as_their_names_do(a: bytes, b: bytes) -> None:
    """Zero bytes and 0xff in a name are escaped so that order stays."""
    assert (a < b) == (part_key(a, [(0, 1)]) < part_key(b, [(0, 1)]))
