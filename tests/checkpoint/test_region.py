"""Boxes in tensors and the text that restore ops name them by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint.bundle_writer import outcome
from tffreeze_server.checkpoint.region import Region, intersection, parse_shape_and_slice, within
from tffreeze_server.errors import FreezeError, Reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("10 4 0,5:-", ((10, 4), Region((0, 0), (5, 4)))),
        ("10 4 -:-", ((10, 4), Region((0, 0), (10, 4)))),
        ("7 3,4", ((7,), Region((3,), (4,)))),
        ("0 -", ((0,), Region((0,), (0,)))),
        ("2 3 4 1,1:0,2:3,1", ((2, 3, 4), Region((1, 0, 3), (1, 2, 1)))),
    ],
)
def test_slices_are_read_as_restore_ops_write_them(text: str, expected: object) -> None:
    """Sizes of the whole, then `start,length` or `-` for each dimension; nothing means all."""
    assert expected == parse_shape_and_slice(text)


@pytest.mark.parametrize(
    "text",
    [
        *" -",
        "10 ",
        "10",
        "10 -:-",
        "10 4 0,5",
        "10 5,6",
        "10 0,0",
        "10 -1,2",
        "10 a,2",
        "10 1",
        "10 1,2,3",
        "-4 -",
        "4 0,²",
        "9" * 30 + " -",
        "1 " * 300 + ":".join("-" * 300),
        "10  0,5",
        "0x10 -",
        "1_0 -",
    ],
)
def test_a_slice_that_is_none_is_an_error_of_the_model(text: str) -> None:
    """What cannot be read, or does not lie in the whole, is refused by name."""
    with pytest.raises(FreezeError) as caught:
        parse_shape_and_slice(text)
    assert Reason.MALFORMED_MODEL == caught.value.reason


@given(st.text(alphabet="0123456789 ,:-", max_size=20))
def test_any_text_is_a_slice_or_an_error(text: str) -> None:
    """No text leads to another end than a box in its shape or MALFORMED_MODEL."""
    parsed = outcome(parse_shape_and_slice, text)
    if isinstance(parsed, tuple):
        shape, region = parsed
        assert all(
            0 <= start <= end <= size
            for start, end, size in zip(region.starts, region.ends, shape, strict=True)
        )
    else:
        assert parsed in (None, Reason.MALFORMED_MODEL)


def test_boxes_meet_or_do_not() -> None:
    """What two boxes share is a box; boxes side by side share nothing; scalars are all one box."""
    assert Region((2, 1), (2, 2)) == intersection(Region((0, 1), (4, 2)), Region((2, 0), (9, 3)))
    assert intersection(Region((0,), (2,)), Region((2,), (2,))) is None
    assert Region((), ()) == intersection(Region((), ()), Region((), ()))
    assert Region((1, 0), (1, 3)) == within(Region((1, 2), (5, 5)), Region((2, 2), (1, 3)))
