"""Control dependencies on reads of variables that become constants: dropped, and the read's own forwarded.

A function's results depend on every read in its body, whatever of it is needed. Without this step a variable would
be asked for that no output needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping

from tffreeze_server.graph.node import Node, new_node
from tffreeze_server.graph.ops import READING_OPS, VARIABLE_OPS

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
    instead = _Replacements(reads, nodes)
    cleaned = {name: _waiting(node, instead) for name, node in nodes.items()}
    return {**cleaned, **instead.made}


class _Replacements:
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


def _waiting(node: Node, instead: _Replacements) -> Node:
    """A node that waits for what the reads wait for that it waited for."""
    if not node.inputs or not node.inputs[-1].startswith("^"):  # Control inputs come last.
        return node
    waits = [i for i in node.inputs if i.startswith("^")]
    for wait in waits:
        if wait[1:] in instead.reads:
            instead.of(wait[1:])
    data = [i for i in node.inputs if not i.startswith("^")]
    return node._replace(inputs=(*data, *instead.without_reads(waits)))
