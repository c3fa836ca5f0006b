"""Several serving processes on one port, and one that dies is replaced.

The supervisor imports no gRPC, and starts workers as new programs: a fork after gRPC has started does
not work. It holds the port by a socket that is bound with SO_REUSEPORT and never listens, so that the port stays
ours while no worker is there; the kernel spreads connections over the sockets that listen. Workers stand in
process groups of their own: Ctrl-C at a terminal reaches them through the supervisor, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tffreeze_server.server import exit_codes, logs, metrics
from tffreeze_server.server.config import Raw
from tffreeze_server.server.flags import ServerSettings
from tffreeze_server.server.lifecycle import announce, metrics_served, prepared
from tffreeze_server.server.logs import event
from tffreeze_server.server.orphans import reap_orphans
from tffreeze_server.server.shutdown import Shutdown
from tffreeze_server.server.task import READY, encode_task

WORKER_MODULE = "tffreeze_server.server.worker"

_FIRST_PAUSE_SECONDS = 0.2
_MAX_PAUSE_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0
"""A worker that served for so long died of something else than the last one did."""

_KILL_AFTER_SECONDS = 15.0
"""How long after its time to drain a worker may take to end: it cleans up in less."""


class PortTakenError(Exception):
    """The port cannot be had."""


def pause_seconds(deaths: int) -> float:
    """How long to wait before a worker is replaced, after so many deaths in a row."""
    return min(_FIRST_PAUSE_SECONDS * 2 ** (deaths - 1), _MAX_PAUSE_SECONDS) if deaths else 0.0


def hold_port(host: str, port: int) -> socket.socket:
    """Take a port that workers can share, and nobody else has.

    Raises:
        PortTakenError: Somebody has it, or the address is not this machine's.

    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Without SO_REUSEPORT this fails if anyone listens there, our own user's servers too.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
            address = probe.getsockname()
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        raise PortTakenError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port or --host."
        ) from None
    return held


@dataclass
class _Slot:
    """The place of one worker."""

    number: int
    process: asyncio.subprocess.Process | None = None
    starting: bool = False
    serving: bool = False
    served: bool = False
    deaths: int = 0


