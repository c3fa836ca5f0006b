"""Tables and other resources filled from the checkpoint: what they hold as constants, and the op that imports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.effects import State, state_of
from tffreeze_server.graph.node import Node, TensorValue, new_node
from tffreeze_server.graph.order import reachable
from tffreeze_server.graph.table_ops import IMPORT_OPS
from tffreeze_server.resolve.resources import RestoredResource
from tffreeze_server.resolve.restore_ops import Restored
from tffreeze_server.rewrite.tables import Initializer, Tables

_IMPORTED = ("", "keys", "values")
"""What the inputs of the op that imports a table are."""


def fill_tables(
    tables: Tables, restored: Mapping[State, RestoredResource], checkpoint: Checkpoint | None
) -> Tables:
    """Add constants and an import op for each resource that only the checkpoint has the contents of.

    A table may stay empty: it can still be looked up in. Nothing else can be used before it is filled. What a
    loader runs comes after the restore: it waits for the op that imports.

    Args:
        tables: The graph, and what nothing in the model fills, or fills alone.
        restored: Where a saver finds the contents of a resource.
        checkpoint: That the saver reads; None where there is none.

    Raises:
        FreezeError: UNSUPPORTED_INITIALIZER, CHECKPOINT_NEEDED or VARIABLE_NOT_IN_CHECKPOINT for a resource that
            cannot be filled from the checkpoint, and that something fills from there; not for an empty table.

    """
    nodes = dict(tables.nodes)
    filled: list[Initializer] = []
    for name in tables.may_be_restored:
        found = restored.get(state_of(nodes[name]))
        problem = _problem(nodes[name], found, checkpoint, tables.restoring.get(name, ""))
        if problem is not None and name not in tables.empty:
            raise problem
        if found is None or checkpoint is None or problem is not None:
            continue
        inputs = [_value(found, k, checkpoint) for k in range(len(found.inputs))]
        made = found.importer._replace(inputs=tuple(name if i is None else i.name for i in inputs))
        nodes |= {i.name: i for i in inputs if i is not None} | {made.name: made}
        keys = tuple(part.key for part in found.inputs if isinstance(part, Restored))
        filled.append(Initializer(made.name, name, "", keys))
    importers = {i.table: f"^{i.op}" for i in filled}
    for initializer in tables.initializers:
        op, table = initializer.op, initializer.table
        if table in importers:
            nodes[op] = nodes[op]._replace(inputs=(*nodes[op].inputs, importers[table]))
    return replace(
        tables,
        nodes=reachable(nodes, nodes),
        initializers=(*filled, *tables.initializers),
        empty=tuple(name for name in tables.empty if name not in importers),
    )


def _problem(
    resource: Node, found: RestoredResource | None, checkpoint: Checkpoint | None, restoring: str
) -> FreezeError | None:
    """Why a resource that is filled from a checkpoint cannot be; None where it can, or where nothing fills it."""
    if found is None:
        return (
            _cannot(resource, restoring, "and that op is not part of the model's saver")
            if restoring
            else None
        )
    importer = found.importer.name
    if checkpoint is None:
        return FreezeError(
            Reason.CHECKPOINT_NEEDED,
            f"What the resource {resource.name!r} (op {resource.op!r}) holds is in the checkpoint, which the node "
            f"{importer!r} (op {found.importer.op!r}) reads it from. Give it with --checkpoint.",
            subject=resource.name,
        )
    for part in found.inputs:
        if isinstance(part, FreezeError):
            return _cannot(resource, importer, f"and how that is read is not known: {part.message}")
        if isinstance(part, Restored) and part.key not in checkpoint.entries:
            return FreezeError(
                Reason.VARIABLE_NOT_IN_CHECKPOINT,
                f"The node {importer!r} (op {found.importer.op!r}) fills the resource {resource.name!r} (op "
                f"{resource.op!r}) from the key {part.key!r}, which the checkpoint does not have. "
                "Give the checkpoint that belongs to this model.",
                subject=resource.name,
            )
    return None


def _cannot(resource: Node, op: str, why: str) -> FreezeError:
    return FreezeError(
        Reason.UNSUPPORTED_INITIALIZER,
        f"The resource {resource.name!r} (op {resource.op!r}) is filled from a checkpoint by the node {op!r}, {why}. "
        "Choose outputs that do not use the resource (--output-nodes).",
        subject=resource.name,
    )


def _value(found: RestoredResource, k: int, checkpoint: Checkpoint) -> Node | None:
    """An input of the op that imports, as a constant; None for the handle."""
    part = found.inputs[k]
    importer = found.importer
    name = f"{importer.name}/{_IMPORTED[k] if importer.op in IMPORT_OPS and k < len(_IMPORTED) else k}"
    if isinstance(part, Restored):
        return _constant(name, checkpoint.value(part.key, part.region))
    return part._replace(name=name, inputs=()) if isinstance(part, Node) else None


def _constant(name: str, value: TensorValue) -> Node:
    return new_node(name, "Const", (), {"dtype": type_attr(value.dtype)})._replace(value=value)
