"""Ending the program on SIGINT and SIGTERM, at any time and without a traceback.

A signal can arrive while modules are imported, inside a callback whose exceptions Python only prints, or while the
interpreter shuts down. An exception would not work there, and there is nothing to clean up: the process exits at
once. Only while an output is written, a signal raises an exception, so that temporary files are removed.
"""

from __future__ import annotations

# Not `signal`: it creates enums on import, and a signal could arrive meanwhile.
import _signal as signal  # type: ignore[import-not-found]  # typeshed does not have it
import os
import sys

TYPE_CHECKING = False  # importing `typing` would double the start-up time
if TYPE_CHECKING:
    from collections.abc import Callable
    from sys import UnraisableHookArgs
    from types import FrameType
    from typing import NoReturn

    Handler = Callable[[int, FrameType | None], NoReturn]

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Exit codes, as a shell reports them: 128 plus the signal's number."""


def end_at_once() -> None:
    """Exit at once on a signal. An ignored signal, as for background programs, stays ignored."""
    _handle_with(_end)


class RaisedSignals:
    """A context manager: while the block runs, a signal raises SystemExit."""

    def __enter__(self) -> None:
        self._hook = sys.unraisablehook
        sys.unraisablehook = _end_if_swallowed
        _handle_with(_raise)

    def __exit__(self, *raised: object) -> None:
        end_at_once()
        sys.unraisablehook = self._hook


def _end_if_swallowed(unraisable: UnraisableHookArgs) -> None:
    """Exit although Python only prints an exception of a destructor and continues."""
    if isinstance(unraisable.exc_value, SystemExit):
        os._exit(unraisable.exc_value.code)  # type: ignore[arg-type]  # one of EXIT_CODES
    sys.__unraisablehook__(unraisable)


def _handle_with(handler: Handler) -> None:
    for number in EXIT_CODES:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - as signal calls it
    os._exit(EXIT_CODES[number])


def _raise(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - as signal calls it
    raise SystemExit(EXIT_CODES[number])
