"""Every reason has one meaning, in the contract, in the engine and in the client."""

from __future__ import annotations

from tffreeze.cli import exit_codes
from tffreeze.cli.show import NEXT_STEPS
from tffreeze.errors import CLASSES, ModelFileError, RequestError, ServiceError, error_for
from tffreeze.v1 import errors_pb2
from tffreeze_server.errors import Reason

CLIENT_ONLY = {"ENGINE_NOT_INSTALLED", "UNAVAILABLE"}
"""Reasons that only a client can have: neither engine nor server raises them."""

CONTRACT = {name.removeprefix("ERROR_REASON_") for name in errors_pb2.ErrorReason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - an enum wrapper is no dict


def test_the_engine_raises_the_reasons_of_the_contract() -> None:
    """What engine and server may raise is what the contract lists, but for what only a client can say."""
    assert {reason.name for reason in Reason} == CONTRACT - CLIENT_ONLY


def test_the_client_has_a_meaning_for_every_reason() -> None:
    """No reason of the contract is unknown to the client, and it knows no other."""
    assert CONTRACT == CLASSES.keys()


def test_the_families_agree() -> None:
    """The number of a reason and its class in the client say the same."""
    classes = (RequestError, ModelFileError, ServiceError)
    for reason in Reason:
        number = errors_pb2.ErrorReason.Value(f"ERROR_REASON_{reason.name}")
        assert issubclass(CLASSES[reason.name], classes[number // 100])


def test_a_reason_of_a_newer_server_is_a_service_error() -> None:
    """A client meets reasons it does not know, and does not break."""
    error = error_for("MADE_UP_LATER", "Something new.", "x")
    assert (ServiceError, "MADE_UP_LATER", "x", False) == (
        type(error),
        error.reason,
        error.subject,
        error.retryable,
    )


def test_next_steps_are_for_reasons_there_are() -> None:
    """The command line gives no advice for a reason that cannot happen."""
    assert set(NEXT_STEPS) - CONTRACT == set()


def test_every_error_has_a_documented_exit_code() -> None:
    """No exit code is missing from the table that `--help` shows."""
    codes = {exit_codes.exit_code(error_for(reason, "")) for reason in CONTRACT}
    assert {exit_codes.FAULT, exit_codes.REQUEST, exit_codes.FILE, exit_codes.NOT_NOW} == codes
    assert codes - exit_codes.MEANINGS.keys() == set()
