"""The report of a freeze as frozen dataclasses, with the fields of the contract.

`proto/tffreeze/v1/report.proto` explains each field. Two things are simpler here: a shape is a tuple (None if the
rank is unknown), and a list is a tuple.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tffreeze.convert import Shape, as_json, read

if TYPE_CHECKING:
    from tffreeze.v1 import report_pb2


@dataclass(frozen=True, slots=True)
class TensorReport:
    """An input or output of the frozen graph."""

    signature_key: str
    key: str
    original: str
    tensor: str
    dtype: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class VariableReport:
    """A variable that became a constant."""

    name: str
    node: str
    key: str
    source: str
    dtype: str
    shape: Shape
    size_bytes: int
    shards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InitializerReport:
    """An op that must be run once before the outputs: it fills a table or another resource."""

    op: str
    table: str
    asset: str


@dataclass(frozen=True, slots=True)
class WarningReport:
    """Something to know about a successful freeze."""

    code: str
    message: str
    subject: str


@dataclass(frozen=True, slots=True)
class DroppedReport:
    """What the model has and the frozen graph has not."""

    nodes: int
    functions: int
    variables: tuple[str, ...]
    checkpoint_keys: tuple[str, ...]
    side_effects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is known about a frozen graph before its first byte is written."""

    kind: str
    tags: tuple[str, ...]
    signature_keys: tuple[str, ...]
    inputs: tuple[TensorReport, ...]
    outputs: tuple[TensorReport, ...]
    variables: tuple[VariableReport, ...]
    kept_variables: tuple[str, ...]
    initializers: tuple[InitializerReport, ...]
    dropped: DroppedReport
    warnings: tuple[WarningReport, ...]
    nodes: int
    functions: int
    size_bytes: int
    weights_bytes: int
    crc32c: str

    @classmethod
    def from_message(cls, message: report_pb2.Report) -> Report:
        """Read the message of the contract."""
        return read(cls, message, _ITEMS)

    def to_json(self) -> dict[str, Any]:
        """Convert to a dict for `json.dumps`."""
        return as_json(self)


_ITEMS: dict[type, dict[str, type]] = {
    Report: {
        "inputs": TensorReport,
        "outputs": TensorReport,
        "variables": VariableReport,
        "initializers": InitializerReport,
        "dropped": DroppedReport,
        "warnings": WarningReport,
    }
}
"""The fields that hold messages, and the dataclass of each."""
