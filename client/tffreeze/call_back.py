"""Calling the caller's callbacks, and passing on what they raise unchanged.

An OSError of a callback does not mean that the output cannot be written, and a TffreezeError does not mean a failed
attempt. So the exception is wrapped until it has left all our exception handlers.
"""

from __future__ import annotations

from collections.abc import Callable


class CallersError(Exception):
    """Wraps an exception of a callback.

    Attributes:
        error: The exception.

    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def call_back(function: Callable[[int, int], object] | None, done_bytes: int, total_bytes: int) -> None:
    """Call a callback, if there is one, with the progress.

    Raises:
        CallersError: Wraps what it raised.

    """
    if function is None:
        return
    try:
        function(done_bytes, total_bytes)
    except Exception as error:
        raise CallersError(error) from None
