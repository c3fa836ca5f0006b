"""What may succeed later is tried again, within the caller's time."""

from __future__ import annotations

import pytest

from tffreeze import retry
from tffreeze.errors import TffreezeError, TimeLimitError, error_for
from tffreeze.retry import Patience, Stop


class Attempts:
    """Fails with each error in turn, then succeeds."""

    def __init__(self, *errors: TffreezeError) -> None:
        self.errors = list(errors)
        self.left_seconds: list[float | None] = []

    def __call__(self, left_seconds: float | None) -> str:
        """One attempt."""
        self.left_seconds.append(left_seconds)
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY_SECONDS", 0.0)


def test_a_retryable_error_is_tried_again() -> None:
    """Two servers that are busy and a third that is not are a success."""
    attempts = Attempts(
        error_for("TOO_MANY_JOBS", "", retryable=True), error_for("UNAVAILABLE", "", retryable=True)
    )
    assert Patience(None, 3).run(attempts, Stop()) == "done"
    assert attempts.left_seconds == [None, None, None]


def test_another_error_is_final() -> None:
    """What will fail again is not tried again."""
    attempts = Attempts(error_for("MODEL_NOT_FOUND", ""))
    with pytest.raises(TffreezeError):
        Patience(None, 3).run(attempts, Stop())
    assert len(attempts.left_seconds) == 1


def test_the_last_attempt_is_the_last() -> None:
    """There is an end to it, and the error is the last one."""
    attempts = Attempts(*(error_for("DRAINING", str(number), retryable=True) for number in range(9)))
    with pytest.raises(TffreezeError, match="2"):
        Patience(None, 3).run(attempts, Stop())


def test_a_delay_beyond_the_callers_time_is_not_waited_for() -> None:
    """A server that asks to wait for longer than there is time gets no second call."""
    error = error_for("QUOTA_EXCEEDED", "", retryable=True)
    error.retry_after_seconds = 59.0
    attempts = Attempts(error)
    with pytest.raises(TffreezeError) as caught:
        Patience(30, 5).run(attempts, Stop())
    assert caught.value is error


def test_each_attempt_has_the_time_that_is_left() -> None:
    """The timeout is for all attempts together."""
    attempts = Attempts(error_for("UNAVAILABLE", "", retryable=True))
    Patience(60, 5).run(attempts, Stop())
    first, second = attempts.left_seconds
    assert first is not None
    assert second is not None
    assert 0 < second < first <= 60


def test_no_time_is_no_attempt() -> None:
    """A call without time is not made."""
    attempts = Attempts()
    with pytest.raises(TimeLimitError):
        Patience(0, 5).run(attempts, Stop())
    assert attempts.left_seconds == []


def test_stop_ends_the_waiting() -> None:
    """Whoever is stopped does not try again."""
    stop = Stop()
    error = error_for("UNAVAILABLE", "", retryable=True)
    error.retry_after_seconds = 59.0
    attempts = Attempts(error)
    stop.stop()
    with pytest.raises(TimeLimitError) as caught:
        Patience(None, 5).run(attempts, stop)
    assert caught.value.reason == "CANCELLED"


def test_delays_grow_and_end() -> None:
    """Exponential with jitter, never longer than the limit and a quarter."""
    assert 0.0 == retry._delay(1, 0.0)
    assert retry._delay(60, 0.0) <= retry.MAX_DELAY_SECONDS * 1.25


@pytest.mark.parametrize("draw", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_no_attempt_is_earlier_than_the_server_asked_for(
    draw: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The jitter makes it later only."""
    monkeypatch.setattr(retry.random, "uniform", lambda low, high: low + draw * (high - low))
    assert 2.0 <= retry._delay(1, 2.0) <= 2.5


@pytest.mark.parametrize("asked_seconds", [61.0, 3600.0, 1e18])
def test_a_server_that_asks_for_too_long_gets_no_second_call(asked_seconds: float) -> None:
    """No limit of the caller's is no reason to wait for ever, nor to come back early."""
    error = error_for("QUOTA_EXCEEDED", "", retryable=True)
    error.retry_after_seconds = asked_seconds
    attempts = Attempts(error)
    with pytest.raises(TffreezeError) as caught:
        Patience(None, 5).run(attempts, Stop())
    assert (error, 1) == (caught.value, len(attempts.left_seconds))


def test_a_minute_is_waited_for() -> None:
    """It is the longest that a server is waited for: the call is stopped while it waits."""
    error = error_for("QUOTA_EXCEEDED", "", retryable=True)
    error.retry_after_seconds = 60.0
    stop = Stop()
    stop.stop()
    with pytest.raises(TimeLimitError, match="cancelled"):
        Patience(None, 5).run(Attempts(error), stop)
