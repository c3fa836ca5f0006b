"""How long a client may keep its server waiting, in seconds that nobody waits for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tffreeze_server.rpc.pace import Pace

IDLE_SECONDS = 10.0
BYTES_PER_SECOND = 1000

Waits = list[tuple[float, int]]


def total_seconds(pace: Pace, waits: Waits) -> float:
    """Wait for these messages, as a call does: never longer than the client has in hand.

    Returns:
        How long was waited in all.

    """
    total = 0.0
    for seconds, size_bytes in waits:
        in_hand = pace.seconds_in_hand
        assert in_hand is not None
        if seconds >= in_hand:
            return total + in_hand
        pace.passed(seconds, size_bytes)
        total += seconds
    return total


waits = st.lists(st.tuples(st.floats(0, 20), st.integers(0, 50_000)), max_size=50)


@given(waits)
def test_a_client_takes_no_longer_than_its_bytes_at_the_least_speed(messages: Waits) -> None:
    """And `max_idle_seconds` in all, whatever it does."""
    size_bytes = sum(size for _, size in messages)
    most = IDLE_SECONDS + size_bytes / BYTES_PER_SECOND
    assert total_seconds(Pace(IDLE_SECONDS, BYTES_PER_SECOND), messages) <= most + 1e-6


@given(st.lists(st.integers(0, 9_999), max_size=100))
def test_a_client_that_keeps_the_speed_is_never_cut_off(sizes: list[int]) -> None:
    """Each message as fast as is asked for: the client always has all its seconds in hand."""
    pace = Pace(IDLE_SECONDS, BYTES_PER_SECOND)
    for size in sizes:
        pace.passed(size / BYTES_PER_SECOND, size)
    assert IDLE_SECONDS == pytest.approx(pace.seconds_in_hand)


@given(waits)
def test_nobody_saves_seconds(messages: Waits) -> None:
    """However fast it was before, one that falls silent is out of time after `max_idle_seconds`."""
    pace = Pace(IDLE_SECONDS, BYTES_PER_SECOND)
    for seconds, size_bytes in messages:
        pace.passed(seconds, size_bytes)
        in_hand = pace.seconds_in_hand
        assert in_hand is not None
        assert 0 <= in_hand <= IDLE_SECONDS


def test_a_byte_every_two_seconds() -> None:
    """A trickling client is out of time when it has lost all its seconds, not after as many hours as it likes."""
    assert IDLE_SECONDS == total_seconds(Pace(IDLE_SECONDS, BYTES_PER_SECOND), [(2.0, 1)] * 1000) // 1


def test_no_limits() -> None:
    """0 is none, of either: any message gives back all; a client has all the time there is."""
    assert 2000.0 == total_seconds(Pace(IDLE_SECONDS, 0), [(2.0, 1)] * 1000)
    assert Pace(0, BYTES_PER_SECOND).seconds_in_hand is None
