"""The nodes of a model that save and restore: they read and write checkpoints, and give no result to anybody.

The rule: an op that reads or writes checkpoint files, a call of a function with such an op in it, a saver's filename
tensor and restore op, and whatever reads or waits for one of these.
"""

from __future__ import annotations

from collections.abc import Mapping

from tffreeze_server.graph.library import functions_of, holding
from tffreeze_server.graph.model import Model
from tffreeze_server.graph.node import Node, node_of
from tffreeze_server.graph.ops import SAVER_OPS


def saver_nodes(model: Model) -> frozenset[str]:
    """The names of the nodes of a model's graph that save and restore."""
    start = {node_of(saver.filename_tensor) for saver in model.savers}
    start |= {saver.restore_op for saver in model.savers}
    known: dict[str, bool] = {}
    found = {n.name for n in model.nodes if n.name in start or n.op in SAVER_OPS or _calls(model, n, known)}
    return frozenset(readers_of({node.name: node for node in model.nodes}, found)) if found else frozenset()


def readers_of(nodes: Mapping[str, Node], start: set[str]) -> set[str]:
    """Some nodes and all that read or wait for one of them, at any distance."""
    readers: dict[str, list[str]] = {}
    for node in nodes.values():
        for tensor in node.inputs:
            readers.setdefault(node_of(tensor), []).append(node.name)
    reached = set(start)
    pending = list(start)
    while pending:
        for reader in readers.get(pending.pop(), ()):
            if reader not in reached:
                reached.add(reader)
                pending.append(reader)
    return reached


def _calls(model: Model, node: Node, known: dict[str, bool]) -> bool:
    """Whether a node runs a function with a saver's op in it."""
    if not model.library:
        return False
    found = False
    for function in functions_of(node.proto):
        if function in model.library:
            if function not in known:
                known.update(holding(function, model.library, known, SAVER_OPS))
            found = found or known[function]
    return found