class Supervisor:
    """Keeps workers.

    Args:
        settings: What was configured.
        raw: The same, for the workers.
        shutdown: Says when to end.
        counted: Adds up the metrics of the workers; None: no metrics.
        announce: Called with the port once every worker serves.

    """

    def __init__(
        self,
        settings: ServerSettings,
        raw: Mapping[str, Raw],
        shutdown: Shutdown,
        counted: metrics.SupervisorMetrics | None,
        announce: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._raw = dict(raw)
        self._shutdown = shutdown
        self._environment = metrics.worker_environment(counted.folder if counted else None)
        self._counted = counted
        self._announce = announce
        self._slots = [_Slot(number) for number in range(settings.workers)]
        self._port = 0
        self._announced = False
        self._failure: int | None = None

    async def run(self) -> int:
        """Keep workers until asked to end.

        Returns:
            The exit code.

        Raises:
            PortTakenError: The port cannot be had.

        """
        with hold_port(self._settings.host, self._settings.port) as held:
            self._port = held.getsockname()[1]
            self._raw["port"] = Raw(self._port, "")
            reap_orphans(self._may_be_worker)
            keepers = [asyncio.ensure_future(self._keep(slot)) for slot in self._slots]
            try:
                await self._end_when_asked(keepers)
                codes = await asyncio.gather(*keepers)
            finally:
                self._signal(signal.SIGKILL)  # nobody, unless something above went wrong
        return self._failure if self._failure is not None else max(codes)

    async def _end_when_asked(self, keepers: Sequence[asyncio.Future[int]]) -> None:
        """Pass on what we are asked; kill who does not listen."""
        asked = asyncio.ensure_future(self._shutdown.asked.wait())
        first: tuple[asyncio.Future[Any], ...] = (asked, *keepers)
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not self._shutdown.asked.is_set():  # a keeper ended by a defect: its error comes from `gather`
            self._shutdown.force("a defect of the supervisor")
        event(logging.INFO, "draining", why=self._shutdown.why)
        self._signal(signal.SIGTERM)
        all_ended = asyncio.ensure_future(_all(keepers))
        patience = self._settings.drain_seconds + _KILL_AFTER_SECONDS
        if await self._shutdown.finished_before(asyncio.shield(all_ended), patience):
            return
        self._signal(signal.SIGINT)  # at once: a second SIGTERM might melt into the first
        await asyncio.wait({all_ended}, timeout=_KILL_AFTER_SECONDS)
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        for slot in self._slots:
            if slot.process is not None and slot.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    slot.process.send_signal(number)

    def _may_be_worker(self, pid: int) -> bool:
        return any(
            slot.starting or (slot.process is not None and slot.process.pid == pid) for slot in self._slots
        )

    async def _keep(self, slot: _Slot) -> int:
        """Start a worker, and another when it dies, until asked to end; give the last exit code."""
        while True:
            code = await self._one_life(slot)
            if self._shutdown.asked.is_set():
                return self._last_code(slot, code)
            if not self._announced and code in (exit_codes.CONFIG, exit_codes.CANNOT_LISTEN):
                self._failure = code  # trying again will not mend it
                self._shutdown.force("a worker cannot start")
                return code
            if self._counted is not None:
                self._counted.died(slot.number)
            pause = pause_seconds(slot.deaths)
            event(logging.ERROR, "worker died", worker=slot.number, code=code, replaced_in_seconds=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._shutdown.asked.wait(), pause)
                return exit_codes.OK

    @staticmethod
    def _last_code(slot: _Slot, code: int) -> int:
        if code >= 0:
            return code
        return (
            exit_codes.CALLS_CUT if slot.served else exit_codes.OK
        )  # killed: no handler yet, so no calls yet

    async def _one_life(self, slot: _Slot) -> int:
        started = time.monotonic()
        slot.served = False
        ours, theirs = socket.socketpair()
        slot.starting = True
        try:
            with theirs:
                slot.process = await asyncio.create_subprocess_exec(
                    # -P: what lies in the working directory is not to be imported
                    *(sys.executable, "-P", "-m", WORKER_MODULE),
                    stdin=theirs.fileno(),
                    env=self._environment,
                    process_group=0,
                )
        finally:
            slot.starting = False
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            await self._follow(slot, reader, writer)
            code = await slot.process.wait()
        finally:
            writer.close()
            self._set_serving(slot, serving=False)
        slot.deaths = 1 if time.monotonic() - started > _HEALTHY_SECONDS else slot.deaths + 1
        return code

    async def _follow(self, slot: _Slot, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Give a worker its task, and hear of it until it ends."""
        if self._shutdown.asked.is_set() and slot.process is not None:
            slot.process.terminate()  # asked while it was being started
        with contextlib.suppress(ConnectionError):
            writer.write(encode_task(slot.number, self._raw))
            while line := await reader.readline():
                if line == READY:
                    slot.served = True
                    self._set_serving(slot, serving=True)

    def _set_serving(self, slot: _Slot, *, serving: bool) -> None:
        slot.serving = serving
        number = sum(slot.serving for slot in self._slots)
        if self._counted is not None:
            self._counted.serving(number)
        pid = slot.process.pid if slot.process is not None else None
        event(logging.DEBUG, "worker", worker=slot.number, worker_pid=pid, serving=serving)
        if number == len(self._slots) and not self._announced:
            self._announced = True
            self._announce(self._port)


async def _all(keepers: Sequence[asyncio.Future[int]]) -> None:
    await asyncio.wait(keepers)


@contextlib.contextmanager
def _metrics_folder(settings: ServerSettings) -> Iterator[Path | None]:
    """Make a folder for the metrics of workers, for as long as it is needed; None where none are wanted."""
    if settings.metrics_port is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="tffreeze-metrics-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def supervise(settings: ServerSettings, raw: Mapping[str, Raw]) -> int:
    """Keep workers until asked to end; give the exit code."""
    logs.configure(settings.log_format, settings.log_level)
    return asyncio.run(_supervise(settings, raw))


async def _supervise(settings: ServerSettings, raw: Mapping[str, Raw]) -> int:
    shutdown = Shutdown()
    shutdown.listen_to_signals()
    with contextlib.ExitStack() as stack:
        stack.enter_context(prepared(settings, shutdown))
        folder = stack.enter_context(_metrics_folder(settings))
        counted = metrics.SupervisorMetrics(folder) if folder is not None else None
        if counted is not None:
            stack.enter_context(metrics_served(settings, counted.registry))
        supervisor = Supervisor(settings, raw, shutdown, counted, lambda port: announce(settings, port))
        code = await supervisor.run()
    event(logging.INFO, "ended", why=shutdown.why, code=code)
    return code
