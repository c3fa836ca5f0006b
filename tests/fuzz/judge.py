"""What a fuzzed input may do: end in a result or in a FreezeError with a reason that blames somebody else."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tffreeze_server.errors import FreezeError, Reason

MAX_CPU_SECONDS = 10.0
"""For one input: instrumented code runs several times slower."""
MAX_GROWTH_BYTES = 400 << 20
"""How much one input may raise the highest memory that the process has used."""


class Finding(Exception):  # noqa: N818 (what a fuzzer looks for is no error of ours alone)
    """Something an input must not bring about."""


@contextmanager
def judged() -> Iterator[None]:
    """Let errors with a reason pass; anything else comes through, as do outliers in time and memory."""
    before, highest = time.process_time(), _highest_bytes()
    try:
        yield
    except FreezeError as error:
        if error.reason is Reason.INTERNAL:
            raise Finding(f"INTERNAL: {error.message}") from error
        f"{error.message}{error.subject}".encode()  # it crosses the wire: it must be UTF-8
    spent = time.process_time() - before
    if spent > MAX_CPU_SECONDS:
        raise Finding(f"one input took {spent:.1f} CPU seconds")
    grown = _highest_bytes() - highest
    if grown > MAX_GROWTH_BYTES:
        raise Finding(f"one input raised the highest memory by {grown >> 20} MiB")


def _highest_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
