"""Calling a function of the caller's: what it raises is the caller's, and must not look like ours.

An OSError of a callback is no output that cannot be written, and a TffreezeError of one is no failed attempt. So it
travels wrapped up until no code of ours handles exceptions any more.
"""

from __future__ import annotations

from collections.abc import Callable


class CallersError(Exception):
    """What a function of the caller's raised.

    Attributes:
        error: The exception.

    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def call_back(function: Callable[[int, int], object] | None, done_bytes: int, total_bytes: int) -> None:
    """Tell a callback, where there is one, how far it is.

    Raises:
        CallersError: With what it raised.

    """
    if function is None:
        return
    try:
        function(done_bytes, total_bytes)
    except Exception as error:
        raise CallersError(error) from None
