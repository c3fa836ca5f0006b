"""The enums of reports say what the contract and the docs say."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

from tffreeze_common.report import ModelKind, ValueSource, WarningCode

REPO = Path(__file__).resolve().parents[2]
REPORT = (REPO / "proto" / "tffreeze" / "v1" / "report.proto").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [*ModelKind, *ValueSource, *WarningCode])
def test_each_value_of_a_report_is_in_the_contract(value: StrEnum) -> None:
    """A client reads there what a report may say."""
    assert f"`{value}`" in REPORT
