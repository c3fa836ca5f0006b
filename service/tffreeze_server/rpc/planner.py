"""A process that plans: answers one request after the other over a pipe, until the pipe ends.

Started by `planners` as `python -m tffreeze_server.rpc.planner DESCRIPTOR`. It heeds no signal but SIGKILL: who
stops the server stops it by closing the pipe, which the kernel does too when the server is killed. A thread waits
for that, so that it ends in the middle of its work too.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from tffreeze_server.errors import FreezeError

Request = tuple[Callable[..., Any], tuple[Any, ...]]
"""What to run: a function of a module, and its arguments."""

Answer = tuple[str, Any]
"""`done` and the value; `refused` and a FreezeError's parts; `failed` and a traceback."""

_ENGINE = "tffreeze_server.rpc.planning"
"""What every plan needs: imported before the first is asked for, which would wait for it a fifth of a second."""

DONE, REFUSED, FAILED = "done", "refused", "failed"


def main(descriptor: int) -> None:
    """Answer requests."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(descriptor,), name="server-watch", daemon=True).start()
    importlib.import_module(_ENGINE)
    with Connection(descriptor) as pipe:
        while True:
            try:
                request: Request = pipe.recv()
                _reply(pipe, request)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                return


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
    except Exception:
        pipe.send((FAILED, traceback.format_exc()))


def _answer(request: Request) -> Answer:
    function, arguments = request
    try:
        return DONE, function(*arguments)
    except FreezeError as error:
        return REFUSED, (error.reason, error.message, error.subject, getattr(error, "field", ""))
    except Exception:
        return FAILED, traceback.format_exc()


if __name__ == "__main__":
    main(int(sys.argv[1]))
