"""Log lines: one for each event, whatever is in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tffreeze_server.rpc.observer import CallInfo, CallOutcome, Stage
from tffreeze_server.server import logs
from tffreeze_server.server.observers import Observers


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """Logging is as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logs.LOGGER.level)
    yield
    root.handlers[:], root.level, logs.LOGGER.level = before


def lines(form: str, *, level: str = "info", **fields: object) -> list[str]:
    """Log one event and give the lines."""
    stream = io.StringIO()
    logs.configure(form, level, stream)
    logs.event(logging.INFO, "something", **fields)
    return stream.getvalue().splitlines()


def call(form: str, outcome: CallOutcome) -> list[str]:
    """Log one call and give the lines."""
    stream = io.StringIO()
    logs.configure(form, "info", stream)
    info = CallInfo("Freeze", "id-1", "ci", "ipv4:127.0.0.1:5", {"authorization": "Bearer secret"})
    observed = Observers([logs.LogObserver()]).call_started(info)
    observed.described({"model": "a b", "delivery": "SPLICE"})
    observed.received(5)
    observed.received(6)
    observed.sent(7)
    observed.stage(Stage.PLANNING, 0.1234567)
    observed.ended(outcome)
    return stream.getvalue().splitlines()


def test_a_call_is_one_line_of_json() -> None:
    """With all that the call told, and without its metadata."""
    (line,) = call("json", CallOutcome("TAGS_NOT_FOUND", 0.5, "No such tags.", "serve"))
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert {
        "level": "info",
        "event": "call",
        "reason": "TAGS_NOT_FOUND",
        "seconds": 0.5,
        "request_id": "id-1",
        "method": "Freeze",
        "caller": "ci",
        "peer": "ipv4:127.0.0.1:5",
        "model": "a b",
        "delivery": "SPLICE",
        "planning_seconds": 0.123457,
        "received_bytes": 11,
        "sent_bytes": 7,
        "message": "No such tags.",
        "subject": "serve",
    } == told


def test_a_call_is_one_line_of_text() -> None:
    """Keys and values; what is not plain stands in quotes."""
    (line,) = call("text", CallOutcome("OK", 0.5))
    assert " info    call reason=OK seconds=0.5 request_id=id-1 method=Freeze " in line
    assert ' model="a b" ' in line
    assert "secret" not in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_defect_is_told_with_its_traceback(form: str) -> None:
    """As an error; in JSON still one line."""
    with pytest.raises(ValueError, match="invalid") as caught:
        int("two\nlines")
    told = call(form, CallOutcome("INTERNAL", 0.5, error=caught.value))
    assert "error" in told[0]
    assert "Traceback" in "".join(told)
    assert all(line.startswith("    ") for line in told[1:])
    assert form == "text" or 1 == len(told)


@given(st.text(st.characters(), max_size=100), st.sampled_from(["text", "json"]))
def test_no_value_breaks_a_line(value: str, form: str) -> None:
    """Line feeds, escape sequences and lone surrogates are escaped."""
    (line,) = lines(form, key=value)
    assert line.isprintable()
    assert form == "text" or value == json.loads(line)["key"]


def test_long_values_are_cut() -> None:
    """A caller's text cannot fill the log."""
    (line,) = lines("json", key="x" * 100_000)
    assert len(line) < 3000


@pytest.mark.parametrize(("cause", "level"), [("crash", "error"), ("memory", "warning"), ("cpu", "warning")])
def test_a_lost_planner_is_told(cause: str, level: str) -> None:
    """A crash is a defect; a limit is something to know."""
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    logs.LogObserver().planner_lost(cause)
    told = json.loads(stream.getvalue())
    assert (level, "planner lost", cause) == (told["level"], told["event"], told["cause"])


def test_levels_hold() -> None:
    """What is below the level is not told."""
    assert [] == lines("text", level="warning", key=1)
