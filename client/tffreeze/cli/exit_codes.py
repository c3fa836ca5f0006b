"""The exit codes of `tffreeze`, in one table: for the code, for `--help` and for the tests."""

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
    OK: "success",
    FAULT: "a bug in tffreeze, or a problem of this machine (a full disk)",
    REQUEST: "your request: wrong usage, something named does not exist, or it cannot be frozen",
    FILE: "your file: damaged, truncated or unreadable",
    NOT_NOW: "the server is unreachable or busy: the same command may work later",
    INTERRUPTED: "interrupted (Ctrl-C); no partial output is left",
    BROKEN_PIPE: "the reader of stdout closed the pipe",
    TERMINATED: "terminated; no partial output is left",
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
