"""One of several serving processes; the supervisor starts it with `python -m`, never by a fork.

Its standard input is a socket to the supervisor: one line of JSON comes in (number and raw settings), the
line `ready` goes out once calls are served, and its end means that the supervisor is gone, however it went.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from tffreeze_server.server import logs, metrics
from tffreeze_server.server.config import parse_settings
from tffreeze_server.server.flags import ServerSettings
from tffreeze_server.server.grpc_server import serve
from tffreeze_server.server.lifecycle import on_loop
from tffreeze_server.server.run import end_now_if_cut, watchers_of
from tffreeze_server.server.shutdown import Shutdown
from tffreeze_server.server.task import READY, decode_task


def main() -> int:
    """Serve until the supervisor says so, or is gone."""
    supervisor = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, sys.stdin.fileno())
    with supervisor.makefile("rb") as lines:
        number, raw = decode_task(lines.readline())
        settings = parse_settings(raw)
        logs.configure(settings.log_format, settings.log_level, worker=number)
        return asyncio.run(_serve(settings, number, supervisor))


async def _serve(settings: ServerSettings, number: int, supervisor: socket.socket) -> int:
    shutdown = Shutdown()
    shutdown.listen_to_signals()
    orphaned = on_loop(asyncio.get_running_loop(), lambda: shutdown.force("the supervisor is gone"))
    threading.Thread(
        target=_wait_for_end, args=(supervisor, orphaned), name="supervisor-watch", daemon=True
    ).start()
    folder = os.environ.get(metrics.FOLDER_VARIABLE)
    counted = metrics.Metrics(number) if folder else None
    with contextlib.ExitStack() as stack:
        watchers = watchers_of(settings, counted, stack)
        code = await serve(settings, watchers, shutdown, lambda _port: supervisor.sendall(READY), shared=True)
    if folder and shutdown.why == "the supervisor is gone":
        shutil.rmtree(Path(folder), ignore_errors=True)
    end_now_if_cut(code)
    return code


def _wait_for_end(supervisor: socket.socket, gone: Any) -> None:  # noqa: ANN401 - a function
    with contextlib.suppress(OSError):
        while supervisor.recv(1):
            pass
    gone()


if __name__ == "__main__":
    sys.exit(main())
