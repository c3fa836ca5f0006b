"""Reports and inspections of very large models, made to fit into one message.

The contract has them in one message each, and messages fit into gRPC's default limit of 4 MiB. A model with ten
thousands of variables passes that: then the longest lists are cut, those first that are missed least.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tffreeze.v1 import inspection_pb2, report_pb2

MAX_BYTES = 7 << 19
"""3.5 MiB: room for what goes around it."""

KEPT_ITEMS = 1000
"""Of a list that is cut."""

SHORTENED = "REPORT_SHORTENED"
"""Code of the warning."""

_REPORT_LISTS = (
    "dropped.checkpoint_keys",
    "dropped.side_effects",
    "dropped.variables",
    "warnings",
    "initializers",
    "kept_variables",
    "variables",
    "signature_keys",
    "inputs",
    "outputs",
)
_INSPECTION_LISTS = (
    "extra_keys",
    "candidate_outputs",
    "init_ops",
    "assets",
    "inputs",
    "variables",
    "obstacles",
    "signatures",
)


def shorten_report(report: report_pb2.Report) -> None:
    """Cut lists of a report that is too large, and say so in a warning."""
    cut = _cut(report, _REPORT_LISTS)
    if cut:
        report.warnings.add(
            code=SHORTENED,
            message=f"The report is too large for one message. Only the first {KEPT_ITEMS} are given of: "
            f"{', '.join(cut)}. Freeze without a server for all of it.",
        )


def shorten_inspection(inspection: inspection_pb2.Inspection) -> None:
    """Cut lists of an inspection that is too large."""
    _cut(inspection, _INSPECTION_LISTS)


def _cut(message: Any, lists: Sequence[str]) -> list[str]:  # noqa: ANN401 - a report or an inspection
    done: list[str] = []
    for name in lists:
        if message.ByteSize() <= MAX_BYTES:
            break
        items = message
        for part in name.split("."):
            items = getattr(items, part)
        if len(items) > KEPT_ITEMS:
            del items[KEPT_ITEMS:]
            done.append(name)
    return done
