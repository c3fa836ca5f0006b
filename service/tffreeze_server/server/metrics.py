"""Prometheus metrics of the server's process. Imports prometheus_client late: only with `--metrics-port`."""

from __future__ import annotations

from tffreeze_server.rpc.observer import CallInfo, CallObserver, CallOutcome, Observer, Stage

_CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)


class Metrics(Observer):
    """Counts calls and what else happens in the process."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector  # noqa: PLC0415 - see above

        self.registry = registry = CollectorRegistry()
        self.calls = Counter("tffreeze_calls", "Calls that ended.", ["method", "reason"], registry=registry)
        self.running = Gauge(
            "tffreeze_calls_running",
            "Calls that go on.",
            ["method"],
            registry=registry,
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
        )
        self.spool_bytes = Gauge(
            "tffreeze_spool_reserved_bytes",
            "Bytes of the uploads in the spool.",
            registry=registry,
        )
        self.planners_lost = Counter(
            "tffreeze_planners_lost",
            "Planners that were lost to their work and replaced, by cause: memory, cpu, time or crash.",
            ["cause"],
            registry=registry,
        )
        self.reloads = Counter(
            "tffreeze_reloads",
            "Times that files were reloaded, by what (tls, tokens) and result (ok, failed).",
            ["what", "result"],
            registry=registry,
        )
        ProcessCollector(registry=registry)

    def reloaded(self, what: str, result: str) -> None:
        """Count a reload."""
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


class CallMetrics(CallObserver):
    """Counts what happens in one call."""

    def __init__(self, metrics: Metrics, method: str) -> None:
        self._metrics = metrics
        self._method = method

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
