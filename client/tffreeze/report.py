"""What a freeze did and what a model is: typed, frozen, the fields of the contract one to one.

What each field means stands in `proto/tffreeze/v1/report.proto` and `inspection.proto`. Two things are
plainer than there: a shape is a tuple (None where the rank is unknown), and tags are a tuple.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tffreeze.v1 import inspection_pb2, report_pb2

Shape = tuple[int, ...] | None
"""Sizes of a tensor's dimensions, -1 where open; None where the rank is unknown."""


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
    """An op that must be run once before the outputs: it fills a table."""

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
        return _read(cls, message)

    def to_json(self) -> dict[str, Any]:
        """Give it as what `json.dumps` takes: the names of the fields, plain numbers."""
        return {name: _plain(value) for name, value in _fields(self)}


@dataclass(frozen=True, slots=True)
class TensorInspection:
    """A tensor of a model."""

    key: str
    tensor: str
    dtype: str
    shape: Shape
    op: str


@dataclass(frozen=True, slots=True)
class SignatureInspection:
    """A signature of a model."""

    key: str
    method_name: str
    inputs: tuple[TensorInspection, ...]
    outputs: tuple[TensorInspection, ...]


@dataclass(frozen=True, slots=True)
class SaverInspection:
    """A saver of a model."""

    restore_op: str
    filename_tensor: str
    origin: str


@dataclass(frozen=True, slots=True)
class AssetInspection:
    """An asset of a model."""

    tensor: str
    file: str


@dataclass(frozen=True, slots=True)
class VariableInspection:
    """A variable of a model; `status` is FOUND, MISSING, MISMATCH or NO_CHECKPOINT."""

    name: str
    op: str
    dtype: str
    shape: Shape
    status: str
    key: str
    source: str
    message: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ObstacleInspection:
    """What would make a freeze fail."""

    reason: str
    message: str
    subject: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What there is to freeze, and what would stand in the way."""

    kind: str
    all_tags: tuple[tuple[str, ...], ...]
    tags: tuple[str, ...]
    signatures: tuple[SignatureInspection, ...]
    savers: tuple[SaverInspection, ...]
    init_ops: tuple[str, ...]
    assets: tuple[AssetInspection, ...]
    variables: tuple[VariableInspection, ...]
    extra_keys: tuple[str, ...]
    candidate_outputs: tuple[TensorInspection, ...]
    inputs: tuple[TensorInspection, ...]
    obstacles: tuple[ObstacleInspection, ...]
    nodes: int
    functions: int

    @classmethod
    def from_message(cls, message: inspection_pb2.Inspection) -> Inspection:
        """Read the message of the contract."""
        return _read(cls, message)

    def to_json(self) -> dict[str, Any]:
        """Give it as what `json.dumps` takes: the names of the fields, plain numbers."""
        return {name: _plain(value) for name, value in _fields(self)}


_ITEMS: dict[type, dict[str, type]] = {
    Report: {
        "inputs": TensorReport,
        "outputs": TensorReport,
        "variables": VariableReport,
        "initializers": InitializerReport,
        "dropped": DroppedReport,
        "warnings": WarningReport,
    },
    SignatureInspection: {"inputs": TensorInspection, "outputs": TensorInspection},
    Inspection: {
        "signatures": SignatureInspection,
        "savers": SaverInspection,
        "assets": AssetInspection,
        "variables": VariableInspection,
        "candidate_outputs": TensorInspection,
        "inputs": TensorInspection,
        "obstacles": ObstacleInspection,
    },
}
"""Which fields hold messages, and how each of them is read."""

_T = TypeVar("_T")


def _read(cls: type[_T], message: Message) -> _T:
    items = _ITEMS.get(cls, {})
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]  # all are dataclasses
    return cls(**{name: _value(message, name, items.get(name)) for name in names})


def _value(message: Message, name: str, item: type | None) -> Any:  # noqa: ANN401 - as many types as fields
    value = getattr(message, name)
    if item is not None:
        return _read(item, value) if item is DroppedReport else tuple(_read(item, one) for one in value)
    if name == "shape":
        return tuple(value.sizes) if message.HasField("shape") else None
    if name == "all_tags":
        return tuple(tuple(tags.tags) for tags in value)
    if name == "status":
        return _status(value)
    return value if isinstance(value, str | int) else tuple(value)


def _status(number: int) -> str:
    from tffreeze.v1 import inspection_pb2  # noqa: PLC0415 - `import tffreeze` needs no protobuf

    names = inspection_pb2.VariableStatus
    return names.Name(number).removeprefix("VARIABLE_STATUS_") if number in names.values() else "UNSPECIFIED"


def _fields(value: Any) -> list[tuple[str, Any]]:  # noqa: ANN401 - any dataclass of this file
    return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    if dataclasses.is_dataclass(value):
        return {name: _plain(item) for name, item in _fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
