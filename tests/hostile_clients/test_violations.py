"""Every violation gets the documented reason, and the server holds nothing of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hostile_clients.violations import VIOLATIONS, Violation
from rpc.harness import Served, answer, failure, served
from rpc.models import FIXTURES, MOVING_AVERAGE
from tffreeze_server.errors import Reason
from tffreeze_server.rpc.status import MEANINGS

PROTO = Path(__file__).parents[2] / "proto" / "tffreeze" / "v1"

HASTE: dict[str, Any] = {"max_idle_seconds": 0.5, "min_bytes_per_second": 1 << 30}


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Served]]:
    """A server by whether it loses patience soon."""
    folder = tmp_path_factory.mktemp("servers")
    roots = {"samples": FIXTURES}
    with (
        served(folder / "patient", model_roots=roots) as patient,
        served(folder / "hasty", model_roots=roots, **HASTE) as hasty,
    ):
        yield {False: patient, True: hasty}


def make(violation: Violation, server: Served) -> object:
    """Make the call: as bytes, so that nothing on this side corrects it."""
    path = f"/tffreeze.v1.FreezeService/{violation.method}"
    kinds = {"Freeze": server.channel.stream_stream, "Inspect": server.channel.stream_unary}
    call = kinds[violation.method](path)
    stream = violation.stream()
    messages = (each if isinstance(each, bytes) else each.SerializeToString() for each in stream)
    return list(call(messages))


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violations(servers: dict[bool, Served], name: str) -> None:
    """The answer tells the reason, its status, and the field; slots, spool and files are given back."""
    violation = VIOLATIONS[name]
    server = servers[violation.is_slow]
    failed = failure(lambda: make(violation, server))
    assert (violation.reason, violation.field) == (failed.reason, failed.field)
    assert MEANINGS[Reason[violation.reason]].code == failed.code
    server.wait_until_idle()


def test_the_server_serves_on(servers: dict[bool, Served]) -> None:
    """After all of them a call that keeps the contract succeeds."""
    answer(servers[False].stub.Freeze(MOVING_AVERAGE.requests()))


@pytest.mark.parametrize("name", VIOLATIONS)
def test_rules_stand_in_the_contract(name: str) -> None:
    """What a row breaks is written in the contract."""
    comments = " ".join(
        line.strip().removeprefix("//").strip()
        for file in sorted(PROTO.glob("*.proto"))
        for line in file.read_text().splitlines()
    )
    assert VIOLATIONS[name].rule in comments
