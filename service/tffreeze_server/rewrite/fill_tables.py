"""Tables filled from the checkpoint: their keys and values as constants, and the op that imports them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tffreeze_server.checkpoint.checkpoint import Checkpoint
from tffreeze_server.graph.attrs import type_attr
from tffreeze_server.graph.node import Node, TensorValue, new_node
from tffreeze_server.graph.table_ops import table_key
from tffreeze_server.resolve.restore_ops import Restored
from tffreeze_server.resolve.tables import RestoredTable
from tffreeze_server.resolve.trace import VariableKey
from tffreeze_server.rewrite.tables import Initializer, Tables


def fill_tables(
    tables: Tables, restored: Mapping[VariableKey, RestoredTable], checkpoint: Checkpoint
) -> Tables:
    """Add constants and an import op for each empty table that the checkpoint has the contents of.

    Args:
        tables: The graph, and the tables that nothing in the model fills.
        restored: Where a saver finds the contents of a table.
        checkpoint: That the saver reads.

    """
    nodes = dict(tables.nodes)
    filled: list[Initializer] = []
    for name in tables.empty:
        found = restored.get(table_key(nodes[name]))
        if found is None or not {found.keys.key, found.values.key} <= checkpoint.entries.keys():
            continue
        importer = found.importer
        keys = _constant(f"{importer.name}/keys", _value(checkpoint, found.keys))
        values = _constant(f"{importer.name}/values", _value(checkpoint, found.values))
        made = importer._replace(inputs=(name, keys.name, values.name))
        nodes |= {keys.name: keys, values.name: values, made.name: made}
        filled.append(Initializer(made.name, name, "", (found.keys.key, found.values.key)))
    done = {i.table for i in filled}
    return replace(
        tables,
        nodes=nodes,
        initializers=(*tables.initializers, *filled),
        empty=tuple(name for name in tables.empty if name not in done),
    )


def _value(checkpoint: Checkpoint, restored: Restored) -> TensorValue:
    return checkpoint.value(restored.key, restored.region)


def _constant(name: str, value: TensorValue) -> Node:
    return new_node(name, "Const", (), {"dtype": type_attr(value.dtype)})._replace(value=value)
