"""How the process ends: one table, for scripts, for `--help` and for the tests."""

from __future__ import annotations

import signal

from tffreeze.errors import (
    BusyError,
    ModelFileError,
    RequestError,
    TffreezeError,
    TimeLimitError,
    UnavailableError,
)
from tffreeze.interrupts import EXIT_CODES

OK = 0
FAULT = 1
REQUEST = 2
FILE = 3
NOT_NOW = 4
INTERRUPTED = EXIT_CODES[signal.SIGINT]
BROKEN_PIPE = 141
TERMINATED = EXIT_CODES[signal.SIGTERM]

MEANINGS = {
    OK: "done",
    FAULT: "tffreeze's fault, or this machine's (a defect, a full disk)",
    REQUEST: "your request: usage, or something named that is not there or cannot be frozen",
    FILE: "your file: damaged, cut short or unreadable",
    NOT_NOW: "the server cannot be reached or has no room: the same command may work later",
    INTERRUPTED: "interrupted (Ctrl-C); nothing was left behind",
    BROKEN_PIPE: "whoever read the output has gone",
    TERMINATED: "terminated; nothing was left behind",
}

_CODES: dict[type[TffreezeError], int] = {
    RequestError: REQUEST,
    ModelFileError: FILE,
    BusyError: NOT_NOW,
    UnavailableError: NOT_NOW,
    TimeLimitError: NOT_NOW,
}


def exit_code(error: TffreezeError) -> int:
    """The exit code for an error."""
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), FAULT)
