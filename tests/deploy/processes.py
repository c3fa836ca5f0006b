"""Programs that a test runs beside itself: real servers and proxies, on loopback only."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc

START_SECONDS = 60


@dataclass(frozen=True)
class Program:
    """A program that runs and listens.

    Attributes:
        address: Where it listens.
        process: The process.
        log: What it has written.

    """

    address: str
    process: subprocess.Popen[bytes]
    log: Path


@contextlib.contextmanager
def running(command: Sequence[str | Path], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, and end it with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def server(folder: Path, *flags: str) -> Iterator[Program]:
    """Run `tffreeze-server` on a port of its choice.

    Args:
        folder: New; for its spool, port file and log.
        *flags: Further ones.

    """
    folder.mkdir()
    port_file, log = folder / "port", folder / "log"
    command = [
        sys.executable,
        "-m",
        "tffreeze_server.server.main",
        "--port",
        "0",
        "--port-file",
        str(port_file),
    ]
    command += ["--die-with-parent", "--spool-dir", str(folder / "spool"), *flags]
    with running(command, log) as process:
        wait_until(port_file.exists, process, log)
        yield Program(f"127.0.0.1:{port_file.read_text().strip()}", process, log)


@contextlib.contextmanager
def proxy(command: Sequence[str | Path], address: str, log: Path) -> Iterator[Program]:
    """Run a proxy until it passes calls on."""
    with running(command, log) as process, grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary("/grpc.health.v1.Health/Check")

        def serves() -> bool:
            with contextlib.suppress(grpc.RpcError):
                return ask(b"", timeout=1) == b"\x08\x01"
            return False

        wait_until(serves, process, log)
        yield Program(address, process, log)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something is so, as long as the program runs."""
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def free_address() -> str:
    """An address that nobody listens on now, for programs that cannot choose one by themselves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"
