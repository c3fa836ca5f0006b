"""Warnings: what to know about a successful freeze."""

from __future__ import annotations

from collections.abc import Iterator

from tffreeze_common.report import ModelKind, WarningCode, WarningReport
from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.errors import listed
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import full_tensor_name, node_of
from tffreeze_server.graph.op_table import OpDefs
from tffreeze_server.graph.ops import (
    CALLS,
    ROLES,
    TABLE_FILLER_OPS,
    TABLE_OPS,
    is_lookup,
    is_random,
    is_write,
)
from tffreeze_server.graph.variables import Binding
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.rewrite.rename_io import Refusal
from tffreeze_server.rewrite.rewrite import FrozenModel


def warnings_of(
    model: Model, checkpoint: Checkpoint | None, frozen: FrozenModel, side_effects: tuple[str, ...]
) -> tuple[WarningReport, ...]:
    """Warn about a checkpoint that was found, tables, assets, dropped side effects, and stateful ops.

    Args:
        model: The loaded model.
        checkpoint: The checkpoint that the values came from; None where none was needed.
        frozen: The frozen graph and its origins.
        side_effects: Side-effecting nodes that were dropped.

    """
    return (
        *_checkpoint(model, checkpoint),
        *_tables(frozen),
        *_assets(frozen.final.graph),
        *_random_initializers(frozen.bindings),
        *_side_effects(side_effects),
        *_not_renamed(frozen.final.refused),
        *_stateful(model.op_defs, frozen.final.graph),
    )


def _checkpoint(model: Model, checkpoint: Checkpoint | None) -> Iterator[WarningReport]:
    if model.kind is ModelKind.META_GRAPH and model.checkpoint is not None and checkpoint is not None:
        yield WarningReport(
            WarningCode.CHECKPOINT_BESIDE,
            f"The checkpoint {model.checkpoint.name!r} was found beside {model.name!r} and used.",
            model.checkpoint.name,
        )


def _tables(frozen: FrozenModel) -> Iterator[WarningReport]:
    tables = {node.name for node in frozen.final.graph.nodes if node.op in TABLE_OPS}
    for initializer in frozen.initializers:
        is_table = initializer.table in tables
        code = WarningCode.TABLE_NEEDS_INITIALIZER if is_table else WarningCode.RESOURCE_NEEDS_INITIALIZER
        kind = "table" if is_table else "resource"
        yield WarningReport(
            code,
            f"The {kind} {initializer.table!r} is empty until the op {initializer.op!r} has run. "
            "Run this op once before the outputs.",
            initializer.op,
        )
    for table in frozen.empty_tables:
        yield WarningReport(
            WarningCode.EMPTY_TABLE,
            f"Nothing in the model fills the table {table!r}. Its contents may have existed only in the "
            "process that made the model. Lookups return the table's default value.",
            table,
        )


def _assets(graph: FrozenGraph) -> Iterator[WarningReport]:
    for constant, file in sorted(graph.assets.items()):
        yield WarningReport(
            WarningCode.ASSET_PATH,
            f"The constant {constant!r} holds the path of the asset {file!r}, relative to the SavedModel: "
            f"run the graph where 'assets/{file}' is, or feed {constant + ':0'!r}.",
            constant,
        )


def _random_initializers(bindings: tuple[Binding, ...]) -> Iterator[WarningReport]:
    for binding in bindings:
        if binding.random_initializer:
            yield WarningReport(
                WarningCode.RANDOM_INITIALIZER,
                f"After the restore, a loader would set the variable {binding.variable.name!r} to random numbers (op "
                f"{binding.random_initializer!r}). It was frozen with the checkpoint's value {binding.key!r} instead.",
                binding.variable.name,
            )


def _side_effects(nodes: tuple[str, ...]) -> Iterator[WarningReport]:
    if nodes:
        yield WarningReport(
            WarningCode.SIDE_EFFECT_DROPPED,
            f"Side-effecting ops that no output depends on were dropped: {listed(nodes)}.",
            nodes[0],
        )


def _not_renamed(refused: tuple[Refusal, ...]) -> Iterator[WarningReport]:
    for refusal in refused:
        end = refusal.end
        yield WarningReport(
            WarningCode.NOT_RENAMED,
            f"The {refusal.side} {end.key!r} of the signature {end.signature_key!r} keeps the name "
            f"{full_tensor_name(end.tensor)!r} and is not named after its key: {refusal.why}.",
            node_of(end.tensor),
        )


def _stateful(op_defs: OpDefs, graph: FrozenGraph) -> Iterator[WarningReport]:
    """One warning for each stateful op, with its nodes."""
    for op, nodes in sorted(_nodes_by_op(graph).items()):
        definition = op_defs.find(op)
        if definition is None or not definition.is_stateful or _is_told_otherwise(op):
            continue
        if is_random(op):
            code, says = WarningCode.RANDOM_OP, "gives different numbers each time it runs"
        else:
            code, says = WarningCode.STATEFUL_OP, "has state or a side effect outside of the graph"
        yield WarningReport(code, f"The op {op!r} {says}. Nodes: {listed(nodes)}.", nodes[0])


def _nodes_by_op(graph: FrozenGraph) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        found.setdefault(node.op, []).append(node.name)
    for function in graph.functions:
        for body_node in function.proto.node_def:
            name = f"{function.proto.signature.name}/{body_node.name}"
            found.setdefault(body_node.op, []).append(name)
    return found


def _is_told_otherwise(op: str) -> bool:
    """Tables have their own warnings; the report lists kept variables; a call is judged by the ops in its body."""
    if op in TABLE_OPS or is_lookup(op):
        return True
    return op in TABLE_FILLER_OPS or op in ROLES or op in CALLS or is_write(op)
