"""Retries: exponential backoff with jitter, within the caller's time limit."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tffreeze.errors import TffreezeError, error_for

FIRST_DELAY_SECONDS = 0.2
MAX_DELAY_SECONDS = 10.0
"""The longest delay that the client chooses itself."""

MAX_RETRY_AFTER_SECONDS = 60.0
"""The longest delay that a server may ask for. If it asks for more, there is no further attempt."""

MAX_TIMEOUT_SECONDS = 366 * 24 * 3600
"""gRPC takes a deadline after the end of its calendar for one that is over."""

_T = TypeVar("_T")


class Stop:
    """Lets another thread cancel a call and its retries."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._cancel: Callable[[], object] | None = None

    def stop(self) -> None:
        """Cancel the call."""
        self._stopped.set()
        if self._cancel is not None:
            self._cancel()

    def watch(self, cancel: Callable[[], object]) -> None:
        """Make `stop` call `cancel`; call it now if `stop` was called before."""
        self._cancel = cancel
        if self._stopped.is_set():
            cancel()

    def wait(self, seconds: float) -> bool:
        """Wait; True if the call was cancelled meanwhile."""
        return self._stopped.wait(seconds)


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits for the attempts of a call.

    Attributes:
        timeout_seconds: For all attempts together; None: no limit.
        max_attempts: Number of attempts, at most.

    """

    timeout_seconds: float | None
    max_attempts: int

    def run(self, attempt: Callable[[float | None], _T], stop: Stop) -> _T:
        """Call `attempt` with the seconds left, until it succeeds or a retry cannot help.

        Raises:
            TffreezeError: Of the last attempt.

        """
        attempts = Attempts(self, stop)
        while True:
            left_seconds = attempts.begin()
            try:
                return attempt(left_seconds)
            except TffreezeError as error:
                attempts.wait_after(error)


def check_timeout(timeout_seconds: float | None) -> None:
    """Refuse a time that none could be done in, or that is none.

    Raises:
        RequestError: INVALID_OPTION.

    """
    if timeout_seconds is not None and not 0 < timeout_seconds <= MAX_TIMEOUT_SECONDS:
        bounds = f"more than 0 and at most {MAX_TIMEOUT_SECONDS:,} seconds"
        message = f"A timeout is {bounds}, and this one is {timeout_seconds:g}."
        raise error_for("INVALID_OPTION", message)


class Attempts:
    """Counts the attempts of one call. The time limit starts when it is created."""

    def __init__(self, patience: Patience, stop: Stop) -> None:
        self._patience = patience
        self._stop = stop
        self._number = 0
        timeout_seconds = patience.timeout_seconds
        self._end = None if timeout_seconds is None else time.monotonic() + timeout_seconds

    def begin(self) -> float | None:
        """Start the next attempt; return the seconds left, None for no limit.

        Raises:
            TimeLimitError: DEADLINE_EXCEEDED: no time is left.

        """
        self._number += 1
        if self._end is None:
            return None
        left_seconds = self._end - time.monotonic()
        if left_seconds <= 0:
            message = (
                f"The call was not finished in {self._patience.timeout_seconds:g} seconds. Allow more time."
            )
            raise error_for("DEADLINE_EXCEEDED", message)
        return left_seconds

    def wait_after(self, error: TffreezeError) -> None:
        """Wait until the next attempt may succeed.

        Raises:
            TffreezeError: `error`, if a further attempt cannot help or would be too late; CANCELLED.

        """
        retry_after_seconds = error.retry_after_seconds or 0.0
        if retry_after_seconds > MAX_RETRY_AFTER_SECONDS:
            raise error
        delay = _delay(self._number, retry_after_seconds)
        is_late = self._end is not None and time.monotonic() + delay >= self._end
        if not error.retryable or self._number >= self._patience.max_attempts or is_late:
            raise error
        if self._stop.wait(delay):
            raise error_for("CANCELLED", "The call was cancelled.") from None


def _delay(number: int, retry_after_seconds: float) -> float:
    """Compute the delay: never less than the server asked for; the jitter spreads the load."""
    backoff = min(FIRST_DELAY_SECONDS * 2.0 ** (number - 1), MAX_DELAY_SECONDS)
    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - guards nothing
    return max(backoff * jitter, retry_after_seconds * (1 + abs(jitter - 1)))
