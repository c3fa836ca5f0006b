"""How the server process ends: one table, for scripts, for `--help` and for the docs."""

from __future__ import annotations

OK = 0
FAULT = 1
CONFIG = 2
CANNOT_LISTEN = 3
CALLS_CUT = 4
INTERRUPTED = 130

MEANINGS = {
    OK: "ended as asked; every call was finished",
    FAULT: "a defect of the server, or of this machine",
    CONFIG: "the configuration is wrong; stderr names the flags",
    CANNOT_LISTEN: "it cannot listen there: the port is taken, or the address is not this machine's",
    CALLS_CUT: "ended as asked, and calls were cut off: --drain-seconds were over, a second signal, or the parent "
    "ended",
    INTERRUPTED: "interrupted (Ctrl-C) before it served",
}
