"""What a freeze did: typed, frozen, the fields of the contract one to one.

What each field means stands in `proto/tffreeze/v1/report.proto`. Two things are plainer than there: a shape is
a tuple (None where the rank is unknown), and a list is a tuple.
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
    """Something the user should know though the freeze worked."""

    code: str
    message: str
    subject: str


@dataclass(frozen=True, slots=True)
class DroppedReport:
    """What is in the model and not in the frozen graph."""

    nodes: int
    functions: int
    variables: tuple[str, ...]
    checkpoint_keys: tuple[str, ...]
    side_effects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known of a frozen graph before its first byte."""

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
        """Give it as what `json.dumps` takes: the names of the fields, plain numbers."""
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
"""Which fields hold messages, and how each of them is read."""
