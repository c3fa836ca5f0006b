"""A process that plans: answers one request after the other over a pipe, until the pipe ends.

Started by `planner_process` as `python -P -m tffreeze_server.rpc.planner_main DESCRIPTOR MEMORY_BYTES CPU_SECONDS`,
with SIGINT and SIGTERM blocked: the server stops it by closing the pipe, and the kernel closes the pipe if the server
is killed. A thread waits for that, so that the process also ends in the middle of a plan.

It reads only files that a request allows with `access.using`; between requests, none.
"""

from __future__ import annotations

import importlib
import math
import os
import resource
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tffreeze_files.access import NoFiles, using
from tffreeze_server.errors import FreezeError

Request = tuple[Callable[..., Any], tuple[Any, ...]]
"""What to run: a function of a module, and its arguments."""

Answer = tuple[str, Any]
"""`done` and the value; `refused` and a FreezeError; `failed` and a traceback; `out of memory` and None."""

_ENGINE = ("tffreeze_server.freeze", "tffreeze_server.inspection.inspect", "tffreeze_server.rpc.plan_request")
"""What every plan needs. Imported before the first request, which would wait a fifth of a second for it."""

DONE, REFUSED, FAILED, OUT_OF_MEMORY = "done", "refused", "failed", "out of memory"


def main(descriptor: int, max_memory_bytes: int, max_cpu_seconds: int) -> None:
    """Answer requests.

    Args:
        descriptor: Of the pipe to the server.
        max_memory_bytes: Of address space; 0: no limit.
        max_cpu_seconds: Of each request; 0: no limit.

    """
    _limit(resource.RLIMIT_CORE, 0)
    if max_memory_bytes:
        _limit(resource.RLIMIT_AS, max_memory_bytes)
    threading.Thread(target=_end_with, args=(descriptor,), name="server-watch", daemon=True).start()
    for module in _ENGINE:
        importlib.import_module(module)
    with using(NoFiles()), Connection(descriptor) as pipe:
        while True:
            try:
                request: Request = pipe.recv()
                if max_cpu_seconds:
                    _limit(resource.RLIMIT_CPU, math.ceil(time.process_time()) + max_cpu_seconds)
                _reply(pipe, request)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                return


def _limit(kind: int, value: int) -> None:
    """Lower or raise a limit of this process, up to what it was started with."""
    _, hard = resource.getrlimit(kind)
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (soft, hard))


def _end_with(descriptor: int) -> None:
    """End the process when the other end of its pipe is closed. There is nothing to clean up."""
    poll = select.poll()
    poll.register(descriptor, 0)  # nothing but POLLHUP, which cannot be left out
    poll.poll()
    os._exit(0)


def _reply(pipe: Connection, request: Request) -> None:
    answer = _answer(request)
    try:
        pipe.send(answer)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except MemoryError:
        pipe.send((OUT_OF_MEMORY, None))
    except Exception:
        pipe.send((FAILED, traceback.format_exc()))


def _answer(request: Request) -> Answer:
    function, arguments = request
    try:
        return DONE, function(*arguments)
    except FreezeError as error:
        if _is_out_of_memory(error):
            return OUT_OF_MEMORY, None
        return REFUSED, error
    except Exception as error:
        return (OUT_OF_MEMORY, None) if _is_out_of_memory(error) else (FAILED, traceback.format_exc())


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error is a MemoryError, or was raised because of one."""
    seen: set[int] = set()  # an error may be its own cause
    while error is not None and id(error) not in seen:
        if isinstance(error, MemoryError):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
