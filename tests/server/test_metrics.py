"""Metrics: what they count, and where they are to be had."""

from __future__ import annotations

import time
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from server.running import WAIT_SECONDS, Running, Upload, capabilities, ended, error_of, running
from tffreeze_server.rpc.observer import CallInfo, CallOutcome, Stage
from tffreeze_server.server import exit_codes
from tffreeze_server.server.metrics import Metrics


def values(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples of a text by name and labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_call_is_counted() -> None:
    """While it runs and when it has ended, with its reason, stages and bytes."""
    metrics = Metrics()
    observed = metrics.call_started(CallInfo("Freeze", "id", "ci", "peer", {}))
    metrics.jobs_changed(1, 2, 6)
    metrics.spool_changed(3)
    metrics.planner_lost("memory")
    metrics.reloaded("tls", "ok")
    observed.described({"model": "not a label"})
    observed.received(4)
    observed.sent(5)
    observed.stage(Stage.PLANNING, 0.3)
    during = values(generate_latest(metrics.registry).decode())
    observed.ended(CallOutcome("TAGS_NOT_FOUND", 2.0))
    after = values(generate_latest(metrics.registry).decode())
    assert 1 == during["tffreeze_calls_running", ("Freeze",)]
    assert 0 == after["tffreeze_calls_running", ("Freeze",)]
    assert 1 == after["tffreeze_calls_total", ("Freeze", "TAGS_NOT_FOUND")]
    assert 2.0 == after["tffreeze_call_seconds_sum", ("Freeze",)]
    assert 0.3 == after["tffreeze_stage_seconds_sum", ("planning",)]
    assert (4, 5) == (after["tffreeze_received_bytes_total", ()], after["tffreeze_sent_bytes_total", ()])
    assert (1, 2) == (after["tffreeze_jobs", ("running",)], after["tffreeze_jobs", ("queued",)])
    assert 6 == after["tffreeze_jobs", ("receiving",)]
    assert 3 == after["tffreeze_spool_reserved_bytes", ()]
    assert 1 == after["tffreeze_planners_lost_total", ("memory",)]
    assert 1 == after["tffreeze_reloads_total", ("ok", "tls")]


def jobs(server: Running, state: str, expected: int) -> float | None:
    """How many jobs the server says are in a state; it is told a moment after the call is, so it is asked again."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        number = values(server.metrics()).get(("tffreeze_jobs", (state,)))
        if number == expected or time.monotonic() > deadline:
            return number


def test_the_server_tells_its_metrics_on_a_port_of_their_own(tmp_path: Path) -> None:
    """Told in a file if that is wanted; the process itself is measured, too."""
    file = tmp_path / "metrics"
    flags = ("--metrics-port", "0", "--metrics-port-file", str(file))
    with running(tmp_path, *flags) as server, server.channel() as channel:
        assert server.log.wait("metrics")["url"] == f"http://127.0.0.1:{file.read_text().strip()}/metrics"
        upload = Upload(server, channel)
        assert 1 == jobs(server, "receiving", expected=1)
        capabilities(channel)
        assert upload.graph in upload.finish()
        server.log.wait("call", method="Freeze")
        assert 0 == jobs(server, "receiving", expected=0)
        told = values(server.metrics())
        assert 1 == told["tffreeze_calls_total", ("Freeze", "OK")]
        assert 1 == told["tffreeze_calls_total", ("GetCapabilities", "OK")]
        assert len(upload.graph) == told["tffreeze_received_bytes_total", ()]
        assert told["process_resident_memory_bytes", ()] > 0
        assert exit_codes.OK == server.stop()
    assert not file.exists()


def test_methods_that_nobody_knows_are_one_label(tmp_path: Path) -> None:
    """A caller cannot make new time series."""
    tokens = tmp_path / "tokens.toml"
    tokens.write_text("")
    flags = ("--metrics-port", "0", "--auth-tokens", str(tokens))
    with running(tmp_path, *flags) as server, server.channel() as channel:
        for method in ("/a/B", "/c/D"):
            error_of(lambda: channel.unary_unary(method)(b"", timeout=20))  # noqa: B023 - called here
        assert 2 == values(server.metrics())["tffreeze_calls_total", ("other", "UNAUTHENTICATED")]


def test_a_port_that_is_taken_is_told_by_its_flag(tmp_path: Path) -> None:
    """Before a call is served."""
    with running(tmp_path) as other:
        result = ended(tmp_path, "--metrics-port", str(other.port))
    assert exit_codes.FAULT == result.returncode
    assert f"--metrics-port {other.port}: cannot listen there" in result.stderr
