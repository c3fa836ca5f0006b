"""Logs: one line for each call and for what happens to the server, as text (logfmt) or JSON, to stderr.

A value is never trusted to be harmless: control characters are escaped in both forms, so one event is one
line. Metadata of calls is not logged: tokens are in there.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, TextIO

from tffreeze_server.rpc.observer import CallInfo, CallObserver, CallOutcome, Observer, Stage

LOGGER = logging.getLogger("tffreeze")

MAX_VALUE_CHARACTERS = 2000

_PLAIN = re.compile(r"[A-Za-z0-9._:/@%+,*\[\]-]+")


def event(level: int, name: str, **fields: object) -> None:
    """Log something that happened.

    Args:
        level: As of `logging`.
        name: What, in a few words.
        fields: What is known of it; an exception under `error` is logged with its traceback.

    """
    error = fields.pop("error", None)
    info = error if isinstance(error, BaseException) else None
    LOGGER.log(level, name, extra={"fields": fields}, exc_info=info)


def configure(form: str, level: str, stream: TextIO | None = None) -> None:
    """Send the logs of this process to a stream.

    Args:
        form: `text` or `json`.
        level: `debug`, `info`, `warning` or `error`.
        stream: Where to; stderr by default.

    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries: only what goes wrong
    LOGGER.setLevel(level.upper())


class _Form(logging.Formatter):
    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """Everything a line tells, in order."""
        seconds, thousandths = time.gmtime(record.created), int(record.msecs)
        given: Mapping[str, Any] = getattr(record, "fields", {})
        fields = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", seconds) + f".{thousandths:03}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **given,
        }
        if record.name != LOGGER.name:
            fields["logger"] = record.name
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return {key: _bounded(value) for key, value in fields.items()}


class _Json(_Form):
    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        return json.dumps(self.fields(record), default=str)


class _Text(_Form):
    def format(self, record: logging.LogRecord) -> str:
        """Time, level and event, then `key=value`; a traceback follows on lines of its own, indented."""
        fields = self.fields(record)
        head = f"{fields.pop('time')} {fields.pop('level'):<7} {_escaped(fields.pop('event'))}"
        traceback = fields.pop("traceback", "")
        pairs = "".join(f" {key}={_quoted(value)}" for key, value in fields.items())
        return head + pairs + "".join(f"\n    {_escaped(line)}" for line in traceback.splitlines())


def _bounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, bool | int) or value is None:
        return value
    shown = str(value)
    limit = MAX_VALUE_CHARACTERS * (10 if "\n" in shown else 1)  # only tracebacks have lines
    return shown if len(shown) <= limit else shown[:limit] + "…"


def _quoted(value: object) -> str:
    shown = str(value)
    return shown if _PLAIN.fullmatch(shown) else json.dumps(shown, ensure_ascii=True)


def _escaped(value: str) -> str:
    return value if value.isprintable() else json.dumps(value, ensure_ascii=True)[1:-1]


class CallLog(CallObserver):
    """Collects what a call tells and logs it in one line at its end."""

    def __init__(self, call: CallInfo) -> None:
        self._fields: dict[str, object] = {
            "request_id": call.request_id,
            "method": call.method,
            "caller": call.caller,
            "peer": call.peer,
        }
        self._stages: defaultdict[Stage, float] = defaultdict(float)
        self._received_bytes = 0
        self._sent_bytes = 0

    def described(self, fields: Mapping[str, str | int]) -> None:
        """Remember what it is about, and tell it now to who wants to know all."""
        self._fields.update(fields)
        event(logging.DEBUG, "call described", request_id=self._fields["request_id"], **fields)

    def stage(self, stage: Stage, seconds: float) -> None:
        """Add how long a stage took."""
        self._stages[stage] += seconds
        self._fields[f"{stage.value}_seconds"] = self._stages[stage]

    def received(self, size_bytes: int) -> None:
        """Count bytes that came in."""
        self._received_bytes += size_bytes

    def sent(self, size_bytes: int) -> None:
        """Count bytes that went out."""
        self._sent_bytes += size_bytes

    def ended(self, outcome: CallOutcome) -> None:
        """Log the line."""
        fields = {"reason": outcome.reason, "seconds": outcome.seconds, **self._fields}
        if self._received_bytes:
            fields["received_bytes"] = self._received_bytes
        if self._sent_bytes:
            fields["sent_bytes"] = self._sent_bytes
        if outcome.message:
            fields["message"] = outcome.message
        if outcome.subject:
            fields["subject"] = outcome.subject
        level = logging.ERROR if outcome.error is not None else logging.INFO
        event(level, "call", **fields, error=outcome.error)


class LogObserver(Observer):
    """Logs calls, and planners that were lost."""

    def call_started(self, call: CallInfo) -> CallLog:
        """Begin a line."""
        return CallLog(call)

    def planner_lost(self, cause: str) -> None:
        """Log it: a crash is a defect, a limit is for the operator to know."""
        event(logging.ERROR if cause == "crash" else logging.WARNING, "planner lost", cause=cause)
