"""Prometheus metrics of a server process.

Several workers write theirs into files of one folder, by their number, and the supervisor adds them up: one port
tells of the whole server, and counters go on where a worker that died left them. (prometheus_client's
multiprocess mode, which is chosen when it is first imported: hence the late imports.)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tffreeze_server.rpc.observer import CallInfo, CallOutcome, Stage

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's name for it

_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class ProcessMetrics(Protocol):
    """What the process counts besides calls."""

    def reloaded(self, what: str, result: str) -> None:
        """Count that files were read anew: `tls` or `tokens`; `ok` or `failed`."""


class NoMetrics:
    """Counts nothing."""

    def reloaded(self, what: str, result: str) -> None:
        """Do nothing."""


class Metrics:
    """The metrics of one process that serves calls, as an observer of its calls.

    Args:
        worker: The number of this process among several; None if it is alone.

    """

    def __init__(self, worker: int | None = None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values  # noqa: PLC0415 - see above

        if worker is not None:
            # The number instead of the pid: a worker that replaces a dead one goes on in its files.
            values.ValueClass = values.MultiProcessValue(process_identifier=lambda: worker)  # type: ignore[no-untyped-call]  # as its docs say
        self.registry = registry = CollectorRegistry()
        self.calls = Counter("tffreeze_calls", "Calls that ended.", ["method", "reason"], registry=registry)
        self.running = Gauge(
            "tffreeze_calls_running",
            "Calls that go on.",
            ["method"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.call_seconds = Histogram(
            "tffreeze_call_seconds",
            "How long calls took.",
            ["method"],
            buckets=_CALL_SECONDS,
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "tffreeze_stage_seconds",
            "How long the stages of calls took.",
            ["stage"],
            buckets=_CALL_SECONDS,
            registry=registry,
        )
        self.received_bytes = Counter(
            "tffreeze_received_bytes", "Bytes of files that came in.", registry=registry
        )
        self.sent_bytes = Counter("tffreeze_sent_bytes", "Bytes of results that went out.", registry=registry)
        self.jobs = Gauge(
            "tffreeze_jobs",
            "Calls by state: running, queued or receiving.",
            ["state"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.spool_bytes = Gauge(
            "tffreeze_spool_reserved_bytes",
            "Bytes of the uploads in the spool.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.planners_lost = Counter(
            "tffreeze_planners_lost",
            "Planners that were lost to their work and replaced, by cause: memory, cpu, time or crash.",
            ["cause"],
            registry=registry,
        )
        self.reloads = Counter(
            "tffreeze_reloads",
            "Times that files were read anew, by what (tls, tokens) and result (ok, failed).",
            ["what", "result"],
            registry=registry,
        )

    def reloaded(self, what: str, result: str) -> None:
        """Count that files were read anew."""
        self.reloads.labels(what, result).inc()

    def call_started(self, call: CallInfo) -> CallMetrics:
        """Count a call."""
        self.running.labels(call.method).inc()
        return CallMetrics(self, call.method)

    def jobs_changed(self, running: int, queued: int, receiving: int) -> None:
        """Set the jobs."""
        self.jobs.labels("receiving").set(receiving)
        self.jobs.labels("running").set(running)
        self.jobs.labels("queued").set(queued)

    def spool_changed(self, reserved_bytes: int) -> None:
        """Set the spool."""
        self.spool_bytes.set(reserved_bytes)

    def planner_lost(self, cause: str) -> None:
        """Count a planner."""
        self.planners_lost.labels(cause).inc()


class CallMetrics:
    """Counts what happens in one call."""

    def __init__(self, metrics: Metrics, method: str) -> None:
        self._metrics = metrics
        self._method = method

    def described(self, fields: Mapping[str, str | int]) -> None:
        """Count nothing: names of models are no labels."""

    def stage(self, stage: Stage, seconds: float) -> None:
        """Count a stage."""
        self._metrics.stage_seconds.labels(stage.value).observe(seconds)

    def received(self, size_bytes: int) -> None:
        """Count bytes that came in."""
        self._metrics.received_bytes.inc(size_bytes)

    def sent(self, size_bytes: int) -> None:
        """Count bytes that went out."""
        self._metrics.sent_bytes.inc(size_bytes)

    def ended(self, outcome: CallOutcome) -> None:
        """Count the call."""
        self._metrics.running.labels(self._method).dec()
        self._metrics.calls.labels(self._method, outcome.reason).inc()
        self._metrics.call_seconds.labels(self._method).observe(outcome.seconds)


class SupervisorMetrics:
    """The metrics of a supervisor: its own, and the sums of its workers'.

    Args:
        folder: Where the workers write theirs.

    """

    def __init__(self, folder: Path) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge  # noqa: PLC0415 - see above
        from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - see above

        self.folder = folder
        self.registry = registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]  # registers itself
        self._workers = Gauge("tffreeze_workers", "Workers that serve calls.", registry=registry)
        self._restarts = Counter(
            "tffreeze_worker_restarts", "Workers that died and were replaced.", registry=registry
        )

    def serving(self, workers: int) -> None:
        """Set how many workers serve."""
        self._workers.set(workers)

    def died(self, worker: int) -> None:
        """Count a worker that died, and forget what it was doing."""
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see above

        mark_process_dead(worker, str(self.folder))  # type: ignore[no-untyped-call]  # a number is as good as a pid
        self._restarts.inc()


def add_process_metrics(registry: CollectorRegistry) -> None:
    """Add memory, file descriptors and CPU of this process to its metrics."""
    from prometheus_client import ProcessCollector  # noqa: PLC0415 - see above

    ProcessCollector(registry=registry)


def worker_environment(folder: Path | None) -> dict[str, str]:
    """The environment in which a worker writes its metrics to a folder."""
    environment = {name: value for name, value in os.environ.items() if name != FOLDER_VARIABLE}
    return environment | ({FOLDER_VARIABLE: str(folder)} if folder else {})
