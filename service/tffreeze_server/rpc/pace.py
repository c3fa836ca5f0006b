"""How long a client may keep its server waiting. No clock: whoever waits says for how long.

A client has some seconds in hand. What it keeps the server waiting for is taken from them, and each byte that
comes or goes gives some back, never to more than there were at first. So

- one that is silent is out of time after `max_idle_seconds`;
- one that is slower than `min_bytes_per_second` is out of time as soon as it has lost `max_idle_seconds` against
  that: in all its waits it takes at most `max_idle_seconds + bytes / min_bytes_per_second`;
- one that is as fast in each of its messages never is.
"""

from __future__ import annotations


class Pace:
    """The seconds that a client has in hand.

    Args:
        max_idle_seconds: How many at first; 0: it has all the time there is.
        min_bytes_per_second: What gives them back; 0: whatever comes gives back all.

    """

    def __init__(self, max_idle_seconds: float, min_bytes_per_second: int) -> None:
        self._max_seconds = max_idle_seconds
        self._min_bytes_per_second = min_bytes_per_second
        self._seconds = max_idle_seconds

    @property
    def seconds_in_hand(self) -> float | None:
        """How long it may keep the server waiting now; None: for ever."""
        return self._seconds if self._max_seconds else None

    def passed(self, waited_seconds: float, size_bytes: int) -> None:
        """Count a message that was waited for."""
        earned_seconds = (
            size_bytes / self._min_bytes_per_second if self._min_bytes_per_second else self._max_seconds
        )
        self._seconds = min(self._seconds - waited_seconds + earned_seconds, self._max_seconds)
        self._seconds = max(self._seconds, 0.0)
