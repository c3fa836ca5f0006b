"""Which outputs the ops and functions of one model have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tffreeze_server.budget import Budget
from tffreeze_server.graph.node import Node
from tffreeze_server.graph.op_args import ArgRange, input_ranges, output_ranges, output_types
from tffreeze_server.graph.op_table import OpDefs
from tffreeze_server.tfproto.graph_pb2 import FunctionDef, NodeDef
from tffreeze_server.tfproto.op_def_pb2 import OpDef

Library = Mapping[str, FunctionDef]
"""Functions by name."""

_OUTPUT_BYTES = 8
"""Of a budget, for an output that is listed."""


@dataclass(frozen=True, slots=True)
class OpRegistry:
    """The definitions of a model's ops and functions.

    Attributes:
        library: Functions by name: they are ops too.
        op_defs: Definitions of all other ops.
        budget: What bodies and lists of outputs are drawn from.

    """

    library: Library
    op_defs: OpDefs
    budget: Budget

    def definition(self, op: str) -> OpDef | None:
        """The definition of an op, or the signature of a function."""
        if op in self.library:
            return self.library[op].signature
        return self.op_defs.find(op)

    def ranges(self, op: str, proto: NodeDef, node: str) -> tuple[ArgRange, ...] | None:
        """Name, start and count of each output argument; None for an op without definition."""
        definition = self.definition(op)
        if definition is None:
            return None
        self.budget.draw("the output arguments of nodes", len(definition.output_arg), subject=node)
        return output_ranges(definition, proto.attr, node=node)

    def types(self, node: Node) -> tuple[int, ...]:
        """The DataType number of each output of a node, refs as their type plus 100; none where that is unknown."""
        ranges = self.ranges(node.op, node.proto, node.name)
        definition = self.definition(node.op)
        if ranges is None or definition is None:
            return ()
        count = sum(r.length for r in ranges)
        self.budget.draw("the outputs of nodes", count, _OUTPUT_BYTES * count, subject=node.name)
        return output_types(definition, node.proto.attr, node=node.name)

    def takes_ref(self, node: Node, k: int) -> bool:
        """Whether a node asks for a variable's buffer itself (a ref input) at its k-th input."""
        definition = self.definition(node.op)
        if definition is None or not any(arg.is_ref for arg in definition.input_arg):
            return False
        ranges = input_ranges(definition, node.proto.attr, node=node.name)
        refs = {arg.name for arg in definition.input_arg if arg.is_ref}
        return any(name in refs and start <= k < start + n for name, start, n in ranges)
