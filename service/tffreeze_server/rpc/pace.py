"""How long a client may keep its server waiting. Has no clock: its caller says how long it waited.

A client has a balance of seconds. Waiting for it takes seconds off; each byte sent or received adds some, up to the
initial balance. So

- a silent client runs out of time after `max_idle_seconds`;
- a client slower than `min_bytes_per_second` runs out of time when it has lost `max_idle_seconds` against that
  speed: all its waits together take at most `max_idle_seconds + bytes / min_bytes_per_second`;
- a client that is as fast in each of its messages never runs out of time.
"""

from __future__ import annotations


class Pace:
    """The balance of seconds of a client.

    Args:
        max_idle_seconds: The initial and greatest balance; 0: no limit.
        min_bytes_per_second: So many bytes add a second; 0: any message restores the initial balance.

    """

    def __init__(self, max_idle_seconds: float, min_bytes_per_second: int) -> None:
        self._max_seconds = max_idle_seconds
        self._min_bytes_per_second = min_bytes_per_second
        self._seconds = max_idle_seconds

    @property
    def seconds_in_hand(self) -> float | None:
        """How long it may keep the server waiting now; None: no limit."""
        return self._seconds if self._max_seconds else None

    def passed(self, waited_seconds: float, size_bytes: int) -> None:
        """Count a message that was waited for."""
        earned_seconds = (
            size_bytes / self._min_bytes_per_second if self._min_bytes_per_second else self._max_seconds
        )
        self._seconds = min(self._seconds - waited_seconds + earned_seconds, self._max_seconds)
        self._seconds = max(self._seconds, 0.0)
