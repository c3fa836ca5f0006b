"""What is in a function library: which functions a node runs, which of them hold variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tffreeze_server.graph.node import Node, from_node_def
from tffreeze_server.graph.op_registry import Library
from tffreeze_server.graph.ops import VARIABLE_OPS
from tffreeze_server.tfproto.attr_value_pb2 import AttrValue, NameAttrList
from tffreeze_server.tfproto.graph_pb2 import NodeDef


def functions_of(node: NodeDef) -> list[str]:
    """Names of the functions that a node runs: its op may be one, its attributes may name some."""
    return [node.op, *(f.name for key in node.attr for f in functions_named(node.attr, key))]


def functions_named(attrs: Mapping[str, AttrValue], key: str) -> list[NameAttrList]:
    """The functions that an attribute names."""
    value = attrs.get(key)
    if value is None:
        return []
    if value.WhichOneof("value") == "func":
        return [value.func]
    return list(value.list.func) if value.WhichOneof("value") == "list" else []


def variables_in_functions(nodes: Iterable[Node], library: Library) -> list[Node]:
    """The variables that stand in functions which some nodes run, as nodes whose inputs do not count."""
    if not library:
        return []
    found: list[Node] = []
    seen: set[str] = set()
    pending = [f for node in nodes for f in (node.op, *functions_of(node.proto)) if f in library]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for proto in library[name].node_def:
            if proto.op in VARIABLE_OPS:
                found.append(from_node_def(proto))
            pending += [f for f in functions_of(proto) if f in library]
    return found


def holding(
    start: str, library: Library, known: Mapping[str, bool], ops: frozenset[str] = VARIABLE_OPS
) -> dict[str, bool]:
    """For each function that `start` may run: whether an op of these stands in it, or in one it runs.

    Args:
        start: The name of a function that is not `known`.
        library: The model's.
        known: The answers so far, for the same ops.
        ops: Those of variables, where nothing else is said.

    """
    callers: dict[str, list[str]] = {start: []}
    holders: list[str] = []
    pending = [start]
    while pending:
        current = pending.pop()
        for node in library[current].node_def:
            runs = [f for f in functions_of(node) if f in library]
            if node.op in ops or any(known.get(f) for f in runs):
                holders.append(current)
            for f in runs:
                if f not in known:
                    if f not in callers:
                        pending.append(f)
                    callers.setdefault(f, []).append(current)
    found = dict.fromkeys(callers, False)
    while holders:
        current = holders.pop()
        if not found[current]:
            found[current] = True
            holders += callers[current]
    return found
