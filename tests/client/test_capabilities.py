"""What a server says that it allows is held against the contract."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from tffreeze.capabilities import Capabilities
from tffreeze.errors import ServiceError
from tffreeze.v1.freeze_service_pb2 import DELIVERY_SPLICE, GetCapabilitiesResponse

LOWEST: dict[str, int] = {
    "max_upload_bytes": 0,
    "max_upload_files": 1,
    "max_file_name_bytes": 1,
    "max_chunk_bytes": 1,
    "max_content_chunk_bytes": 0,
    "max_result_bytes": 0,
    "max_jobs_per_caller": 0,
    "max_call_seconds": 0,
    "max_idle_seconds": 0,
}
HIGHEST = dict.fromkeys(LOWEST, (1 << 31) - 1) | {
    "max_upload_bytes": (1 << 63) - 1,
    "max_chunk_bytes": 2 << 20,
    "max_content_chunk_bytes": 1 << 20,
}


def _message(**changes: Any) -> GetCapabilitiesResponse:
    return GetCapabilitiesResponse(deliveries=[DELIVERY_SPLICE], limits=LOWEST | changes)


@pytest.mark.parametrize("name", LOWEST)
def test_a_limit_is_within_what_the_contract_allows(name: str) -> None:
    """The least and the most are taken, and what is beyond is refused by name."""
    for value, is_allowed in (
        (LOWEST[name] - 1, False),
        (LOWEST[name], True),
        (HIGHEST[name], True),
        (HIGHEST[name] + 1, False),
    ):
        if (not -(1 << 31) <= value < (1 << 31) and name != "max_upload_bytes") or value >= 1 << 63:
            continue  # a number that the field cannot hold
        with (
            contextlib.nullcontext() if is_allowed else pytest.raises(ServiceError, match=f"{name} = {value}")
        ):
            assert value == getattr(Capabilities.from_message(_message(**{name: value})).limits, name)


def test_a_server_knows_a_delivery() -> None:
    """One that this client does not know is left out; none at all is no server of the contract."""
    message = _message()
    message.deliveries.append(99)
    assert ("splice",) == Capabilities.from_message(message).deliveries
    with pytest.raises(ServiceError, match="no delivery"):
        Capabilities.from_message(GetCapabilitiesResponse(limits=LOWEST))
