"""SIGINT and SIGTERM: how a program ends by them, from its first line to its last, without a traceback.

A signal can come while modules are imported, in the middle of a callback whose exceptions Python only prints, or
while the interpreter shuts down. An exception is of no use there, and nothing has been written that would have to
be removed: the process ends on the spot. Only while an output is being written is an exception raised,
so that what has a temporary name is removed.
"""

from __future__ import annotations

# Not `signal`: it makes enums, and a signal could come while it does.
import _signal as signal  # type: ignore[import-not-found]  # typeshed does not have it
import os
import sys

TYPE_CHECKING = False  # `typing` would be half of what is imported before the first line of a program
if TYPE_CHECKING:
    from collections.abc import Callable
    from sys import UnraisableHookArgs
    from types import FrameType
    from typing import NoReturn

    Handler = Callable[[int, FrameType | None], NoReturn]

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""How the process ends, as a shell would say it: 128 and the number of the signal."""


def end_at_once() -> None:
    """End by a signal on the spot. A signal that is ignored, as by programs in the background, stays ignored."""
    _handle_with(_end)


class RaisedSignals:
    """A context manager: while the block runs, a signal ends the program by SystemExit."""

    def __enter__(self) -> None:
        self._hook = sys.unraisablehook
        sys.unraisablehook = _end_if_swallowed
        _handle_with(_raise)

    def __exit__(self, *raised: object) -> None:
        end_at_once()
        sys.unraisablehook = self._hook


def _end_if_swallowed(unraisable: UnraisableHookArgs) -> None:
    """Python only prints what is raised in a callback of its own, such as a destructor, and goes on."""
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
