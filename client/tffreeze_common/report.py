"""What a freeze did: the fields of the contract (`proto/tffreeze/v1/report.proto`), one to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tffreeze_common.dataclass_fields import as_json

Shape = tuple[int, ...] | None
"""Sizes of a tensor's dimensions, -1 where open; None where the rank is unknown."""


@dataclass(frozen=True, slots=True)
class TensorReport:
    """An input or output of the frozen graph.

    Attributes:
        signature_key: The signature it belongs to; empty where outputs were asked for by name.
        key: Its key in the signature; else the name that was asked for.
        original: The tensor's name in the model, `node:index`.
        tensor: The tensor's name in the frozen graph, `node:index`.
        dtype: Such as `float32` or `string`; empty where unknown.
        shape: Sizes, -1 where a size is open; None where the rank is unknown.

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
        key: The checkpoint key it came from; empty where an initializer sets it.
        source: `saver`, `name`, `object_graph`, `moving_average` or `initializer`.
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
        asset: The file it reads, relative to the SavedModel; empty where it reads none.

    """

    op: str
    table: str
    asset: str


@dataclass(frozen=True, slots=True)
class WarningReport:
    """Something the user should know though the freeze worked.

    Attributes:
        code: Such as `TABLE_NEEDS_INITIALIZER`, `RANDOM_OP`, `STATEFUL_OP`, `SIDE_EFFECT_DROPPED`, `ASSET_PATH`,
            `RANDOM_INITIALIZER`, `EMPTY_TABLE`, `NOT_RENAMED`, `RESOURCE_NEEDS_INITIALIZER`, `CHECKPOINT_BESIDE`.
        message: Whole sentences.
        subject: The node it is about.

    """

    code: str
    message: str
    subject: str


@dataclass(frozen=True, slots=True)
class DroppedReport:
    """What is in the model and not in the frozen graph.

    Attributes:
        nodes: How many nodes of the graph are not in the frozen one. An inlined call is in it where a node of its
            body is.
        functions: How many functions are gone (inlined ones count).
        variables: Names of the variables that no output needs.
        checkpoint_keys: Keys that no variable and no table needs (optimizer slots, counters).
        side_effects: Ops with an effect that no output waits for (asserts, prints, summaries).

    """

    nodes: int
    functions: int
    variables: tuple[str, ...]
    checkpoint_keys: tuple[str, ...]
    side_effects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known of a frozen graph before its first byte is written.

    Attributes:
        kind: `saved_model`, `meta_graph` or `graph_def`.
        tags: Of the MetaGraph that was taken, sorted.
        signature_keys: Signatures that were kept.
        inputs: Inputs by signature.
        outputs: Outputs by signature.
        variables: What was frozen from what.
        kept_variables: Variables that were left as they are (allow and deny lists).
        initializers: Ops to run once before the outputs.
        dropped: What is gone.
        warnings: What the user should know.
        nodes: Nodes of the frozen graph, function bodies not counted.
        functions: Functions left in its library.
        size_bytes: Size of the result.
        weights_bytes: How much of it is copied from the checkpoint.
        crc32c: Of the whole result, 8 hex digits.

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
