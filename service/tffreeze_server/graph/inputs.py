"""Whether the inputs of nodes are outputs that are there."""

from __future__ import annotations

from collections.abc import Mapping

from tffreeze_server.errors import FreezeError, Reason
from tffreeze_server.graph.node import Node, split_tensor
from tffreeze_server.graph.op_args import output_ranges
from tffreeze_server.graph.op_registry import OpRegistry


def check_inputs(nodes: Mapping[str, Node], registry: OpRegistry) -> None:
    """Hold the inputs of a graph's nodes against the definitions of the ops they come from.

    Only inputs with an index above 0 are looked up, and each producer once: a graph may have a million nodes. An
    op without definition may have any outputs. In function bodies `to_body` does the same.

    Args:
        nodes: By name, with all that they read.
        registry: Knows the outputs of ops and functions.

    Raises:
        FreezeError: MALFORMED_MODEL for an output that the producer does not have, or a data input behind a
            control input (which TensorFlow refuses too: ValidateNodeDef in core/framework/node_def_util.cc).

    """
    counts: dict[str, int | None] = {}
    for node in nodes.values():
        waits = False
        for tensor in node.inputs:
            if tensor[:1] == "^":
                waits = True
                continue
            if waits:
                raise _malformed(node, f"has the data input {tensor!r} behind a control input")
            if ":" not in tensor:
                continue
            name, index = split_tensor(tensor)
            if not index or name not in nodes:
                continue
            if name not in counts:
                counts[name] = _count(nodes[name], registry)
            count = counts[name]
            if count is not None and index >= count:
                op = nodes[name].op
                raise _malformed(node, f"reads {tensor!r}, and {name!r} (op {op!r}) has {count} outputs")


def _count(node: Node, registry: OpRegistry) -> int | None:
    """How many outputs a node has; None where its op has no definition."""
    definition = registry.definition(node.op)
    if definition is None:
        return None
    return sum(given.length for given in output_ranges(definition, node.proto.attr, node=node.name))


def _malformed(node: Node, what: str) -> FreezeError:
    return FreezeError(
        Reason.MALFORMED_MODEL,
        f"The node {node.name!r} (op {node.op!r}) {what}. The model was cut or edited: export it again.",
        subject=node.name,
    )
