"""The report of a freeze. The fields are those of the contract (`proto/tffreeze/v1/report.proto`).

What the contract has as text is a `str` here: a later server may say more than the enums of this version list.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from tffreeze_common.dataclass_fields import as_json

Shape = tuple[int, ...] | None
"""Sizes of a tensor's dimensions, -1 where open; None where the rank is unknown."""


class ModelKind(enum.StrEnum):
    """What a model is, as its contents tell."""

    SAVED_MODEL = "saved_model"
    META_GRAPH = "meta_graph"
    GRAPH_DEF = "graph_def"


class ValueSource(enum.StrEnum):
    """What says which value a variable has."""

    SAVER = "saver"
    NAME = "name"
    OBJECT_GRAPH = "object_graph"
    MOVING_AVERAGE = "moving_average"
    INITIALIZER = "initializer"


class WarningCode(enum.StrEnum):
    """What a warning is about."""

    CHECKPOINT_BESIDE = "CHECKPOINT_BESIDE"
    TABLE_NEEDS_INITIALIZER = "TABLE_NEEDS_INITIALIZER"
    RESOURCE_NEEDS_INITIALIZER = "RESOURCE_NEEDS_INITIALIZER"
    EMPTY_TABLE = "EMPTY_TABLE"
    ASSET_PATH = "ASSET_PATH"
    RANDOM_INITIALIZER = "RANDOM_INITIALIZER"
    SIDE_EFFECT_DROPPED = "SIDE_EFFECT_DROPPED"
    NOT_RENAMED = "NOT_RENAMED"
    RANDOM_OP = "RANDOM_OP"
    STATEFUL_OP = "STATEFUL_OP"


@dataclass(frozen=True, slots=True)
class TensorReport:
    """An input or output of the frozen graph.

    Attributes:
        signature_key: Its signature; empty if outputs were given by name.
        key: Its key in the signature, or the given name.
        original: The tensor's name in the model, `node:index`.
        tensor: The tensor's name in the frozen graph, `node:index`.
        dtype: Such as `float32` or `string`; empty if unknown.
        shape: Sizes, -1 if a size is unknown; None if the rank is unknown.

    """

    signature_key: str
    key: str
    original: str
    tensor: str
    dtype: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class VariableReport:
    """A variable that became a constant.

    Attributes:
        name: Its name: shared_name, or the name of its node.
        node: The constant that holds its value.
        key: Its checkpoint key; empty if an initializer sets the value.
        source: What says so: a `ValueSource`.
        dtype: Such as `float32`.
        shape: Sizes.
        size_bytes: Bytes of its value.
        shards: Data files that hold it.

    """

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
    """An op that must be run once before the outputs: it fills a table or another resource.

    Attributes:
        op: The node to run.
        table: The node of the table or resource.
        asset: The file that it reads, relative to the SavedModel; empty if none.

    """

    op: str
    table: str
    asset: str


@dataclass(frozen=True, slots=True)
class WarningReport:
    """Something to know about a successful freeze.

    Attributes:
        code: What it is about: a `WarningCode`.
        message: Sentences for a person.
        subject: The node that it is about.

    """

    code: str
    message: str
    subject: str


@dataclass(frozen=True, slots=True)
class DroppedReport:
    """What the model has and the frozen graph has not.

    Attributes:
        nodes: Number of nodes that are not in the frozen graph. An inlined call counts as kept if a node of its
            body is kept.
        functions: Number of functions that are gone, inlined ones included.
        variables: Names of the variables that no output needs.
        checkpoint_keys: Keys that no variable and no table needs (optimizer slots, counters).
        side_effects: Side-effecting ops that no output depends on (asserts, prints, summaries).

    """

    nodes: int
    functions: int
    variables: tuple[str, ...]
    checkpoint_keys: tuple[str, ...]
    side_effects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is known about a frozen graph before its first byte is written.

    Attributes:
        kind: What the model is: a `ModelKind`.
        tags: Tags of the MetaGraph, sorted.
        signature_keys: Kept signatures.
        inputs: Inputs by signature.
        outputs: Outputs by signature.
        variables: What was frozen from what.
        kept_variables: Variables that remain variables (allow and deny lists).
        initializers: Ops to run once before the outputs.
        dropped: What was removed.
        warnings: What to know about the result.
        nodes: Nodes of the frozen graph, function bodies not counted.
        functions: Functions left in its library.
        size_bytes: Size of the result.
        weights_bytes: Bytes of it that are copied from the checkpoint.
        crc32c: crc32c of the result, 8 hex digits.

    """

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

    def to_json(self) -> dict[str, Any]:
        """Give it as what `json.dumps` takes: the names of the fields, plain numbers."""
        return as_json(self)
