"""What dangles after the variables are gone: waits for constants, colocation, devices."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping

from tffreeze_server.graph.node import Node, new_node, node_of
from tffreeze_server.graph.roles import VARIABLE_OPS
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, NodeDef

STATIC_OPS = frozenset({"Identity", "NoOp"})
"""Ops that are as constant as what they read."""
READING_OPS = frozenset({"ReadVariableOp", "VariableShape", "VarIsInitializedOp", "Identity"})
"""Ops whose only input is a variable, and that only read it."""
MAX_WAITS_COPIED = 8
"""How many control inputs each node takes over from a read that it waited for."""


def without_waits_for_reads(nodes: Mapping[str, Node], stays: Callable[[Node], bool]) -> dict[str, Node]:
    """The nodes without control inputs on what only reads a variable that will be a constant.

    A function waits for all it reads, whatever of it is needed: without this, a variable would be asked for
    that no output needs. What such a read waits for is waited for in its stead; where that is much, a NoOp waits
    for it, so that the work and the graph stay linear in what was there.

    Args:
        nodes: By name; without loops of TensorFlow 1, where such a wait says in which frame a node runs.
        stays: Whether the variable that a node is stays a variable.

    """
    reads: dict[str, tuple[str, ...]] = {}
    for name, node in nodes.items():
        read = nodes.get(node.inputs[0]) if node.op in READING_OPS and node.inputs else node
        if read is not None and read.op in VARIABLE_OPS and not stays(read):
            reads[name] = tuple([i for i in node.inputs if i.startswith("^")])
    if not reads:
        return dict(nodes)
    instead = _Instead(reads, nodes)
    cleaned = {name: _waiting(node, instead) for name, node in nodes.items()}
    return {**cleaned, **instead.made}


class _Instead:
    """What is waited for instead of reads: of each read found once, however many wait for it.

    Args:
        reads: The control inputs of each read.
        nodes: The names that are taken.

    """

    def __init__(self, reads: Mapping[str, tuple[str, ...]], nodes: Mapping[str, Node]) -> None:
        self.reads = reads
        self.made: dict[str, Node] = {}
        self._nodes = nodes
        self._known: dict[str, tuple[str, ...]] = {}
        self._open: set[str] = set()

    def of(self, read: str) -> tuple[str, ...]:
        """The control inputs to have instead of one on a read: at most `MAX_WAITS_COPIED`."""
        pending = [read]
        while pending:
            current = pending[-1]
            if current in self._known:
                pending.pop()
                continue
            behind = [wait[1:] for wait in self.reads[current] if wait[1:] in self.reads]
            missing = [name for name in behind if name not in self._known]
            if missing and current not in self._open:
                self._open.add(current)
                pending += missing
                continue
            pending.pop()  # What is still missing waits for this read: a circle, of which nothing is kept.
            self._known[current] = self._short(current, self.without_reads(self.reads[current]))
        return self._known[read]

    def without_reads(self, waits: Iterable[str]) -> tuple[str, ...]:
        """Control inputs, those on reads replaced as far as known."""
        replaced = (self._known.get(w[1:], ()) if w[1:] in self.reads else (w,) for w in waits)
        return tuple(dict.fromkeys(itertools.chain.from_iterable(replaced)))

    def _short(self, read: str, waits: tuple[str, ...]) -> tuple[str, ...]:
        if len(waits) <= MAX_WAITS_COPIED:
            return waits
        name = f"{read}/waits"
        while name in self._nodes or name in self.made:
            name += "_"
        self.made[name] = new_node(name, "NoOp", waits, {})
        return (f"^{name}",)


def _waiting(node: Node, instead: _Instead) -> Node:
    """A node that waits for what the reads wait for that it waited for."""
    if not node.inputs or not node.inputs[-1].startswith("^"):  # Control inputs come last.
        return node
    waits = [i for i in node.inputs if i.startswith("^")]
    for wait in waits:
        if wait[1:] in instead.reads:
            instead.of(wait[1:])
    data = [i for i in node.inputs if not i.startswith("^")]
    return node._replace(inputs=(*data, *instead.without_reads(waits)))


def without_static_waits(nodes: Iterable[Node]) -> dict[str, Node]:
    """The nodes without control inputs on what is constant.

    A constant that itself waits for nothing is there from the start, outside every loop and branch: to wait
    for it, or for an Identity or NoOp that reads nothing else, is to wait for nothing.

    Args:
        nodes: Each after its inputs.

    """
    static: set[str] = set()
    cleaned: dict[str, Node] = {}
    for node in nodes:
        if any(i.startswith("^") and i[1:] in static for i in node.inputs):
            kept = tuple([i for i in node.inputs if not (i.startswith("^") and i[1:] in static)])
            node = node._replace(inputs=kept)  # noqa: PLW2901  the node from here on is the cleaned one
        if (node.op == "Const" and not node.inputs) or (
            node.op in STATIC_OPS and all(node_of(i) in static for i in node.inputs)
        ):
            static.add(node.name)
        cleaned[node.name] = node
    return cleaned


def without_dangling_colocation(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes, colocated only with what is there."""
    return {name: _colocated(node, nodes.keys()) for name, node in nodes.items()}


def without_devices(nodes: Mapping[str, Node]) -> dict[str, Node]:
    """The nodes, placed nowhere."""
    return {name: _unplaced(node) for name, node in nodes.items()}


def function_without_devices(function: FunctionDef) -> FunctionDef:
    """A function whose nodes are placed nowhere."""
    cleared = FunctionDef()
    cleared.CopyFrom(function)
    for node in cleared.node_def:
        node.device = ""
    return cleared


def _colocated(node: Node, names: Collection[str]) -> Node:
    if (isinstance(node.source, bytes) and b"_class" not in node.source) or "_class" not in node.proto.attr:
        return node
    classes = [s for s in node.proto.attr["_class"].list.s if s[:5] != b"loc:@" or _name(s) in names]
    if len(classes) == len(node.proto.attr["_class"].list.s):
        return node
    proto = NodeDef()
    proto.CopyFrom(node.proto)
    del proto.attr["_class"].list.s[:]
    proto.attr["_class"].list.s.extend(classes)
    if not classes:
        del proto.attr["_class"]
    return node._replace(source=proto)


def _name(location: bytes) -> str:
    return location[5:].decode("utf-8", "replace")


def _unplaced(node: Node) -> Node:
    if not node.proto.device:
        return node
    proto = NodeDef()
    proto.CopyFrom(node.proto)
    proto.device = ""
    return node._replace(source=proto)
