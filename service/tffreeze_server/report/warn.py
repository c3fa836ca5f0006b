"""What a user should know of a frozen graph though it was made."""

from __future__ import annotations

from collections.abc import Iterator

from tffreeze_common.report import WarningReport
from tffreeze_server.errors import listed
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import full_tensor_name, node_of
from tffreeze_server.graph.op_table import OpDefs
from tffreeze_server.graph.random_ops import is_random
from tffreeze_server.graph.roles import CALLS, ROLES, is_write
from tffreeze_server.graph.table_ops import INITIALIZER_OPS, TABLE_OPS
from tffreeze_server.graph.variables import Binding
from tffreeze_server.rewrite.frozen_graph import FrozenGraph
from tffreeze_server.rewrite.rename_io import Refusal
from tffreeze_server.rewrite.rewrite import Rewritten


def warnings_of(
    model: Model, rewritten: Rewritten, side_effects: tuple[str, ...]
) -> tuple[WarningReport, ...]:
    """Warn of a checkpoint that was not asked for, tables, assets, dropped effects, and ops that differ by run.

    Args:
        model: As it was loaded.
        rewritten: The frozen graph and how it came to be.
        side_effects: Nodes with an effect that are gone.

    """
    return (
        *_checkpoint(model, rewritten),
        *_tables(rewritten),
        *_assets(rewritten.finished.graph),
        *_random_initializers(rewritten.bindings),
        *_side_effects(side_effects),
        *_not_renamed(rewritten.finished.refused),
        *_stateful(model.op_defs, rewritten.finished.graph),
    )


def _checkpoint(model: Model, rewritten: Rewritten) -> Iterator[WarningReport]:
    if model.kind == "meta_graph" and model.checkpoint is not None and rewritten.checkpoint is not None:
        yield WarningReport(
            "CHECKPOINT_BESIDE",
            f"The checkpoint {model.checkpoint.name!r} was found beside {model.name!r} and used.",
            model.checkpoint.name,
        )


def _tables(rewritten: Rewritten) -> Iterator[WarningReport]:
    tables = {node.name for node in rewritten.finished.graph.nodes if node.op in TABLE_OPS}
    for initializer in rewritten.initializers:
        is_table = initializer.table in tables
        code = "TABLE_NEEDS_INITIALIZER" if is_table else "RESOURCE_NEEDS_INITIALIZER"
        kind = "table" if is_table else "resource"
        yield WarningReport(
            code,
            f"The {kind} {initializer.table!r} is empty until the op {initializer.op!r} has run: "
            "run it once before the outputs.",
            initializer.op,
        )
    for table in rewritten.empty_tables:
        yield WarningReport(
            "EMPTY_TABLE",
            f"Nothing in the model fills the table {table!r}: its contents were kept elsewhere, for one in "
            "the process that made it. Lookups will give their default.",
            table,
        )


def _assets(graph: FrozenGraph) -> Iterator[WarningReport]:
    for constant, file in sorted(graph.assets.items()):
        yield WarningReport(
            "ASSET_PATH",
            f"The constant {constant!r} holds the path of the asset {file!r}, relative to the SavedModel: "
            f"run the graph where 'assets/{file}' is, or feed {constant + ':0'!r}.",
            constant,
        )


def _random_initializers(bindings: tuple[Binding, ...]) -> Iterator[WarningReport]:
    for binding in bindings:
        if binding.random_initializer:
            yield WarningReport(
                "RANDOM_INITIALIZER",
                f"A loader would set the variable {binding.variable.name!r} to random numbers after the restore, by "
                f"{binding.random_initializer!r}. It was frozen with the checkpoint's value {binding.key!r} instead.",
                binding.variable.name,
            )


def _side_effects(nodes: tuple[str, ...]) -> Iterator[WarningReport]:
    if nodes:
        yield WarningReport(
            "SIDE_EFFECT_DROPPED",
            f"Ops with an effect that no output waits for are gone: {listed(nodes)}.",
            nodes[0],
        )


def _not_renamed(refused: tuple[Refusal, ...]) -> Iterator[WarningReport]:
    for refusal in refused:
        end = refusal.end
        yield WarningReport(
            "NOT_RENAMED",
            f"The {refusal.kind} {end.key!r} of the signature {end.signature_key!r} is the tensor "
            f"{full_tensor_name(end.tensor)!r}, not named after its key: {refusal.why}.",
            node_of(end.tensor),
        )


def _stateful(op_defs: OpDefs, graph: FrozenGraph) -> Iterator[WarningReport]:
    """One warning for each op that has state, with the nodes that it is the op of."""
    for op, nodes in sorted(_nodes_by_op(graph).items()):
        definition = op_defs.find(op)
        if definition is None or not definition.is_stateful or _is_told_otherwise(op):
            continue
        if is_random(op):
            code, says = "RANDOM_OP", "gives other numbers each time it runs"
        else:
            code, says = "STATEFUL_OP", "has state or an effect that is not in the graph"
        yield WarningReport(code, f"The op {op!r} {says}. It is the op of {listed(nodes)}.", nodes[0])


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
    """Tables have warnings of their own, kept variables are in the report, calls show by what they run."""
    if op in TABLE_OPS or op.startswith("LookupTable"):
        return True
    return op in INITIALIZER_OPS or op in ROLES or op in CALLS or is_write(op)
