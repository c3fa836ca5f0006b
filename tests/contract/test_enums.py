"""The engine's enums say what the contract and the docs say."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

from tffreeze.v1 import inspection_pb2
from tffreeze_server.graph.model import ModelKind
from tffreeze_server.graph.variables import ValueSource
from tffreeze_server.inspection.inspection import VariableStatus
from tffreeze_server.report.report import WarningCode

REPO = Path(__file__).resolve().parents[2]
REPORT = (REPO / "proto" / "tffreeze" / "v1" / "report.proto").read_text(encoding="utf-8")


def test_each_status_is_one_of_the_contract() -> None:
    """And the other way round, but for the unset one."""
    contract = {name.removeprefix("VARIABLE_STATUS_") for name in inspection_pb2.VariableStatus.keys()}  # noqa: SIM118
    assert contract - {"UNSPECIFIED"} == set(VariableStatus)


@pytest.mark.parametrize("value", [*ModelKind, *ValueSource, *WarningCode])
def test_each_value_of_a_report_is_in_the_contract(value: StrEnum) -> None:
    """A client reads there what a report may say."""
    assert f"`{value}`" in REPORT
