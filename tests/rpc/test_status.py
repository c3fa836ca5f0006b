"""The table of reasons: total, and as the contract says."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2

from tffreeze.errors import CLASSES
from tffreeze.rpc_errors import CLIENT_ONLY as NEVER_SENT
from tffreeze.rpc_errors import error_of_call
from tffreeze.v1 import errors_pb2
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.rpc.status import DETAILS_KEY, MEANINGS, RETRY_AFTER_SECONDS, CallStatus, cut, status_of

PROTO = Path(__file__).resolve().parents[2] / "proto/tffreeze/v1/errors.proto"
CLIENT_ONLY = {"UNSPECIFIED", "ENGINE_NOT_INSTALLED", "UNAVAILABLE"}
_STATED = re.compile(r"\[([A-Z_]+)(, retry)?\]\n  ERROR_REASON_([A-Z0-9_]+) = ")


def test_every_reason_has_a_meaning() -> None:
    """The table, the enum of the engine and the enum of the contract have the same reasons."""
    contract = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()}  # noqa: SIM118
    assert contract - CLIENT_ONLY == {reason.name for reason in Reason}
    assert set(Reason) == set(MEANINGS)


def test_meanings_are_those_of_the_contract() -> None:
    """Status and retry of each reason stand in the contract's comments just as in the table."""
    stated = {name: (code, bool(retry)) for code, retry, name in _STATED.findall(PROTO.read_text())}
    table = {reason.name: (meaning.code.name, meaning.retry) for reason, meaning in MEANINGS.items()}
    assert {name: stated.get(name) for name in table} == table


class Failed(grpc.RpcError):
    """A call that failed with a status, as gRPC raises it."""

    def __init__(self, status: CallStatus) -> None:
        self.code = lambda: status.code
        self.details = lambda: status.message
        self.trailing_metadata = lambda: ((DETAILS_KEY, status.details.SerializeToString()),)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.name not in NEVER_SENT])
def test_the_client_reads_what_the_server_says(reason: Reason) -> None:
    """Reason, subject, class and the time to wait come through; RetryInfo alone makes it worth a retry."""
    error = error_of_call(Failed(status_of(FreezeError(reason, "A sentence.", subject="thing"))), "here")
    assert (reason.name, "A sentence.", "thing") == (error.reason, error.message, error.subject)
    retry = MEANINGS[reason].retry
    assert (CLASSES[reason.name], retry) == (type(error), error.retryable)
    assert (RETRY_AFTER_SECONDS if retry else None) == error.retry_after_seconds


@pytest.mark.parametrize("reason", Reason)
def test_details(reason: Reason) -> None:
    """A status always has an ErrorInfo, a RetryInfo where a retry may help, a BadRequest where a field is known."""
    status = status_of(FreezeError(reason, "A sentence.", subject="thing"))
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details.details[0].Unpack(info)
    assert (reason.name, "tffreeze", {"subject": "thing"}) == (info.reason, info.domain, dict(info.metadata))
    retries = [detail for detail in status.details.details if detail.Unpack(retry)]
    assert MEANINGS[reason].retry == bool(retries)
    assert not retries or retry.retry_delay.ToMilliseconds() == 1000 * RETRY_AFTER_SECONDS
    assert MEANINGS[reason].code.value[0] == status.details.code
    assert "A sentence." == status.message == status.details.message


def test_field_at_fault() -> None:
    """An error with a field names it in a BadRequest."""
    status = status_of(FreezeError(Reason.UPLOAD_MALFORMED, "Too long.", field="chunk.data"))
    request = error_details_pb2.BadRequest()
    assert status.details.details[1].Unpack(request)
    assert [("chunk.data", "Too long.")] == [(v.field, v.description) for v in request.field_violations]
    assert grpc.StatusCode.INVALID_ARGUMENT == status.code


@pytest.mark.parametrize("letter", ["a", "ä", "\U0001f9ca", "\n", "\ud800", "%"])
def test_texts_fit_into_trailers(letter: str) -> None:
    """However long and strange a message is, both trailers together stay below 8 KiB."""
    long = letter * 10_000
    status = status_of(FreezeError(Reason.UPLOAD_MALFORMED, long, subject=long, field="f" * 40))
    plain = sum(
        1 if " " <= char <= "~" and char != "%" else 3 * len(char.encode()) for char in status.message
    )
    details = len(status.details.SerializeToString()) * 4 / 3
    assert plain + details < 8192


@pytest.mark.parametrize("size", range(3, 12))
def test_cut_takes_all_the_room_there_is(size: int) -> None:
    """The ellipsis takes three bytes, the text the others."""
    assert "x" * (size - 3) + "…" == cut("x" * 20, size)


@pytest.mark.parametrize("size", range(3, 12))
def test_cut_never_splits_a_letter(size: int) -> None:
    """A cut text is valid, at most as long as asked for, and ends with an ellipsis."""
    short = cut("äöü€xyz", size)
    assert len(short.encode()) <= size
    assert short == "äöü€xyz" or short.endswith("…")
