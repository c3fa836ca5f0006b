"""Lookup tables: what must be run once so that those which the outputs read are filled.

A frozen graph holds variables as constants, but a table is filled by an op. Those ops, with all they read,
are kept beside the outputs, and the report names them. Facts: `core/ops/lookup_ops.cc`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tffreeze_server.graph.inline import Inliner, inline_calls
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, new_node, node_of
from tffreeze_server.graph.order import reachable
from tffreeze_server.graph.roles import ASSIGN_OPS
from tffreeze_server.graph.table_ops import INITIALIZER_OPS, TABLE_OPS, TEXT_FILE_OPS, table_key

COLLECTION = "table_initializer"
"""Where TensorFlow 1 lists the ops that fill tables."""


@dataclass(frozen=True, slots=True)
class Initializer:
    """An op that fills a table.

    Attributes:
        op: Its node.
        table: The node of the table.
        file: The tensor with the path of the file it reads; empty where it reads none.
        keys: The checkpoint's keys that hold what it fills the table with; mostly none.

    """

    op: str
    table: str
    file: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables that outputs read.

    Attributes:
        nodes: The graph, with what fills the tables.
        initializers: What fills them, in the order of the graph.
        empty: Tables that nothing fills: their contents are not in the model.

    """

    nodes: dict[str, Node]
    initializers: tuple[Initializer, ...]
    empty: tuple[str, ...]


def with_tables(model: Model, nodes: Mapping[str, Node], inliner: Inliner) -> Tables:
    """Add what fills the tables that are there.

    Args:
        model: Says what a loader runs.
        nodes: What the outputs reach, flat and in order.
        inliner: Knows the model's functions.

    """
    tables = {table_key(n): n.name for n in reversed(list(nodes.values())) if n.op in TABLE_OPS}
    if not tables:
        return Tables(dict(nodes), (), ())
    filling = _initializing_graph(model, inliner)
    found: list[Initializer] = []
    for node in filling.values():
        table = _table_of(filling, node) if node.op in INITIALIZER_OPS else None
        if table is not None and table_key(table) in tables and _loads(filling, node):
            file = node.inputs[1] if node.op in TEXT_FILE_OPS and len(node.inputs) > 1 else ""
            found.append(Initializer(node.name, tables[table_key(table)], file))
    joined = {**filling, **nodes}
    ordered = reachable(joined, [*nodes, *(i.op for i in found)])
    filled = {i.table for i in found}
    return Tables(ordered, tuple(found), tuple(t for t in tables.values() if t not in filled))


def _initializing_graph(model: Model, inliner: Inliner) -> dict[str, Node]:
    """What a loader runs after the restore, and all ops that fill tables, flat."""
    nodes = {node.name: node for node in model.nodes}
    roots = [*model.init_ops, *_collected(model, nodes)]
    roots += [node.name for node in model.nodes if node.op in INITIALIZER_OPS]
    roots = list(dict.fromkeys(roots))
    flat, _ = inline_calls(reachable(nodes, roots), inliner, frozenset(roots), nodes)
    return {name: _assigned(node) for name, node in flat.items()}


def _assigned(node: Node) -> Node:
    """Nothing, for an assignment: the variable has that value already (`resolve` reads initializers as data)."""
    return new_node(node.name, "NoOp", (), {}) if node.op in ASSIGN_OPS else node


def _collected(model: Model, nodes: Mapping[str, Node]) -> Iterable[str]:
    if model.meta_graph is None or COLLECTION not in model.meta_graph.collection_def:
        return ()
    names = model.meta_graph.collection_def[COLLECTION].node_list.value
    return [node_of(name) for name in names if node_of(name) in nodes]


def _table_of(nodes: Mapping[str, Node], node: Node) -> Node | None:
    """The table that an op fills: its first input, through what hands handles on."""
    seen = set()
    while node.inputs and node.name not in seen:
        seen.add(node.name)
        node = nodes[node_of(node.inputs[0])]
        if node.op in TABLE_OPS:
            return node
    return None


def _loads(nodes: Mapping[str, Node], node: Node) -> bool:
    """Whether an op fills a table from the model itself, not from a checkpoint by a restore op."""
    return not any(n.op.startswith("Restore") for n in reachable(nodes, [node.name]).values())
