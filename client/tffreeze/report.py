"""What a freeze did and what a model is: typed, frozen, the fields of the contract one to one.

What each field means stands in `proto/tffreeze/v1/report.proto` and `inspection.proto`. Two things are
plainer than there: a shape is a tuple (None where the rank is unknown), and tags are a tuple.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tffreeze.v1 import inspection_pb2, report_pb2

Shape = tuple[int, ...] | None
"""Sizes of a tensor's dimensions, -1 where open; None where the rank is unknown."""

_ITEM = "item"


def _many(item: type) -> Any:  # noqa: ANN401 - what `dataclasses.field` gives is typed as the field it stands for
    """A field of several messages, and how each is read."""
    return field(metadata={_ITEM: item})


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
    inputs: tuple[TensorReport, ...] = _many(TensorReport)
    outputs: tuple[TensorReport, ...] = _many(TensorReport)
    variables: tuple[VariableReport, ...] = _many(VariableReport)
    kept_variables: tuple[str, ...]
    initializers: tuple[InitializerReport, ...] = _many(InitializerReport)
    dropped: DroppedReport = field(metadata={_ITEM: DroppedReport})
    warnings: tuple[WarningReport, ...] = _many(WarningReport)
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
        return _plain(self)


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
    inputs: tuple[TensorInspection, ...] = _many(TensorInspection)
    outputs: tuple[TensorInspection, ...] = _many(TensorInspection)


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
    signatures: tuple[SignatureInspection, ...] = _many(SignatureInspection)
    savers: tuple[SaverInspection, ...] = _many(SaverInspection)
    init_ops: tuple[str, ...]
    assets: tuple[AssetInspection, ...] = _many(AssetInspection)
    variables: tuple[VariableInspection, ...] = _many(VariableInspection)
    extra_keys: tuple[str, ...]
    candidate_outputs: tuple[TensorInspection, ...] = _many(TensorInspection)
    inputs: tuple[TensorInspection, ...] = _many(TensorInspection)
    obstacles: tuple[ObstacleInspection, ...] = _many(ObstacleInspection)
    nodes: int
    functions: int

    @classmethod
    def from_message(cls, message: inspection_pb2.Inspection) -> Inspection:
        """Read the message of the contract."""
        return _read(cls, message)

    def to_json(self) -> dict[str, Any]:
        """Give it as what `json.dumps` takes: the names of the fields, plain numbers."""
        return _plain(self)


_T = TypeVar("_T")


def _read(cls: type[_T], message: Message) -> _T:
    return cls(**{f.name: _value(f, message) for f in dataclasses.fields(cls)})  # type: ignore[arg-type]  # a dataclass, always


def _value(spec: dataclasses.Field[Any], message: Message) -> Any:  # noqa: ANN401 - as many types as there are fields
    value = getattr(message, spec.name)
    item = spec.metadata.get(_ITEM)
    if spec.name == "shape":
        return tuple(value.sizes) if message.HasField("shape") else None
    if spec.name == "all_tags":
        return tuple(tuple(tags.tags) for tags in value)
    if spec.name == "status":
        return _enum_name(message, value).removeprefix("VARIABLE_STATUS_")
    if item is None:
        return value if isinstance(value, str | int) else tuple(value)
    return _read(item, value) if item is DroppedReport else tuple(_read(item, one) for one in value)


def _enum_name(message: Message, number: int) -> str:
    names = message.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number
    return str(names[number].name) if number in names else "UNSPECIFIED"


def _plain(value: Any) -> Any:  # noqa: ANN401 - plain data of any shape
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
